"""Clients that speak HTTP/2, in the clear by prior knowledge and over TLS by ALPN: what they get is
what HTTP/1.1 gets."""

import hashlib
import json
import os
import random
import re
import ssl
import subprocess
import time

import pytest
from conftest import minimal
from endpoints import Held, echo, text
from frames import Client, h2_context, speaking
from packages import TOOLS
from programs import find, wait_for
from secure import client_context, connect
from waiters import Gate
from wire import Connection

TEN = random.Random(1).randbytes(10 << 20)
PLACES = ["plain", "tls"]


class Front:
    """A steelyard, and how clients reach it in the clear or over TLS."""

    def __init__(self, stage, configuration, certificates, place):
        self.certificates = certificates
        self.is_secure = place == "tls"
        for listener in configuration["listeners"]:
            listener["http2"] = True
            if self.is_secure:
                listener["tls"] = certificates.local.files
        self.steelyard = stage.steelyard(configuration)

    @property
    def url(self):
        host, port = self.steelyard.address
        return f"{'https' if self.is_secure else 'http'}://localhost:{port}"

    def client(self, values=(), **options):
        context = h2_context(self.certificates) if self.is_secure else None
        return Client(self.steelyard.address, values, context, **options)

    def plain(self):
        """A connection of HTTP/1.1."""
        if self.is_secure:
            return connect(self.steelyard.address, client_context(self.certificates.ca))
        return Connection(self.steelyard.address)


@pytest.fixture(scope="module", params=PLACES)
def place(request):
    return request.param


@pytest.fixture(scope="module")
def echoing(module_stage, endpoint, certificates, place):
    configuration = minimal([endpoint.address])
    configuration["limits"] = {"body_bytes": "20MiB"}
    return Front(module_stage, configuration, certificates, place)


@pytest.fixture(scope="module")
def files(module_stage):
    nginx = module_stage.nginx("127.0.0.1", label="n1")
    (nginx.files / "ten.bin").write_bytes(TEN)
    (nginx.files / "page.html").write_bytes(b'<!--#echo var="request_method" -->' * 500)
    for name in ("ten.bin", "page.html"):
        os.utime(nginx.files / name, (1_700_000_000, 1_700_000_000))
    return nginx


@pytest.fixture(scope="module")
def serving(module_stage, files, certificates, place):
    return Front(module_stage, minimal([files.address]), certificates, place)


# The same as HTTP/1.1

VOLATILE = {"date", "x-request-id", "connection", "transfer-encoding", "keep-alive"}


@pytest.mark.parametrize("method, target, fields", [
    ("GET", "/hello", []), ("HEAD", "/hello", []), ("GET", "/page.html", []),
    ("HEAD", "/page.html", []), ("HEAD", "/ten.bin", []), ("GET", "/nothing", []),
    ("GET", "/moved", []), ("GET", "/absent", []), ("GET", "/teapot", []),
    ("GET", "/ten.bin", [("range", "bytes=1000000-1000999")]),
    ("GET", "/ten.bin", [("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT")])])
def test_an_answer_is_that_of_http_1(serving, method, target, fields):
    with serving.plain() as connection:
        expected = connection.exchange(method, target, fields=fields)
    with serving.client() as client:
        answer = client.exchange(method, target, fields)

    def kept(response):
        return sorted((name.lower(), value) for name, value in response.fields
                      if name.lower() not in VOLATILE)

    assert (answer.status, answer.content) == (expected.status, expected.content)
    assert kept(answer) == kept(expected)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "REPORT"])
@pytest.mark.parametrize("content", [None, b"", b"x" * 70_000])
def test_a_request_is_that_of_http_1(echoing, method, content):
    sent = [("x-one", "1"), ("content-type", "text/plain"), ("accept", "*/*")]
    with echoing.plain() as connection:
        expected = json.loads(connection.exchange(
            method, "/a?b=c", fields=sent, content=content or b"").content)
    with echoing.client() as client:
        length = [("content-length", str(len(content)))] if content else []
        got = json.loads(client.exchange(
            method, "/a?b=c", [*sent, *length], content, authority="test.example").content)

    def kept(fields):
        return sorted((name.lower(), value) for name, value in fields
                      if name.lower() not in VOLATILE | {"content-length", "via", "forwarded"})

    for key in ("method", "target", "version", "count", "sha256"):
        assert got[key] == expected[key]
    assert kept(got["fields"]) == kept(expected["fields"])


