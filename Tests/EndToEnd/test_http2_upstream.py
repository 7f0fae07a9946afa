"""Endpoints that speak HTTP/2 (`protocol: http2`): clients of both versions, connections shared by
streams, what is repeated elsewhere and what is not."""

import hashlib
import json
import subprocess
import threading

import endpoints
import pytest
from endpoints import text
from frames import (
    CANCEL, INITIAL_WINDOW_SIZE, INTERNAL_ERROR, MAX_CONCURRENT_STREAMS, NO_ERROR, PROTOCOL_ERROR,
    REFUSED_STREAM, Client, speaking)
from multiplexed import echo
from programs import find, wait_for
from upstreams import (
    BLOCK, PLENTY, Holding, Nghttpd, ask, endpoint, secured, steelyard_of)
from wire import Connection

assert ask  # a fixture


# What passes


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_requests_pass(stage, ask, method):
    one = endpoint(stage, echo)
    steelyard = steelyard_of(stage, one)
    content = b"x" * 50_000 if method in ("POST", "PUT") else b""
    answer = ask(steelyard, method, "/a?b=c", [("x-one", "1"), ("te", "trailers")], content)
    assert answer.status == 200
    if method == "HEAD":
        assert answer.content == b"" and int(answer.one("content-length")) > 0
        return
    got = json.loads(answer.content)
    assert (got["method"], got["target"], got["count"]) == (method, "/a?b=c", len(content))
    assert got["pseudo"][":scheme"] == "http"
    assert got["pseudo"][":authority"] == "test.example"
    names = [name for name, _ in got["fields"]]
    assert ["x-one", "1"] in got["fields"] and all(name == name.lower() for name in names)
    assert not {"connection", "keep-alive", "transfer-encoding", "host", "upgrade"} & set(names)
    assert names.count("content-length") <= 1


def test_megabytes_pass_both_ways(stage, ask):
    def answer(exchange):
        content = exchange.read_content()
        exchange.begin(fields=[("x-sha", hashlib.sha256(content).hexdigest())])
        for _ in range(5):
            exchange.chunk(BLOCK)
        exchange.end()

    steelyard = steelyard_of(stage, endpoint(
        stage, answer, settings={INITIAL_WINDOW_SIZE: 10_000}, credit=0))
    for _ in range(3):
        got = ask(steelyard, "POST", "/", content=BLOCK * 3)
        assert got.one("x-sha") == hashlib.sha256(BLOCK * 3).hexdigest()
        assert got.content == BLOCK * 5


def test_trailers_pass(stage):
    def answer(exchange):
        exchange.read_content()
        seen.append(exchange.request.trailers)
        exchange.begin()
        exchange.chunk(b"content")
        exchange.end([("x-sum", "1"), ("x-more", "2")])

    seen = []
    steelyard = steelyard_of(stage, endpoint(stage, answer))
    with Client(steelyard.address) as client:
        got = client.exchange("POST", "/", [("te", "trailers")], b"abc", [("x-up", "a")])
        assert got.trailers == [("x-sum", "1"), ("x-more", "2")]
    assert seen[0] == [("x-up", "a")]
    with Connection(steelyard.address) as connection:
        connection.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Up: a\r\n\r\n")
        assert connection.read_head().status == 200
        while not connection.buffer.endswith(b"\r\n\r\n"):
            connection.receive()
        assert b"x-sum: 1\r\nx-more: 2" in connection.buffer
    assert seen[1] == [("x-up", "a")]


def test_trailers_alone_pass(stage, ask):
    def answer(exchange):
        exchange.read_content()
        exchange.begin(fields=[("x-only", "head")], ends=True)

    got = ask(steelyard_of(stage, endpoint(stage, answer)))
    assert (got.status, got.content, got.one("x-only")) == (200, b"", "head")


def test_interim_answers_pass(stage, ask):
    def answer(exchange):
        exchange.interim(103, [("link", "</style.css>")])
        exchange.read_content()
        exchange.answer(b"done")

    got = ask(steelyard_of(stage, endpoint(stage, answer)))
    assert (got.content, got.interim) == (b"done", [103])


@pytest.mark.parametrize("status", [204, 304, 404, 503])
def test_statuses_pass(stage, ask, status):
    def answer(exchange):
        exchange.read_content()
        exchange.begin(status, ends=True)

    steelyard = steelyard_of(
        stage, endpoint(stage, answer), retries={"max": 0}, ejection={"max_fails": 0})
    for _ in range(5):
        assert ask(steelyard).status == status


