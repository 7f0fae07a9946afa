"""The progress watchdog: engines that hang while /health says 200, and processes that are frozen.

Times are printed: pytest -s. They are measured from the fault to the last request that went there.
"""

import json
import os
import signal
import threading
import time

import pytest
import wire
from conftest import minimal
from engines import Engine
from programs import wait_for

WEIGHTS = {"law": "capacity", "scrape": [{"preset": "vllm"}]}


class Tokens(Engine):
    """Answers in tokens, as vLLM does; hung or not, its health page says 200."""

    def __init__(self, stage, seconds=0.05, seconds_per_byte=0.0):
        self.seconds = seconds
        # As long as it reads a prompt its counter stands.
        self.seconds_per_byte = seconds_per_byte
        self.arrivals = []
        super().__init__(stage)

    def answer(self, exchange):
        content = exchange.read_content()
        target = exchange.request.target
        if target == "/health":
            return exchange.answer(b"")
        if target == "/metrics":
            return exchange.answer(self.page().encode())
        with self.lock:
            self.running += 1
            self.arrivals.append(time.monotonic())
        try:
            # As vLLM does: the head at once, then the tokens.
            exchange.begin_chunked([("Content-Type", "text/event-stream")])
            threading.Event().wait(len(content) * self.seconds_per_byte)
            for _ in range(3):
                self.works.wait(60)
                threading.Event().wait(self.seconds / 3)
                with self.lock:
                    self.steps += 1
                exchange.chunk(b"data: token\n\n")
        finally:
            # A request whose client has left is dropped.
            with self.lock:
                self.running -= 1
        return exchange.end_chunked()


class Clients:
    """Ask again and again, each on connections of its own, and give up after `patience` seconds."""

    def __init__(self, steelyard, count=6, patience=4.0):
        self.steelyard = steelyard
        self.patience = patience
        self.good = self.bad = 0
        self._stops = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stops.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        while not self._stops.wait(0.005):
            try:
                with self.steelyard.connect(self.patience) as connection:
                    ok = connection.exchange("GET", "/hello").status == 200
            except (OSError, wire.Cut):
                ok = False
            if ok:
                self.good += 1
            else:
                self.bad += 1


def state(steelyard, address):
    found = steelyard.metrics().series(
        "steelyard_endpoint_eligibility", endpoint=address)
    return next(labels["state"] for labels, value in found if value == 1)


def attempts(steelyard, address):
    return steelyard.metrics().value("steelyard_endpoint_attempts_total", endpoint=address)


def wait_for_state(steelyard, address, *wanted):
    wait_for(lambda: state(steelyard, address) in wanted, f"{wanted}", deadline=60)


def start(stage, addresses, **pool):
    health = {"path": "/health", "interval": "5s", "timeout": "2s"}
    return stage.steelyard(minimal(
        addresses, **{"weights": WEIGHTS, "health": health, **pool}))


def test_a_hung_engine_leaves_within_seconds_and_comes_back(stage):
    engines = [Tokens(stage) for _ in range(3)]
    steelyard = start(stage, [one.address for one in engines])
    clients = stage.keep(Clients(steelyard))
    hung = engines[1]
    wait_for(lambda: all(len(one.arrivals) > 100 for one in engines), "traffic everywhere")
    for one in engines:
        wait_for(lambda one=one: steelyard.metrics().sum(
            "steelyard_signal_value", endpoint=one.address, signal="progress") > 0, "progress")
    fault = time.monotonic()
    hung.works.clear()
    wait_for_state(steelyard, hung.address, "stalled")
    assert steelyard.metrics().value(
        "steelyard_watchdog_trips_total", endpoint=hung.address, cause="no_progress") == 1
    before = len(hung.arrivals)
    good = clients.good
    wait_for(lambda: clients.good > good + 100, "the others to go on")
    # What was on its way when the table changed may still arrive.
    assert len(hung.arrivals) <= before + 2
    out = hung.arrivals[-1] - fault
    print(f"\nhung engine: the last request went there {out:.1f} s after the fault")
    assert out < 15, "the machine is busy, but not that busy"
    event = next(each for each in steelyard.events("eligibility changed")
                 if each["to"] == "stalled")
    assert event["endpoint"] == hung.address and event["cause"] == "no_progress"
    # No health check ever failed.
    assert steelyard.metrics().sum("steelyard_health_failures_total") == 0
    before = len(hung.arrivals)
    repaired = time.monotonic()
    hung.works.set()
    wait_for(lambda: len(hung.arrivals) > before + 10, "requests to go there again")
    back = hung.arrivals[before] - repaired
    print(f"hung engine: the first request went there {back:.1f} s after it worked again")
    wait_for_state(steelyard, hung.address, "ready")


