"""Long content with a length goes by in the kernel: nothing of it is lost, added or mixed up."""

import hashlib

import pytest
from conftest import minimal
from programs import find, wait_for

LONG = 5_000_000


def content(count, seed=b"steelyard"):
    """Bytes that differ at every place where pieces could be exchanged."""
    block = b"".join(hashlib.sha256(seed + bytes([n])).digest() for n in range(250))
    return (block * (count // len(block) + 1))[:count]


def echo(exchange):
    """Answers with what was sent, or with as much as the target says."""
    sent = exchange.read_content()
    count = int(exchange.request.target[1:] or 0)
    exchange.answer(content(count) if count else sent)


def test_long_answers_come_whole_and_the_connection_goes_on(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([endpoint.address]))
    counts = [LONG, 10, 16_384, 32_768, 65_536, 1, 400_000, LONG]
    with steelyard.connect() as connection:
        for count in counts:
            response = connection.exchange("GET", f"/{count}")
            assert response.status == 200 and response.content == content(count)
    # A client may have its answer a moment before the worker has counted it.
    wait_for(
        lambda: (page := steelyard.metrics()).sum("steelyard_endpoint_in_flight") == 0
        and page.sum("steelyard_requests_total", code="2xx") == len(counts), "them to be counted")
    assert steelyard.metrics().sum("steelyard_requests_total") == len(counts)
    # The endpoint's connection was kept through all of it.
    assert endpoint.connection_count == 1


def test_long_requests_arrive_whole_and_what_follows_is_the_next(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([endpoint.address]))
    long = content(LONG, b"up")
    head = f"POST /0 HTTP/1.1\r\nHost: h\r\nContent-Length: {LONG}\r\n\r\n".encode()
    with steelyard.connect() as connection:
        for _ in range(2):
            connection.send(head + long + b"GET /7 HTTP/1.1\r\nHost: h\r\n\r\n")
            assert connection.read_response("POST").content == long
            assert connection.read_response("GET").content == content(7)


def traced(stage, file, *options):
    """steelyard with each call of splice(2) on a line of the file. -D: it is our child, not
    strace's."""
    endpoint = stage.endpoint(echo)
    return stage.steelyard(minimal([endpoint.address]), under=[
        find("strace"), "-D", "-f", "-qq", "-o", file, "-e", "trace=splice", *options])


def moved(file):
    """Bytes that splice(2) took off sockets or put into them."""
    return sum(
        int(line.rpartition("= ")[2]) for line in file.read_text().splitlines()
        if "splice(" in line and line.rpartition("= ")[2].strip().isdigit())


@pytest.mark.parametrize("up, down", [(0, LONG), (LONG, 1)])
def test_long_content_is_not_read(stage, tmp_path, up, down):
    steelyard = traced(stage, tmp_path / "calls")
    with steelyard.connect() as connection:
        response = connection.exchange("POST", f"/{down}", content=content(up))
        assert response.status == 200 and response.content == content(down)
    # In and out; what a slow receiver does not take is copied.
    wait_for(lambda: moved(tmp_path / "calls") > LONG // 2, "the trace")


def test_where_splice_is_refused_content_is_copied_and_the_log_says_so(stage, tmp_path):
    steelyard = traced(stage, tmp_path / "calls", "-e", "inject=splice:error=EPERM")
    with steelyard.connect() as connection:
        for _ in range(2):
            response = connection.exchange("POST", f"/{LONG}", content=content(LONG))
            assert response.status == 200 and response.content == content(LONG)
    assert moved(tmp_path / "calls") == 0
    wait_for(lambda: "splice(2) is refused" in steelyard.text(), "the log")


def test_bytes_after_the_length_are_nobodys_answer(stage):
    """And they end the connection. A request that is under way before they arrive cannot tell
    them from its answer, so the next one waits until they were seen."""
    closed = []

    def chatter(exchange):
        exchange.read_content()
        exchange.send(
            f"HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n".encode() + content(LONG)
            + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        closed.append(exchange.rest())

    endpoint = stage.endpoint(chatter)
    steelyard = stage.steelyard(minimal([endpoint.address]))
    with steelyard.connect() as connection:
        for count in (1, 2, 3):
            response = connection.exchange("GET", "/")
            assert response.status == 200 and response.content == content(LONG)
            wait_for(lambda: len(closed) == count, "the endpoint's connection to be closed")
    assert closed == [b""] * 3


def test_a_cut_in_the_middle_is_a_cut_for_the_client(stage):
    def cuts(exchange):
        exchange.read_content()
        exchange.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n".encode())
        exchange.send(content(LONG // 2))
        exchange.close()

    steelyard = stage.steelyard(minimal([stage.endpoint(cuts).address]))
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        taken = 0
        try:
            while data := connection.socket.recv(1 << 16):
                taken += len(data)
        except ConnectionResetError:
            pass
        assert taken < LONG
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_requests_total", code="truncated") == 1,
        "the cut to be counted")
    assert steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0


def test_a_client_that_leaves_frees_the_endpoint(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([endpoint.address]))
    for _ in range(5):
        with steelyard.connect() as connection:
            connection.send_request("GET", f"/{20 * LONG}")
            assert connection.socket.recv(1 << 16)
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_requests_total", code="canceled") == 5
        and steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "all to be given up")
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/100000").content == content(100_000)
