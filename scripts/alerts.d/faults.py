"""What can be broken: one pool for each fault, so that all of them can be broken at once."""

import random
import threading
import time
from dataclasses import dataclass, field

import endpoints
import wire

CALM = {  # Nothing of a busy test machine, and of other faults than the pool's own, is an alarm.
    "response_time": {"normal": "5s", "alarm": "20s"}, "p99": "20s",
    "error_ratio": {"normal": 0.98, "alarm": 0.99}, "success_ratio": {"normal": 0.02, "alarm": 0.01},
    "objective": 0.5}
PROBE = {"type": "tcp", "interval": "500ms", "timeout": "400ms", "fall": 2, "rise": 1}
NEVER = {"max_fails": 0, "error_ratio": "none"}


class Server:
    """An inference server that can be broken, and its metrics page. `errors` is the share of its
    answers that are 503, `delay` is in seconds."""

    def __init__(self):
        self.errors, self.delay = 0.0, 0.0
        self.started = 1000
        self.page_status, self.lines = 200, {}
        self.tick = 0
        self.endpoint = endpoints.Endpoint(self.answer)
        self.address = self.endpoint.address
        self.is_up = True

    def answer(self, exchange):
        exchange.read_content()
        if exchange.request.target.startswith("/metrics"):
            exchange.answer(self.page().encode(), status=self.page_status)
            return
        if self.delay:
            time.sleep(self.delay)
        exchange.answer(b"ok", status=503 if random.random() < self.errors else 200)

    def page(self):
        self.tick += 1
        lines = {"process_start_time_seconds": self.started, **self.lines}
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def down(self):
        if self.is_up:
            self.is_up = False
            self.endpoint.stop()

    def up(self):
        if not self.is_up:
            self.endpoint = endpoints.Endpoint(self.answer, port=self.endpoint.port)
            self.is_up = True

    stop = down


class Load:
    """Requests of one pool: `clients` threads, each with a connection, one request after the other
    with `pause` seconds between."""

    def __init__(self, address, target, clients, pause):
        self.address, self.target, self.pause = address, target, pause
        self.ended = threading.Event()
        self.count = 0
        self.threads = []
        self.add(clients)

    def add(self, clients):
        for _ in range(clients):
            thread = threading.Thread(target=self.run, daemon=True)
            self.threads.append(thread)
            thread.start()

    def run(self):
        while not self.ended.is_set():
            try:
                with wire.Connection(self.address) as connection:
                    while not self.ended.is_set():
                        response = connection.exchange("GET", self.target)
                        self.count += 1
                        self.ended.wait(self.pause)
                        if (response.one("Connection") or "").lower() == "close":
                            break
            except (wire.Cut, OSError):
                self.ended.wait(self.pause)

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(35)


@dataclass
class Fault:
    """A pool, how it is broken and how it is healed. `break_it` and `heal_it` get the `Case`."""

    pool: str
    alert: str
    what: str
    break_it: object
    heal_it: object
    servers: int = 1
    backups: int = 0
    clients: int = 1
    pause: float = 0.2
    options: dict = field(default_factory=dict)
    thresholds: dict = field(default_factory=dict)

    def configuration(self, servers):
        backups = servers[len(servers) - self.backups:] if self.backups else []
        return {
            "endpoints": [{"address": one.address, "backup": one in backups} for one in servers],
            "ejection": NEVER, "watchdog": "none", "weights": {"law": "static"},
            **self.options, "thresholds": {**CALM, **self.thresholds}}


class Case:
    """A fault on its stage. `admin(method, target)` asks the admin server."""

    def __init__(self, fault, admin):
        self.fault, self.admin = fault, admin
        self.servers = [Server() for _ in range(fault.servers)]
        for server in self.servers:
            server.lines = {"my_load": 1, "my_waiting": 1}
        self.load = None
        self.repeating = threading.Event()
        self.repeater = None

    def each(self, **values):
        for server in self.servers:
            for name, value in values.items():
                setattr(server, name, value)

    def repeat(self, action, pause):
        """`action()` again and again, until `calm`."""
        self.repeating.clear()

        def run():
            while not self.repeating.wait(pause):
                action()

        self.repeater = threading.Thread(target=run, daemon=True)
        self.repeater.start()

    def calm(self):
        self.repeating.set()
        if self.repeater:
            self.repeater.join(10)

    def start_load(self, address):
        fault = self.fault
        self.load = Load(address, f"/{fault.pool}/x", fault.clients, fault.pause)

    def stop(self):
        self.calm()
        if self.load:
            self.load.stop()
        for server in self.servers:
            server.stop()


def _flap(case):
    one = case.servers[0]
    case.repeat(lambda: one.down() if one.is_up else one.up(), 1.5)


def _steady(case):
    case.calm()
    case.servers[0].up()


def _restart(case):
    def again():
        case.servers[0].started += 7

    case.repeat(again, 3)


def _page(**signal):
    return {"scrape": [{"path": "/metrics", "signals": [{"name": "waiting", "metric": "my_waiting"}]}],
            "interval": "1s", "law": "static", **signal}


def _lines(case, **lines):
    for server in case.servers:
        server.lines = {"my_waiting": 1, **lines}


