"""Flow control of HTTP/2 from end to end: content passes whatever the windows are, who does not read
stops nobody else, and costs no memory."""

import hashlib
import json
import random
import threading

import pytest
from endpoints import echo, text
from frames import (
    CANCEL, DATA, FLOW_CONTROL_ERROR, INITIAL_WINDOW_SIZE, NO_ERROR, PADDED, Client,
    Goaway, cut, speaking)
from programs import wait_for

BLOCK = random.Random(7).randbytes(1 << 20)
GROWTH_MAX = 24 << 20


def down(exchange):
    """/N: N MB; /: what arrived."""
    count = exchange.request.target.strip("/")
    if not count:
        echo(exchange)
        return
    exchange.read_content()
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (int(count) << 20))
    for _ in range(int(count)):
        exchange.send(BLOCK)


@pytest.fixture(scope="module")
def endpoint(module_stage):
    return module_stage.endpoint(down)


@pytest.fixture(scope="module")
def steelyard(module_stage, endpoint):
    return module_stage.steelyard(speaking([endpoint.address]))


def sha(count):
    return hashlib.sha256(BLOCK * count).hexdigest()


def content_of(client, stream):
    return hashlib.sha256(client.response(stream).content).hexdigest()


@pytest.mark.parametrize("window", [1, 999, 16_384, 65_535, 1 << 20])
def test_answers_are_whole_whatever_the_windows(steelyard, window):
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: window}, credit=0) as client:
        if window == 1:
            got = client.exchange("GET", "/", [("x-long", "v" * 2000)])
            assert "v" * 2000 in got.content.decode()
            return
        assert content_of(client, client.request("GET", "/3")) == sha(3)


def test_answers_of_many_streams_are_whole(steelyard):
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: 5000}, credit=0) as client:
        streams = [client.request("GET", "/1") for _ in range(20)]
        for stream in streams:
            assert content_of(client, stream) == sha(1)


@pytest.mark.parametrize("size", [1000, 16_384])
@pytest.mark.parametrize("has_length", [False, True])
def test_requests_are_whole(steelyard, size, has_length):
    content = BLOCK * 5
    fields = [("content-length", str(len(content)))] if has_length else []
    with Client(steelyard.address) as client:
        stream = client.headers(client.fields("POST", "/", fields), ends=False)
        client.data(stream, content, size=size)
        got = json.loads(client.response(stream).content)
        assert (got["count"], got["sha256"]) == (len(content), sha(5))


def test_requests_of_many_streams_are_whole(steelyard):
    with Client(steelyard.address) as client:
        streams = [client.headers(client.fields("POST"), ends=False) for _ in range(20)]
        for at in range(0, len(BLOCK), 10_000):
            for stream in streams:
                client.data(stream, BLOCK[at:at + 10_000], ends=False)
        for stream in streams:
            client.data(stream, b"")
            assert json.loads(client.response(stream).content)["sha256"] == sha(1)


def test_both_ways_at_once(stage):
    """An endpoint that answers while it reads."""
    def mirror(exchange):
        exchange.begin_chunked()
        digest = hashlib.sha256()
        for chunk in exchange.chunks():
            digest.update(chunk)
            exchange.chunk(chunk)
        exchange.has_read_content = True
        exchange.end_chunked()

    steelyard = stage.steelyard(speaking([stage.endpoint(mirror).address]))
    with Client(steelyard.address, credit=0) as client:
        stream = client.headers(client.fields("POST"), ends=False)
        for at in range(0, 4 << 20, 10_000):
            client.data(stream, (BLOCK * 4)[at:at + 10_000], ends=False)
            # What came back so far is read, or both sides wait for each other.
            client.read_ready()
        client.data(stream, b"")
        assert content_of(client, stream) == sha(4)


def test_who_does_not_read_a_stream_stops_no_other(steelyard):
    with Client(steelyard.address) as client:
        slow = [client.request("GET", "/50") for _ in range(10)]
        for stream in slow:
            client.streams[stream].is_read = False
        # What is left of a window may be too little for a frame.
        client.until(lambda: all(
            len(client.streams[stream].content) > 65_535 - 256 for stream in slow))
        for stream in slow:
            client.window_update(0, len(client.streams[stream].content))
        before = steelyard.rss_bytes()
        for _ in range(20):
            assert client.exchange("POST", "/", [], b"x" * 100_000).status == 200
            assert content_of(client, client.request("GET", "/1")) == sha(1)
        assert all(len(client.streams[stream].content) <= 65_535 for stream in slow)
        assert steelyard.rss_bytes() < before + GROWTH_MAX
        for stream in slow:
            client.reset(stream)
        client.ping()
        assert client.exchange().status == 200


def test_who_reads_nothing_costs_no_memory(steelyard):
    before = steelyard.rss_bytes()
    clients = [Client(steelyard.address, {INITIAL_WINDOW_SIZE: 0}) for _ in range(10)]
    for client in clients:
        for _ in range(50):
            client.request("GET", "/50")
    for client in clients:
        client.until(lambda: all(one.head for one in client.streams.values()))
    assert steelyard.rss_max_bytes() < before + 100 * (1 << 20)
    for client in clients:
        client.close()
    wait_for(lambda: steelyard.metrics().value("steelyard_connections_open") == 0, "no connection")