def test_a_request_of_unknown_length_comes_in_chunks(echoing, endpoint):
    with echoing.client() as client:
        stream = client.headers(client.fields("POST", "/chunks"), ends=False)
        for number in range(10):
            client.data(stream, b"%d" % number, ends=number == 9)
        assert json.loads(client.response(stream).content)["count"] == 10
    (request,) = [one for one in endpoint.requests if one.target == "/chunks"][-1:]
    assert request.one("Transfer-Encoding").lower() == "chunked"
    assert request.content == b"0123456789"


# Real clients


def run(*command, timeout=60):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, timeout=timeout)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    return done.stdout


def test_curl(serving, tmp_path, certificates):
    option = "--http2" if serving.is_secure else "--http2-prior-knowledge"
    sent = tmp_path / "sent"
    sent.write_bytes(TEN)
    base = [
        "curl", "-sS", option, "--cacert", certificates.ca, "-w", "%{http_version} %{http_code}"]
    got = tmp_path / "got"
    assert run(*base, "-o", got, serving.url + "/ten.bin") == b"2 200"
    assert got.read_bytes() == TEN
    assert run(*base, "-o", got, "-T", sent, serving.url + "/uploads/curl.bin")[:4] == b"2 20"
    assert run(*base, "-o", got, serving.url + "/uploads/curl.bin") == b"2 200"
    assert got.read_bytes() == TEN
    if serving.is_secure:
        # curl 7.88 cannot ask twice on a connection that it opened with prior knowledge.
        many = [word for _ in range(50) for word in ("-o", got, serving.url + "/hello")]
        assert run(*base, "--parallel", *many) == b"2 200" * 50


def test_curl_that_asks_for_an_upgrade_in_the_clear_stays_with_http_1(stage, endpoint):
    steelyard = stage.steelyard(speaking([endpoint.address]))
    for data in ([], ["-d", "content"]):
        out = run("curl", "-sS", "--http2", *data, "-w", "%{http_version} %{http_code}", "-o",
                  "/dev/null", steelyard.url + "/")
        assert out == b"1.1 200"


def test_nghttp(serving):
    out = run(find("nghttp"), "--no-verify-peer", "-ans", serving.url + "/hello", serving.url +
              "/page.html", serving.url + "/ten.bin").decode()
    assert len(re.findall(r"\b200\b", out)) == 3, out


def test_h2load(serving):
    out = run(find("h2load"), "-n", 3000, "-c", 10, "-m", 20, serving.url + "/hello").decode()
    assert "3000 succeeded, 0 failed, 0 errored, 0 timeout" in out, out


HTTPX = """
import asyncio, hashlib, ssl, sys
import httpx
url, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
async def main():
    async with httpx.AsyncClient(
            http1=False, http2=True, verify=context, timeout=60, base_url=url) as client:
        hellos = await asyncio.gather(*[client.get("/hello") for _ in range(200)])
        print({(one.http_version, one.status_code, one.text) for one in hellos})
        ten = await client.get("/ten.bin")
        print(hashlib.sha256(ten.content).hexdigest())
        put = await client.put("/uploads/httpx.bin", content=ten.content)
        print(put.status_code, (await client.get("/uploads/httpx.bin")).content == ten.content)
asyncio.run(main())
"""


def test_httpx(serving, certificates):
    out = run(TOOLS / "python", "-c", HTTPX, serving.url, certificates.ca).decode().splitlines()
    assert out == [
        "{('HTTP/2', 200, 'hello from n1\\n')}", hashlib.sha256(TEN).hexdigest(),
        out[2] if out[2] in ("201 True", "204 True") else "201 True"]


# Which of the two


@pytest.mark.parametrize("offered, chosen", [
    (["h2"], "h2"), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "h2"),
    (["http/1.1", "h2"], "h2"), (None, None), (["spdy/3", "http/1.1"], "http/1.1")])
def test_tls_chooses_what_both_speak(stage, endpoint, certificates, offered, chosen):
    steelyard = Front(stage, minimal([endpoint.address]), certificates, "tls").steelyard
    context = client_context(certificates.ca, alpn=offered)
    with connect(steelyard.address, context) as connection:
        assert connection.socket.tls.selected_alpn_protocol() == chosen
        if chosen != "h2":
            assert connection.exchange("GET", "/").status == 200


