"""Failed attempts that are made again elsewhere, and those that must not be."""

import random
import signal
import threading
import time

import pytest
from conftest import minimal
from endpoints import text
from loads import Load
from programs import free_port, wait_for
from wire import Cut

IDEMPOTENT = [{"idempotent": True}]


def pooled(addresses, routes=None, workers=1, **pool):
    configuration = minimal(addresses, **{
        "balance": "round_robin", "weights": {"law": "static"}, "slow_start": "0s", **pool})
    configuration["workers"] = workers
    if routes is not None:
        configuration["listeners"] = [{"listen": "127.0.0.1:0", "routes": routes}]
    return configuration


def metric(steelyard, name, **labels):
    return steelyard.metrics().sum(name, **labels)


class Switch:
    """An answer function that fails while it is told to; counts both."""

    def __init__(self, status=500):
        self.status = status
        self.is_failing = True
        self.failed = 0
        self.served = 0

    def __call__(self, exchange):
        exchange.read_content()
        if self.is_failing:
            self.failed += 1
            exchange.answer(b"broken", status=self.status)
        else:
            self.served += 1
            exchange.answer(b"healed")


def prompts(steelyard, count=6, pause=0.005):
    """Clients that POST, each twenty times on one connection."""
    return Load(steelyard, count, pause, target="/v1", content=b"a prompt", exchanges_max=20)


# Safe or not


@pytest.mark.parametrize("method, routes, status, reason", [
    ("GET", None, 200, None), ("PUT", None, 200, None), ("DELETE", None, 200, None),
    ("POST", None, 500, "unsafe"), ("PATCH", None, 500, "unsafe"),
    ("POST", IDEMPOTENT, 200, None), ("PATCH", IDEMPOTENT, 200, None)])
def test_an_error_is_asked_again_where_that_is_safe(stage, method, routes, status, reason):
    bad = stage.endpoint(text(b"broken", status=500))
    good = stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(pooled(
        [bad.address, good.address], routes, ejection={"max_fails": 0}))
    statuses = [steelyard.connect().exchange(method, "/", content=b"x").status for _ in range(6)]
    assert statuses.count(200) == (6 if status == 200 else 3)
    assert len(bad.requests) == 3
    if reason:
        assert metric(steelyard, "steelyard_retries_refused_total", reason=reason) == 3
    else:
        assert metric(steelyard, "steelyard_retries_total", reason="status") == 3
        assert metric(
            steelyard, "steelyard_retries_total", reason="status", endpoint=bad.address) == 3


@pytest.mark.parametrize("method, routes, is_repeated", [
    ("GET", None, True), ("POST", None, False), ("POST", IDEMPOTENT, True)])
@pytest.mark.parametrize("garbage", [b"", b"HTTP/1.1 20", b"SSH-2.0-x\r\n\r\n"])
def test_a_cut_before_the_head_likewise(stage, method, routes, is_repeated, garbage):

    def cut(exchange):
        exchange.read_content()
        exchange.send(garbage)
        raise Cut()

    bad, good = stage.endpoint(cut), stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(pooled(
        [bad.address, good.address], routes, ejection={"max_fails": 0}))
    statuses = [steelyard.connect().exchange(method, "/", content=b"x").status for _ in range(4)]
    assert statuses.count(200) == (4 if is_repeated else 2)
    assert statuses.count(502) == (0 if is_repeated else 2)
    assert len(bad.requests) == 2


def test_an_answer_that_has_begun_is_never_repeated(stage):

    def half(exchange):
        exchange.read_content()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        raise Cut()

    bad, good = stage.endpoint(half), stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(pooled([bad.address, good.address], IDEMPOTENT))
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        with pytest.raises((Cut, ConnectionError)):
            connection.read_response()
    assert len(bad.requests) == 1 and not good.requests


@pytest.mark.parametrize("listed", [False, True])
def test_a_late_answer_is_asked_again_only_where_the_pool_says_so(stage, listed):
    late = threading.Event()

    def hang(exchange):
        exchange.read_content()
        late.wait(60)
        raise Cut()

    bad, good = stage.endpoint(hang), stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(pooled(
        [bad.address, good.address], IDEMPOTENT, retries={"timeouts": listed},
        timeouts={"first_byte": "300ms"}))
    statuses = [steelyard.connect().exchange("POST", "/", content=b"x").status for _ in range(2)]
    late.set()
    assert sorted(statuses) == ([200, 200] if listed else [200, 504])