GOOD = {"my_load": 1, "my_waiting": 1}
FAULTS = [
    Fault("dead", "SteelyardNoEligibleEndpoint", "both endpoints go away",
          lambda case: [one.down() for one in case.servers],
          lambda case: [one.up() for one in case.servers], servers=2, options={"health": PROBE}),
    Fault("broken", "SteelyardServiceInterrupted", "every answer is a 503",
          lambda case: case.each(errors=1), lambda case: case.each(errors=0), servers=2,
          options={"retries": {"max": 0}}),
    Fault("errors", "SteelyardErrorRateHigh", "30 % of the answers are 503",
          lambda case: case.each(errors=0.3), lambda case: case.each(errors=0), servers=2,
          options={"retries": {"max": 0}},
          thresholds={"error_ratio": {"normal": 0.01, "alarm": 0.05}}),
    Fault("slow", "SteelyardResponseTimeHigh", "answers take 1.5 s",
          lambda case: case.each(delay=1.5), lambda case: case.each(delay=0),
          thresholds={"response_time": {"normal": "400ms", "alarm": "800ms"}}),
    Fault("tail", "SteelyardTailLatencyHigh", "answers take 1.5 s",
          lambda case: case.each(delay=1.5), lambda case: case.each(delay=0),
          thresholds={"p99": "900ms"}),
    Fault("queue", "SteelyardQueueVeryLong", "one at a time, 0.5 s each, 9 clients",
          lambda case: case.each(delay=0.5), lambda case: case.each(delay=0), clients=9,
          options={"queue": {"max_concurrent": 1}},
          thresholds={"queue_length": {"normal": 3, "alarm": 5}}),
    Fault("single", "SteelyardSingleEndpointLeft", "two of three endpoints go away",
          lambda case: [one.down() for one in case.servers[1:]],
          lambda case: [one.up() for one in case.servers], servers=3, options={"health": PROBE}),
    Fault("ejected", "SteelyardEjectedShareHigh", "two of four endpoints go away",
          lambda case: [one.down() for one in case.servers[2:]],
          lambda case: [one.up() for one in case.servers], servers=4, options={"health": PROBE}),
    Fault("backup", "SteelyardBackupServing", "the primary goes away, its backup serves",
          lambda case: case.servers[0].down(), lambda case: case.servers[0].up(), servers=2,
          backups=1, options={"health": PROBE}),
    Fault("scrape", "SteelyardScrapeFailing", "metrics pages answer 500",
          lambda case: case.each(page_status=500), lambda case: case.each(page_status=200),
          options={"weights": _page()}),
    Fault("stale", "SteelyardSignalsStale", "an upgrade renames the metric",
          lambda case: case.each(lines={"other": 1}), lambda case: case.each(lines=GOOD),
          options={"weights": _page()}),
    Fault("waiting", "SteelyardQueueLong", "20 requests wait inside an endpoint",
          lambda case: _lines(case, my_waiting=20), lambda case: _lines(case),
          options={"weights": _page()}),
    Fault("breaker", "SteelyardBreakerOpen", "more requests at once than the breaker allows",
          lambda case: (case.each(delay=0.5), case.load.add(5)),
          lambda case: (case.load.stop(), case.each(delay=0)),
          options={"breakers": {"max_requests": 3}}),
    Fault("retries", "SteelyardRetryBudgetSpent", "60 % of the answers are 503",
          lambda case: case.each(errors=0.6), lambda case: case.each(errors=0), servers=2,
          options={"retries": {"budget": {"ratio": 0, "per_second": 0}}}),
    Fault("frozen", "SteelyardWeightsFrozen", "an operator freezes the weights",
          lambda case: case.admin("POST", "/api/v1/pools/frozen/freeze"),
          lambda case: case.admin("POST", "/api/v1/pools/frozen/reset")),
    Fault("flapping", "SteelyardEndpointFlapping", "an endpoint comes and goes", _flap, _steady,
          servers=4, options={"health": {**PROBE, "interval": "300ms", "timeout": "250ms", "fall": 1}}),
    Fault("restarting", "SteelyardEndpointRestarting", "a server restarts every three seconds",
          _restart, _steady, options={"weights": _page()}),
    Fault("connections", "SteelyardEndpointConnectionsHigh", "20 more clients at once",
          lambda case: (case.each(delay=0.5), case.load.add(20)),
          lambda case: (case.load.stop(), case.each(delay=0)),
          thresholds={"endpoint_connections": 8}),
    Fault("rate", "SteelyardRequestRateHigh", "three times the clients",
          lambda case: case.load.add(3), lambda case: case.load.stop(),
          thresholds={"request_rate": "8/s"}),
    Fault("memory", "InferenceMemoryVeryHigh", "a host's memory is 95 % full",
          lambda case: _lines(case, node_memory_MemTotal_bytes=100, node_memory_MemAvailable_bytes=5),
          lambda case: _lines(case, node_memory_MemTotal_bytes=100, node_memory_MemAvailable_bytes=60),
          options={"weights": {"law": "static", "scrape": [{"preset": "node", "port": "endpoint"}]}}),
    Fault("gpu", "InferenceGPUVeryHigh", "a GPU is at 97 %, and 60 requests wait for it",
          lambda case: _lines(case, my_waiting=60, **{'DCGM_FI_DEV_GPU_UTIL{gpu="0"}': 97}),
          lambda case: _lines(case, **{'DCGM_FI_DEV_GPU_UTIL{gpu="0"}': 40}),
          options={"weights": {"law": "static", "scrape": [
              {"preset": "dcgm", "port": "endpoint"}, *_page()["scrape"]]}}),
]
BY_POOL = {fault.pool: fault for fault in FAULTS}
