"""A pool's queue over real sockets: who runs, who waits, in which order, and who gives up."""

import json
import signal
import threading
import time

import pytest
import wire
from conftest import minimal
from programs import wait_for
from waiters import Gate, Waiter, length


def queued(gates, workers=1, **queue):
    gates = gates if isinstance(gates, list) else [gates]
    addresses = [gate.endpoint.address for gate in gates]
    return {**minimal(addresses, queue={"timeout": "60s", **queue}), "workers": workers}


def outcomes(steelyard):
    page = steelyard.metrics()
    return {labels["outcome"]: int(value) for labels, value in
            page.series("steelyard_queue_requests_total", pool="text")}


def wait_in_line(steelyard, targets, **options):
    """Sends the requests one after the other, each in its place before the next is sent."""
    waiters = []
    before = length(steelyard)
    for target in targets:
        fields = options.get("fields", lambda _: [])(target)
        waiters.append(Waiter(steelyard, target, fields=fields))
        expected = before + len(waiters)
        wait_for(lambda: length(steelyard) == expected, f"{target} to wait")
    return waiters


def occupy(steelyard, gate, count=1):
    """Requests that run."""
    before = gate.running
    waiters = [Waiter(steelyard, f"/running/{n}") for n in range(count)]
    wait_for(lambda: gate.running == before + count, "them to run")
    return waiters


