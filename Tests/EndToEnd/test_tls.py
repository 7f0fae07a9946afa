"""TLS of listeners: versions, certificates by name, protocols, and what is refused in words."""

import json
import re
import shutil
import socket
import ssl
import subprocess

import pytest
from endpoints import echo, text
from programs import ROOT, find, wait_for
from secure import SecureSocket, client_context, connect, failures, listening, presented
from wire import Connection

V1_1, V1_2, V1_3 = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def steelyard(module_stage, endpoint, certificates, tmp_path_factory):
    """By SNI: a.test, *.wild.test from a directory, and localhost for everything else."""
    directory = tmp_path_factory.mktemp("pairs")
    shutil.copy(certificates.wild.certificate, directory / "wild.crt")
    shutil.copy(certificates.wild.key, directory / "wild.key")
    return module_stage.steelyard(listening([endpoint.address], {"certificates": [
        certificates.local.files, certificates.a.files, {"directory": str(directory)}]}))


# Exchanges


@pytest.mark.parametrize("version", [V1_2, V1_3])
@pytest.mark.parametrize("name", ["local", "local_rsa", "chained"])
def test_requests_and_answers_go_over_tls(stage, endpoint, certificates, name, version):
    steelyard = stage.steelyard(
        listening([endpoint.address], getattr(certificates, name).files))
    context = client_context(certificates.ca, version=version)
    with connect(steelyard.address, context) as connection:
        for size in (0, 1, 16_384, 16_385, 1_000_000):
            answer = connection.exchange("POST", "/", content=b"x" * size)
            assert answer.status == 200
            said = json.loads(answer.content)
            assert said["count"] == size
            fields = {key.lower(): value for key, value in said["fields"]}
            assert fields["x-forwarded-proto"] == "https"
        assert connection.socket.tls.version() == {V1_2: "TLSv1.2", V1_3: "TLSv1.3"}[version]


def test_the_end_of_a_connection_is_said(steelyard, certificates):
    with connect(steelyard.address, client_context(certificates.ca)) as connection:
        answer = connection.exchange("GET", "/", fields=[("Connection", "close")])
        assert answer.status == 200
        # SecureSocket tells a missing close_notify.
        assert connection.socket.recv(1) == b""


@pytest.mark.parametrize("options, version", [
    (["--tlsv1.3"], "2"), (["--tlsv1.2", "--tls-max", "1.2"], "2"), (["--http1.1"], "1.1")])
