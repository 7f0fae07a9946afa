"""Streams (SSE tokens): each piece leaves at once, and changing weights do not touch them."""

import hashlib
import itertools
import json
import threading

import pytest
from conftest import minimal
from programs import wait_for

pytestmark = pytest.mark.over_tls

CHANGES_WANTED = 25
LINES_WANTED = 100


def test_each_token_leaves_before_the_next_is_made(stage):
    """The endpoint makes a token only after the client has read the one before."""
    has_read = threading.Semaphore(0)

    def answer(exchange):
        exchange.begin_chunked(fields=[("Content-Type", "text/event-stream")])
        for n in range(200):
            exchange.chunk(b"data: %d\n\n" % n)
            assert has_read.acquire(timeout=30)
        exchange.end_chunked()

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert connection.read_head().status == 200
        for n, chunk in enumerate(connection.chunks()):
            assert chunk == b"data: %d\n\n" % n
            has_read.release()
    assert n == 199


def test_request_content_is_streamed_too(stage):
    """The client sends a piece only after the endpoint has read the one before."""
    has_read = threading.Semaphore(0)

    def answer(exchange):
        count = 0
        for _ in exchange.chunks():
            count += 1
            has_read.release()
        exchange.has_read_content = True
        exchange.answer(b"%d" % count)

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    with steelyard.connect() as connection:
        connection.send(
            b"POST / HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        for n in range(100):
            connection.send(b"5\r\n%05d\r\n" % n)
            assert has_read.acquire(timeout=30)
        connection.send(b"0\r\n\r\n")
        assert connection.read_response("POST").content == b"100"


def test_streams_are_whole_while_weights_change_all_the_time(stage):
    """Three streams run until the weights have changed many times; every byte is checked."""
    enough = threading.Event()
    written_counts = [0] * 3
    numbers = itertools.count()
    toggles = itertools.count()

    def page(exchange):
        load = 100 if next(toggles) % 6 < 3 else 0
        exchange.answer(json.dumps({"cpu_usage": load, "memory_usage": 10}).encode())

    def stream(exchange):
        written, number = hashlib.sha256(), next(numbers)
        exchange.begin_chunked(fields=[("Content-Type", "text/event-stream")])
        for n in itertools.count():
            piece = b"data: %d %b\n\n" % (n, hashlib.sha256(b"%d" % n).hexdigest().encode())
            written.update(piece)
            exchange.chunk(piece)
            written_counts[number] = n + 1
            if enough.wait(0.002):
                break
        exchange.chunk(b"end: " + written.hexdigest().encode())
        exchange.end_chunked()

    def answer(exchange):
        (page if exchange.request.target == "/metrics" else stream)(exchange)

    endpoints = [stage.endpoint(answer) for _ in range(3)]
    steelyard = stage.steelyard(minimal(
        [one.address for one in endpoints],
        weights={"law": "headroom", "interval": "100ms", "slew": 100,
                 "scrape": [{"preset": "json"}]}))
    results = []

    def read():
        with steelyard.connect() as connection:
            connection.send_request("GET", "/stream")
            connection.read_head()
            pieces = list(connection.chunks())
        content = b"".join(pieces)
        body, _, end = content.rpartition(b"end: ")
        lines = body.split(b"\n\n")[:-1]
        in_order = all(line.startswith(b"data: %d " % n) for n, line in enumerate(lines))
        results.append((in_order, end.decode() == hashlib.sha256(body).hexdigest(), len(lines)))

    readers = [threading.Thread(target=read, daemon=True) for _ in range(3)]
    for reader in readers:
        reader.start()
    seen, changes, deadline = None, 0, 60

    def changed_enough():
        nonlocal seen, changes
        weights = steelyard.metrics().by_endpoint("steelyard_endpoint_weight")
        changes += seen is not None and weights != seen
        seen = weights
        return changes >= CHANGES_WANTED and min(written_counts) > LINES_WANTED

    wait_for(changed_enough, f"{CHANGES_WANTED} changes of weights", deadline)
    enough.set()
    for reader in readers:
        reader.join(30)
    assert [(in_order, is_whole) for in_order, is_whole, _ in results] == [(True, True)] * 3
    assert min(count for _, _, count in results) > LINES_WANTED
    # A client may have its answer a moment before the worker has counted it.
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_requests_total", code="2xx") == 3, "the counts")
    assert steelyard.metrics().sum("steelyard_requests_total") == 3
