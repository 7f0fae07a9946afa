"""What became of every request: an outage in which nothing fails, because clients leave, endpoints
are gone or answer 4xx, is told as one in the status, in `top` and in the metrics."""

import json
import threading

import pytest
import wire
from loads import Load
from conftest import minimal
from endpoints import text
from programs import run_steelyard, wait_for


class Leavers:
    """Clients that ask, wait for a while and go."""

    def __init__(self, address, target, patience, clients=4):
        self.ending = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(address, target, patience), daemon=True)
            for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, address, target, patience):
        while not self.ending.is_set():
            try:
                with wire.Connection(address, 5) as connection:
                    connection.send_request("GET", target)
                    self.ending.wait(patience)
            except OSError:
                self.ending.wait(patience)

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(10)


class Mute:
    """Never has anything to say; every other time the head of its answer comes at once, as servers
    of streams send it."""

    def __init__(self):
        self.ending = threading.Event()
        self.count = 0

    def __call__(self, exchange):
        exchange.read_content()
        self.count += 1
        if self.count % 2:
            exchange.begin_chunked()
        self.ending.wait(60)
        exchange.keeps_alive = False

    def stop(self):
        self.ending.set()


def amiss(exchange):
    exchange.read_content()
    exchange.answer(b"no such model", status=404)


@pytest.fixture(scope="module")
def outage(module_stage):
    """Four pools: clients leave, nobody is there, all is 404, a limit refuses most."""
    mute = Mute()
    configuration = minimal(
        [module_stage.endpoint(mute).address], weights={"law": "static"}, watchdog="none")
    module_stage.keep(mute)
    pools = configuration["pools"]
    pools["left"] = pools.pop("text")
    pools["down"] = {"endpoints": ["127.0.0.1:9", "127.0.0.2:9"], "retries": {"max": 0}}
    pools["amiss"] = {"endpoints": [module_stage.endpoint(amiss).address]}
    pools["limited"] = {"endpoints": [module_stage.endpoint(text()).address],
                        "rate_limits": [{"key": "none", "rate": "1/s"}]}
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": f"/{name}"}, "pool": name} for name in pools]}
    steelyard = module_stage.steelyard(configuration)
    module_stage.keep(Leavers(steelyard.address, "/left", 0.1))
    for name in ("down", "amiss", "limited"):
        module_stage.keep(Load(steelyard, 2, 0.05, "GET", f"/{name}"))
    return steelyard


def status(steelyard):
    return json.loads(steelyard.admin_get("/api/v1/status").content)


def pool(steelyard, name):
    return next(one for one in status(steelyard)["pools"] if one["name"] == name)


def settled(steelyard, name, is_so):
    """The pool once its window is full of the outage."""
    return wait_for(lambda: (found := pool(steelyard, name))
                    and (found["arrivals_per_second"] or 0) > 3 and is_so(found) and found,
                    f"the numbers of {name}", 30)


def test_clients_that_all_leave_are_counted_and_told(outage):
    found = settled(outage, "left", lambda p: p["failure_ratio"] == 1)
    assert found["given_up_per_second"] > 3 and found["answered_per_second"] == 0
    # Nobody was answered: no share of the answers is claimed.
    assert found["error_ratio"] is None
    wait_for(lambda: {"SteelyardClientsGiveUp", "SteelyardSuccessRateVeryLow"} <= {
        one["alert"] for one in status(outage)["conditions"] if one["pool"] == "left"},
        "the conditions", 60)


def test_a_pool_without_endpoints_shows_what_arrives(outage):
    found = settled(outage, "down", lambda p: p["failure_ratio"] == 1)
    assert found["refused_per_second"] + found["server_errors_per_second"] > 3
    whole = status(outage)
    assert whole["arrivals_per_second"] > found["arrivals_per_second"] > 3


def test_answers_of_4xx_and_rate_limits_are_counted_apart(outage):
    found = settled(outage, "amiss", lambda p: (p["client_errors_per_second"] or 0) > 3)
    assert found["failure_ratio"] == 0
    limited = settled(outage, "limited", lambda p: (p["refused_per_second"] or 0) > 3)
    assert limited["failure_ratio"] == 0
    wait_for(lambda: {("amiss", "SteelyardClientErrorsHigh"),
                      ("limited", "SteelyardTooManyRequestsHigh")} <= {
        (one["pool"], one["alert"]) for one in status(outage)["conditions"]}, "the conditions", 60)


def test_top_tells_what_became_of_requests(outage):
    settled(outage, "left", lambda p: p["failure_ratio"] == 1)
    host, port = outage.admin
    done = run_steelyard("top", "--once", "--admin", f"{host}:{port}")
    lines = done.stdout.splitlines()
    assert lines[1].startswith("requests/s ") and "given up" in lines[1] and "refused" in lines[1]
    head = next(line for line in lines if line.startswith("pool "))
    assert {"req/s", "fail", "answ/s", "4xx/s", "5xx/s", "refus/s"} <= set(head.split())
    row = next(line for line in lines if line.startswith("left ")).split()
    assert row[1] == "1/1" and float(row[2]) > 3 and row[3] == "100"


def test_every_request_of_the_metrics_ends_in_one_way(outage):
    """Arrivals are answers, refusals and departures, but for those that run."""
    def differs():
        page = outage.metrics()
        for name in ("left", "down", "amiss", "limited"):
            arrived = page.sum("steelyard_pool_requests_total", pool=name)
            over = (page.sum("steelyard_requests_total", pool=name)
                    - page.sum("steelyard_requests_total", pool=name, code="canceled")
                    + page.sum("steelyard_pool_refusals_total", pool=name)
                    + page.sum("steelyard_pool_given_up_total", pool=name))
            assert arrived > 0
            if not 0 <= arrived - over <= 8:
                return (name, arrived, over)
        return None
    wait_for(lambda: differs() is None, f"the counts to agree: {differs()}")
    page = outage.metrics()
    overdue = page.sum("steelyard_pool_given_up_total", pool="left", stage="overdue")
    assert overdue > 0.9 * page.sum("steelyard_pool_given_up_total", pool="left")


def test_a_refused_reload_is_told_until_one_is_taken(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(text()).address]))
    def last():
        return steelyard.metrics().value("steelyard_config_last_reload_successful")
    begun = steelyard.metrics().value("steelyard_config_last_reload_success_timestamp_seconds")
    assert last() == 1 and begun > 1e9
    good = steelyard.file.read_text()
    steelyard.file.write_text("pools: [")
    assert steelyard.reload().returncode != 0
    assert last() == 0
    wait_for(lambda: [one["pool"] for one in status(steelyard)["conditions"]
                      if one["alert"] == "SteelyardReloadFailed"] == [None], "the condition")
    steelyard.file.write_text(good)
    assert steelyard.reload().returncode == 0
    assert last() == 1
    page = steelyard.metrics()
    assert page.value("steelyard_config_last_reload_success_timestamp_seconds") > begun