def test_curl(steelyard, certificates, options, version):
    host, port = steelyard.address
    done = subprocess.run(
        [find("curl"), "-sS", *options, "--cacert", certificates.ca, "--resolve",
         f"localhost:{port}:{host}", "-w", "%{http_version} %{http_code}", "-o", "/dev/null",
         f"https://localhost:{port}/"], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == (f"{version} 200", 0), done.stderr


def test_s_client_finds_a_good_connection(steelyard, certificates):
    host, port = steelyard.address
    done = subprocess.run(
        [find("openssl"), "s_client", "-connect", f"{host}:{port}", "-servername", "localhost",
         "-CAfile", certificates.ca, "-verify_return_error", "-ign_eof"],
        input="GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        capture_output=True, text=True, timeout=60)
    assert "Verify return code: 0 (ok)" in done.stdout and "HTTP/1.1 200" in done.stdout
    assert "Secure Renegotiation IS NOT supported" in done.stdout or "TLSv1.3" in done.stdout
    assert re.search(r"Server Temp Key: X25519", done.stdout)


# Which certificate


@pytest.mark.parametrize("name, expected", [
    ("localhost", "localhost"), ("a.test", "a.test"), ("A.TEST", "a.test"),
    ("b.a.test", "localhost"), ("one.wild.test", "wild.test"), ("ONE.Wild.test", "wild.test"),
    ("wild.test", "localhost"), ("one.two.wild.test", "localhost"),
    ("unknown.example", "localhost"), (None, "localhost")])
def test_the_certificate_is_chosen_by_name(steelyard, name, expected):
    assert presented(steelyard.address, client_context(), name) == expected


@pytest.mark.parametrize("server, host, status", [
    ("localhost", "localhost", 200), ("a.test", "a.test", 200), ("a.test", "A.test:8443", 200),
    ("one.wild.test", "one.wild.test", 200),
    # The same certificate has both.
    ("one.wild.test", "two.wild.test", 200), ("localhost", "unknown.example", 200),
    ("a.test", "one.wild.test", 421), ("a.test", "localhost", 421),
    ("localhost", "a.test", 421), ("one.wild.test", "a.test", 421),
    ("unknown.example", "a.test", 421), (None, "localhost", 200),
    # Who names no server was shown the default, and did not look at the name.
    (None, "a.test", 200)])
def test_a_host_of_another_certificate_is_misdirected(steelyard, server, host, status):
    with connect(steelyard.address, client_context(), server) as connection:
        answer = connection.exchange("GET", "/", host=host)
        assert answer.status == status
        if status == 421:
            assert json.loads(answer.content)["error"]["code"] == 421


@pytest.mark.parametrize("content", [b"", b"hello"])
@pytest.mark.parametrize("cut", [0, 10])
def test_after_a_misdirected_request_the_connection_goes_on(steelyard, content, cut):
    """Its head may come in parts, and the next request with its end."""
    method = "POST" if content else "GET"
    good = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    bad = (f"{method} / HTTP/1.1\r\nHost: x.wild.test\r\n"
           f"Content-Length: {len(content)}\r\n\r\n").encode() + content
    with connect(steelyard.address, client_context(), "localhost") as connection:
        # With the first answer, the first part is held.
        connection.send(good + bad[:cut])
        assert connection.read_response().status == 200
        connection.send(bad[cut:] + good)
        assert connection.read_response(method).status == 421
        assert connection.read_response().status == 200
        assert connection.exchange("GET", "/", host="localhost").status == 200


# Versions, ciphers, protocols


def old_context(version):
    context = client_context(version=version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize("least, offered, is_accepted", [
    ("1.2", V1_1, False), ("1.2", V1_2, True), ("1.2", V1_3, True),
    ("1.3", V1_2, False), ("1.3", V1_3, True)])
def test_old_versions_are_refused(stage, endpoint, certificates, least, offered, is_accepted):
    steelyard = stage.steelyard(listening(
        [endpoint.address], {**certificates.local.files, "min_version": least}))
    if is_accepted:
        with connect(steelyard.address, old_context(offered)) as connection:
            assert connection.exchange("GET", "/").status == 200
    else:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            connect(steelyard.address, old_context(offered))
        # The alert leaves before the failure is counted.
        wait_for(lambda: failures(steelyard, "no_common_version") == 1, "the failure's count")


@pytest.mark.parametrize("offered, is_accepted", [
    ("ECDHE-ECDSA-CHACHA20-POLY1305", True), ("ECDHE-ECDSA-AES128-GCM-SHA256", False)])
def test_ciphers_are_the_operators(stage, endpoint, certificates, offered, is_accepted):
    steelyard = stage.steelyard(listening([endpoint.address], {
        **certificates.local.files, "ciphers": "ECDHE-ECDSA-CHACHA20-POLY1305"}))
    context = client_context(certificates.ca, version=V1_2)
    context.set_ciphers(offered)
    if is_accepted:
        with connect(steelyard.address, context) as connection:
            assert connection.socket.tls.cipher()[0] == offered
    else:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            connect(steelyard.address, context)


@pytest.mark.parametrize("offered", [
    "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384",
    "DHE-RSA-AES128-GCM-SHA256"])
def test_weak_ciphers_are_refused_by_default(stage, endpoint, certificates, offered):
    """Without forward secrecy, or without authenticated encryption."""
    steelyard = stage.steelyard(listening([endpoint.address], certificates.local_rsa.files))
    context = client_context(certificates.ca, version=V1_2)
    context.set_ciphers(offered)
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        connect(steelyard.address, context)


def test_groups_are_the_operators(stage, endpoint, certificates):
    steelyard = stage.steelyard(listening(
        [endpoint.address], {**certificates.local.files, "groups": "P-384"}))
    host, port = steelyard.address
    for group, is_accepted in [("P-384", True), ("X25519", False)]:
        done = subprocess.run(
            [find("openssl"), "s_client", "-connect", f"{host}:{port}", "-groups", group],
            input="", capture_output=True, text=True, timeout=60)
        assert ("Server Temp Key: ECDH, secp384r1" in done.stdout) is is_accepted
        assert (done.returncode == 0) is is_accepted


@pytest.mark.parametrize("offered, chosen", [
    (None, None), (["http/1.1"], "http/1.1"), (["http/1.1", "h2"], "h2"), (["h2"], "h2"),
    (["http/1.1", "http/1.0"], "http/1.1")])
def test_the_protocol_is_chosen_in_the_handshake(steelyard, certificates, offered, chosen):
    context = client_context(certificates.ca, alpn=offered)
    with connect(steelyard.address, context) as connection:
        assert connection.socket.tls.selected_alpn_protocol() == chosen
        if chosen != "h2":
            assert connection.exchange("GET", "/").status == 200


@pytest.mark.parametrize("version", [V1_2, V1_3])
def test_a_client_that_offers_no_protocol_of_ours_is_refused(steelyard, certificates, version):
    context = client_context(certificates.ca, version=version, alpn=["spdy/3"])
    before = failures(steelyard, "no_common_protocol")
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(steelyard.address, context)
    wait_for(lambda: failures(steelyard, "no_common_protocol") == before + 1, "the count")


# What is not TLS


@pytest.mark.parametrize("request_line", ["GET / HTTP/1.1", "POST /v1/x HTTP/1.0"])
def test_plain_http_gets_a_readable_answer(steelyard, request_line):
    with Connection(steelyard.address) as connection:
        connection.send(request_line.encode() + b"\r\nHost: localhost\r\n\r\n")
        answer = connection.read_response()
        assert answer.status == 400
        assert b"TLS" in answer.content or b"HTTPS" in answer.content
        assert answer.one("Connection") == "close"
        assert connection.is_closed()
    wait_for(lambda: failures(steelyard, "plain_http") >= 1, "the count")


@pytest.mark.parametrize("data", [
    b"\0" * 100, b"SSH-2.0-OpenSSH_9.2\r\n", bytes(range(256)),
    b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x01" * 40,
    b"\x16\x03\x01\xff\xff" + b"\x01" * 100, b"\x15\x03\x03\x00\x02\x02\x28"])
def test_what_is_no_handshake_ends_the_connection(steelyard, certificates, data):
    with Connection(steelyard.address) as connection:
        connection.send(data)
        connection.socket.shutdown(socket.SHUT_WR)
        assert not connection.rest().startswith(b"HTTP")
    with connect(steelyard.address, client_context(certificates.ca)) as connection:
        assert connection.exchange("GET", "/").status == 200


# What goes with it


def test_browsers_are_told_to_stay(stage, endpoint, certificates):
    steelyard = stage.steelyard(listening(
        [endpoint.address], {**certificates.local.files, "hsts": "180d"}))
    with connect(steelyard.address, client_context(certificates.ca)) as connection:
        answer = connection.exchange("GET", "/")
        assert answer.one("Strict-Transport-Security") == "max-age=15552000"


def test_browsers_are_told_nothing_unless_asked(steelyard, certificates):
    with connect(steelyard.address, client_context(certificates.ca)) as connection:
        assert connection.exchange("GET", "/").one("Strict-Transport-Security") is None


def test_a_proxy_header_comes_before_the_handshake(stage, endpoint, certificates):
    configuration = listening([endpoint.address], certificates.local.files)
    configuration["listeners"][0]["proxy_protocol"] = True
    configuration["listeners"][0]["trusted_proxies"] = ["127.0.0.1/32"]
    steelyard = stage.steelyard(configuration)
    header = b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\n"
    context = client_context(certificates.ca)
    for is_one_packet in (True, False):
        connection = Connection(steelyard.address)
        if is_one_packet:
            raw = Prefixed(connection.socket, header)
        else:
            connection.send(header)
            raw = connection.socket
        connection.socket = SecureSocket(raw, context, "localhost")
        with connection:
            fields = dict(json.loads(connection.exchange("GET", "/").content)["fields"])
        fields = {key.lower(): value for key, value in fields.items()}
        assert fields["x-forwarded-for"] == "192.0.2.7"


class Prefixed:
    """A socket whose first bytes go with what is sent first."""

    def __init__(self, raw, first):
        self.raw, self.first = raw, first

    def __getattr__(self, name):
        return getattr(self.raw, name)

    def sendall(self, data):
        first, self.first = self.first, b""
        self.raw.sendall(first + data)


def test_plain_and_secure_listeners_stand_side_by_side(stage, certificates):
    endpoint = stage.endpoint(echo)
    configuration = listening([endpoint.address], certificates.local.files)
    configuration["listeners"].append({"listen": "127.0.0.1:0", "pool": "text"})
    steelyard = stage.steelyard(configuration)
    with connect(steelyard.addresses[0], client_context(certificates.ca)) as connection:
        assert b'"https"' in connection.exchange("GET", "/").content
    with Connection(steelyard.addresses[1]) as connection:
        assert b'"http"' in connection.exchange("GET", "/").content


def test_cookies_of_an_affinity_are_for_https_alone(stage, certificates):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(listening(
        [endpoint.address], certificates.local.files, affinity={"cookie": "at"}))
    with connect(steelyard.address, client_context(certificates.ca)) as connection:
        cookie = connection.exchange("GET", "/").one("Set-Cookie")
    assert cookie.startswith("at=") and "; secure" in cookie.lower()


OPENAI = """
import os, ssl, sys
import httpx, openai
url, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
client = openai.OpenAI(
    base_url=url + "/v1", api_key="none", max_retries=0,
    http_client=httpx.Client(verify=context))
for _ in range(3):
    pieces = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x" * 100_000}], stream=True)
    print("".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices))
with httpx.Client(verify=context) as plain:
    print([plain.get(url + "/v1/models").json()["object"] for _ in range(3)])
"""


def test_the_openai_client_and_httpx(stage, certificates):
    def answer(exchange):
        exchange.read_content()
        if exchange.request.method == "GET":
            exchange.answer(b'{"object": "list"}', fields=[("Content-Type", "application/json")])
            return
        exchange.begin_chunked(fields=[("Content-Type", "text/event-stream")])
        for number in range(200):
            exchange.chunk(b"data: " + json.dumps({
                "id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": 0, "delta": {"content": f"{number} "}}]}).encode() + b"\n\n")
        exchange.chunk(b"data: [DONE]\n\n")
        exchange.end_chunked()

    steelyard = stage.steelyard(listening(
        [stage.endpoint(answer).address], certificates.local.files))
    host, port = steelyard.address
    done = subprocess.run(
        [ROOT / ".build/test-venv/bin/python", "-c", OPENAI, f"https://{host}:{port}",
         certificates.ca], capture_output=True, text=True, timeout=120)
    said = "".join(f"{number} " for number in range(200)) + "\n"
    assert done.stdout == 3 * said + "['list', 'list', 'list']\n", done.stderr