def test_only_the_statuses_listed(stage):
    bad, good = stage.endpoint(text(b"later", status=429)), stage.endpoint(text(b"fine"))
    for statuses, expected in [([429], [200, 200]), ([500], [200, 429])]:
        steelyard = stage.steelyard(pooled(
            [bad.address, good.address], IDEMPOTENT, retries={"statuses": statuses}))
        found = [steelyard.connect().exchange("POST", "/").status for _ in range(2)]
        assert sorted(found) == expected


def test_no_endpoint_is_asked_twice_while_there_is_another(stage):
    bad = [stage.endpoint(text(b"broken %d" % n, status=500)) for n in range(4)]
    good = stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(pooled(
        [one.address for one in [*bad, good]], IDEMPOTENT, balance="least_request",
        retries={"max": 4, "budget": {"ratio": 10}}, ejection={"max_fails": 0}))
    for count in range(1, 30):
        assert steelyard.connect().exchange("POST", "/", content=b"x").status == 200
        assert all(len(one.requests) <= count for one in bad)
        assert len(good.requests) == count


def test_a_repeat_at_the_same_endpoint_waits_and_has_another_identifier(stage):
    came = []

    def cut(exchange):
        exchange.read_content()
        came.append((time.monotonic(), exchange.request.one("X-Request-Id")))
        raise Cut()

    bad = stage.endpoint(cut)
    steelyard = stage.steelyard(pooled(
        [bad.address], IDEMPOTENT, retries={"max": 3}, ejection={"max_fails": 0}))
    with steelyard.connect() as connection:
        response = connection.exchange("POST", "/", content=b"x" * 40_000)
        assert response.status == 502
        (first, name), *repeats = came
        last = first
        for count, (at, other) in enumerate(repeats):
            assert at - last >= 0.025 * 2 ** count - 0.001
            last = at
            # Whoever looks for one finds them all.
            assert other[:31] == name[:31] and len(other) == 32
        assert len({name, *(other for _, other in repeats)}) == 4
        assert response.one("X-Request-Id") == repeats[-1][1]
        # A client's own is the client's.
        came.clear()
        connection.exchange("GET", "/", fields=[("X-Request-Id", "mine")])
        assert [other for _, other in came] == ["mine"] * 4
    assert [request.content for request in bad.requests[:4]] == [b"x" * 40_000] * 4


def test_a_repeat_elsewhere_is_made_at_once_under_the_same_identifier(stage):
    bad = [stage.endpoint(text(b"broken", status=503)) for _ in range(2)]
    good = stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(pooled(
        [one.address for one in [*bad, good]], ejection={"max_fails": 0}))
    assert steelyard.get("/").status == 200
    names = [one.requests[0].one("X-Request-Id") for one in [*bad, good]]
    assert len(set(names)) == 1


def test_an_exchange_that_pauses_ends_with_its_client_its_time_and_the_program(stage):
    def refused(count, **options):
        configuration = pooled([f"127.0.0.1:{free_port()}"], retries={"max": count}, **options)
        return stage.steelyard(configuration)

    steelyard = refused(7, timeouts={"exchange": "300ms"})
    assert steelyard.get("/").status == 504
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
    steelyard = refused(5)
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        wait_for(lambda: metric(steelyard, "steelyard_retries_total") > 0, "the first repeat")
        steelyard.send_signal(signal.SIGTERM)
        assert connection.read_response().status == 502
    assert steelyard.wait() == 0


# What is passed on when nothing helps


def test_the_last_endpoints_own_answer_is_passed_on(stage):
    bad = [stage.endpoint(text(b"broken %d" % n, status=503)) for n in range(3)]
    steelyard = stage.steelyard(pooled([one.address for one in bad], ejection={"max_fails": 0}))
    with steelyard.connect() as connection:
        for _ in range(3):
            response = connection.exchange("GET", "/")
            assert response.status == 503 and response.content.startswith(b"broken ")
    assert sum(len(one.requests) for one in bad) == 9
    assert metric(steelyard, "steelyard_retries_refused_total", reason="limit") == 3