def test_content_comes_as_it_is_sent(stage):
    release = threading.Event()

    def answer(exchange):
        exchange.begin()
        exchange.chunk(b"first ")
        release.wait(60)
        exchange.chunk(b"second", ends=True)

    steelyard = steelyard_of(stage, endpoint(stage, answer))
    with Client(steelyard.address) as client, Connection(steelyard.address) as connection:
        stream = client.request()
        connection.send_request("GET", "/")
        client.until(lambda: client.streams[stream].content == b"first ")
        connection.read_head()
        chunks = connection.chunks()
        assert next(chunks) == b"first "
        release.set()
        assert client.response(stream).content == b"first second"
        assert b"".join(chunks) == b"second"


def test_endpoints_over_tls(stage, ask, certificates):
    for protocol, alpn, version in [
            ("http2", ["h2"], "HTTP/2"), ("auto", ["h2"], "HTTP/2"),
            ("auto", ["h2", "http/1.1"], "HTTP/2")]:
        one = endpoint(stage, echo, wrap=secured(certificates, alpn))
        steelyard = stage.steelyard(speaking(
            [one.address], protocol=protocol,
            tls={"ca": certificates.ca, "server_name": "localhost"}))
        for _ in range(3):
            got = json.loads(ask(steelyard, "POST", content=b"abc").content)
            assert got["version"] == version and got["count"] == 3
            assert got["pseudo"][":scheme"] == "https"


def test_an_endpoint_that_chooses_http_1_gets_it(stage, ask, certificates):
    for protocol, alpn in [("auto", ["http/1.1"]), ("auto", None)]:
        one = stage.keep(endpoints.Endpoint(endpoints.echo, wrap=secured(certificates, alpn)))
        steelyard = stage.steelyard(speaking(
            [one.address], protocol=protocol,
            tls={"ca": certificates.ca, "server_name": "localhost"}))
        for _ in range(3):
            assert json.loads(ask(steelyard).content)["version"] == "HTTP/1.1"


def test_an_endpoint_that_speaks_http_1_only_is_a_bad_gateway(stage, ask):
    one = stage.keep(endpoints.Endpoint(endpoints.echo))
    steelyard = stage.steelyard(speaking(
        [one.address], protocol="http2", retries={"max": 0}, ejection={"max_fails": 0}))
    assert ask(steelyard).status in (502, 503)
    assert steelyard.is_running()


def test_nghttpd_behind(stage, ask):
    one = stage.keep(Nghttpd(stage.directory / "nghttpd"))
    steelyard = steelyard_of(stage, one)
    for _ in range(10):
        assert ask(steelyard, target="/one.bin").content == BLOCK
    assert ask(steelyard, target="/absent").status == 404
    out = subprocess.run(
        [find("h2load"), "-n", "2000", "-c", "4", "-m", "10", steelyard.url + "/one.bin"],
        capture_output=True, text=True, timeout=60).stdout
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in out, out


# Connections


def test_streams_share_a_connection(stage):
    holding = Holding()
    one = endpoint(stage, holding, settings={MAX_CONCURRENT_STREAMS: 100})
    steelyard = steelyard_of(stage, one)
    with Client(steelyard.address) as client:
        assert client.settings[MAX_CONCURRENT_STREAMS] == 100
        holding.release.set()
        client.exchange()
        holding.release.clear()
        streams = [client.request("GET", f"/{n}") for n in range(50)]
        wait_for(lambda: sum(holding.held.values()) == 50, "all to be asked")
        assert one.connection_count == 1
        holding.release.set()
        for number, stream in enumerate(streams):
            assert client.response(stream).content == b"/%d" % number


@pytest.mark.parametrize("said, configured", [(10, 100), (100, 10), (1, 100)])
def test_another_connection_is_opened_before_the_limit(stage, said, configured):
    holding = Holding()
    one = endpoint(stage, holding, settings={MAX_CONCURRENT_STREAMS: said})
    steelyard = steelyard_of(stage, one, keepalive={"streams": configured})
    with Client(steelyard.address) as client:
        holding.release.set()
        client.exchange()
        holding.release.clear()
        streams = [client.request("GET", f"/{n}") for n in range(60)]
        wait_for(lambda: sum(holding.held.values()) == 60, "all to be asked")
        assert max(holding.most.values()) <= 10
        holding.release.set()
        for number, stream in enumerate(streams):
            assert client.response(stream).content == b"/%d" % number


