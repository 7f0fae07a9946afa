"""A warm worker asks for no memory, whatever the shape of the exchanges and whatever is on."""

import socket

import pytest
from conftest import minimal
from programs import wait_for
from wire import Connection

pytestmark = pytest.mark.alone

WARM_UP = 120
MEASURED = 400
LARGE = b"x" * 65_536
# More than the kernel holds for a connection (tcp_wmem: 4 MiB and what grows beside it).
HUGE = b"x" * (12 << 20)
EVENTS = [b"data: {\"token\": %d}\n\n" % number for number in range(8)]
PAGE = b"""# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0"} 1.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0"} 0.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0"} 0.1
"""


def answers(exchange):
    """What the target asks for; /flaky fails where the endpoint was told to."""
    if exchange.request.one("Expect"):
        exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    exchange.read_content()
    target = exchange.request.target
    if target == "/metrics":
        exchange.answer(PAGE, fields=[("Content-Type", "text/plain; version=0.0.4")])
    elif target == "/chunked":
        exchange.begin_chunked()
        exchange.chunk(b"y" * 700)
        exchange.end_chunked()
    elif target == "/stream":
        exchange.begin_chunked(fields=[("Content-Type", "text/event-stream")])
        for event in EVENTS:
            exchange.chunk(event)
        exchange.end_chunked()
    elif target == "/large":
        exchange.answer(LARGE)
    elif target == "/huge":
        exchange.answer(HUGE)
    elif target == "/huge/chunked":
        exchange.begin_chunked()
        for offset in range(0, len(HUGE), len(LARGE)):
            exchange.chunk(HUGE[offset:offset + len(LARGE)])
        exchange.end_chunked()
    elif target == "/close":
        exchange.keeps_alive = False
        exchange.answer(b"bye", fields=[("Connection", "close")])
    elif target == "/flaky" and getattr(exchange.endpoint, "is_flaky", False):
        exchange.answer(b"", status=503)
    else:
        exchange.answer(b"x" * 1000)


def get(target):
    def one(steelyard, connection, number):
        return connection.exchange("GET", target)
    return one


def head(steelyard, connection, number):
    return connection.exchange("HEAD", "/length")


def stream(steelyard, connection, number):
    response = connection.exchange("GET", "/stream")
    assert response.content == b"".join(EVENTS)
    return response


def upload(steelyard, connection, number):
    return connection.exchange("POST", "/length", content=b"z" * 300)


def large_upload(steelyard, connection, number):
    return connection.exchange("POST", "/length", content=LARGE)


def chunked_upload(steelyard, connection, number):
    return connection.exchange("POST", "/length", chunks=[b"z" * 300, b"w" * 5_000, b"v"])


