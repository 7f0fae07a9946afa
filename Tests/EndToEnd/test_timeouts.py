"""Each time-out, provoked by a peer that does just what it is there for, and by no other."""

import contextlib
import json
import socket
import threading
import time

import pytest
from conftest import minimal
from endpoints import echo, text
from programs import wait_for
from wire import Cut

BLOCK = bytes(1 << 16)
_pause = threading.Event()


def kind(response, status):
    assert response.status == status
    return json.loads(response.content)["error"]["type"]


@pytest.fixture
def release():
    """Endpoints that wait do so for this; set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def small(sock):
    """So that a peer that stops reading is noticed before megabytes are in the kernel."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


def cut(connection):
    """Reads to the end: how many bytes came and whether the end was a reset."""
    count = 0
    while True:
        try:
            data = connection.socket.recv(1 << 20)
        except ConnectionResetError:
            return count, True
        if not data:
            return count, False
        count += len(data)


@contextlib.contextmanager
def full():
    """An address whose queue is full: the kernel drops what comes."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    waiting = []
    for _ in range(3):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(listening.getsockname())
        waiting.append(one)
    yield f"127.0.0.1:{listening.getsockname()[1]}"
    for one in [listening, *waiting]:
        one.close()


def test_connect(stage):
    with full() as address:
        steelyard = stage.steelyard(
            minimal([address], timeouts={"connect": "300ms"}, retries={"max": 0}))
        assert kind(steelyard.get("/"), 504) == "connect_timeout"


def test_connect_fails_over_to_another_endpoint(stage):
    with full() as address:
        steelyard = stage.steelyard(minimal(
            [address, stage.endpoint(echo).address], timeouts={"connect": "300ms"},
            balance="round_robin"))
        assert [steelyard.get("/").status for _ in range(4)] == [200] * 4


def reader(stage, release, byte_rate=None):
    """An endpoint that takes a head and then nothing, or its content at a rate."""

    def answer(exchange):
        left = int(exchange.request.one("Content-Length")) - len(exchange.buffer)
        if byte_rate is None:
            release.wait(60)
            return
        while left > 0:
            count = len(exchange.socket.recv(min(left, 1 << 16)))
            left -= count
            _pause.wait(count / byte_rate)
        exchange.has_read_content = True
        exchange.answer(b"taken")

    endpoint = stage.endpoint(answer)
    small(endpoint.listening)
    return endpoint


def upload(steelyard, count, release=None):
    """A request of which as much is sent as steelyard takes; what it answers."""
    with steelyard.connect() as connection:
        connection.send(
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % count)

        def send():
            with contextlib.suppress(OSError):
                for _ in range(count // len(BLOCK)):
                    connection.socket.sendall(BLOCK)

        sending = threading.Thread(target=send, daemon=True)
        sending.start()
        response = connection.read_response("POST")
        connection.socket.shutdown(socket.SHUT_RDWR)
        sending.join(30)
        return response


def test_send(stage, release):
    steelyard = stage.steelyard(minimal(
        [reader(stage, release).address], timeouts={"send": "500ms"}))
    assert kind(upload(steelyard, 64 << 20), 504) == "send_timeout"


def test_send_counts_for_the_rest_of_a_whole_request_too(stage, release):
    """All of the request has come; the endpoint has not taken it, so it cannot answer yet."""
    steelyard = stage.steelyard(minimal(
        [reader(stage, release).address], timeouts={"send": "500ms", "first_byte": "24h"}))
    start = time.monotonic()
    assert kind(upload(steelyard, 64 << 20), 504) == "send_timeout"
    assert time.monotonic() - start < 45


def test_send_lets_an_endpoint_be_slow(stage, release):
    """4 MiB at 1 MiB/s take four times the time-out, but never stand still for it."""
    steelyard = stage.steelyard(minimal(
        [reader(stage, release, byte_rate=1 << 20).address], timeouts={"send": "1s"}))
    response = upload(steelyard, 4 << 20)
    assert (response.status, response.content) == (200, b"taken")


def test_first_byte(stage, release):
    endpoint = stage.endpoint(lambda exchange: release.wait(60))
    steelyard = stage.steelyard(minimal([endpoint.address], timeouts={"first_byte": "300ms"}))
    assert kind(steelyard.get("/"), 504) == "first_byte_timeout"


def test_first_byte_is_not_begun_before_the_request_has_ended(stage):
    """The client takes three times as long to send its content as the endpoint may."""
    steelyard = stage.steelyard(minimal(
        [stage.endpoint(echo).address], timeouts={"first_byte": "400ms"}))
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            _pause.wait(0.1)
            connection.send(b"x")
        assert connection.read_response("POST").status == 200


def trickle(exchange, count, pause):
    exchange.read_content()
    exchange.begin_chunked()
    for _ in range(count):
        exchange.chunk(b"data")
        _pause.wait(pause)
    exchange.end_chunked()


def test_idle(stage, release):
    def answer(exchange):
        exchange.read_content()
        exchange.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        release.wait(60)

    steelyard = stage.steelyard(
        minimal([stage.endpoint(answer).address], timeouts={"idle": "500ms"}))
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        # No length: only a reset tells that this was not the end.
        assert connection.read_head().status == 200
        count, is_reset = cut(connection)
        assert is_reset and count + len(connection.buffer) <= 4
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_requests_total", code="truncated") == 1,
        "the cut to be counted")


def test_idle_lets_a_stream_go_on_for_ever(stage):
    endpoint = stage.endpoint(lambda exchange: trickle(exchange, 15, 0.1))
    steelyard = stage.steelyard(minimal([endpoint.address], timeouts={"idle": "700ms"}))
    assert steelyard.get("/").content == b"data" * 15


def test_exchange_before_the_answer(stage, release):
    endpoint = stage.endpoint(lambda exchange: release.wait(60))
    steelyard = stage.steelyard(minimal([endpoint.address], timeouts={"exchange": "400ms"}))
    with steelyard.connect() as connection:
        assert kind(connection.exchange("GET", "/"), 504) == "exchange_timeout"
        # The connection goes on.
        assert kind(connection.exchange("GET", "/"), 504) == "exchange_timeout"
    metrics = steelyard.metrics()
    assert metrics.sum("steelyard_endpoint_in_flight") == 0
    assert metrics.sum("steelyard_endpoint_failures_total") == 2


def test_exchange_in_the_middle_of_a_stream(stage):
    endpoint = stage.endpoint(lambda exchange: trickle(exchange, 600, 0.1))
    steelyard = stage.steelyard(minimal([endpoint.address], timeouts={"exchange": "1s"}))
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert connection.read_head().status == 200
        with pytest.raises((Cut, ConnectionError)):
            list(connection.chunks())
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_requests_total", code="truncated") == 1,
        "the cut to be counted")
    assert steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0


def test_exchange_counts_while_the_client_sends(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([endpoint.address], timeouts={"exchange": "600ms"}))
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(30):
                connection.send(b"x")
                _pause.wait(0.1)
        assert kind(connection.read_response("POST"), 504) == "exchange_timeout"
    # Its client was slow, not the endpoint.
    assert steelyard.metrics().sum("steelyard_endpoint_failures_total") == 0


def test_exchange_counts_while_connecting(stage):
    with full() as address:
        steelyard = stage.steelyard(minimal(
            [address], timeouts={"exchange": "400ms", "connect": "1h"}))
        assert kind(steelyard.get("/"), 504) == "exchange_timeout"


def test_exchange_of_one_is_not_that_of_the_next(stage):
    """Many exchanges on a connection take longer together than one may."""
    endpoint = stage.endpoint(lambda exchange: trickle(exchange, 2, 0.1))
    steelyard = stage.steelyard(minimal([endpoint.address], timeouts={"exchange": "1s"}))
    with steelyard.connect() as connection:
        for _ in range(8):
            assert connection.exchange("GET", "/").content == b"datadata"
        # Nothing of it is left on the idle connection either.
        _pause.wait(1.5)
        assert connection.exchange("GET", "/").content == b"datadata"


def test_a_route_has_timeouts_of_its_own(stage, release):
    endpoint = stage.endpoint(
        lambda exchange: None if release.wait(0.8) else exchange.answer(b"late"))
    configuration = minimal([endpoint.address], timeouts={"first_byte": "30s"})
    configuration["listeners"] = [{"listen": "127.0.0.1:0", "routes": [
        {"match": {"path": "/quick"}, "pool": "text", "timeouts": {"first_byte": "200ms"}},
        {"pool": "text"}]}]
    steelyard = stage.steelyard(configuration)
    assert kind(steelyard.get("/quick"), 504) == "first_byte_timeout"
    assert steelyard.get("/").content == b"late"


def listening(steelyard_stage, addresses, **listener):
    configuration = minimal(addresses)
    configuration["listeners"][0].update(listener)
    return steelyard_stage.steelyard(configuration)


def test_head(stage):
    steelyard = listening(stage, [stage.endpoint(echo).address], head_timeout="500ms")
    with steelyard.connect() as connection:
        start = time.monotonic()
        with contextlib.suppress(OSError):
            # A byte now and then does not help: the whole head has one deadline.
            for byte in b"GET / HTTP/1.1\r\nHost: test.example\r\nX: " + bytes([97]) * 300:
                connection.send(bytes([byte]))
                _pause.wait(0.05)
                if time.monotonic() - start > 2:
                    break
        assert kind(connection.read_response(), 408) == "head_timeout"
        assert connection.is_closed()


def test_downstream_idle(stage):
    steelyard = listening(stage, [stage.endpoint(echo).address], idle_timeout="500ms")
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/").status == 200
        assert connection.is_closed()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body(stage, framing):
    endpoint = stage.endpoint(echo)
    steelyard = listening(stage, [endpoint.address], body_timeout="500ms")
    how = b"Content-Length: 10" if framing == "length" else b"Transfer-Encoding: chunked"
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: h\r\n" + how + b"\r\n\r\n")
        connection.send(b"hello" if framing == "length" else b"5\r\nhello\r\n")
        assert kind(connection.read_response("POST"), 408) == "content_timeout"
        assert connection.is_closed()
    assert endpoint.requests == []
    assert steelyard.metrics().sum("steelyard_endpoint_failures_total") == 0


def test_body_lets_a_client_be_slow(stage):
    steelyard = listening(stage, [stage.endpoint(echo).address], body_timeout="700ms")
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 15\r\n\r\n")
        for _ in range(15):
            _pause.wait(0.1)
            connection.send(b"x")
        assert json.loads(connection.read_response("POST").content)["count"] == 15


def test_body_does_not_count_once_the_answer_has_begun(stage):
    """An endpoint may answer before it has all of the request."""

    def answer(exchange):
        exchange.begin_chunked()
        for _ in range(15):
            exchange.chunk(b"data")
            _pause.wait(0.1)
        exchange.end_chunked()
        exchange.has_read_content = True
        exchange.keeps_alive = False

    steelyard = listening(stage, [stage.endpoint(answer).address], body_timeout="500ms")
    with steelyard.connect() as connection:
        # More than is awaited before the endpoint gets anything.
        connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n" + b"h" * 17000)
        assert connection.read_response("POST").content == b"data" * 15


def flood(exchange, count=64 << 20):
    exchange.read_content()
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % count)
    for _ in range(count // len(BLOCK)):
        exchange.send(BLOCK)


def slow_reader(steelyard):
    """A client's connection with a small window."""
    connection = steelyard.connect()
    connection.close()
    connection.socket = socket.socket()
    small(connection.socket)
    connection.socket.settimeout(30)
    connection.socket.connect(steelyard.address)
    return connection


