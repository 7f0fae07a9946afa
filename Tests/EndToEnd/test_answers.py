"""The answers that steelyard gives in an endpoint's place, each provoked."""

import json
import socket
import threading

import pytest
from conftest import minimal
from endpoints import echo, text
from programs import free_port, wait_for
from wire import Cut


def error(response, status):
    """Checks the shape that clients of OpenAI-style servers read."""
    assert response.status == status
    assert response.one("Content-Type") == "application/json"
    body = json.loads(response.content)
    assert body["error"]["code"] == status and body["error"]["type"] and body["error"]["message"]
    return body["error"]["type"]


def refusing():
    """An address where nothing listens."""
    return f"127.0.0.1:{free_port()}"


def test_404_where_no_route_matches(stage):
    endpoint = stage.endpoint(echo)
    configuration = minimal([endpoint.address])
    configuration["listeners"][0] = {
        "listen": "127.0.0.1:0",
        "routes": [{"match": {"path_prefix": "/api/"}, "pool": "text"}]}
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        assert error(connection.exchange("GET", "/other"), 404) == "no_route"
        assert connection.exchange("GET", "/api/x").status == 200
    assert [request.target for request in endpoint.requests] == ["/api/x"]


def test_the_longest_prefix_wins(stage):
    short, long = stage.endpoint(text(b"short")), stage.endpoint(text(b"long"))
    configuration = minimal([short.address])
    configuration["pools"]["image"] = {"endpoints": [long.address]}
    configuration["listeners"][0] = {
        "listen": "127.0.0.1:0",
        "routes": [
            {"match": {"path_prefix": "/api/"}, "pool": "text"},
            {"match": {"path_prefix": "/api/image/"}, "pool": "image"}]}
    steelyard = stage.steelyard(configuration)
    assert steelyard.get("/api/image/1").content == b"long"
    assert steelyard.get("/api/images").content == b"short"


def test_408_for_a_head_that_does_not_end(stage):
    endpoint = stage.endpoint(echo)
    configuration = minimal([endpoint.address])
    configuration["listeners"][0]["head_timeout"] = "500ms"
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: test")
        assert error(connection.read_response(), 408) == "head_timeout"
        assert connection.is_closed()
    assert endpoint.received_byte_count == 0


def test_an_idle_connection_is_closed_without_a_word(stage):
    configuration = minimal([stage.endpoint(echo).address])
    configuration["listeners"][0]["idle_timeout"] = "500ms"
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/").status == 200
        assert connection.is_closed()


def test_408_for_content_that_stops_arriving(stage):
    endpoint = stage.endpoint(echo)
    configuration = minimal([endpoint.address])
    configuration["listeners"][0]["body_timeout"] = "500ms"
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        connection.send(
            b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 10\r\n\r\nhello")
        assert error(connection.read_response("POST"), 408) == "content_timeout"
        assert connection.is_closed()
    assert endpoint.requests == []


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_413_for_content_past_the_limit(stage, framing):
    endpoint = stage.endpoint(echo)
    configuration = minimal([endpoint.address])
    configuration["limits"] = {"body_bytes": 100_000}
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        content = {"content": bytes(100_000)} if framing == "length" else {
            "chunks": [bytes(50_000)] * 2}
        assert connection.exchange("POST", "/", **content).status == 200
        if framing == "length":
            connection.send(
                b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 100001\r\n\r\n")
        else:
            connection.send_request("POST", "/", chunks=[bytes(50_000)] * 3)
        assert error(connection.read_response("POST"), 413) == "content_too_large"
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 2000 OK\r\n\r\n", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nab", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"],
    ids=["status", "no head", "two lengths", "length and chunked", "bad field", "upgrade"])
def test_502_for_an_answer_that_is_not_http(stage, answer):
    endpoint = stage.endpoint(lambda exchange: exchange.send(answer))
    steelyard = stage.steelyard(minimal([endpoint.address]))
    assert error(steelyard.get("/"), 502) == "bad_response"


def test_502_where_nothing_listens(stage):
    steelyard = stage.steelyard(minimal([refusing(), refusing()]))
    assert error(steelyard.get("/"), 502) == "connect_failed"


def test_502_where_the_endpoint_cuts_a_request_that_may_not_be_repeated(stage):
    def cut(exchange):
        exchange.read_content()
        exchange.keeps_alive = False

    endpoints = [stage.endpoint(cut), stage.endpoint(cut)]
    steelyard = stage.steelyard(minimal([one.address for one in endpoints]))
    with steelyard.connect() as connection:
        response = connection.exchange("POST", "/", content=b"once")
    assert error(response, 502) == "connect_failed"
    assert sum(len(one.requests) for one in endpoints) == 1


def test_a_refused_connection_is_tried_elsewhere(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([refusing(), endpoint.address]))
    for n in range(40):
        with steelyard.connect() as connection:
            assert connection.exchange("POST", f"/{n}", content=b"x" * 1000).status == 200
    assert len(endpoint.requests) == 40


def refusals(steelyard):
    return {labels["reason"]: value for labels, value in steelyard.metrics().series(
        "steelyard_pool_refusals_total", pool="text") if value}


def test_503_where_no_endpoint_may_be_used(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([{"address": endpoint.address, "weight": 0}]))
    response = steelyard.get("/")
    assert error(response, 503) == "no_endpoint"
    assert response.one("Retry-After") is not None
    assert endpoint.received_byte_count == 0
    assert refusals(steelyard) == {"no_endpoint": 1}
    # What an endpoint had a part in is counted there.
    assert steelyard.metrics().sum("steelyard_requests_total") == 0


def test_504_where_no_first_byte_comes(stage):
    release = threading.Event()
    endpoint = stage.endpoint(lambda exchange: release.wait(60))
    steelyard = stage.steelyard(minimal([endpoint.address], timeouts={"first_byte": "300ms"}))
    with steelyard.connect() as connection:
        response = connection.exchange("POST", "/", content=b"x")
    release.set()
    assert error(response, 504) == "first_byte_timeout"


def test_504_where_a_connection_is_not_accepted(stage):
    """A listening socket whose queue is full: the kernel drops what comes."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    address = full.getsockname()
    waiting = []
    for _ in range(3):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(address)
        waiting.append(one)
    configuration = minimal(
        [f"127.0.0.1:{address[1]}"], timeouts={"connect": "300ms"})
    steelyard = stage.steelyard(configuration)
    response = steelyard.get("/")
    for one in [full, *waiting]:
        one.close()
    assert error(response, 504) == "connect_timeout"


@pytest.mark.parametrize("framing", ["length", "chunked", "malformed chunk"])
def test_a_response_cut_in_the_middle_does_not_look_whole(stage, framing):
    has_begun = threading.Event()

    def answer(exchange):
        if framing == "length":
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        else:
            exchange.begin_chunked()
            exchange.chunk(b"x" * 500)
            # A fault that comes with the head would be answered 502.
            has_begun.wait(30)
            if framing == "malformed chunk":
                exchange.send(b"oops\r\n")
        exchange.keeps_alive = False

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        connection.receive()
        has_begun.set()
        with pytest.raises((Cut, ConnectionError)):
            connection.read_response()
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_requests_total", code="truncated") == 1,
        "the cut to be counted")


def test_an_answer_to_head_has_no_content(stage):
    steelyard = stage.steelyard(minimal([refusing()]))
    with steelyard.connect() as connection:
        response = connection.exchange("HEAD", "/")
        assert response.status == 502
        assert connection.exchange("HEAD", "/").status in (502, 503)