def continued_upload(steelyard, connection, number):
    connection.send(b"POST /length HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                    b"Content-Length: 5\r\n\r\n")
    # The head and the content in two reads of steelyard's.
    assert connection.line().startswith(b"HTTP/1.1 100")
    while connection.line():
        pass
    connection.send(b"hello")
    return connection.read_response("POST")


def pipelined(steelyard, connection, number):
    connection.send(b"GET /length HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    assert [connection.read_response().status for _ in range(2)] == [200, 200]
    return connection.read_response()


def split_head(steelyard, connection, number):
    connection.send(b"GET /length HTTP/1.1\r\nHost: a\r\nX-Long: ")
    connection.send(b"y" * 500 + b"\r\n\r\n")
    return connection.read_response()


def held_bytes(connection, steelyard):
    """What the kernel holds of an answer: sent by steelyard and not acknowledged, not yet read."""
    ours = f":{connection.socket.getsockname()[1]:04X}"
    theirs = f":{steelyard.address[1]:04X}"
    unsent, unread = 0, 0
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            _, local, remote, _, queues, *_ = line.split()
            sending, received = (int(number, 16) for number in queues.split(":"))
            if local.endswith(theirs) and remote.endswith(ours):
                unsent = sending
            elif local.endswith(ours) and remote.endswith(theirs):
                unread = received
    return unsent, unread


def slow_reader(target):
    """The answer fits into no socket's buffer: steelyard has to keep some of it, and wait."""
    def one(steelyard, connection, number):
        with Connection.__new__(Connection) as slow:
            slow.socket, slow.buffer = socket.socket(), b""
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
            slow.socket.settimeout(30)
            slow.socket.connect(steelyard.address)
            slow.send_request("GET", target)
            wait_for(
                lambda: all(held_bytes(slow, steelyard)), "the client's window to close", 30, 0.002)
            # The rest is nowhere but with steelyard, or still to be read by it.
            assert sum(held_bytes(slow, steelyard)) < len(HUGE)
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            response = slow.read_response()
            assert len(response.content) == len(HUGE)
            return response
    return one


def fresh(steelyard, connection, number):
    with steelyard.connect() as other:
        return other.exchange("GET", "/length")


def refused(steelyard, connection, number):
    with steelyard.connect() as other:
        other.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
        assert other.read_response().status == 400
    return connection.exchange("GET", "/length")


def given_up(steelyard, connection, number):
    """The client leaves in the middle of the answer."""
    with steelyard.connect() as other:
        other.send_request("GET", "/huge")
        other.read_head()
    # The one before has to be over, else blocks of several are needed at once.
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "its end", 30,
             0.002)
    return connection.exchange("GET", "/length")


SHAPES = {
    "length": get("/length"), "head": head, "chunked": get("/chunked"), "stream": stream,
    "large": get("/large"), "upload": upload, "large upload": large_upload,
    "chunked upload": chunked_upload, "expect": continued_upload, "pipelined": pipelined,
    "split head": split_head, "slow reader": slow_reader("/huge"),
    "slow reader of chunks": slow_reader("/huge/chunked"), "fresh connections": fresh,
    "endpoint closes": get("/close"), "flaky": get("/flaky"), "refused": refused,
    "given up": given_up}
# Those that take long for each exchange are done less often.
FEW = {"slow reader": 10, "slow reader of chunks": 10, "given up": 30, "large upload": 200}
HOLDING = {
    "slow reader", "slow reader of chunks", "given up", "large upload", "large", "split head"}


def everything(addresses, log):
    """What a route and a pool can have, all of it on."""
    configuration = minimal(
        addresses, balance="least_request",
        retries={"max": 2, "budget": {"ratio": 1.0, "per_second": 1000}},
        queue={"max_concurrent": 64, "max_length": 100, "timeout": "10s"},
        rate_limits=[
            {"key": "client_ip", "rate": "1000000/s"},
            {"key": {"header": "authorization"}, "rate": "1000000/s"},
            {"key": "none", "rate": "1000000/s"}],
        affinity={"cookie": "at"}, shed=0.9, slow_start="1s",
        ejection={"max_fails": 0},
        health={"path": "/health", "interval": "100ms", "timeout": "90ms"},
        weights={"law": "capacity", "interval": "100ms", "scrape": [{"preset": "vllm"}]})
    configuration["limits"] = {"connections_per_client": 1000}
    configuration["access_log"] = {"path": str(log), "format": "json"}
    configuration["tracing"] = {
        "request_id": "make", "traceparent": "make", "served_by": True}
    configuration["listeners"][0]["trusted_proxies"] = ["127.0.0.0/8"]
    del configuration["listeners"][0]["pool"]
    configuration["listeners"][0]["routes"] = [
        {"match": {"path_prefix": "/never/", "headers": {"x-tier": "gold"}}, "pool": "text"},
        {"match": {"host": ["*.example"], "path_prefix": "/", "method": ["GET", "HEAD", "POST"]},
         "pool": "text", "rewrite": "/", "rate_limits": [{"key": "path", "rate": "1000000/s"}]},
        {"match": {"path_prefix": "/"}, "pool": "text"}]
    return configuration


def measured(steelyard, allocations, shape):
    """How often the worker asked for memory during the measured exchanges of a shape. Where the
    kernel's timing says how much is held at once, the pool of blocks may grow to a new height and
    keep them: such a shape gets some turns to reach it, in the last of which it asks for nothing.
    """
    number_of = FEW.get(shape, MEASURED)
    with steelyard.connect() as connection:

        def exchanges(count):
            for number in range(count):
                assert SHAPES[shape](steelyard, connection, number).status == 200

        exchanges(max(number_of // 3, 10))
        for _ in range(6 if shape in HOLDING else 1):
            before = allocations.of_worker()
            exchanges(number_of)
            count = allocations.of_worker() - before
            if count == 0:
                break
        return count


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_exchange_allocates(stage, allocations, shape):
    endpoint = stage.endpoint(answers)
    steelyard = stage.steelyard(
        minimal([endpoint.address]), environment=allocations.environment)
    assert measured(steelyard, allocations, shape) == 0
    assert not endpoint.failures or shape == "given up"


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_allocates_with_everything_on(stage, allocations, tmp_path, shape):
    """Two endpoints, one of which fails half of what can fail; scrapes and probes run."""
    endpoints = [stage.endpoint(answers), stage.endpoint(answers)]
    endpoints[0].is_flaky = True
    steelyard = stage.steelyard(
        everything([one.address for one in endpoints], tmp_path / "access.log"),
        environment=allocations.environment)
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_scrape_attempts_total") >= 4, "scrapes to run")
    assert measured(steelyard, allocations, shape) == 0
    if shape == "flaky":
        assert steelyard.metrics().sum("steelyard_retries_total", reason="status") > 0