def test_a_kept_connection_is_used_again(stage, ask):
    one = endpoint(stage, echo)
    steelyard = steelyard_of(stage, one)
    for _ in range(30):
        assert ask(steelyard).status == 200
    assert one.connection_count <= 2


def test_a_limit_of_streams_that_shrinks_is_kept(stage):
    """SETTINGS may come at any time."""
    holding = Holding()
    one = endpoint(stage, holding, settings={MAX_CONCURRENT_STREAMS: 50})
    steelyard = steelyard_of(stage, one)
    with Client(steelyard.address) as client:
        holding.release.set()
        client.exchange()
        one.links[0].send(lambda h2: h2.update_settings({MAX_CONCURRENT_STREAMS: 2}))
        wait_for(lambda: one.links[0].h2.local_settings[MAX_CONCURRENT_STREAMS] == 2, "its ACK")
        holding.release.clear()
        streams = [client.request("GET", f"/{n}") for n in range(20)]
        wait_for(lambda: sum(holding.held.values()) == 20, "all to be asked")
        assert holding.held[one.links[0]] <= 2
        holding.release.set()
        for stream in streams:
            assert client.response(stream).status == 200


# What is repeated elsewhere


class Refusing:
    """Refuses as the test says, then answers; counts what it was asked."""

    def __init__(self, how):
        self.how = how
        self.count = 0

    def __call__(self, exchange):
        self.count += 1
        self.how(exchange)


def refuse(code):
    return lambda exchange: exchange.reset_stream(code)


def goaway_before(exchange):
    """The connection ends, and this stream was not processed."""
    exchange.goaway(NO_ERROR, last=0)


def goaway_with_last(exchange):
    exchange.goaway(NO_ERROR)
    exchange.read_content()
    exchange.answer(b"still")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", [refuse(REFUSED_STREAM), goaway_before], ids=["refused", "goaway"])
def test_what_was_not_processed_is_repeated_elsewhere(stage, ask, how, method):
    refusing = Refusing(how)
    bad, good = endpoint(stage, refusing), endpoint(stage, text(b"good"))
    steelyard = steelyard_of(stage, bad, good, ejection={"max_fails": 0}, retries=PLENTY)
    for _ in range(10):
        answer = ask(steelyard, method, content=b"abc" if method == "POST" else b"")
        assert (answer.status, answer.content) == (200, b"good")
    assert refusing.count >= 3


def test_streams_that_a_goaway_leaves_are_answered(stage, ask):
    one = endpoint(stage, goaway_with_last)
    steelyard = steelyard_of(stage, one)
    for _ in range(5):
        assert ask(steelyard).content == b"still"
    assert one.connection_count == 5


def test_a_goaway_among_many_streams_loses_none(stage):
    """The endpoint ends its connections after 20 requests, as gRPC servers do by age."""
    last = {}

    def answer(exchange):
        link = exchange.link
        with link.lock:
            if len(link.exchanges) >= 20 and link not in last:
                last[link] = max(link.exchanges)
                exchange.goaway(NO_ERROR, last[link])
        # What comes after that is not answered.
        if exchange.stream <= last.get(link, exchange.stream):
            exchange.read_content()
            exchange.answer(exchange.request.target.encode())

    one = endpoint(stage, answer)
    steelyard = steelyard_of(stage, one)
    with Client(steelyard.address) as client:
        for turn in range(20):
            streams = [client.request("GET", f"/{turn}/{n}") for n in range(30)]
            for number, stream in enumerate(streams):
                assert client.response(stream).content == b"/%d/%d" % (turn, number)
    assert one.connection_count > 10


@pytest.mark.parametrize("code", [INTERNAL_ERROR, CANCEL, PROTOCOL_ERROR])
def test_a_post_that_may_have_been_processed_is_not_repeated(stage, ask, code):
    refusing = Refusing(refuse(code))
    steelyard = steelyard_of(
        stage, endpoint(stage, refusing), endpoint(stage, refusing), ejection={"max_fails": 0})
    assert ask(steelyard, "POST", content=b"abc").status == 502
    assert refusing.count == 1


def test_a_get_is_repeated(stage, ask):
    bad, good = endpoint(stage, refuse(INTERNAL_ERROR)), endpoint(stage, text(b"good"))
    steelyard = steelyard_of(stage, bad, good, ejection={"max_fails": 0}, retries=PLENTY)
    for _ in range(6):
        assert ask(steelyard).content == b"good"
