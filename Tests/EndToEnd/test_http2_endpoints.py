"""Endpoints that speak HTTP/2 and break: what clients get of it, and what others notice."""

import os
import signal
import threading

import pytest
from frames import (
    CANCEL, CONTINUATION, DATA, END_HEADERS, HEADERS, INITIAL_WINDOW_SIZE, INTERNAL_ERROR, PING,
    PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, Client, frame, speaking)
from multiplexed import echo
from programs import run_steelyard, wait_for
from upstreams import BLOCK, OK, PLENTY, Holding, Nghttpd, ask, endpoint, steelyard_of
from wire import Connection, Cut

assert ask  # a fixture


# Endpoints that break


def broken(stage, answer, **pool):
    def either(exchange):
        answer(exchange) if exchange.request.target == "/broken" else echo(exchange)
    return steelyard_of(
        stage, endpoint(stage, either), retries={"max": 0}, ejection={"max_fails": 0}, **pool)


def half(exchange):
    exchange.begin(fields=[("content-length", "1000")])
    exchange.chunk(b"abc")


def reset_within(exchange):
    half(exchange)
    exchange.reset_stream(INTERNAL_ERROR)


def short(exchange):
    half(exchange)
    exchange.end()


def long(exchange):
    exchange.begin(fields=[("content-length", "2")])
    exchange.link.raw(b"\0\0\x04\0\1" + exchange.stream.to_bytes(4, "big") + b"abcd")


def cut_within(exchange):
    half(exchange)
    exchange.cut()


def rubbish_within(exchange):
    half(exchange)
    exchange.link.raw(b"\0\0\x01\x06\0\0\0\0\0x" + b"rubbish" * 10)


def window_exceeded(exchange):
    """More than the windows allow: the frames are written past them."""
    exchange.begin()
    frame = b"\0\x40\0\0\0" + exchange.stream.to_bytes(4, "big") + bytes(16_384)
    for _ in range(2000):
        exchange.link.raw(frame)


def two_heads(exchange):
    exchange.begin()
    exchange.link.raw(b"\0\0\x01\x01\4" + exchange.stream.to_bytes(4, "big") + b"\x88")


def no_status(exchange):
    exchange.begin("abc")


def switching(exchange):
    exchange.begin(101, ends=False)


BREAKS = [reset_within, short, long, cut_within, rubbish_within, two_heads, no_status, switching]


@pytest.mark.parametrize("answer", BREAKS, ids=lambda one: one.__name__)
def test_an_answer_that_breaks_is_no_whole_answer(stage, answer):
    steelyard = broken(stage, answer)
    with Client(steelyard.address) as client:
        for _ in range(5):
            stream = client.finish(client.request("GET", "/broken"))
            assert stream.reset == INTERNAL_ERROR or stream.status == 502 or answer is two_heads
            assert client.exchange().status == 200
        assert not client.goaways
    with Connection(steelyard.address) as connection:
        connection.send_request("GET", "/broken")
        try:
            response = connection.read_response()
            assert response.status == 502 or answer is two_heads
        except (Cut, ConnectionError):
            pass
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")


def raw(type, flags=0, stream=0, payload=b"", count=1):
    """An endpoint that sends these frames once it is asked."""
    def answer(exchange):
        exchange.link.raw(frame(type, flags, exchange.stream if stream is None else stream,
                                payload) * count)
        exchange.read_content()
        exchange.link.wait(lambda: False)
    return answer


def continuations(exchange):
    exchange.link.raw(frame(HEADERS, 0, exchange.stream, b"\x88"))
    for _ in range(1000):
        exchange.link.raw(frame(CONTINUATION, 0, exchange.stream, b"\x00\x01a\x01b" * 100))


def bomb(exchange):
    """A field of 4 KB that is named 12,000 times."""
    field = b"\x40\x01b\x7f\xa1\x1e" + b"v" * 4000
    exchange.link.raw(frame(
        HEADERS, END_HEADERS, exchange.stream, b"\x88" + field + b"\xbe" * 12_000))