def test_a_window_that_stays_closed_ends_by_the_send_timeout(stage):
    configuration = speaking([stage.endpoint(down).address])
    configuration["listeners"][0]["send_timeout"] = "1s"
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: 0}) as client:
        streams = [client.request("GET", f"/{size}") for size in (1, 50)]
        client.until(lambda: all(client.streams[one].reset is not None for one in streams))
        client.ping()
        assert not client.goaways
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")


def test_an_endpoint_that_does_not_read_stops_no_other_stream(stage):
    """The windows of its streams stay closed; those of others do not."""
    stops = threading.Event()

    def answer(exchange):
        if exchange.request.target == "/stuck":
            stops.wait(60)
        echo(exchange)

    steelyard = stage.steelyard(speaking([stage.endpoint(answer).address]))
    with Client(steelyard.address) as client:
        stuck = [client.headers(client.fields("POST", "/stuck"), ends=False) for _ in range(10)]
        before = steelyard.rss_bytes()
        sent = dict.fromkeys(stuck, 0)
        # As much as it takes: steelyard's buffers and the kernel's are finite.
        for _ in range(100_000):
            sendable = [one for one in stuck if client.streams[one].window >= 16_384]
            if not sendable or client.window < 16_384:
                client.ping()
                sendable = [one for one in stuck if client.streams[one].window >= 16_384]
                if not sendable or client.window < 16_384:
                    break
            for stream in sendable:
                if client.window >= 16_384:
                    client.data(stream, bytes(16_384), ends=False)
                    sent[stream] += 16_384
        assert client.window > 0 or client.ping()
        assert steelyard.rss_bytes() < before + GROWTH_MAX
        for _ in range(20):
            got = client.exchange("POST", "/", [], b"x" * 100_000)
            assert json.loads(got.content)["count"] == 100_000
        stops.set()
        for stream in stuck:
            client.data(stream, b"")
            assert json.loads(client.response(stream).content)["count"] == sent[stream]


def test_a_reset_gives_the_connection_its_window_back(stage):
    """As often as it takes to use all of it up."""
    stops = threading.Event()

    def answer(exchange):
        if exchange.request.target == "/stuck":
            stops.wait(60)
        echo(exchange)

    steelyard = stage.steelyard(speaking([stage.endpoint(answer).address]))
    with Client(steelyard.address) as client:
        for _ in range(60):
            stream = client.headers(client.fields("POST", "/stuck"), ends=False)
            while (count := min(client.window, client.streams[stream].window, 16_384)) > 0:
                client.data(stream, bytes(count), ends=False)
            client.reset(stream)
            client.ping()
        got = client.exchange("POST", "/", [], b"x" * 1_000_000)
        assert json.loads(got.content)["count"] == 1_000_000
    stops.set()


def test_content_that_nobody_wants_gives_its_window_back(stage):
    """Steelyard answers before the content has come."""
    configuration = speaking([stage.endpoint(text()).address])
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "http2": True, "routes": [
        {"match": {"path": "/served"}, "pool": "text"}]}
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address) as client:
        for _ in range(60):
            stream = client.headers(client.fields("POST", "/absent"), ends=False)
            client.until(lambda: client.streams[stream].head)
            assert client.streams[stream].status == 404
            client.data(stream, bytes(60_000), ends=True)
            client.ping()
        assert client.exchange("POST", "/served", [], bytes(500_000)).status == 200


def test_an_early_answer_ends_the_stream_and_the_client_may_stop(stage):
    """RFC 9113 8.1: RST_STREAM with NO_ERROR after an answer that did not need the content."""
    def answer(exchange):
        exchange.answer(b"enough", 403)
        exchange.has_read_content = True
        exchange.keeps_alive = False

    steelyard = stage.steelyard(speaking([stage.endpoint(answer).address]))
    with Client(steelyard.address) as client:
        for _ in range(20):
            stream = client.headers(client.fields("POST"), ends=False)
            client.data(stream, bytes(10_000), ends=False)
            got = client.finish(stream)
            assert got.status == 403 and bytes(got.content) == b"enough"
            assert got.reset in (None, NO_ERROR, CANCEL)
            if got.reset is None:
                # Either the server resets it after its end, or it takes the rest.
                client.data(stream, bytes(10_000))
            client.ping()
            assert not client.goaways


@pytest.mark.parametrize("size, flags", [(16_384, 0), (256, PADDED)])
def test_a_client_that_exceeds_its_window_is_stopped(stage, size, flags):
    """A stream whose endpoint reads nothing: what may be sent ends."""
    stops = threading.Event()

    def answer(exchange):
        stops.wait(60)

    steelyard = stage.steelyard(speaking([stage.endpoint(answer).address]))
    with Client(steelyard.address) as client:
        stream = client.headers(client.fields("POST"), ends=False)
        payload = bytes([255]) + bytes(255) if flags else bytes(size)
        with pytest.raises(Goaway) as ended:
            for _ in range(200_000_000 // size):
                client.frame(DATA, flags, stream, payload)
                client.read_ready()
                if client.streams[stream].reset is not None:
                    raise Goaway(client.streams[stream].reset)
        assert ended.value.code == FLOW_CONTROL_ERROR
    stops.set()


def test_a_client_that_leaves_takes_all_its_streams_along(steelyard, endpoint):
    client = Client(steelyard.address, {INITIAL_WINDOW_SIZE: 1000})
    for _ in range(50):
        client.request("GET", "/50")
    client.until(lambda: all(one.head for one in client.streams.values()))
    cut(client)
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")
    wait_for(lambda: steelyard.metrics().value("steelyard_connections_open") == 0, "no connection")
    assert steelyard.get("/").status == 200


