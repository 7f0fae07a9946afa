"""Connections to endpoints that are kept for further requests: what is left on them becomes nobody's
answer, and an endpoint that has closed one costs no client its request."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import minimal
from programs import find, free_port, wait_for
from wire import Cut

pytestmark = pytest.mark.over_tls

# Far more than is copied: such content is moved by the kernel.
LONG = 40_000
PLANTED = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted"
KEPT = {"idle": "60s"}


def named(exchange):
    """/long has bytes behind its answer; everything else answers with its own target."""
    exchange.read_content()
    if exchange.request.target == "/long":
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LONG
                      + b"l" * LONG + PLANTED)
    else:
        exchange.answer(exchange.request.target.encode())


def configured(stage, answer, workers=1, **pool):
    endpoint = stage.endpoint(answer)
    configuration = minimal([endpoint.address], **{
        "weights": {"law": "static"}, "keepalive": KEPT, **pool})
    configuration["workers"] = workers
    return endpoint, configuration


# Surplus bytes


@pytest.mark.parametrize("workers", [1, 2])
def test_bytes_behind_a_long_answer_are_no_answer_to_the_pipelined_request(stage, workers):
    _, configuration = configured(stage, named, workers)
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as first, steelyard.connect() as second:
        for number in range(20):
            for connection in (first, second):
                connection.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n"
                                b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            for connection in (first, second):
                assert connection.read_response().content == b"l" * LONG
                assert connection.read_response().content == b"/%d" % number


def test_bytes_behind_a_long_answer_are_no_answer_to_the_one_that_waits(stage):
    """The other client's request begins in the turn in which the long answer ends."""
    _, configuration = configured(stage, named, queue={"max_concurrent": 1})
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as first, steelyard.connect() as second:
        for number in range(20):
            first.send_request("GET", "/long")
            second.send_request("GET", f"/{number}")
            assert first.read_response().content == b"l" * LONG
            assert second.read_response().content == b"/%d" % number


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [16_384, LONG, 1_000_000])
def test_bytes_behind_a_long_request_are_the_clients_next_request(stage, workers, count):
    endpoint, configuration = configured(stage, named, workers, retries={"replay_bytes": 0})
    steelyard = stage.steelyard(configuration)
    content = bytes(range(256)) * (count // 256)
    with steelyard.connect() as first, steelyard.connect() as second:
        for number in range(5):
            for connection in (first, second):
                connection.send(
                    b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(content)
                    + content + b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            for connection in (first, second):
                assert connection.read_response("POST").content == b"/up"
                assert connection.read_response().content == b"/%d" % number
    assert all(request.content == content
               for request in endpoint.requests if request.target == "/up")
    assert len(endpoint.requests) == 20 and not endpoint.failures


# Closed by the endpoint


def no_fault(steelyard, endpoint, count):
    """All were answered, nothing was held against the endpoint, no budget was used."""
    page = wait_for(
        lambda: (page := steelyard.metrics()).sum("steelyard_requests_total") == count and page,
        "all to be counted")
    assert page.sum("steelyard_requests_total", code="2xx") == count
    assert page.sum("steelyard_endpoint_ejections_total") == 0
    assert page.sum("steelyard_retries_total") == page.sum(
        "steelyard_retries_total", reason="stale")
    assert page.sum("steelyard_retries_refused_total") == 0


def halt(program):
    """Stops all its threads."""
    program.send_signal(signal.SIGSTOP)
    wait_for(lambda: all(") T " in (task / "stat").read_text()
                         for task in Path(f"/proc/{program.pid}/task").iterdir()), "it to stop")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_end_that_has_come_is_seen_before_the_connection_is_used(stage, method):
    """The request and the end of the kept connection come in one turn, the request first."""
    closes = threading.Event()

    def answer(exchange):
        exchange.read_content()
        exchange.answer(b"fine")
        closes.wait(60)
        exchange.keeps_alive = False

    endpoint, configuration = configured(stage, answer, retries={"max": 0})
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        for count in range(1, 6):
            closes.clear()
            assert connection.exchange(method, "/").status == 200
            kept = endpoint.accepted[-1]
            halt(steelyard)
            connection.send_request(method, "/")
            closes.set()
            wait_for(lambda: kept.fileno() < 0, "the endpoint to close")
            steelyard.send_signal(signal.SIGCONT)
            assert connection.read_response(method).status == 200
            assert endpoint.connection_count == 2 * count
            wait_for(lambda: endpoint.accepted[-1].fileno() < 0, "the end")
    no_fault(steelyard, endpoint, 10)


@pytest.mark.parametrize("method, content", [
    ("GET", b""), ("GET", b"x" * 60_000), ("POST", b""), ("POST", b"x" * 1000)])
def test_a_request_that_no_byte_of_was_taken_is_sent_again(stage, tmp_path, method, content):
    sent_again(stage, tmp_path, method, content)


@pytest.mark.over_tls(False)
def test_nor_is_long_content_lost_of_which_no_byte_was_taken(stage, tmp_path):
    """In the clear. Of several records of TLS it is not known which were taken: 502."""
    sent_again(stage, tmp_path, "POST", b"x" * 60_000)


def sent_again(stage, tmp_path, method, content):
    """Each send is delayed by the tracer: the endpoint closes while the request is on its way."""
    closes = threading.Event()

    def answer(exchange):
        exchange.read_content()
        exchange.answer(b"fine")
        closes.wait(60)
        closes.clear()
        exchange.keeps_alive = False

    endpoint, configuration = configured(stage, answer, retries={"max": 0})
    steelyard = stage.steelyard(configuration, under=[
        find("strace"), "-D", "-f", "-qq", "-o", tmp_path / "calls", "-e", "trace=sendto",
        "-e", "inject=sendto:delay_enter=200000"])
    with steelyard.connect() as connection:
        assert connection.exchange(method, "/", content=content).status == 200
        connection.send_request(method, "/", content=content)
        threading.Event().wait(0.07)
        closes.set()
        assert connection.read_response(method).status == 200
    closes.set()
    assert endpoint.connection_count == 2
    no_fault(steelyard, endpoint, 2)


def test_a_request_that_may_have_been_taken_is_sent_again_only_where_it_may_be_repeated(stage):
    def answer(exchange):
        exchange.read_content()
        if exchange.request.target == "/":
            exchange.answer(b"fine")
        else:
            exchange.keeps_alive = False  # Taken, and never answered.

    endpoint, configuration = configured(
        stage, answer, retries={"max": 0}, ejection={"max_fails": 1})
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/").status == 200
        assert connection.exchange("POST", "/dies", content=b"x").status == 502
        assert [request.target for request in endpoint.requests] == ["/", "/dies"]
        page = steelyard.metrics()
        assert page.sum("steelyard_retries_refused_total", reason="unsafe") == 1
        # Nobody's fault, for all that is known.
        assert page.sum("steelyard_endpoint_ejections_total") == 0
        # The same on a new connection is the endpoint's.
        assert connection.exchange("GET", "/dies").status == 502
        assert steelyard.metrics().sum("steelyard_endpoint_ejections_total") == 1


LLAMA = '''
import socket, sys, threading
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    while b"hello" not in data:
        more = connection.recv(65536)
        if not more:
            return connection.close()
        data += more
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nKeep-Alive: timeout=5, max=100\\r\\n"
                       b"Content-Type: text/event-stream\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
    for token in range(3):
        connection.sendall(b"9\\r\\ndata: x\\n\\n\\r\\n")
    connection.sendall(b"0\\r\\n\\r\\n")
    connection.close()
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
'''


class LlamaServer:
    """As llama.cpp: it says `Keep-Alive: timeout=5` and closes right after a stream."""

    def __init__(self):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen([sys.executable, "-c", LLAMA, str(self.port)])

    def stop(self):
        self.process.kill()
        self.process.wait(10)


@pytest.mark.over_tls(False)
def test_an_endpoint_that_closes_after_each_stream_costs_no_post(stage):
    server = stage.keep(LlamaServer())
    steelyard = stage.steelyard(minimal([server.address]))
    wait_for(lambda: steelyard.connect().exchange("POST", "/", content=b"hello").status == 200,
             "the endpoint")
    # From then on it is known.
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_connections") == 0,
             "it to close")
    # Before it listened, requests were refused.
    refused = steelyard.metrics().sum("steelyard_retries_refused_total")
    statuses = []

    def client():
        with steelyard.connect() as connection:
            for _ in range(150):
                response = connection.exchange("POST", "/v1/completions", content=b"hello")
                assert response.content == b"data: x\n\n" * 3
                statuses.append(response.status)

    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statuses == [200] * 450
    # None of them had to be asked of another endpoint, so no budget was used.
    assert steelyard.metrics().sum("steelyard_retries_refused_total") == refused


@pytest.mark.parametrize("value, is_kept", [
    ("timeout=1", False), ("timeout=0, max=5", False), ("max=5, Timeout=60", True),
    ("timeout=60, timeout=1", False), ("timeout=x", True), ("timeout=99999999999999999999", True)])
def test_a_connection_is_kept_a_second_less_than_the_endpoint_says(stage, value, is_kept):
    def answer(exchange):
        exchange.read_content()
        exchange.answer(b"fine", fields=[("Keep-Alive", value)])

    endpoint, configuration = configured(stage, answer)
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        for _ in range(3):
            assert connection.exchange("GET", "/").one("Keep-Alive") is None
    assert endpoint.connection_count == (1 if is_kept else 3)


def test_a_kept_connection_is_closed_before_the_endpoint_closes_it(stage):
    ended = []

    def answer(exchange):
        exchange.read_content()
        exchange.answer(b"fine", fields=[("Keep-Alive", "timeout=2")])
        try:
            exchange.receive()
        except Cut:
            ended.append(exchange)
        exchange.keeps_alive = False

    _, configuration = configured(stage, answer)
    steelyard = stage.steelyard(configuration)
    assert steelyard.get("/").status == 200
    wait_for(lambda: ended, "the connection to be closed")