VIOLATIONS = {
    "PING": raw(PING, 0, 0, bytes(8), 20_000), "SETTINGS": raw(SETTINGS, count=20_000),
    "PRIORITY": raw(PRIORITY, 0, 3, bytes(5), 20_000), "CONTINUATION": continuations, "bomb": bomb,
    "frames that nobody knows": raw(0xF0, count=20_000),
    "WINDOW_UPDATE": raw(WINDOW_UPDATE, 0, 0, b"\0\0\0\1", 50_000),
    "a window above its most": raw(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff", 2),
    "WINDOW_UPDATE of 0": raw(WINDOW_UPDATE, 0, 0, bytes(4)),
    "PUSH_PROMISE": raw(PUSH_PROMISE, END_HEADERS, None, b"\0\0\0\2\x82"),
    "a stream of its own": raw(HEADERS, END_HEADERS, 2, b"\x88"),
    "HEADERS on an idle stream": raw(HEADERS, END_HEADERS, 9_999, b"\x88"),
    "DATA on an idle stream": raw(DATA, 0, 9_999, b"x"),
    "RST_STREAM on an idle stream": raw(RST_STREAM, 0, 9_999, bytes(4)),
    "DATA before its head": raw(DATA, 0, None, b"x"),
    "DATA on the connection": raw(DATA, 0, 0, b"x"),
    "a frame that is too large": raw(DATA, 0, None, bytes(20_000)),
    "an index that is not there": raw(HEADERS, END_HEADERS, None, b"\xff\xff\x7f"),
    "SETTINGS of a wrong length": raw(SETTINGS, 0, 0, bytes(3))}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_an_endpoint_that_breaks_the_rules_is_left(stage, name):
    """Its client has an answer of steelyard's own, others are served, memory is bounded."""
    bad, good = endpoint(stage, VIOLATIONS[name]), endpoint(stage, echo)
    configuration = speaking([bad.address], protocol="http2", retries={"max": 0},
                             ejection={"max_fails": 0}, timeouts={"first_byte": "10s"})
    configuration["pools"]["good"] = {"endpoints": [good.address], "protocol": "http2"}
    del configuration["listeners"][0]["pool"]
    configuration["listeners"][0]["routes"] = [
        {"match": {"path": "/good"}, "pool": "good"},
        {"match": {"path_prefix": "/"}, "pool": "text"}]
    steelyard = stage.steelyard(configuration)
    memory = steelyard.rss_bytes()
    with Client(steelyard.address) as client:
        for _ in range(3):
            stream = client.request()
            assert client.exchange("GET", "/good").status == 200
            got = client.finish(stream)
            assert got.reset is not None or got.status in (502, 504)
        assert not client.goaways
    assert steelyard.rss_bytes() < memory + (16 << 20)
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")


def test_an_endpoint_that_exceeds_the_window_is_ended(stage):
    steelyard = broken(stage, window_exceeded)
    memory = steelyard.rss_bytes()
    with Client(steelyard.address) as client:
        stream = client.request("GET", "/broken")
        client.streams[stream].is_read = False
        client.until(lambda: len(client.streams[stream].content) > 65_535 - 256)
        client.ping()
        assert steelyard.rss_bytes() < memory + (16 << 20)
        client.window_update(stream, 1 << 24)
        assert client.finish(stream).reset is not None
        assert client.exchange().status == 200


def test_a_slow_client_stops_no_other_stream_of_the_endpoints_connection(stage):
    def answer(exchange):
        exchange.read_content()
        exchange.begin()
        for _ in range(20 if exchange.request.target == "/large" else 1):
            exchange.chunk(BLOCK)
        exchange.end()

    one = endpoint(stage, answer)
    steelyard = steelyard_of(stage, one)
    memory = steelyard.rss_bytes()
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: 1000}) as client:
        slow = [client.request("GET", "/large") for _ in range(20)]
        for stream in slow:
            client.streams[stream].is_read = False
        client.until(lambda: all(
            len(client.streams[stream].content) > 1000 - 256 for stream in slow))
        for _ in range(10):
            assert client.exchange().content == BLOCK
        assert steelyard.rss_bytes() < memory + (24 << 20)