def test_an_answer_is_better_than_a_connection_that_is_refused(stage):
    bad = stage.endpoint(text(b"out of memory", status=500, fields=[("X-Why", "oom")]))
    steelyard = stage.steelyard(pooled(
        [bad.address, f"127.0.0.1:{free_port()}"], ejection={"max_fails": 0}))
    with steelyard.connect() as connection:
        for _ in range(6):
            response = connection.exchange("GET", "/")
            assert (response.status, response.content) == (500, b"out of memory")
            assert response.one("X-Why") == "oom"
        connection.send_request("HEAD", "/")
        assert connection.read_response("HEAD").status == 500
        assert connection.exchange("GET", "/").content == b"out of memory"


# Replays


@pytest.mark.parametrize("count", [10, 30_000, 70_000, 500_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_is_sent_again_byte_for_byte(stage, count, is_chunked):
    content = random.Random(count).randbytes(count)
    bad, good = stage.endpoint(text(status=503)), stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(pooled(
        [bad.address, good.address], IDEMPOTENT, retries={"replay_bytes": "1MiB"},
        ejection={"max_fails": 0}))
    for _ in range(4):
        with steelyard.connect() as connection:
            if is_chunked:
                pieces = [content[at:at + 9_000] for at in range(0, count, 9_000)]
                response = connection.exchange("POST", "/", chunks=pieces)
            else:
                response = connection.exchange("POST", "/", content=content)
            assert response.status == 200
    assert len(bad.requests) == 2 and len(good.requests) == 4
    assert all(request.content == content for request in [*bad.requests, *good.requests])


def test_a_body_over_the_limit_is_not_repeated_and_counted(stage):
    bad, good = stage.endpoint(text(b"broken", status=503)), stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(pooled(
        [bad.address, good.address], IDEMPOTENT, retries={"replay_bytes": 20_000},
        ejection={"max_fails": 0}))
    for count, expected in [(20_000, [200, 200]), (20_001, [200, 503]), (200_000, [200, 503])]:
        found = [steelyard.connect().exchange("POST", "/", content=b"x" * count).status
                 for _ in range(2)]
        assert sorted(found) == expected, count
    assert metric(
        steelyard, "steelyard_retries_refused_total", reason="content_too_large") == 2


def test_what_a_worker_keeps_for_repeats_is_bounded(stage):
    """More uploads at a time than the worker keeps: they all work, some are not repeatable."""
    bad, good = stage.endpoint(text(b"broken", status=503)), stage.endpoint(text(b"fine"))
    configuration = pooled(
        [bad.address, good.address], IDEMPOTENT, ejection={"max_fails": 0},
        retries={"replay_bytes": "1MiB", "budget": {"ratio": 10}})
    configuration["limits"] = {"replay_bytes": "1MiB"}
    steelyard = stage.steelyard(configuration)
    before = steelyard.rss_bytes()
    connections = [steelyard.connect() for _ in range(40)]
    for connection in connections:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400001\r\n\r\n"
                        + b"x" * 400_000)
    for connection in connections:
        connection.send(b"y")
    statuses = [connection.read_response("POST").status for connection in connections]
    assert set(statuses) == {200, 503}
    assert steelyard.rss_bytes() - before < 24 << 20
    # What was kept was given back.
    assert all(steelyard.connect().exchange("POST", "/", content=b"z" * 400_000).status == 200
               for _ in range(10))


# The budget


def test_a_storm_gets_its_budget_and_no_more(stage):
    bad = [stage.endpoint(text(b"broken", status=500)) for _ in range(3)]
    steelyard = stage.steelyard(pooled(
        [one.address for one in bad], IDEMPOTENT, workers=2, ejection={"max_fails": 0},
        retries={"budget": {"ratio": 0.2, "per_second": 1}}))
    began = time.monotonic()
    with steelyard.connect() as first, steelyard.connect() as second:
        for _ in range(500):
            assert first.exchange("POST", "/").content == b"broken"
            assert second.exchange("POST", "/").content == b"broken"
    seconds = time.monotonic() - began
    retries = metric(steelyard, "steelyard_retries_total")
    # 1000 requests, ten seconds' worth at the start, one a second.
    expected = 0.2 * 1000 + 10 + seconds
    assert 0.8 * expected - 20 < retries < expected + 20
    assert metric(steelyard, "steelyard_retries_refused_total", reason="budget") > 500
    assert sum(len(one.requests) for one in bad) == 1000 + retries


def test_no_budget_no_repeats_but_of_what_was_never_sent(stage):
    good = stage.endpoint(text(b"fine"))
    bad = stage.endpoint(text(b"broken", status=500))
    none = {"budget": {"ratio": 0, "per_second": 0}}
    steelyard = stage.steelyard(pooled(
        [bad.address, good.address], retries=none, ejection={"max_fails": 0}))
    assert sorted(steelyard.get("/").status for _ in range(4)) == [200, 200, 500, 500]
    steelyard = stage.steelyard(pooled(
        [f"127.0.0.1:{free_port()}", good.address], retries=none, ejection={"max_fails": 0}))
    assert [steelyard.get("/").status for _ in range(8)] == [200] * 8
    assert metric(steelyard, "steelyard_retries_total", reason="unsent") == 4


# Endpoints that go wrong and come back


@pytest.mark.parametrize("workers", [1, 3])
def test_no_client_of_an_idempotent_route_sees_one_endpoint_of_five_fail(stage, workers):
    switch = Switch()
    switch.is_failing = False
    bad = stage.endpoint(switch)
    good = [stage.endpoint(text(b"fine")) for _ in range(4)]
    steelyard = stage.steelyard(pooled(
        [one.address for one in [bad, *good]], IDEMPOTENT, workers, balance="least_request"))
    load = prompts(steelyard)
    wait_for(lambda: switch.served > 20, "the endpoint to be used")
    for _ in range(2):
        ejections = metric(steelyard, "steelyard_endpoint_ejections_total", endpoint=bad.address)
        before = switch.failed
        switch.is_failing = True
        wait_for(lambda: metric(
            steelyard, "steelyard_endpoint_ejections_total", endpoint=bad.address) > ejections,
            "the ejection")
        # Through several trials.
        wait_for(lambda: switch.failed > before + 8, "trials")
        served = switch.served
        switch.is_failing = False
        healed = time.monotonic()
        wait_for(lambda: switch.served > served + 30, "it to be back")
        print(f"{workers} workers: back after {time.monotonic() - healed:.2f} s")
    statuses = load.stop()
    assert set(statuses) == {200}, {status: statuses.count(status) for status in set(statuses)}
    assert metric(steelyard, "steelyard_endpoint_readmissions_total", endpoint=bad.address) >= 2


def test_an_endpoint_that_hangs_fails_three_requests_and_its_trials_none(stage):
    over = threading.Event()

    def hang(exchange):
        exchange.read_content()
        over.wait(60)
        exchange.answer(b"at last")

    bad = stage.endpoint(hang)
    good = [stage.endpoint(text(b"fine")) for _ in range(3)]
    steelyard = stage.steelyard(pooled(
        [one.address for one in [bad, *good]], IDEMPOTENT, timeouts={"first_byte": "1s"}))
    load = prompts(steelyard, count=12)
    wait_for(lambda: len(bad.requests) > 0 or steelyard.metrics().sum(
        "steelyard_endpoint_ejections_total") == 1, "the ejection")
    wait_for(lambda: metric(steelyard, "steelyard_retries_total", reason="timeout") >= 2,
             "trials in vain")
    statuses = load.stop()
    over.set()
    # The two before the one that ejects it.
    assert statuses.count(504) <= 2 and set(statuses) <= {200, 504}


def test_without_idempotent_few_errors_pass(stage):
    switch = Switch()
    bad = stage.endpoint(switch)
    good = [stage.endpoint(text(b"fine")) for _ in range(4)]
    steelyard = stage.steelyard(pooled(
        [one.address for one in [bad, *good]], balance="least_request"))
    load = prompts(steelyard)
    wait_for(lambda: metric(steelyard, "steelyard_endpoint_ejections_total") == 1, "the ejection")
    ejected = time.monotonic()
    # What was on its way has arrived by then, and the first trial has not been made.
    wait_for(lambda: time.monotonic() > ejected + 1, "its errors to arrive")
    before = load.statuses().count(500)
    # Two until it is ejected, and what was on its way.
    assert 2 <= before <= 5
    # Every trial is an error that a client sees, so rests grow: 2 s, then 4 s.
    wait_for(lambda: load.statuses().count(500) >= before + 2, "two trials in vain")
    assert time.monotonic() - ejected > 5
    statuses = load.stop()
    print(f"{statuses.count(500)} of {len(statuses)} failed")
    assert statuses.count(500) <= before + 3 and statuses.count(200) > 500


def test_a_process_that_is_gone_costs_nothing_and_is_back_at_once(stage):
    good = [stage.endpoint(text(b"fine")) for _ in range(4)]
    port = free_port()
    steelyard = stage.steelyard(pooled(
        [f"127.0.0.1:{port}", *(one.address for one in good)], balance="least_request"))
    load = prompts(steelyard)
    wait_for(lambda: metric(steelyard, "steelyard_endpoint_ejections_total") == 1, "the ejection")
    wait_for(lambda: metric(
        steelyard, "steelyard_retries_total", reason="unsent") > 8, "trials in vain")
    back = stage.endpoint(text(b"fine"), port=port)
    came = time.monotonic()
    wait_for(lambda: len(back.requests) > 20, "requests")
    print(f"back after {time.monotonic() - came:.2f} s")
    assert set(load.stop()) == {200}
    # Rests after trials in vain are the same ejection.
    assert metric(steelyard, "steelyard_endpoint_ejections_total") == 1


def test_nginxs_count_is_taken_as_nginx_does(stage):
    """Two failures within the window, though not in a row: out for the whole of fail_timeout."""
    answers = iter([200, 500, 200, 200, 500])

    def sometimes(exchange):
        exchange.read_content()
        exchange.answer(b"sometimes", status=next(answers, 200))

    bad, good = stage.endpoint(sometimes), stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(pooled(
        [bad.address, good.address],
        ejection={"max_fails": 2, "fail_timeout": "5s", "error_ratio": "none"}))
    post = lambda: steelyard.connect().exchange("POST", "/", content=b"x").content
    for _ in range(10):
        post()
    assert len(bad.requests) == 5
    began = time.monotonic()
    while time.monotonic() < began + 3:
        assert post() == b"fine"
    wait_for(lambda: post() == b"sometimes", "its next trial")


def test_the_ejected_share_is_capped(stage):
    bad = [stage.endpoint(text(b"broken", status=500)) for _ in range(3)]
    good = stage.endpoint(text(b"fine"))
    addresses = [one.address for one in [*bad, good]]
    for share, ejected in [(0, 1), (0.5, 2), (0.75, 3)]:
        steelyard = stage.steelyard(pooled(
            addresses, ejection={"max_ratio": share, "panic_ratio": 0}))
        for _ in range(60):
            steelyard.connect().exchange("POST", "/", content=b"x")
        assert metric(steelyard, "steelyard_endpoint_ejections_total") == ejected


@pytest.mark.parametrize("ratio, is_ejected", [("none", False), (3, True)])
def test_a_far_slower_endpoint_is_ejected_where_the_pool_says_so(stage, ratio, is_ejected):

    def slow(exchange):
        exchange.read_content()
        time.sleep(0.6)
        exchange.answer(b"slow")

    def quick(exchange):
        # So long that the pauses of a busy machine make no ratio.
        time.sleep(0.1)
        exchange.answer(b"quick")

    bad = stage.endpoint(slow)
    good = [stage.endpoint(quick) for _ in range(3)]
    steelyard = stage.steelyard(pooled(
        [one.address for one in [bad, *good]], ejection={"slow_ratio": ratio}))
    load = prompts(steelyard, pause=0)
    wait_for(lambda: metric(
        steelyard, "steelyard_endpoint_ejections_total", endpoint=bad.address) > 0
        if is_ejected else len(bad.requests) > 60, "a verdict")
    assert set(load.stop()) == {200}
    ejections = metric(steelyard, "steelyard_endpoint_ejections_total")
    assert (ejections > 0) == is_ejected
    assert ejections == metric(
        steelyard, "steelyard_endpoint_ejections_total", endpoint=bad.address)
