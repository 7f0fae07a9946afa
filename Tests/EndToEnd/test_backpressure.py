"""A slow reader on either side holds the writer back; steelyard's memory stays where it was."""

import hashlib
import threading

import pytest
from conftest import minimal
from programs import wait_for

pytestmark = pytest.mark.over_tls

BLOCK = bytes(range(256)) * 256
BLOCK_COUNT = 2048
TOTAL = len(BLOCK) * BLOCK_COUNT  # 128 MiB, far more than any socket buffer
GROWTH_MAX = 8 << 20
_pause = threading.Event()


def stalled(progress):
    """Waits until the number that `progress()` gives has stood still for a second."""

    def stands_still():
        before = progress()
        _pause.wait(1)
        return before > 0 and progress() == before

    wait_for(stands_still, "the writer to be held back", deadline=60)
    return progress()


def test_a_slow_client_holds_the_endpoint_back(stage):
    sent = [0]

    def answer(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TOTAL)
        for _ in range(BLOCK_COUNT):
            exchange.send(BLOCK)
            sent[0] += len(BLOCK)

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    start = steelyard.rss_bytes()
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert stalled(lambda: sent[0]) < TOTAL / 2
        assert steelyard.rss_bytes() < start + GROWTH_MAX
        content = connection.read_response().content
    assert hashlib.sha256(content).digest() == hashlib.sha256(BLOCK * BLOCK_COUNT).digest()
    assert steelyard.rss_max_bytes() < start + GROWTH_MAX


def test_a_slow_endpoint_holds_the_client_back(stage):
    release = threading.Event()
    received = hashlib.sha256()

    def answer(exchange):
        release.wait(120)
        for _ in range(BLOCK_COUNT):
            received.update(exchange.take(len(BLOCK)))
        exchange.has_read_content = True
        exchange.answer(b"thanks")

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    start = steelyard.rss_bytes()
    sent = [0]
    with steelyard.connect(timeout=120) as connection:

        def upload():
            connection.send(
                b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: %d\r\n\r\n" % TOTAL)
            for _ in range(BLOCK_COUNT):
                connection.send(BLOCK)
                sent[0] += len(BLOCK)

        writer = threading.Thread(target=upload, daemon=True)
        writer.start()
        assert stalled(lambda: sent[0]) < TOTAL / 2
        assert steelyard.rss_bytes() < start + GROWTH_MAX
        release.set()
        response = connection.read_response("POST")
        writer.join(30)
    assert response.status == 200 and response.content == b"thanks"
    assert received.digest() == hashlib.sha256(BLOCK * BLOCK_COUNT).digest()
    assert steelyard.rss_max_bytes() < start + GROWTH_MAX


def test_many_slow_clients_stay_in_bounds(stage):
    """Fifty clients that ask for 2 MiB each and read nothing."""
    content = BLOCK * 32

    def answer(exchange):
        exchange.answer(content)

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    start = steelyard.rss_bytes()
    connections = [steelyard.connect() for _ in range(50)]
    for connection in connections:
        connection.send_request("GET", "/")
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") > 0
        or steelyard.metrics().sum("steelyard_requests_total", code="2xx") == 50,
        "the exchanges to begin")
    assert steelyard.rss_bytes() < start + 2 * GROWTH_MAX
    for connection in connections:
        assert connection.read_response().content == content
        connection.close()
    assert steelyard.rss_max_bytes() < start + 2 * GROWTH_MAX
