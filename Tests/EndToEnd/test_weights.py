"""Real nginx ×3, a real node_exporter beside each: a busy machine loses its traffic and gets it
back, without a reload and without a failed request."""

import collections
import json
import threading

from conftest import minimal
from hosts import BusyPage, Host
from programs import free_port, wait_for

HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


class Traffic:
    """Asks again and again, gently, and notes who answered what."""

    def __init__(self, steelyard):
        self.answers = []
        self._steelyard = steelyard
        self._stops = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        self._stops.set()
        self._thread.join()

    def _run(self):
        with self._steelyard.connect() as connection:
            while not self._stops.wait(0.01):
                try:
                    response = connection.exchange("GET", "/hello")
                    self.answers.append((response.status, response.one("X-Endpoint")))
                except Exception as failure:
                    self.answers.append((None, repr(failure)))
                    return

    def shares(self, count):
        """Who answered the next `count` requests, as ratios."""
        start = len(self.answers)
        wait_for(lambda: len(self.answers) >= start + count, f"{count} more answers")
        counts = collections.Counter(who for _, who in self.answers[start:start + count])
        return {who: number / count for who, number in counts.items()}


def test_a_busy_host_loses_its_weight_and_gets_it_back(stage, tmp_path):
    exporter_port = free_port(HOSTS)
    fleet, exporters = [], []
    for number, host in enumerate(HOSTS, 1):
        fleet.append(stage.nginx(host, label=f"n{number}"))
        machine = stage.keep(Host(tmp_path / f"proc-{number}"))
        exporters.append(stage.node_exporter(host, exporter_port, machine.directory))
    busy = fleet[2].address
    steelyard = stage.steelyard(minimal(
        [{"address": nginx.address, "weight": 2} for nginx in fleet],
        weights={"law": "headroom", "interval": "500ms",
                 "scrape": [{"preset": "node", "port": exporter_port}]}))

    def weights():
        return steelyard.metrics().by_endpoint("steelyard_endpoint_weight")

    def signal(endpoint, name):
        series = steelyard.metrics().series(
            "steelyard_signal_value", endpoint=endpoint, signal=name)
        return series[0][1] if series else None

    wait_for(lambda: signal(busy, "cpu") is not None, "the CPU, which takes two scrapes")
    wait_for(lambda: set(weights().values()) == {2}, "base weights on idle machines")
    assert signal(busy, "memory") < 0.5 and signal(busy, "cpu") < 0.1
    traffic = stage.keep(Traffic(steelyard))
    assert min(traffic.shares(150).values()) > 0.2

    page = _page(HOSTS[2], exporter_port)
    exporters[2].stop()
    replaced = stage.keep(BusyPage(page, HOSTS[2], exporter_port))
    wait_for(lambda: weights()[busy] <= 0.1001, "the busy host's weight to fall to its floor")
    assert sorted(weights().values())[1:] == [2, 2]
    assert signal(busy, "memory") > 0.95
    wait_for(lambda: (signal(busy, "cpu") or 0) > 0.95, "the CPU to be seen as busy")
    assert traffic.shares(150).get("n3", 0) < 0.1

    replaced.stop()
    stage.node_exporter(HOSTS[2], exporter_port, exporters[2].process.args[2].split("=")[1])
    wait_for(lambda: weights()[busy] == 2, "the weight to come back")
    wait_for(lambda: traffic.shares(150).get("n3", 0) > 0.2, "the traffic to come back")

    traffic.stop()
    assert len(traffic.answers) > 400
    assert {status for status, _ in traffic.answers} == {200}
    page = steelyard.metrics()
    assert page.sum("steelyard_requests_total") == page.sum("steelyard_requests_total", code="2xx")
    assert steelyard.is_running()


def _page(host, port):
    import wire

    with wire.Connection((host, port)) as connection:
        return connection.exchange("GET", "/metrics").content.decode()


def test_a_page_that_is_gone_neither_ejects_nor_freezes(stage, tmp_path):
    """The exporter of one host dies: its endpoint goes on serving, the failures are counted."""
    exporter_port = free_port(HOSTS)
    fleet, exporters = [], []
    for number, host in enumerate(HOSTS[:2], 1):
        fleet.append(stage.nginx(host, label=f"n{number}"))
        machine = stage.keep(Host(tmp_path / f"proc-{number}"))
        exporters.append(stage.node_exporter(host, exporter_port, machine.directory))
    steelyard = stage.steelyard(minimal(
        [nginx.address for nginx in fleet],
        weights={"law": "headroom", "interval": "200ms",
                 "scrape": [{"preset": "node", "port": exporter_port}]}))
    lost = fleet[1].address

    def failures():
        return steelyard.metrics().sum("steelyard_scrape_failures_total", endpoint=lost)

    wait_for(
        lambda: steelyard.metrics().sum("steelyard_scrape_attempts_total", endpoint=lost) >= 3,
        "three scrapes")
    before = failures()
    exporters[1].stop()
    wait_for(lambda: failures() >= before + 5, "five failed scrapes")
    assert steelyard.metrics().value(
        "steelyard_endpoint_eligibility", endpoint=lost, state="ready") == 1
    assert {steelyard.get("/hello").one("X-Endpoint") for _ in range(60)} == {"n1", "n2"}


def test_weights_are_not_frozen_when_the_traffic_of_a_healthy_pool_begins(stage):
    begun = threading.Semaphore(0)
    proceed = threading.Event()

    def answer(exchange):
        begun.release()
        assert proceed.wait(30)
        exchange.answer(b"done")

    fleet = [stage.endpoint(answer).address for _ in range(6)]
    steelyard = stage.steelyard(minimal(fleet))
    statuses = []

    def ask():
        with steelyard.connect() as connection:
            statuses.append(connection.exchange("GET", "/").status)

    clients = [threading.Thread(target=ask, daemon=True) for _ in range(12)]
    for client in clients:
        client.start()
    for _ in clients:
        assert begun.acquire(timeout=30)
    # Two readings a second apart: many turns of the control loop with no answer known.
    seen = set()

    def is_seen():
        status = json.loads(steelyard.admin_get("/api/v1/status").content)
        if status["pools"][0]["in_flight"] == 12:
            seen.add(status["time"])
        return len(seen) >= 2

    wait_for(is_seen, "two readings of the requests in flight")
    proceed.set()
    for client in clients:
        client.join(30)
    assert statuses == [200] * 12
    assert "weights frozen" not in steelyard.text()
