"""A fleet to which everything happens that dashboards show: two real steelyards (one whose clock
runs fast, for forecasts), scripted engines, clients, and a real Prometheus that watches."""

import json
import os
import shutil
import threading
from urllib.parse import quote

import wire
from certificates import Certificates, Pair
from engines import Engine
from programs import find, free_port, preloadable, wait_for
from secure import client_context, connect
from stores import Store
from tunnels import RAW, switch

FACTOR = 150
RULES = [{"name": "test", "rules": [{
    "alert": "SteelyardErrorRateHigh", "expr": "vector(1)",
    "labels": {"severity": "critical", "pool": "text", "endpoint": "none"}}]}]


class Faulty(Engine):
    """Its page has a line that is wrong; its faults are switched by the test."""

    def __init__(self, stage, host="127.0.0.1"):
        self.faults = set()
        super().__init__(stage, host)
        self.waiting = 2

    def answer(self, exchange):
        exchange.read_content()
        path = exchange.request.target.split("?")[0]
        if path == "/health":
            return exchange.answer(status=500 if "sick" in self.faults else 200)
        if path == "/metrics":
            self.steps += self.works.is_set()
            # Weights that change all the time.
            self.waiting = 5 - self.waiting
            return exchange.answer(
                (self.page() + "{wrong\n").encode(),
                status=500 if "pageless" in self.faults else 200)
        if path == "/tunnel":
            switch(exchange, "raw/1")
            while True:
                exchange.send(exchange.take(1))
        if path == "/close":
            exchange.keeps_alive = False
            return None
        if path in ("/missing", "/full"):
            return exchange.answer(status=404 if path == "/missing" else 429)
        with self.lock:
            self.running += 1
        self.works.wait(60)
        if path == "/slow":
            threading.Event().wait(0.5)
        with self.lock:
            self.running -= 1
            self.steps += 1
        if path == "/cut":
            exchange.begin_chunked()
            exchange.chunk(b"half")
            exchange.keeps_alive = False
            return None
        fails = "fails" in self.faults or path == "/fail"
        return exchange.answer(b"ok", status=500 if fails else 200)


