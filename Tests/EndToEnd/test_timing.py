"""Where the time of an exchange goes: first byte, duration, what steelyard adds, the loop's turns."""

import threading

from conftest import minimal
from programs import wait_for

NAP_SECONDS = 0.4


def streamed(go):
    """A head at once, content when the test says so."""
    def answer(exchange):
        exchange.read_content()
        exchange.begin_chunked()
        exchange.chunk(b"first")
        go.wait(60)
        exchange.end_chunked()
    return answer


def plain(exchange):
    exchange.read_content()
    exchange.answer(b"fine")


def late(seconds):
    def answer(exchange):
        exchange.read_content()
        threading.Event().wait(seconds)
        exchange.answer(b"fine")
    return answer


def failing(exchange):
    exchange.read_content()
    threading.Event().wait(NAP_SECONDS)
    exchange.keeps_alive = False


def page_with(steelyard, family, count):
    """The metrics, once the family has counted so many."""
    return wait_for(
        lambda: (page := steelyard.metrics()).value(family) == count and page,
        f"{family} {count}")


def test_the_first_byte_is_told_apart_from_the_end(stage):
    go = threading.Event()
    steelyard = stage.steelyard(minimal([stage.endpoint(streamed(go)).address]))
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        page_with(steelyard, "steelyard_request_first_byte_seconds_count", 1)
        page = steelyard.metrics()
        assert page.value("steelyard_request_duration_seconds_count") == 0
        assert page.value("steelyard_endpoint_busy_seconds_total") == 0
        threading.Event().wait(NAP_SECONDS)
        go.set()
        connection.read_response()
    page = page_with(steelyard, "steelyard_request_duration_seconds_count", 1)
    duration = page.value("steelyard_request_duration_seconds_sum")
    assert duration >= NAP_SECONDS
    assert page.value("steelyard_request_first_byte_seconds_sum") <= duration - NAP_SECONDS
    busy = page.value("steelyard_endpoint_busy_seconds_total")
    assert NAP_SECONDS <= busy <= duration + 1e-6


def test_the_wait_in_the_queue_is_no_overhead(stage):
    endpoint = stage.endpoint(late(NAP_SECONDS)).address
    steelyard = stage.steelyard(minimal([endpoint], queue={"max_concurrent": 1}))
    connections = [steelyard.connect() for _ in range(3)]
    for connection in connections:
        connection.send_request("GET", "/")
    for connection in connections:
        assert connection.read_response().status == 200
        connection.close()
    page = page_with(steelyard, "steelyard_request_duration_seconds_count", 3)
    assert page.value("steelyard_queue_wait_seconds_sum") >= 3 * NAP_SECONDS * 0.99
    assert page.value("steelyard_request_overhead_seconds_count") == 3
    assert page.value("steelyard_request_overhead_seconds_sum") < NAP_SECONDS
    busy = page.value("steelyard_endpoint_busy_seconds_total")
    assert 3 * NAP_SECONDS * 0.99 <= busy < 6 * NAP_SECONDS


def test_an_attempt_in_vain_is_overhead(stage):
    addresses = [stage.endpoint(failing).address, stage.endpoint(plain).address]
    steelyard = stage.steelyard(minimal(addresses, balance="round_robin"))
    for _ in range(4):
        with steelyard.connect() as connection:
            assert connection.exchange("GET", "/").status == 200
    page = page_with(steelyard, "steelyard_request_overhead_seconds_count", 4)
    assert page.sum("steelyard_retries_total") >= 1
    assert page.value("steelyard_request_overhead_seconds_sum") >= NAP_SECONDS * 0.99


def test_turns_are_counted_and_short(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(plain).address]))
    before = steelyard.metrics().value("steelyard_worker_turn_seconds_count")
    with steelyard.connect() as connection:
        for _ in range(50):
            assert connection.exchange("GET", "/").status == 200
    page = steelyard.metrics()
    count = page.value("steelyard_worker_turn_seconds_count") - before
    # A request and its answer come in two turns.
    assert count >= 90
    assert 0 < page.value("steelyard_worker_turn_seconds_sum") < count