def test_downstream_send_in_the_middle_of_an_answer(stage):
    steelyard = listening(stage, [stage.endpoint(flood).address], send_timeout="700ms")
    with slow_reader(steelyard) as connection:
        connection.send_request("GET", "/")
        wait_for(
            lambda: steelyard.metrics().sum("steelyard_requests_total", code="canceled") == 1,
            "the client to be given up")
        count, is_reset = cut(connection)
    assert is_reset and count < 64 << 20
    metrics = steelyard.metrics()
    assert metrics.sum("steelyard_endpoint_in_flight") == 0
    assert metrics.sum("steelyard_endpoint_failures_total") == 0


def test_downstream_send_at_the_end_of_an_answer(stage):
    """The endpoint is done, its answers lie with us: the client has to take them all the same."""
    endpoint = stage.endpoint(text(bytes(16_000)))
    steelyard = listening(stage, [endpoint.address], send_timeout="700ms")
    count = 500
    with slow_reader(steelyard) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * count)
        wait_for(
            lambda: endpoint.requests
            and steelyard.metrics().value("steelyard_connections_open") == 0,
            "the client to be given up")
        byte_count, is_reset = cut(connection)
    assert is_reset and 0 < byte_count < count * 16_000
    assert 0 < len(endpoint.requests) < count
    metrics = steelyard.metrics()
    assert metrics.sum("steelyard_endpoint_in_flight") == 0
    assert metrics.sum("steelyard_requests_total", code="2xx") == len(endpoint.requests)


def test_downstream_send_lets_a_client_be_slow(stage):
    """Reading takes several times the time-out."""
    count = 8 << 20
    steelyard = listening(
        stage, [stage.endpoint(lambda exchange: flood(exchange, count)).address],
        send_timeout="1s")
    with slow_reader(steelyard) as connection:
        connection.send_request("GET", "/")
        connection.read_head()
        taken = len(connection.buffer)
        while taken < count:
            data = connection.socket.recv(1 << 17)
            assert data, f"cut after {taken} bytes"
            taken += len(data)
            _pause.wait(len(data) / (2 << 20))
        assert taken == count


def test_a_tunnel_of_events_has_no_end_of_its_own(stage):
    """With every time-out at one second a stream lives for as long as something comes."""
    endpoint = stage.endpoint(lambda exchange: trickle(exchange, 40, 0.1))
    configuration = minimal([endpoint.address], timeouts={
        key: "1s" for key in ["connect", "send", "first_byte", "idle"]})
    for key in ["head_timeout", "idle_timeout", "body_timeout", "send_timeout"]:
        configuration["listeners"][0][key] = "1s"
    steelyard = stage.steelyard(configuration)
    assert steelyard.get("/").content == b"data" * 40