def test_tls_1_2_does_too(stage, endpoint, certificates):
    front = Front(stage, minimal([endpoint.address]), certificates, "tls")
    context = client_context(certificates.ca, version=ssl.TLSVersion.TLSv1_2, alpn=["h2"])
    with Client(front.steelyard.address, context=context) as client:
        assert client.exchange().status == 200


def test_http_1_is_served_on_the_same_port(echoing):
    for _ in range(3):
        with echoing.plain() as connection, echoing.client() as client:
            assert connection.exchange("GET", "/").status == 200
            assert client.exchange().status == 200
            assert connection.exchange("PUT", "/", content=b"PRI * HTTP/2.0").status == 200


def test_the_scheme_is_that_of_the_connection(echoing):
    with echoing.client() as client:
        fields = json.loads(client.exchange(scheme="https").content)["fields"]
    scheme = [value for name, value in fields if name.lower() == "x-forwarded-proto"]
    assert scheme == ["https" if echoing.is_secure else "http"]


# Many streams


def test_streams_of_a_connection_are_spread_over_the_endpoints(stage, certificates, place):
    gates = [Gate(stage) for _ in range(3)]
    front = Front(stage, minimal([one.endpoint.address for one in gates]), certificates, place)
    with front.client() as client:
        streams = [client.request("GET", f"/{n}") for n in range(90)]
        wait_for(lambda: sum(one.running for one in gates) == 90, "all to be asked")
        assert all(25 <= one.running <= 35 for one in gates)
        for one in gates:
            one.open()
        for number, stream in enumerate(streams):
            assert client.response(stream).content == b"/%d" % number
    wait_for(lambda: front.steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "rest")


def test_one_connection_carries_thousands_one_after_the_other(echoing):
    with echoing.client() as client:
        for number in range(0, 3000, 50):
            streams = [client.request("GET", f"/{number + n}") for n in range(50)]
            for place, stream in enumerate(streams):
                got = json.loads(client.response(stream).content)
                assert got["target"] == f"/{number + place}"


def test_answers_come_as_they_are_ready(stage, certificates, place):
    """Not in the order of the requests."""
    gate = Gate(stage)
    slow, quick = gate.endpoint, stage.endpoint(text(b"quick"))
    configuration = minimal([quick.address])
    configuration["pools"]["slow"] = {"endpoints": [slow.address]}
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/slow"}, "pool": "slow"},
        {"match": {"path_prefix": "/"}, "pool": "text"}]}
    front = Front(stage, configuration, certificates, place)
    with front.client() as client:
        first = client.request("GET", "/slow")
        for _ in range(20):
            assert client.exchange().content == b"quick"
        assert not client.streams[first].is_over
        gate.open()
        assert client.response(first).content == b"/slow"


def test_content_comes_as_it_is_sent(stage, certificates, place):
    held = Held()
    front = Front(stage, minimal([stage.endpoint(held).address]), certificates, place)
    with front.client() as client:
        stream = client.request()
        client.until(lambda: client.streams[stream].content == b"first ")
        held.release.set()
        assert client.response(stream).content == b"first second"


# Trailers and interim answers


def test_trailers_pass_both_ways(stage, certificates, place):
    seen = []

    def answer(exchange):
        while not exchange.buffer.lower().endswith(b"x-sum: 1\r\n\r\n"):
            exchange.receive()
        seen.append(exchange.buffer)
        exchange.buffer, exchange.has_read_content = b"", True
        exchange.begin_chunked()
        exchange.chunk(b"content")
        exchange.send(b"0\r\nX-Up: a\r\nX-Down: b\r\n\r\n")

    front = Front(stage, minimal([stage.endpoint(answer).address]), certificates, place)
    with front.client() as client:
        got = client.exchange("POST", "/", [], b"abc", [("x-sum", "1")])
        assert got.content == b"content"
        assert got.trailers == [("x-up", "a"), ("x-down", "b")]
        got = client.exchange("POST", "/", [("te", "trailers")], b"abc", [("x-sum", "1")])
        assert got.trailers == [("x-up", "a"), ("x-down", "b")]
    assert seen[0].lower().endswith(b"3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n")


