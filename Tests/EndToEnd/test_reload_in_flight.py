"""What requests in flight keep when the fleet changes: retries, their place in the queue, limits."""

import threading

import pytest
from conftest import minimal
from endpoints import Endpoint, text
from programs import free_port, wait_for
from waiters import Gate, Waiter, length

OK = 0


class Cutting:
    """Reads requests, answers none, and cuts their connections when the test says so."""

    def __init__(self):
        self.count = 0
        self.release = threading.Event()

    def __call__(self, exchange):
        exchange.read_content()
        self.count += 1
        self.release.wait(60)
        exchange.socket.close()
        exchange.keeps_alive = False


def pool_of(addresses, **pool):
    return minimal(addresses, weights={"law": "static"}, **pool)


def held_at(steelyard, cutting):
    """A request that waits for an answer of the endpoint."""
    for _ in range(20):
        waiter = Waiter(steelyard)
        wait_for(lambda: cutting.count or waiter.has_answer(), "an endpoint to be asked")
        if cutting.count:
            return waiter
        assert waiter.response().status == 200
    raise AssertionError("the endpoint was never asked")


@pytest.mark.parametrize("change", ["nothing", "order", "queue"])
def test_a_request_in_flight_keeps_its_retry_over_a_reload(stage, change):
    cutting = Cutting()
    one, two = stage.endpoint(cutting), stage.endpoint(text(b"two"))
    steelyard = stage.steelyard(pool_of([one.address, two.address]))
    waiter = held_at(steelyard, cutting)
    changed = {
        "nothing": pool_of([one.address, two.address]),
        "order": pool_of([two.address, one.address]),
        "queue": pool_of(
            [{"address": each.address, "concurrency": 4} for each in (one, two)],
            queue={"max_concurrent": "slots"})}
    assert steelyard.reload(changed[change]).returncode == OK
    cutting.release.set()
    response = waiter.response()
    assert (response.status, response.content) == (200, b"two")


def test_a_request_in_flight_keeps_its_retry_over_a_change_of_names(stage, hosts):
    cutting = Cutting()
    addresses = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
    port = free_port(addresses)
    stage.keep(Endpoint(cutting, "127.0.0.3", port))
    for host in ("127.0.0.2", "127.0.0.4"):
        stage.keep(Endpoint(text(host.encode()), host, port))
    hosts.set(a__test=["127.0.0.2", "127.0.0.3"])
    configuration = pool_of([f"a.test:{port}"]) | {"dns": {"interval": "1s"}}
    steelyard = stage.steelyard(configuration, environment=hosts.environment)
    waiter = held_at(steelyard, cutting)
    hosts.set(a__test=["127.0.0.4"])
    wait_for(lambda: len(steelyard.events("host name resolved")) == 2, "the name to change")
    wait_for(lambda: steelyard.get("/").content == b"127.0.0.4", "the worker to know")
    cutting.release.set()
    response = waiter.response()
    assert (response.status, response.content) == (200, b"127.0.0.4")


def test_what_was_tried_before_a_reload_is_not_tried_again(stage):
    first, second = Cutting(), Cutting()
    one, two = stage.endpoint(first), stage.endpoint(second)
    last = stage.endpoint(text(b"last"))
    backup = {"address": last.address, "backup": True}
    retries = {"max": 3}
    steelyard = stage.steelyard(pool_of([one.address, two.address, backup], retries=retries))
    waiter = Waiter(steelyard)
    asked = wait_for(
        lambda: next((each for each in (first, second) if each.count), None), "the first attempt")
    asked.release.set()
    wait_for(lambda: first.count and second.count, "the second attempt")
    # Every endpoint has another position now.
    done = steelyard.reload(pool_of([backup, two.address, one.address], retries=retries))
    assert done.returncode == OK
    first.release.set()
    second.release.set()
    assert waiter.response().content == b"last"
    assert (first.count, second.count) == (1, 1)


def test_what_waits_for_a_pool_that_is_removed_is_refused_as_that_pools(stage):
    gate = Gate(stage)
    other = stage.endpoint(text(b"first"))
    before = pool_of([gate.endpoint.address], queue={"max_concurrent": 1, "timeout": "60s"})
    steelyard = stage.steelyard(before)
    running = Waiter(steelyard)
    wait_for(lambda: gate.running == 1, "the first to run")
    waiting = [Waiter(steelyard) for _ in range(3)]
    wait_for(lambda: length(steelyard) == 3, "three to wait")
    after = pool_of([other.address])
    after["pools"] = {"first": after["pools"]["text"]}
    after["listeners"][0]["pool"] = "first"
    assert steelyard.reload(after).returncode == OK
    assert [waiter.response().status for waiter in waiting] == [503, 503, 503]
    page = steelyard.metrics()
    refused = page.series("steelyard_pool_refusals_total", pool="first")
    assert refused and not any(value for _, value in refused)
    gate.open()
    assert running.response().status == 200
    # What is counted of a pool is kept for its return.
    assert steelyard.reload(before).returncode == OK
    page = steelyard.metrics()
    assert page.value("steelyard_pool_refusals_total", pool="text", reason="no_endpoint") == 3


@pytest.mark.parametrize("limit", [1, "slots"])
def test_what_runs_counts_for_a_limit_that_a_reload_brings(stage, limit):
    gate = Gate(stage)
    steelyard = stage.steelyard(pool_of([gate.endpoint.address]))
    running = Waiter(steelyard)
    wait_for(lambda: gate.running == 1, "the first to run")
    endpoint = {"address": gate.endpoint.address, "concurrency": 1}
    limited = pool_of([endpoint], queue={"max_concurrent": limit, "timeout": "60s"})
    assert steelyard.reload(limited).returncode == OK
    waiting = Waiter(steelyard)
    wait_for(lambda: length(steelyard) == 1, "the second to wait")
    gate.let_go()
    assert running.response().status == 200
    gate.let_go()
    assert waiting.response().status == 200
    assert gate.most == 1