class Eventful:
    """Causes everything, and waits until Prometheus has seen it."""

    def __init__(self, stage, directory):
        self.directory = directory
        self.engines = [Faulty(stage) for _ in range(3)]
        self.single = Faulty(stage)
        self.named = Faulty(stage, "127.0.0.2")
        self.backup = Faulty(stage)
        self.many = Faulty(stage, "0.0.0.0")
        self.port = free_port()
        self.certificates = Certificates(directory / "certificates")
        self.pair = Pair(directory / "site.pem", directory / "site.key")
        self._show(self.certificates.local)
        self._stage = stage
        self.store = stage.keep(Store(directory / "store"))
        self.secret = directory / "secret"
        self.secret.write_text("0123456789abcdef\n")
        self.secret.chmod(0o600)
        hosts = directory / "hosts"
        hosts.write_text("127.0.0.2 gpu.test\n")
        self.steelyard = stage.steelyard(self._configuration(), {
            "LD_PRELOAD": str(preloadable(directory, "hosts_file.c")), "HOSTS_FILE": str(hosts)})
        self.fast = stage.steelyard(self._fast_configuration(), {
            "LD_PRELOAD": str(preloadable(directory, "fast_clock.c")),
            "CLOCK_FACTOR": str(FACTOR)})
        self.prometheus = stage.prometheus(
            *(f"{one.admin[0]}:{one.admin[1]}" for one in (self.steelyard, self.fast)),
            rules=RULES)
        self._stops = threading.Event()
        stage.keep(self)

    def stop(self):
        self._stops.set()
        for engine in [*self.engines, self.single, self.named]:
            engine.works.set()

    def _pool(self, endpoints, **more):
        return {
            "endpoints": endpoints,
            "health": {"path": "/health", "interval": "300ms", "timeout": "250ms", "fall": 1},
            "watchdog": {"timeout": "1s", "pause": "1s"},
            "weights": {"law": "headroom", "interval": "250ms", "scrape": [{
                "preset": "vllm",
                "signals": [{"name": "waiting", "normal": 1, "alarm": 4}]}]}, **more}

    def _configuration(self):
        text = self._pool(
            [*({"address": one.address, "name": f"gpu-{number}"}
               for number, one in enumerate(self.engines)), f"gpu.test:{self.named.port}"],
            balance="round_robin", slow_start="0s", ejection={"fail_timeout": "1s"},
            canary={"path": "/canary"},
            queue={"max_concurrent": 6, "max_length": 4, "timeout": "300ms"},
            thresholds={"profile": "web", "request_rate": "100/s"})
        # The endpoint of the list once more, and a source that fails.
        listed = self.directory / "targets.json"
        listed.write_text(json.dumps([{"targets": [self.single.address]}]))
        single = self._pool([self.single.address], breakers={"max_requests": 2}, discover=[
            {"file": str(listed)}, {"file": str(self.directory / "nothing.json")}])
        # What the law wants and what is differ all the time.
        single["weights"]["dry_run"] = True
        spare = self._pool(
            ["127.0.0.1:1", {"address": self.backup.address, "backup": True}])
        many = {
            "endpoints": [f"127.0.1.{n}:{self.many.port}" for n in range(1, 41)],
            "health": text["health"], "weights": {"law": "static"}}
        limit = {"key": {"header": "authorization"}, "rate": "1/m", "burst": 1, "max_keys": 64}
        routes = [
            {"match": {"path_prefix": "/"}, "pool": "text"},
            {"match": {"path_prefix": "/limited/"}, "pool": "text", "rate_limits": [limit]},
            {"match": {"path_prefix": "/together/"}, "pool": "text", "rewrite": "/", "rate_limits": [
                {"key": "none", "rate": "20/s", "shared": True}]},
            {"match": {"path_prefix": "/single/"}, "pool": "single", "rewrite": "/"},
            {"match": {"path_prefix": "/spare/"}, "pool": "spare", "rewrite": "/"},
            {"match": {"path_prefix": "/nameless/"}, "pool": "nameless"},
            {"match": {"path": "/moved"}, "redirect": {"status": 308, "location": "/"}},
            {"match": {"path": "/said"}, "respond": {"status": 200}}]
        hook = {"on": ["endpoint_ejected", "endpoint_unhealthy"], "run": [find("true")]}
        return {
            "admin": {"listen": "127.0.0.1:0"}, "workers": 1, "dns": {"interval": "1s"},
            "tracing": {"traceparent": "make"},
            "access_log": {"path": "/dev/full"},
            "listeners": [
                {"listen": "127.0.0.1:0", "routes": routes},
                {"listen": f"127.0.0.1:{self.port}", "pool": "text", "proxy_protocol": True,
                 "trusted_proxies": ["127.0.0.0/8"]},
                {"listen": "127.0.0.1:0", "pool": "text", "tls": self.pair.files}],
            # The last has a name without an address, so no endpoint.
            "pools": {"text": text, "single": single, "spare": spare, "many": many,
                      "nameless": {"endpoints": ["nobody.test:80"]}},
            "shared": {"redis": {"address": self.store.address},
                       "secret": {"file": str(self.secret)}},
            "hooks": [hook]}

    def _fast_configuration(self):
        long = dict.fromkeys(["connect", "send", "first_byte", "idle"], "10m")
        return {
            "admin": {"listen": "127.0.0.1:0"}, "workers": 1,
            "access_log": {"path": str(self.directory / "access.log")},
            "listeners": [{"listen": "127.0.0.1:0", "pool": "text",
                           "head_timeout": "10m", "idle_timeout": "10m"}],
            "pools": {"text": {
                "endpoints": [{"address": self.engines[0].address, "concurrency": 4}],
                "watchdog": "none", "timeouts": long}}}

    def _show(self, pair):
        """Makes this the certificate of the listener with TLS."""
        for new, old in ((pair.key, self.pair.key), (pair.certificate, self.pair.certificate)):
            beside = old.with_suffix(".new")
            shutil.copy(new, beside)
            os.replace(beside, old)

    # What happens

    def happen(self):
        self._keep_asking(self.steelyard, "/work")
        self._keep_asking(self.steelyard, "/work")
        self._keep_asking(self.steelyard, "/spare/work")
        self._keep_asking(self.fast, "/work")
        self._keep_asking(self.steelyard, "/" + "x" * 900, 0.002)  # fills the log's memory
        self._keep_asking(self.steelyard, "/said")
        self._keep_asking(self.steelyard, "/together/work")
        self._keep_asking(self.steelyard, "/moved")
        self._tunnels()
        # What comes before a counter's first scrape is no increase.
        self._sees("count(steelyard_build_info) == 2")
        self._odd_requests()
        self._lose_the_store()
        self._faults()
        self._overload()
        self._tls()
        self._orders()

    def _lose_the_store(self):
        self._sees("steelyard_shared_store_up == 1")
        self.store.stop()
        self._sees("steelyard_shared_store_up == bool 0")
        self._stage.keep(Store(self.directory / "store-2", port=self.store.port))
        self._sees("steelyard_shared_store_up == 1")

    def _keep_asking(self, steelyard, target, pause=0.02):
        def run():
            while not self._stops.wait(pause):
                try:
                    with steelyard.connect() as connection:
                        while not self._stops.wait(pause):
                            connection.exchange("GET", target)
                except (OSError, wire.Cut):
                    pass

        self._begin(run)

    def _begin(self, run):
        threading.Thread(target=run, daemon=True).start()

    def _ask(self, target, method="GET", **options):
        """The status, None where the answer was cut."""
        try:
            with self.steelyard.connect() as connection:
                return connection.exchange(method, target, **options).status
        except (wire.Cut, ConnectionError):
            return None

    def _leave(self, target):
        """A client that goes away before its answer."""
        connection = self.steelyard.connect()
        connection.send_request("GET", target)
        return connection

    def _tunnels(self):
        def run():
            while not self._stops.is_set():
                with self.steelyard.connect() as connection:
                    connection.send_request("GET", "/tunnel", fields=RAW)
                    switched = connection.read_head().status == 101
                    for _ in range(20 * switched):
                        connection.send(b"x")
                        connection.take(1)
                        self._stops.wait(0.1)

        self._begin(run)

    def _odd_requests(self):
        # On a busy machine one of them may have waited for too long.
        for target, method, status in [
                ("/cut", "GET", None), ("/fail", "GET", 500), ("/fail", "POST", 500)]:
            wait_for(lambda: self._ask(target, method, content=b"x" * (method == "POST")) == status,
                     f"{status} for {method} {target}")
        self._leave("/slow").close()
        with self.steelyard.connect() as connection:
            for number in range(400):
                key = [("Authorization", f"Bearer {number % 200}")]
                connection.exchange("GET", "/limited/work", fields=key)
            for _ in range(20):
                key = [("Authorization", "Bearer the same")]
                connection.exchange("GET", "/limited/work", fields=key)
        for _ in range(20):
            self._ask("/missing")
            self._ask("/full")
        # A series that begins with its first event has no rate before the second.
        wait_for(lambda: self._ask("/close") and self.values(
            "rate(steelyard_endpoint_connection_failures_total[10s]) > 0"),
            "connections that fail", interval=0.5)
        with self.steelyard.connect() as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            assert connection.read_response().status == 400
        for _ in range(3):
            with wire.Connection(("127.0.0.1", self.port)) as connection:
                connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert connection.rest() == b""

    def _faults(self):
        failing, sick, hanging = self.engines
        # As many lines at once are more than the log takes.
        self.many.faults.add("sick")
        failing.faults.add("fails")
        sick.faults |= {"sick", "pageless"}
        self._is(sick, "unhealthy")
        self._is(failing, "ejected")
        self._sees('sum(steelyard_endpoint_eligibility{pool="many",state="unhealthy"}) == 40')
        self.many.faults.clear()
        self._sees('steelyard_endpoint_weight_reason'
                   f'{{reason=~"stale|expired",endpoint="{sick.address}"}}')
        failing.faults.clear()
        sick.faults.clear()
        self._sees("steelyard_endpoint_readmissions_total > 0")
        self._is(sick, "ready")
        hanging.works.clear()
        self.single.works.clear()
        held = [self._leave("/single/slow") for _ in range(2)]
        assert self._ask("/single/work") == 503
        self._sees('steelyard_endpoint_eligibility{state="stalled",pool="text"}')
        self._sees('steelyard_pool_watchdog_held{pool="single"}')
        hanging.works.set()
        self.single.works.set()
        for connection in held:
            connection.close()
        self._is(hanging, "ready")

    def _overload(self):
        # More than may wait and longer than they may: until every outcome was seen.
        for _ in range(16):
            self._keep_asking(self.steelyard, "/slow", 0)
        self._sees('steelyard_queue_length{pool="text"} > 0')
        for outcome in ("full", "timeout"):
            self._sees(f'steelyard_queue_requests_total{{pool="text",outcome="{outcome}"}} > 0')

    def _tls(self):
        address = self.steelyard.addresses[2]
        context = client_context(self.certificates.ca)

        def visit():
            while not self._stops.wait(0.1):
                connect(address, context).close()
                with wire.Connection(address) as connection:
                    connection.send(b"GET / HTTP/1.1\r\n\r\n")
                    connection.rest()

        self._begin(visit)
        for reason in ("handshakes_total", "failures_total"):
            self._sees(f'rate(steelyard_tls_{reason}{{side="client"}}[10s])')
        self._show(self.certificates.local_again)
        self._sees('steelyard_tls_certificate_reloads_total{result="taken"}')
        self._show(Pair(self.certificates.local.certificate, self.certificates.a.key))
        self._sees("steelyard_tls_certificate_files_refused")

    def _orders(self):
        first, second, third = (one.address for one in self.engines)
        for order in [f"endpoints/{first}/pin?weight=2", f"endpoints/{second}/drain",
                      f"endpoints/{third}/scale?factor=0.5"]:
            with wire.Connection(self.steelyard.admin) as connection:
                answer = connection.exchange("POST", f"/api/v1/pools/text/{order}")
                assert answer.status == 200, answer.content
        self._sees('steelyard_endpoint_weight_reason{reason="pinned"}')
        self._sees('steelyard_endpoint_eligibility{state=~"draining|drained"}')
        self.steelyard.file.write_text("pools: [")
        with wire.Connection(self.steelyard.admin) as connection:
            assert connection.exchange("POST", "/api/v1/reload").status == 422
        self._sees("steelyard_config_last_reload_successful == bool 0")

    # What Prometheus says

    def _sees(self, expression):
        wait_for(lambda: self.values(f"({expression}) > 0"), f"Prometheus to see {expression}")

    def _is(self, engine, state):
        self._sees(
            f'steelyard_endpoint_eligibility{{state="{state}",endpoint="{engine.address}"}}')

    def values(self, expression):
        data = self.prometheus.api(f"/api/v1/query?query={quote(expression)}")
        return [float(one["value"][1]) for one in (data or {}).get("result", [])]