def test_interim_answers_pass(stage, certificates, place):
    def answer(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        exchange.read_content()
        exchange.answer(b"done")

    front = Front(stage, minimal([stage.endpoint(answer).address]), certificates, place)
    with front.client() as client:
        stream = client.request()
        client.until(lambda: client.streams[stream].interim)
        got = client.response(stream)
        assert (got.content, got.interim) == (b"done", [103])
        assert ("link", "</style.css>") in client.streams[stream].interim[0]


def test_a_client_may_wait_for_100(stage, certificates, place):
    def answer(exchange):
        assert exchange.request.one("Expect") == "100-continue"
        exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        echo(exchange)

    front = Front(stage, minimal([stage.endpoint(answer).address]), certificates, place)
    with front.client() as client:
        stream = client.headers(client.fields(
            "POST", fields=[("expect", "100-continue"), ("content-length", "5")]), ends=False)
        client.until(lambda: client.streams[stream].interim)
        client.data(stream, b"hello")
        got = client.response(stream)
        assert got.interim == [100] and json.loads(got.content)["count"] == 5


# Steelyard's own answers


def test_steelyard_answers_itself(stage, endpoint, certificates, place):
    configuration = minimal([endpoint.address])
    configuration["pools"]["none"] = {"endpoints": ["127.0.0.1:1"], "retries": {"max": 0}}
    limit = {"key": {"header": "x-key"}, "rate": "1/m", "burst": 1}
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/small/"}, "pool": "text", "body_bytes": 1000},
        {"match": {"path_prefix": "/limited/"}, "pool": "text", "rate_limits": [limit]},
        {"match": {"path_prefix": "/none/"}, "pool": "none"},
        {"match": {"path": "/moved"}, "redirect": {"status": 308, "location": "/"}},
        {"match": {"path": "/served"}, "pool": "text"}]}
    front = Front(stage, configuration, certificates, place)
    with front.client() as client:
        assert client.exchange("GET", "/absent").status == 404
        assert client.exchange("HEAD", "/absent").content == b""
        assert client.exchange("GET", "/moved").status == 308
        length = [("content-length", "1001")]
        assert client.exchange("POST", "/small/", length, b"x" * 1001).status == 413
        stream = client.headers(client.fields("POST", "/small/"), ends=False)
        client.data(stream, b"x" * 5000, ends=False)
        client.until(lambda: client.streams[stream].head)
        assert client.streams[stream].status == 413
        client.reset(stream)
        key = [("x-key", "one")]
        assert client.exchange("GET", "/limited/", key).status == 200
        assert client.exchange("GET", "/limited/", key).status == 429
        assert client.exchange("GET", "/none/").status in (502, 503)
        assert client.exchange("GET", "/served").status == 200
        assert not client.goaways


def test_the_access_log_says_http_2(stage, endpoint, certificates, place, tmp_path):
    file = tmp_path / "access.log"
    configuration = minimal([endpoint.address])
    configuration["access_log"] = {"path": str(file), "format": "combined"}
    front = Front(stage, configuration, certificates, place)
    with front.client() as client:
        for number in range(3):
            client.exchange("POST", f"/{number}", [("user-agent", "test")], b"x" * 100)
    wait_for(lambda: file.exists() and file.read_text().count("\n") == 3, "the lines")
    found = re.findall(r'"POST (/\d) HTTP/2(?:\.0)?" 200 \d+ "-" "test"', file.read_text())
    assert sorted(found) == ["/0", "/1", "/2"], file.read_text()


def test_requests_are_counted_by_version(stage, endpoint, certificates, place):
    front = Front(stage, minimal([endpoint.address]), certificates, place)
    with front.client() as client, front.plain() as connection:
        for _ in range(3):
            client.exchange()
        connection.exchange("GET", "/")

    def counted():
        return {labels["protocol"]: value for labels, value in front.steelyard.metrics().series(
            "steelyard_client_requests_total") if value}

    wait_for(lambda: sorted(counted().values()) == [1, 3], "the counts")
    (name,) = [name for name, value in counted().items() if value == 3]
    assert "2" in name
    assert front.steelyard.metrics().value("steelyard_http2_streams_total", side="client") == 3


def test_sixteen_connections_of_ten_streams(echoing):
    """All at once, none confused with another."""
    began = time.monotonic()
    clients = [echoing.client() for _ in range(16)]
    for turn in range(10):
        asked = [(client, client.request("POST", f"/{place}/{turn}/{n}", [], b"%d" % n * 1000))
                 for place, client in enumerate(clients) for n in range(10)]
        for place, (client, stream) in enumerate(asked):
            got = json.loads(client.response(stream).content)
            assert got["target"] == f"/{place // 10}/{turn}/{place % 10}"
            assert got["sha256"] == hashlib.sha256(b"%d" % (place % 10) * 1000).hexdigest()
    for client in clients:
        client.close()
    assert time.monotonic() - began < 60


