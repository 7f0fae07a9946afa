"""What idle connections cost, and that a warm worker asks for no memory at all."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import minimal
from programs import wait_for

IDLE_COUNT = 1000
IDLE_RSS_MAX = 64 << 20
# 128 bytes, and room for what else a process touches meanwhile: an own endpoint connection, pages.
IDLE_BYTES_MAX = 192
IDLE_BYTES_BESIDE = 128 << 10
WARM_UP = 500
MEASURED = 2000


def answers(exchange):
    """Three ways in which inference servers answer."""
    exchange.read_content()
    if exchange.request.target == "/length":
        exchange.answer(b"x" * 1000)
    elif exchange.request.target == "/chunked":
        exchange.begin_chunked()
        exchange.chunk(b"y" * 700)
        exchange.end_chunked()
    else:
        exchange.begin_chunked(fields=[("Content-Type", "text/event-stream")])
        for n in range(5):
            exchange.chunk(b"data: {\"token\": %d}\n\n" % n)
        exchange.end_chunked()


@pytest.mark.alone
def test_a_thousand_idle_connections_stay_small(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(answers).address]))
    with steelyard.connect() as connection:
        for _ in range(WARM_UP):
            assert connection.exchange("GET", "/length").status == 200
    before = steelyard.rss_bytes()
    connections = [steelyard.connect() for _ in range(IDLE_COUNT)]
    for connection in connections:
        assert connection.exchange("GET", "/length").status == 200
    after = steelyard.rss_bytes()
    assert after < IDLE_RSS_MAX
    assert after - before < IDLE_COUNT * IDLE_BYTES_MAX + IDLE_BYTES_BESIDE
    assert connections[0].exchange("GET", "/length").status == 200
    assert connections[-1].exchange("GET", "/length").status == 200
    for connection in connections:
        connection.close()


@pytest.mark.alone
@pytest.mark.parametrize("form", [None, "logfmt", "json", "combined"])
def test_a_warm_worker_allocates_nothing(stage, allocations, tmp_path, form):
    """With an access log in any format, and without."""
    endpoint = stage.endpoint(answers)
    log = {"access_log": {"path": str(tmp_path / "access.log"), "format": form}} if form else {}
    steelyard = stage.steelyard(
        minimal([endpoint.address]) | log, environment=allocations.environment)
    targets = ["/length", "/chunked", "/stream"]
    with steelyard.connect() as connection:

        def exchanges(count):
            for n in range(count):
                method, content = ("POST", b"z" * 300) if n % 2 else ("GET", b"")
                response = connection.exchange(method, targets[n % 3], content=content)
                assert response.status == 200

        exchanges(WARM_UP)
        before = allocations.of_worker()
        exchanges(MEASURED)
        after = allocations.of_worker()
    assert after - before == 0
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_requests_total", code="2xx")
        == WARM_UP + MEASURED, "all to be counted")


def test_the_counter_counts(allocations):
    """Without this, a library that is never loaded would pass the test above."""
    subprocess.run(
        [sys.executable, "-c", "[bytearray(100_000) for _ in range(1000)]"], check=True,
        env=allocations.environment, timeout=60)
    assert allocations.by_thread()[Path(sys.executable).name[:15]] >= 1000