def test_a_client_that_leaves_resets_its_stream_alone(stage):
    holding = Holding()
    one = endpoint(stage, holding)
    steelyard = steelyard_of(stage, one)
    holding.release.set()
    assert steelyard.get("/").status == 200
    holding.release.clear()
    with Client(steelyard.address) as stays:
        kept = stays.request("GET", "/kept")
        for _ in range(20):
            with Connection(steelyard.address) as connection:
                before = sum(holding.held.values())
                connection.send_request("GET", "/left")
                wait_for(lambda: sum(holding.held.values()) > before, "it to be asked")
        wait_for(lambda: len(one.resets) == 20, "the resets")
        assert set(one.resets) == {CANCEL}
        assert one.connection_count == 1
        holding.release.set()
        assert stays.response(kept).content == b"/kept"


def test_a_stream_that_hangs_is_a_time_out_and_others_live(stage, ask):
    release, go_on = threading.Event(), threading.Event()

    def answer(exchange):
        if exchange.request.target == "/hang":
            release.wait(60)
        elif exchange.request.target == "/begun":
            exchange.begin()
            exchange.chunk(b"first ")
            go_on.wait(60)
            exchange.chunk(b"second", ends=True)
            return
        echo(exchange)

    one = endpoint(stage, answer)
    steelyard = steelyard_of(
        stage, one, timeouts={"first_byte": "2s"}, retries={"max": 0}, watchdog="none",
        ejection={"max_fails": 0})
    with Client(steelyard.address) as client:
        stream = client.request("GET", "/begun")
        client.until(lambda: client.streams[stream].content == b"first ")
        for _ in range(3):
            assert ask(steelyard, target="/hang").status == 504
            assert ask(steelyard).status == 200
        assert set(one.resets) == {CANCEL}
        assert one.connection_count <= 4
        go_on.set()
        assert client.response(stream).content == b"first second"
    release.set()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_is_killed_or_stopped_costs_no_later_request(stage, ask, number):
    servers = [stage.keep(Nghttpd(stage.directory / name)) for name in ("n1", "n2")]
    steelyard = steelyard_of(
        stage, *servers, timeouts={"first_byte": "1s", "connect": "1s"},
        retries={**PLENTY, "timeouts": True})
    for _ in range(10):
        assert ask(steelyard, target="/one.bin").content == BLOCK
    os.kill(servers[0].pid, number)
    try:
        for _ in range(20):
            answer = ask(steelyard, target="/one.bin")
            assert answer.content == BLOCK
    finally:
        os.kill(servers[0].pid, signal.SIGCONT) if number == signal.SIGSTOP else None


def test_drain_and_reload_leave_streams_alone(stage):
    first, second = Holding(), Holding()
    one, two = endpoint(stage, first), endpoint(stage, second)
    steelyard = steelyard_of(stage, one, two)
    host, port = steelyard.admin
    with Client(steelyard.address) as client:
        streams = [client.request("GET", f"/{n}") for n in range(20)]
        wait_for(lambda: sum(first.held.values()) + sum(second.held.values()) == 20, "all")
        done = run_steelyard("drain", one.address, "--admin", f"{host}:{port}")
        assert done.returncode == OK, done.stderr
        configuration = speaking([two.address], protocol="http2", weights={"law": "static"})
        assert steelyard.reload(configuration).returncode == OK
        first.release.set()
        second.release.set()
        for number, stream in enumerate(streams):
            assert client.response(stream).content == b"/%d" % number
        assert {client.exchange().status for _ in range(10)} == {200}


def test_streams_are_counted(stage, ask):
    steelyard = steelyard_of(stage, endpoint(stage, echo))
    for _ in range(5):
        ask(steelyard)
    metrics = steelyard.metrics()
    assert metrics.value("steelyard_http2_streams_total", side="endpoint") == 5
    assert metrics.value("steelyard_http2_connections_open", side="endpoint") == 1
    is_2 = ask.version == "http2"
    assert metrics.value("steelyard_http2_streams_total", side="client") == (5 if is_2 else 0)