def test_an_engine_that_lost_its_requests_is_tried_again_one_at_a_time(stage):
    engines = [Tokens(stage) for _ in range(3)]
    steelyard = start(stage, [one.address for one in engines], watchdog={"timeout": "2s"})
    clients = stage.keep(Clients(steelyard, patience=3.0))
    hung = engines[0]
    wait_for(lambda: all(len(one.arrivals) > 100 for one in engines), "traffic everywhere")
    hung.works.clear()
    wait_for_state(steelyard, hung.address, "stalled")
    before = len(hung.arrivals)
    # The clients give up, it is tried, hangs again, and rests for longer.
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_watchdog_trips_total", endpoint=hung.address) >= 2, "another stall", 90)
    trials = len(hung.arrivals) - before
    print(f"\n{trials} request(s) for a trial that failed")
    assert 1 <= trials <= 6
    good = clients.good
    hung.works.set()
    wait_for_state(steelyard, hung.address, "ready")
    count = len(hung.arrivals)
    wait_for(lambda: len(hung.arrivals) > count + 30, "its share", 60)
    assert clients.good > good


def workers(pid):
    """A process and its children."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [pid, *map(int, file.read().split())]


def test_a_frozen_process_leaves_within_seconds_and_comes_back(stage):
    fleet = [stage.nginx(label=f"n{number}") for number in range(3)]
    for nginx in fleet:
        (nginx.files / "metrics").write_text("my_running 0\n")
        (nginx.files / "health").write_text("ok")
    page = {"path": "/metrics", "signals": [
        {"name": "running", "metric": "my_running", "role": "running"}]}
    steelyard = start(
        stage, [nginx.address for nginx in fleet],
        weights={"law": "capacity", "scrape": [page]})
    clients = stage.keep(Clients(steelyard))
    frozen = fleet[2]
    wait_for(lambda: all(attempts(steelyard, one.address) > 100 for one in fleet), "traffic")
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_health_probes_total", endpoint=frozen.address) >= 1, "a check")
    fault = time.monotonic()
    pids = workers(frozen.pid)
    assert len(pids) >= 2, "nginx has a worker"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for_state(steelyard, frozen.address, "stalled", "unhealthy")
        out = time.monotonic() - fault
        count = attempts(steelyard, frozen.address)
        good = clients.good
        wait_for(lambda: clients.good > good + 200, "the others to go on")
        assert attempts(steelyard, frozen.address) == count
        print(f"\nfrozen process: out after {out:.1f} s")
        assert steelyard.metrics().sum(
            "steelyard_watchdog_trips_total", endpoint=frozen.address, cause="no_answer") == 1
        assert out < 15
    finally:
        thawed = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_for(lambda: attempts(steelyard, frozen.address) > count, "requests to go there again", 60)
    print(f"frozen process: back after {time.monotonic() - thawed:.1f} s")
    wait_for_state(steelyard, frozen.address, "ready")
    failed = clients.bad
    good = clients.good
    wait_for(lambda: clients.good > good + 200, "all to go on")
    assert clients.bad == failed


def test_long_silences_that_are_usual_trip_nothing(stage):
    """Prefills of 3 s: no content, no steps. Two of the three endpoints are busy with them."""
    engines = [Tokens(stage, seconds=0.05), Tokens(stage, seconds=9), Tokens(stage, seconds=9)]
    steelyard = start(stage, [one.address for one in engines])
    stage.keep(Clients(steelyard, count=6, patience=30))
    wait_for(lambda: len(engines[1].arrivals) + len(engines[2].arrivals) >= 6, "slow ones", 120)
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_scrape_attempts_total", endpoint=engines[1].address) >= 25, "time to pass", 60)
    assert steelyard.metrics().sum("steelyard_watchdog_trips_total") == 0


def watchdog_of(steelyard, address):
    """What `explain` says: fine, stalled or trial."""
    with wire.Connection(steelyard.admin) as connection:
        found = json.loads(connection.exchange("GET", "/api/v1/pools/text/explain").content)
    return next(one["watchdog"]["state"] for one in found["endpoints"] if one["address"] == address)


def test_a_long_prompt_is_no_stall(stage):
    """Eight time-outs long, on endpoints that were sent short ones only."""
    engines = [Tokens(stage, seconds_per_byte=0.002) for _ in range(2)]
    steelyard = start(
        stage, [one.address for one in engines], watchdog={"timeout": "1s"},
        weights={**WEIGHTS, "interval": "200ms"})
    def scrapes():
        return steelyard.metrics().sum("steelyard_scrape_attempts_total")

    # One a page: many answers in one interval of a busy machine would look like a fast endpoint.
    for _ in range(10):
        with steelyard.connect() as connection:
            assert connection.exchange("POST", "/", content=b"x" * 50).status == 200
        count = scrapes()
        wait_for(lambda: scrapes() >= count + 4, "pages to be read")
    states = set()
    with steelyard.connect() as connection:
        connection.send_request("POST", "/", content=b"x" * 4000)
        wait_for(lambda: sum(one.running for one in engines) == 1, "the prompt to be read")
        until = time.monotonic() + 30
        while sum(one.running for one in engines) == 1 and time.monotonic() < until:
            states |= {state(steelyard, one.address) for one in engines}
            time.sleep(0.1)
        assert connection.read_response("POST").status == 200
    assert states <= {"ready", "starting"}
    assert steelyard.metrics().sum("steelyard_watchdog_trips_total") == 0


def test_one_that_was_not_seen_at_work_is_not_ready(stage):
    """Its clients gave up, it answers every check, and its page says that it runs a request."""
    engines = [Tokens(stage) for _ in range(2)]
    hung = engines[0]
    steelyard = start(
        stage, [one.address for one in engines],
        watchdog={"timeout": "1s", "pause": "200ms"}, weights={**WEIGHTS, "interval": "200ms"})
    clients = stage.keep(Clients(steelyard, patience=2.0))
    wait_for(lambda: all(len(one.arrivals) > 50 for one in engines), "traffic everywhere")
    hung.works.clear()
    wait_for_state(steelyard, hung.address, "stalled")
    clients.stop()
    wait_for(lambda: watchdog_of(steelyard, hung.address) == "trial", "its trial", 30)
    scrapes = steelyard.metrics().sum("steelyard_scrape_attempts_total", endpoint=hung.address)
    states = set()

    def is_watched():
        states.add(state(steelyard, hung.address))
        return steelyard.metrics().sum(
            "steelyard_scrape_attempts_total", endpoint=hung.address) > scrapes + 10
    wait_for(is_watched, "more of its pages", 30)
    assert states == {"stalled"} and hung.running > 0
    # It is tried nevertheless, and what it shows then brings it back.
    before = len(hung.arrivals)
    clients = stage.keep(Clients(steelyard, count=2, patience=5.0))
    wait_for(lambda: len(hung.arrivals) > before, "a trial", 30)
    hung.works.set()
    wait_for_state(steelyard, hung.address, "ready")
    clients.stop()


def test_where_all_hang_half_of_them_stay(stage):
    engines = [Tokens(stage) for _ in range(4)]
    steelyard = start(stage, [one.address for one in engines], watchdog={"timeout": "2s"})
    stage.keep(Clients(steelyard, count=8, patience=20))
    wait_for(lambda: all(len(one.arrivals) > 50 for one in engines), "traffic everywhere")
    for one in engines:
        one.works.clear()
    wait_for(lambda: steelyard.metrics().value("steelyard_pool_watchdog_held") == 1, "the cap", 60)
    page = steelyard.metrics()
    stalled = page.sum("steelyard_endpoint_eligibility", state="stalled")
    assert stalled == 2
    assert page.sum("steelyard_endpoint_weight_reason", reason="frozen") == 4
    for one in engines:
        one.works.set()
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_endpoint_eligibility", state="ready") == 4, "all to be back", 60)


@pytest.mark.parametrize("watchdog", ["none", {"timeout": "1h"}])
def test_it_can_be_switched_off(stage, watchdog):
    engines = [Tokens(stage) for _ in range(2)]
    steelyard = start(stage, [one.address for one in engines], watchdog=watchdog)
    stage.keep(Clients(steelyard, patience=3))
    wait_for(lambda: all(len(one.arrivals) > 50 for one in engines), "traffic everywhere")
    engines[0].works.clear()
    scrapes = steelyard.metrics().sum("steelyard_scrape_attempts_total")
    wait_for(lambda: steelyard.metrics().sum("steelyard_scrape_attempts_total") > scrapes + 24,
             "twelve seconds", 60)
    assert state(steelyard, engines[0].address) in ("ready", "starting", "ejected")
    assert steelyard.metrics().sum("steelyard_watchdog_trips_total") == 0
    engines[0].works.set()