def test_the_first_come_is_the_first_served(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(queued(gate, max_concurrent=1))
    running = occupy(steelyard, gate)
    targets = [f"/{n}" for n in range(12)]
    waiters = wait_in_line(steelyard, targets)
    page = steelyard.metrics()
    assert page.value("steelyard_queue_length_limit", pool="text") == 1000
    assert page.value("steelyard_queue_oldest_wait_seconds", pool="text") > 0
    assert page.value("steelyard_queue_wait_seconds_count", pool="text") == 1
    for count in range(13):
        gate.let_go()
        wait_for(lambda: len(gate.order) >= min(13, count + 2), "the next")
    assert [waiter.response().content.decode() for waiter in running + waiters] \
        == ["/running/0"] + targets
    assert gate.order == ["/running/0"] + targets
    assert gate.most == 1
    assert outcomes(steelyard) == {"admitted": 13, "full": 0, "timeout": 0, "canceled": 0}
    page = steelyard.metrics()
    assert page.value("steelyard_queue_wait_seconds_count", pool="text") == 13
    assert page.value("steelyard_queue_wait_seconds_sum", pool="text") > 0
    assert page.value("steelyard_queue_oldest_wait_seconds", pool="text") == 0


def test_a_field_sets_the_priority_where_the_operator_wants_it(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(queued(
        gate, max_concurrent=1,
        priority={"header": "X-Class", "values": {"interactive": "high", "batch": "low"}}))
    running = occupy(steelyard, gate)
    classes = {"/a": "batch", "/b": None, "/c": "INTERACTIVE", "/d": "nonsense", "/e": "interactive",
               "/f": "batch", "/g": "normal"}

    def fields(target):
        return [("x-class", classes[target])] if classes[target] else []

    waiters = wait_in_line(steelyard, list(classes), fields=fields)
    # Two of it are none: "high" for one reader and "low" for another.
    waiters += wait_in_line(steelyard, ["/h"], fields=lambda _: [
        ("X-Class", "interactive"), ("X-Class", "batch")])
    gate.open()
    assert [waiter.response().status for waiter in running + waiters] == [200] * 9
    assert gate.order[1:] == ["/c", "/e", "/b", "/d", "/g", "/h", "/a", "/f"]


def test_without_the_key_a_client_cannot_give_itself_priority(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(queued(gate, max_concurrent=1))
    running = occupy(steelyard, gate)
    waiters = wait_in_line(
        steelyard, ["/a", "/b"],
        fields=lambda target: [("X-Priority", "high")] if target == "/b" else [])
    gate.open()
    assert [waiter.response().status for waiter in running + waiters] == [200] * 3
    assert gate.order[1:] == ["/a", "/b"]


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(queued(gate, max_concurrent=1, max_length=2))
    running = occupy(steelyard, gate)
    waiters = wait_in_line(steelyard, ["/a", "/b"])
    with steelyard.connect() as connection:
        for _ in range(3):
            response = connection.exchange("POST", "/c", content=b"some content")
            assert response.status == 503
            assert int(response.one("Retry-After")) >= 1
            assert json.loads(response.content)["error"]["type"] == "queue_full"
            # The request was whole, so the connection goes on.
            assert response.one("Connection") is None
    gate.open()
    assert [waiter.response().status for waiter in running + waiters] == [200] * 3
    assert outcomes(steelyard) == {"admitted": 3, "full": 3, "timeout": 0, "canceled": 0}
    assert steelyard.metrics().value(
        "steelyard_local_responses_total", reason="queue_full", status="503") == 3
    assert steelyard.metrics().value("steelyard_pool_refusals_total", reason="queue_full") == 3
    assert steelyard.metrics().sum("steelyard_pool_refusals_total") == 3


def test_who_waits_too_long_is_told_so_and_does_not_reach_the_endpoint(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(queued(gate, max_concurrent=1, timeout="300ms"))
    running = occupy(steelyard, gate)
    with steelyard.connect() as connection:
        before = time.monotonic()
        response = connection.exchange("GET", "/late")
        assert time.monotonic() - before >= 0.3
        assert response.status == 503
        assert int(response.one("Retry-After")) >= 1
        assert json.loads(response.content)["error"]["type"] == "queue_timeout"
        gate.open()
        assert running[0].response().status == 200
        # The same connection, later.
        assert connection.exchange("GET", "/again").status == 200
    assert "/late" not in gate.order
    assert outcomes(steelyard) == {"admitted": 2, "full": 0, "timeout": 1, "canceled": 0}


@pytest.mark.parametrize("content", ["none", "unfinished", "pipelined"])
def test_a_client_that_leaves_leaves_the_queue_at_once(stage, content):
    gate = Gate(stage)
    steelyard = stage.steelyard(queued(gate, max_concurrent=1))
    running = occupy(steelyard, gate)
    leaver = steelyard.connect()
    if content == "unfinished":
        # More than is awaited before a request takes its place.
        leaver.send(b"POST /leaver HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"p" * 20000)
    else:
        leaver.send(b"GET /leaver HTTP/1.1\r\nHost: a\r\n\r\n" * (2 if content == "pipelined" else 1))
    wait_for(lambda: length(steelyard) == 1, "it to wait")
    stayer = wait_in_line(steelyard, ["/stayer"])
    leaver.close()
    wait_for(lambda: length(steelyard) == 1, "it to have left")
    assert outcomes(steelyard)["canceled"] == 1
    gate.open()
    assert [waiter.response().status for waiter in running + stayer] == [200, 200]
    assert gate.order == ["/running/0", "/stayer"]


def test_content_that_is_still_to_come_is_passed_on_after_the_wait(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(queued(gate, max_concurrent=1))
    running = occupy(steelyard, gate)
    content = bytes(range(256)) * 8192
    with steelyard.connect() as connection:
        sender = threading.Thread(
            target=connection.send_request, args=("POST", "/upload"), kwargs={"content": content})
        sender.start()
        wait_for(lambda: length(steelyard) == 1, "it to wait")
        gate.open()
        assert running[0].response().status == 200
        assert connection.read_response().status == 200
        sender.join()
    assert gate.endpoint.requests[-1].content == content


def hammer(steelyard, thread_count, request_count):
    """Closed-loop clients; the statuses of their answers."""
    statuses = []

    def run(number):
        for n in range(request_count):
            # New connections now and then, so that the kernel spreads them over the workers.
            with steelyard.connect(timeout=60) as connection:
                for m in range(5):
                    statuses.append(connection.exchange("GET", f"/{number}/{n}/{m}").status)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(thread_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive(), "a request was forgotten"
    return statuses


@pytest.mark.parametrize("limit", [1, 3])
def test_two_workers_keep_one_limit_and_forget_nobody(stage, limit):
    gate = Gate(stage, seconds=0.003)
    gate.open()
    steelyard = stage.steelyard(queued(gate, workers=2, max_concurrent=limit))
    statuses = hammer(steelyard, 12, 12)
    assert statuses == [200] * (12 * 12 * 5)
    assert gate.most == limit
    assert outcomes(steelyard) == {"admitted": 720, "full": 0, "timeout": 0, "canceled": 0}
    page = steelyard.metrics()
    assert page.value("steelyard_queue_length", pool="text") == 0
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the end")


def test_an_endpoint_never_has_more_than_its_slots(stage):
    gates = [Gate(stage, seconds=0.003) for _ in range(2)]
    for gate in gates:
        gate.open()
    configuration = queued(gates, workers=2, max_concurrent="slots")
    configuration["pools"]["text"]["endpoints"] = [
        {"address": gate.endpoint.address, "concurrency": slots}
        for slots, gate in zip((1, 3), gates)]
    steelyard = stage.steelyard(configuration)
    assert hammer(steelyard, 12, 12) == [200] * (12 * 12 * 5)
    assert gates[0].most == 1
    assert gates[1].most == 3
    assert len(gates[0].order) > 20
    assert outcomes(steelyard) == {"admitted": 720, "full": 0, "timeout": 0, "canceled": 0}


def test_who_waits_goes_to_the_first_endpoint_with_a_free_slot(stage):
    slow, quick = Gate(stage), Gate(stage)
    configuration = queued([slow, quick], max_concurrent="slots")
    configuration["pools"]["text"]["endpoints"] = [
        {"address": gate.endpoint.address, "concurrency": 1} for gate in (slow, quick)]
    steelyard = stage.steelyard(configuration)
    running = [Waiter(steelyard, f"/running/{n}") for n in range(2)]
    wait_for(lambda: slow.running == 1 and quick.running == 1, "both to have one")
    waiters = wait_in_line(steelyard, [f"/{n}" for n in range(10)])
    quick.open()
    assert [waiter.response().status for waiter in waiters] == [200] * 10
    assert quick.order[1:] == [f"/{n}" for n in range(10)]
    assert len(slow.order) == 1
    slow.open()
    assert [waiter.response().status for waiter in running] == [200] * 2


def test_without_an_endpoint_nobody_waits(stage):
    gate = Gate(stage)
    configuration = queued(gate, max_concurrent="slots")
    configuration["pools"]["text"]["endpoints"] = [
        {"address": gate.endpoint.address, "concurrency": 4, "weight": 0}]
    steelyard = stage.steelyard(configuration)
    response = steelyard.get("/")
    assert response.status == 503
    assert json.loads(response.content)["error"]["type"] == "no_endpoint"


def test_a_reload_keeps_those_that_wait_and_their_order(stage):
    gate, other = Gate(stage), Gate(stage)
    configuration = queued(gate, workers=2, max_concurrent=1)
    steelyard = stage.steelyard(configuration)
    running = occupy(steelyard, gate)
    waiters = wait_in_line(steelyard, [f"/{n}" for n in range(6)])
    # Another endpoint, another place of the pool, and two more may run.
    configuration["pools"] = {
        "first": {"endpoints": [other.endpoint.address]},
        "text": {**configuration["pools"]["text"], "endpoints": [other.endpoint.address],
                 "queue": {"max_concurrent": 3, "timeout": "60s"}}}
    steelyard.write(configuration)
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: other.running == 2, "two more to run")
    assert sorted(other.order) == ["/0", "/1"]
    assert length(steelyard) == 4
    # Without the queue all may run.
    configuration["pools"]["text"]["queue"] = {}
    steelyard.write(configuration)
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: other.running == 6, "all to run")
    other.open()
    gate.open()
    assert [waiter.response().status for waiter in running + waiters] == [200] * 7


def test_a_pool_that_goes_leaves_nobody_waiting(stage):
    gate, other = Gate(stage), Gate(stage)
    configuration = queued(gate, max_concurrent=1)
    steelyard = stage.steelyard(configuration)
    running = occupy(steelyard, gate)
    waiters = wait_in_line(steelyard, ["/a", "/b"])
    configuration["listeners"][0]["pool"] = "new"
    configuration["pools"] = {"new": {"endpoints": [other.endpoint.address]}}
    steelyard.write(configuration)
    steelyard.send_signal(signal.SIGHUP)
    assert [waiter.response().status for waiter in waiters] == [503, 503]
    gate.open()
    assert running[0].response().status == 200
    assert steelyard.metrics().series("steelyard_queue_length") == []


def test_a_graceful_end_serves_those_that_wait(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard({
        **queued(gate, workers=2, max_concurrent=1), "shutdown_timeout": "60s"})
    running = occupy(steelyard, gate)
    waiters = wait_in_line(steelyard, [f"/{n}" for n in range(5)])
    steelyard.send_signal(signal.SIGTERM)
    wait_for(lambda: steelyard.admin_status("/readyz") == 503, "the end to begin")
    gate.open()
    for waiter in running + waiters:
        assert waiter.response().status == 200
    assert steelyard.wait() == 0


def test_a_graceful_end_that_takes_too_long_cuts_those_that_wait(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard({
        **queued(gate, max_concurrent=1), "shutdown_timeout": "500ms"})
    running = occupy(steelyard, gate)
    waiters = wait_in_line(steelyard, ["/a", "/b"])
    steelyard.send_signal(signal.SIGTERM)
    for waiter in running + waiters:
        with pytest.raises((wire.Cut, OSError)):
            waiter.response()
    assert steelyard.wait() == 0
    gate.open()
    assert gate.order == ["/running/0"]


def test_a_retry_goes_to_where_there_is_room(stage):
    """The place at an endpoint that could not be reached is given back."""
    gate = Gate(stage)
    gate.open()
    closed = stage.endpoint(lambda exchange: None)
    closed.stop()
    configuration = queued(gate, max_concurrent="slots")
    configuration["pools"]["text"]["endpoints"] = [
        {"address": closed.address, "concurrency": 1},
        {"address": gate.endpoint.address, "concurrency": 1}]
    steelyard = stage.steelyard(configuration)
    assert hammer(steelyard, 6, 6) == [200] * (6 * 6 * 5)
    assert gate.most == 1


def test_a_breaker_narrower_than_the_slots_refuses_at_once(stage):
    gates = [Gate(stage) for _ in range(2)]
    configuration = queued(gates, max_concurrent="slots")
    configuration["pools"]["text"].update(
        breakers={"max_requests": 2}, weights={"law": "static"}, endpoints=[
            {"address": gate.endpoint.address, "concurrency": slots, "weight": weight}
            for slots, weight, gate in zip((1, 9), (9, 1), gates)])
    steelyard = stage.steelyard(configuration)
    # The first fills the one slot of the first endpoint.
    running = []
    for count, gate in enumerate(gates):
        running.append(Waiter(steelyard, "/running"))
        wait_for(lambda: gate.running == 1, f"endpoint {count} to have one")
    for _ in range(3):
        response = steelyard.get("/")
        assert response.status == 503
        assert json.loads(response.content)["error"]["type"] == "breaker_open"
    for gate in gates:
        gate.open()
    assert [waiter.response().status for waiter in running] == [200] * 2
    assert steelyard.get("/").status == 200


@pytest.mark.alone
def test_a_warm_worker_with_everything_on_allocates_nothing(stage, allocations):
    gate = Gate(stage)
    gate.open()
    configuration = queued(gate, max_concurrent=1, priority={})
    configuration["limits"] = {"connections_per_client": 100}
    configuration["pools"]["text"]["rate_limits"] = [
        {"key": {"header": "x-api-key"}, "rate": "1/h", "burst": 1, "max_keys": 64},
        {"key": "client_ip", "rate": "1000000/s"}, {"key": "path", "rate": "1000000/s"}]
    steelyard = stage.steelyard(
        configuration, environment=allocations.environment)
    connections = [steelyard.connect() for _ in range(4)]

    def exchanges(begin, end):
        """Four at once for one place; every fourth key is one that is at its limit."""
        seen = set()
        for n in range(begin, end):
            for m, connection in enumerate(connections):
                key = "same" if m == 3 else f"{n}-{m}"
                connection.send_request("GET", f"/{n}", fields=[
                    ("X-API-Key", key), ("X-Priority", ("high", "low", "none", "x")[m])])
            for connection in connections:
                seen.add(connection.read_response().status)
        return seen

    assert exchanges(0, 150) == {200, 429}
    before = allocations.of_worker()
    assert exchanges(150, 650) == {200, 429}
    assert allocations.of_worker() - before == 0
    assert steelyard.metrics().value("steelyard_queue_wait_seconds_sum", pool="text") > 0
    for connection in connections:
        connection.close()
