"""Every way in which an exchange can end gives its place back: a worker has as many places as
connections, and ends with a message when it needs one more."""

import socket
import struct

import pytest
import wire
from conftest import minimal
from programs import wait_for
from tunnels import RAW, switch

pytestmark = pytest.mark.over_tls

CONNECTIONS_MAX = 16
ROUNDS = 3 * CONNECTIONS_MAX
# The listener whose clients have to be quick. They are not on a busy machine: it has only those
# that are to be too slow.
IMPATIENT = 1
CUT = struct.pack("ii", 1, 0)


def answers(exchange):
    target = exchange.request.target
    if target == "/upgrade":
        switch(exchange, "raw/1", first=b"!")
        exchange.receive()
        exchange.send(exchange.buffer)
        return
    exchange.read_content()
    if target in ("/late", "/held", "/queue"):
        exchange.receive()
    elif target == "/cut":
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        exchange.keeps_alive = False
    elif target == "/gone":
        exchange.keeps_alive = False
    elif target == "/rubbish":
        exchange.send(b"what?\r\n\r\n")
    elif target == "/chunked":
        exchange.begin_chunked()
        exchange.chunk(b"part")
        exchange.end_chunked()
    elif target == "/failing":
        exchange.answer(b"sorry", status=503)
    else:
        exchange.answer(b"fine")


def status(*expected, target="/", method="GET", **options):
    def run(steelyard):
        with steelyard.connect() as connection:
            assert connection.exchange(method, target, **options).status in expected
    return run


def raw(expected, data, listener=0):
    def run(steelyard):
        with wire.Connection(steelyard.addresses[listener]) as connection:
            connection.send(data)
            assert connection.read_response().status == expected
    return run


def pipelined(steelyard):
    with steelyard.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        for _ in range(3):
            assert connection.read_response().content == b"fine"


def cut_by_the_endpoint(steelyard):
    with steelyard.connect() as connection:
        connection.send_request("GET", "/cut")
        with pytest.raises((wire.Cut, ConnectionError)):
            connection.read_response()


def left_by_the_client(steelyard):
    with steelyard.connect() as connection:
        connection.send_request("GET", "/held")
        connection.socket.settimeout(0.02)
        with pytest.raises(TimeoutError):
            connection.receive()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CUT)


def left_while_sending(steelyard):
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")


def left_in_a_head(steelyard):
    with steelyard.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHo")


def begin_tunnel(connection):
    connection.send_request("GET", "/upgrade", fields=RAW)
    assert connection.read_head().status == 101


def a_tunnel(steelyard):
    with steelyard.connect() as connection:
        begin_tunnel(connection)
        connection.send(b"said")
        assert connection.take(5) == b"!said"
        assert connection.is_closed()


def a_tunnel_that_is_cut(steelyard):
    with steelyard.connect() as connection:
        begin_tunnel(connection)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CUT)


def from_an_old_client(steelyard):
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/chunked", version="1.0").content == b"part"


def a_queue_that_is_full(steelyard):
    """One runs, one waits, one is refused; then all go."""
    three = [steelyard.connect() for _ in range(3)]
    for connection in three:
        connection.send_request("GET", "/queue")
    (refused, *_) = wait_for(
        lambda: [one for one in three if one.has_answer()], "one to be refused")
    assert refused.read_response().status == 503
    for connection in three:
        connection.close()


ENDS = {
    "an answer": status(200),
    "an answer to HEAD": status(200, method="HEAD"),
    "chunks": status(200, target="/chunked"),
    "chunks for HTTP/1.0": from_an_old_client,
    "the connection closed after it": status(200, fields=[("Connection", "close")]),
    "pipelined requests": pipelined,
    "a malformed head": raw(400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    "a head that does not come": raw(408, b"GET / HT", IMPATIENT),
    "a head that is left": left_in_a_head,
    "malformed content": raw(
        400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "too much content by its length": raw(
        413, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n"),
    "too much content in chunks": raw(
        413, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n"
        + b"x" * 4095 + b"\r\n"),
    "content that is left": left_while_sending,
    "content that does not come": raw(
        408, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx", IMPATIENT),
    "no route": status(404, host="other.example"),
    "a fixed answer": status(204, target="/fixed"),
    "a redirect": status(308, target="/old"),
    "a rate limit": status(200, 429, target="/limited"),
    "no endpoint": status(502, target="/nobody"),
    "rubbish": status(502, target="/rubbish", method="POST"),
    "no answer": status(504, target="/late", method="POST"),
    "an endpoint that goes": status(502, target="/gone", method="POST"),
    "an endpoint that goes in mid-answer": cut_by_the_endpoint,
    "a kept answer after a repeat": status(503, target="/failing"),
    "a client that goes": left_by_the_client,
    "a tunnel": a_tunnel,
    "a tunnel that is cut": a_tunnel_that_is_cut,
    "a queue that is full": a_queue_that_is_full,
}


def configuration(stage):
    endpoint = stage.endpoint(answers).address
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = minimal([endpoint])
    plain = {"endpoints": [endpoint], "ejection": {"max_fails": 0}}
    base["limits"] = {"connections": CONNECTIONS_MAX, "body_bytes": "2KiB"}
    base["pools"] = {
        "text": plain | {"endpoints": [endpoint, stage.endpoint(answers).address]},
        "nobody": plain | {"endpoints": [f"127.0.0.1:{port}"]},
        "queue": plain | {"queue": {"max_concurrent": 1, "max_length": 1}}}
    listener = base["listeners"][0]
    listener.pop("pool")

    def route(prefix, **action):
        return {"match": {"host": ["test.example", "a"], "path_prefix": prefix}, **action}

    listener["routes"] = [
        route("/", pool="text"), route("/late", pool="text", timeouts={"first_byte": "60ms"}),
        route("/nobody", pool="nobody"), route("/queue", pool="queue"),
        route("/fixed", respond={"status": 204}),
        route("/old", redirect={"location": "/new"}),
        route("/limited", pool="text", rate_limits=[{"key": "none", "rate": "1/h", "burst": 1}])]
    base["listeners"].append({
        "listen": "127.0.0.1:0", "routes": [route("/", pool="text")],
        "head_timeout": "60ms", "body_timeout": "60ms"})
    return base


@pytest.fixture(scope="module")
def steelyard(module_stage):
    return module_stage.steelyard(configuration(module_stage))


@pytest.mark.parametrize("end", ENDS)
def test_an_exchange_gives_its_place_back(steelyard, end):
    for _ in range(ROUNDS):
        ENDS[end](steelyard)
    # Clients that have just gone may not have been seen to go.
    wait_for(lambda: steelyard.get().status == 200, "a place")
    assert steelyard.is_running()
