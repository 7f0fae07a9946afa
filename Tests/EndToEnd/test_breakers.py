"""Circuit breakers: what may run at once, over all workers, and what is refused beyond it."""

import threading

import pytest
from conftest import minimal
from endpoints import text
from programs import wait_for


class Door:
    """An answer function that answers as long as the door is open, and knows what waits at it."""

    def __init__(self):
        self.opened = threading.Event()
        self.waiting = 0
        self.most = 0
        self.lock = threading.Lock()

    def __call__(self, exchange):
        exchange.read_content()
        with self.lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        self.opened.wait(60)
        with self.lock:
            self.waiting -= 1
        exchange.answer(b"through")


def configured(addresses, workers=1, **breakers):
    configuration = minimal(addresses, breakers=breakers, balance="least_request")
    configuration["workers"] = workers
    return configuration


def begin(steelyard, count):
    connections = [steelyard.connect() for _ in range(count)]
    for connection in connections:
        connection.send_request("POST", "/", content=b"x")
    return connections


def refused(steelyard, breaker):
    return steelyard.metrics().sum("steelyard_breaker_refusals_total", breaker=breaker)


@pytest.mark.parametrize("breakers, most, breaker", [
    ({"max_requests": 4}, 4, "pool_requests"),
    ({"endpoint": {"max_requests": 3}}, 6, "endpoints"),
    ({"max_requests": 5, "endpoint": {"max_requests": 3}}, 5, "pool_requests"),
    ({"endpoint": {"max_connections": 2}}, 4, "endpoints"),
    ({"max_connections": 3}, 3, "endpoints")])
def test_more_than_may_run_at_once_is_refused(stage, breakers, most, breaker):
    gates = [Door(), Door()]
    endpoints = [stage.endpoint(gate) for gate in gates]
    steelyard = stage.steelyard(configured([one.address for one in endpoints], **breakers))
    running = begin(steelyard, most)
    wait_for(lambda: sum(gate.waiting for gate in gates) == most, "all of them to run")
    for _ in range(3):
        response = steelyard.connect().exchange("POST", "/", content=b"y")
        assert response.status == 503 and response.one("Retry-After") == "1"
        assert b'"breaker_open"' in response.content
    assert refused(steelyard, breaker) == 3
    assert steelyard.metrics().sum(
        "steelyard_local_responses_total", reason="breaker_open", status="503") == 3
    for gate in gates:
        gate.opened.set()
    assert [each.read_response("POST").content for each in running] == [b"through"] * most
    # There is room again, and idle connections are used again.
    for _ in range(2 * most):
        assert steelyard.connect().exchange("POST", "/").content == b"through"
    assert refused(steelyard, breaker) == 3
    assert sum(gate.most for gate in gates) == most


def test_the_limit_is_of_all_workers_together(stage):
    gate = Door()
    endpoint = stage.endpoint(gate)
    steelyard = stage.steelyard(configured(
        [endpoint.address], workers=4, endpoint={"max_requests": 8}))
    running = []
    for count in range(8):
        running += begin(steelyard, 1)
        wait_for(lambda: gate.waiting == count + 1, "it to run")
    for _ in range(12):
        assert steelyard.connect().exchange("POST", "/").status == 503
    gate.opened.set()
    assert all(each.read_response("POST").status == 200 for each in running)
    assert gate.most == 8


def test_a_full_endpoint_is_passed_over(stage):
    """The one with the large weight is full: the others get what comes."""
    full, free = Door(), stage.endpoint(text(b"free"))
    first = stage.endpoint(full)
    steelyard = stage.steelyard(configured(
        [{"address": first.address, "weight": 100}, free.address], endpoint={"max_requests": 2}))
    running = begin(steelyard, 2)
    wait_for(lambda: full.waiting == 2, "the first to be full")
    for _ in range(10):
        assert steelyard.connect().exchange("POST", "/").content == b"free"
    full.opened.set()
    assert [each.read_response("POST").content for each in running] == [b"through"] * 2


def test_full_endpoints_do_not_open_the_door_to_one_that_rests(stage):
    gates = [Door(), Door()]
    bad = stage.endpoint(text(b"broken", status=500))
    good = [stage.endpoint(gate) for gate in gates]
    configuration = configured([one.address for one in [bad, *good]], endpoint={"max_requests": 2})
    # As nginx counts: it rests for the whole hour, so that no trial comes in between.
    configuration["pools"]["text"]["ejection"] = {"max_fails": 1, "fail_timeout": "1h"}
    steelyard = stage.steelyard(configuration)
    for gate in gates:
        gate.opened.set()
    wait_for(lambda: steelyard.connect().exchange("POST", "/") and steelyard.metrics().sum(
        "steelyard_endpoint_ejections_total", endpoint=bad.address) == 1, "the ejection")
    for gate in gates:
        gate.opened.clear()
    running = begin(steelyard, 4)
    wait_for(lambda: sum(gate.waiting for gate in gates) == 4, "all to run")
    response = steelyard.connect().exchange("POST", "/")
    assert response.status == 503 and b"breaker_open" in response.content
    for gate in gates:
        gate.opened.set()
    assert [each.read_response("POST").content for each in running] == [b"through"] * 4
    assert len(bad.requests) == 1


def test_repeats_have_a_breaker_of_their_own(stage):
    gate = Door()
    bad, good = stage.endpoint(text(b"broken", status=500)), stage.endpoint(gate)
    configuration = configured([bad.address, good.address], max_retries=1)
    configuration["pools"]["text"] |= {"balance": "round_robin", "ejection": {"max_fails": 0}}
    steelyard = stage.steelyard(configuration)
    first = steelyard.connect()
    first.send_request("GET", "/")
    wait_for(lambda: gate.waiting == 1, "the repeat to run")
    # One repeat runs: the next ones that fail are answered with the failure.
    found = []
    pending = [first]
    for _ in range(4):
        connection = steelyard.connect()
        connection.send_request("GET", "/")
        pending.append(connection)
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_retries_refused_total", reason="breaker") >= 2, "refusals")
    gate.opened.set()
    found = sorted(each.read_response().status for each in pending)
    assert found == [200, 200, 200, 500, 500]
    assert steelyard.metrics().sum("steelyard_retries_total", reason="status") == 1


def test_connections_to_endpoints_are_counted(stage):
    gate = Door()
    endpoint = stage.endpoint(gate)
    steelyard = stage.steelyard(minimal([endpoint.address], keepalive={"idle": "500ms"}))
    count = lambda: steelyard.metrics().sum("steelyard_endpoint_connections")
    running = begin(steelyard, 5)
    wait_for(lambda: gate.waiting == 5, "all of them to run")
    assert count() == 5
    gate.opened.set()
    for each in running:
        each.read_response("POST")
    wait_for(lambda: count() == 0, "idle connections to be closed")
