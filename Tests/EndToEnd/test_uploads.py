"""Content is waited for before an endpoint is asked: who sends slowly holds nothing of a pool."""

import signal
import threading

import pytest
import wire
from conftest import minimal
from endpoints import echo
from programs import wait_for

pytestmark = pytest.mark.over_tls

_pause = threading.Event()


def configured(endpoint, requests_max=16, route=None, **listener):
    configuration = minimal(
        [endpoint.address], breakers={"max_requests": requests_max},
        retries={"replay_bytes": 0})
    configuration["listeners"][0] = {
        "listen": "127.0.0.1:0", **listener,
        "routes": [{"match": {"path_prefix": "/"}, **(route or {})}]}
    return configuration


def begin(steelyard, framing, content, fields=b""):
    """A POST of which this much content is sent."""
    connection = steelyard.connect()
    connection.send(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n%b\r\n%b" % (framing, fields, content))
    return connection


def in_flight(steelyard):
    return steelyard.metrics().sum("steelyard_endpoint_in_flight")


def good(steelyard, count=30):
    """How many of so many POSTs are answered well."""
    statuses = []
    for _ in range(count):
        with steelyard.connect() as connection:
            statuses.append(connection.exchange("POST", "/", content=b"x" * 500).status)
    return statuses.count(200)


def test_slow_content_holds_nothing_of_a_pool(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(configured(endpoint))
    slow = [begin(steelyard, b"Content-Length: 100", b"abc") for _ in range(200)]
    assert good(steelyard) == 30
    assert in_flight(steelyard) == 0 and endpoint.connection_count <= 2
    # They are served as soon as their content is there.
    slow[7].send(b"d" * 97)
    response = slow[7].read_response()
    assert response.status == 200 and b'"count": 100' in response.content
    for connection in slow:
        connection.close()


def test_content_without_a_length_holds_a_share_of_a_pool(stage):
    """Chunks may be one half of a conversation: they go on after a moment, but an eighth of what the
    pool may have at most; the others go on when they are whole."""
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(configured(endpoint))
    slow = [begin(steelyard, b"Transfer-Encoding: chunked", b"3\r\nabc\r\n") for _ in range(100)]
    wait_for(lambda: in_flight(steelyard) == 2, "two of them to go on")
    assert good(steelyard) == 30
    assert in_flight(steelyard) == 2
    for connection in slow:
        connection.send(b"0\r\n\r\n")
        assert connection.read_response().status == 200
    wait_for(lambda: in_flight(steelyard) == 0, "the end")
    for connection in slow:
        connection.close()


def test_a_conversation_goes_both_ways_after_a_moment(stage):
    def talk(exchange):
        exchange.begin_chunked()
        for chunk in exchange.chunks():
            exchange.chunk(b"heard " + chunk)
        exchange.end_chunked()

    steelyard = stage.steelyard(configured(stage.endpoint(talk)))
    with begin(steelyard, b"Transfer-Encoding: chunked", b"3\r\none\r\n") as connection:
        assert connection.read_head().status == 200
        chunks = connection.chunks()
        assert next(chunks) == b"heard one"
        connection.send(b"3\r\ntwo\r\n")
        assert next(chunks) == b"heard two"


@pytest.mark.parametrize("size, route", [(20_000, None), (3, {"request_buffer_bytes": 0})])
def test_content_beyond_the_buffer_is_streamed(stage, size, route):
    """The endpoint has the head while most of the content is still to come."""
    seen = threading.Event()

    def answer(exchange):
        seen.set()
        echo(exchange)

    steelyard = stage.steelyard(configured(stage.endpoint(answer), route=route))
    with begin(steelyard, b"Content-Length: 1000000", b"x" * size) as connection:
        assert seen.wait(30)
        connection.send(b"x" * (1_000_000 - size))
        response = connection.read_response()
        assert response.status == 200 and b'"count": 1000000' in response.content


def test_who_expects_continue_gets_it_from_steelyard_when_many_do(stage):
    """The endpoint has the say while few expect it; beyond the share nobody waits in vain."""
    def answer(exchange):
        if exchange.request.one("Expect") and exchange.request.target == "/":
            _pause.wait(0.2)
            exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        echo(exchange)

    steelyard = stage.steelyard(configured(stage.endpoint(answer)))
    framing = b"Content-Length: 5"
    first = [begin(steelyard, framing, b"", b"Expect: 100-continue\r\n") for _ in range(2)]
    wait_for(lambda: in_flight(steelyard) == 2, "the endpoint to be asked")
    third = begin(steelyard, framing, b"", b"Expect: 100-continue\r\n")
    assert third.line() == b"HTTP/1.1 100 Continue" and third.line() == b""
    assert in_flight(steelyard) == 2
    for connection in [*first, third]:
        connection.send(b"hello")
        response = connection.read_response()
        assert response.status == 200 and b'"count": 5' in response.content
        connection.close()


def test_content_that_is_waited_for_has_its_time(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(configured(endpoint, body_timeout="500ms"))
    with begin(steelyard, b"Content-Length: 8", b"a") as connection:
        for _ in range(4):
            _pause.wait(0.25)
            connection.send(b"b")
        response = connection.read_response()
    assert response.status == 408 and b"content_timeout" in response.content
    assert endpoint.requests == [] and endpoint.connection_count == 0


def test_a_graceful_end_waits_for_content(stage):
    steelyard = stage.steelyard(configured(stage.endpoint(echo)))
    with begin(steelyard, b"Content-Length: 4", b"ab") as connection:
        wait_for(lambda: steelyard.metrics().sum("steelyard_connections_open") >= 1, "the client")
        steelyard.send_signal(signal.SIGTERM)
        wait_for(lambda: not wire.accepts(steelyard.address), "the end to begin")
        connection.send(b"cd")
        assert connection.read_response().status == 200
    assert steelyard.wait() == 0
