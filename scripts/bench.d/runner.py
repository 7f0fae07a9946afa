"""Runs the scenarios of scripts/bench: rounds in which the proxies take turns, each with a window
that counts only where nothing disturbed it."""

import contextlib
import statistics
import time

import bench_summary
from changes import Changes, answers
from generator import Generator, OrderError
from meters import Meter, Tracer, busy_ratio, difference, rss_bytes
from proxies import KINDS
from scenarios import SCENARIOS
from speech import CALL, Clients, Servers, Speech, idle_client
from speech import measure as measure_multiplexed
from stage import Ports, say
from storm import Storm
from tls import Hop, Papers, Side


class Runner:
    """`results`: by scenario, rounds of {proxy: {measure: value}}; `dropped` and `kept`: windows
    that were disturbed; `failures`: what could not be measured."""

    def __init__(self, options, programs, cores):
        self.options = options
        self.programs = programs
        self.proxy_core, self.load_core = cores
        self.ports = Ports()
        self.generator = Generator(programs, options.load_binary, {self.load_core})
        self.papers = Papers(programs.room)
        self.proxies = {}
        self.count = 0
        self.results = {}
        self.tls = None
        self.speech = Speech()
        self.servers = None
        self.windows = 0
        self.dropped = []
        self.kept = []
        self.failures = []

    def proxy(self, name):
        """The one that stays up through the run, with the scenario's TLS and HTTP/2."""
        key = (name, self.tls, self.speech.is_on, self.speech.is_grpc)
        if key not in self.proxies:
            self.proxies[key] = self.new_proxy(name)
            self.proxies[key].start()
        return self.proxies[key]

    def new_proxy(self, name, workers=1):
        self.count += 1
        cores = {self.proxy_core} if workers == 1 else {self.proxy_core, self.load_core}
        endpoints = self.generator.endpoints
        hop = None
        if self.speech.is_grpc:
            if self.servers is None:
                self.servers = Servers(
                    self.programs, {self.load_core}, self.ports, Generator.ENDPOINTS)
            endpoints = self.servers.addresses
        elif self.tls and not self.speech.is_on:
            hop = Hop(self.programs, {self.load_core}, self.ports, self.papers, self.tls,
                      endpoints, f"hop-{self.count}")
            endpoints = hop.endpoints
        proxy = KINDS[name](
            self.programs, cores, endpoints, self.ports, workers, f"{name}-{self.count}",
            Side(self.papers, self.tls, self.speech))
        proxy.hop = hop
        return proxy

    def run(self, scenario):
        names = [name for name in self.options.proxy if name in scenario.proxies]
        self.tls = scenario.tls
        self.speech = Speech(scenario.http2, "is_grpc" in scenario.order)
        if scenario.kind == "stream":
            names = ["direct", *names]
        order = dict(scenario.order)
        if scenario.half_of:
            order["rate"] = round(self.half_of_nginx(scenario.half_of))
        rounds = self.results[scenario.name] = []
        total = self.rounds_of(scenario)
        for number in range(total):
            one = {}
            rounds.append(one)
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                self.place = {"scenario": scenario.name, "round": number + 1, "proxy": name}
                try:
                    one[name] = getattr(self, scenario.kind)(name, order)
                except (OrderError, OSError) as error:
                    self.failures.append({**self.place, "error": str(error)})
                    say(f"  {name}: {error}")
            if scenario.kind == "stream":
                subtract_direct(one)
            key, title, form, factor = scenario.measures[0]
            shown = ", ".join(
                f"{name} {form.format(one[name][key] * factor)}" for name in names
                if one.get(name, {}).get(key) is not None)
            say(f"{scenario.name}, round {number + 1} of {total}: {title} {shown}")
        if "rate" in order:
            return {"rate": order["rate"]}
        return {}

    def rounds_of(self, scenario):
        if scenario.kind == "start":
            return 2 * self.options.rounds
        return 1 if scenario.kind == "syscalls" else self.options.rounds

    def half_of_nginx(self, scenario):
        """Half of nginx's median in the closed loop, measured now where it was not yet."""
        rounds, _ = bench_summary.usable(self.results.get(scenario) or [])
        rates = [one["nginx"]["requests_per_second"] for one in rounds if "nginx" in one]
        if not rates:
            self.place = {"scenario": scenario, "round": 0, "proxy": "nginx"}
            rates = [self.drive("nginx", SCENARIOS[scenario].order)["requests_per_second"]
                     for _ in range(3)]
        return statistics.median(rates) / 2

    # What the scenarios' kinds do; each returns the measures of one proxy in one round.

    def drive(self, name, order):
        proxy = self.proxy(name)
        return self.window(proxy, "drive", {"to": proxy.address, **order})

    def multiplexed(self, name, order):
        return self.window(self.proxy(name), "multiplexed", order)

    def stream(self, name, order):
        proxy = None if name == "direct" else self.proxy(name)
        to = proxy.address if proxy else self.generator.endpoints[0]
        return self.window(proxy, "stream", {"to": to, **order})

    def idle(self, name, order):
        proxy = self.new_proxy(name)
        proxy.start()
        try:
            total = order.get("connections", 10000)

            def held(connections):
                lost = self.generator.idle(proxy.address, connections)
                memory = rss_bytes(proxy.processes())[0]
                self.generator.close()
                return memory, lost
            (one, _), (many, lost) = held(1), held(total)
        finally:
            proxy.stop()
        return {"errors": lost, "rss_one_bytes": one, "rss_bytes": many, "rss_bytes_each": many / total,
                "bytes_per_connection": max(0, many - one) / (total - 1)}

    def idle_multiplexed(self, name, order):
        proxy = self.new_proxy(name)
        proxy.start()
        total, clients = order["connections"], []

        def held(count):
            while len(clients) < count:
                clients.append(idle_client(proxy.port))
            return rss_bytes(proxy.processes())[0]
        try:
            one, many = held(1), held(total)
        finally:
            for client in clients:
                client.close()
            proxy.stop()
        return {"errors": 0, "rss_one_bytes": one, "rss_bytes": many,
                "bytes_per_connection": max(0, many - one) / (total - 1)}

    def storm(self, name, order):
        """The streams' delays while other clients connect anew, and without them."""
        proxy = self.proxy(name)
        order = dict(order)
        rate = order.pop("storm_rate")

        def quiet():
            return self.window(proxy, "stream", {"to": proxy.address, **order})

        def stormy():
            return self.window(
                proxy, "stream", {"to": proxy.address, **order},
                beside=Storm(self.programs, {self.load_core}, proxy.port, self.papers.ca, rate))
        if self.place["round"] % 2:
            without, got = quiet(), stormy()
        else:
            got, without = stormy(), quiet()
        return {
            **got, "quiet_p99_us": without["p99_us"], "quiet_window": without["window"],
            "storm_rate": got["changes"], "disturbed": is_disturbed(got, without),
            "p99_ratio": bench_summary.ratio(got["p99_us"], without["p99_us"])}

    def reload(self, name, order):
        proxy = self.proxy(name)

        def changed():
            return self.window(
                proxy, "drive", {"to": proxy.address, **order}, counts_ended=name == "nginx",
                beside=Changes(proxy.changer()))

        def quiet():
            return self.window(proxy, "drive", {"to": proxy.address, **order})
        if self.place["round"] % 2:
            without, got = quiet(), changed()
        else:
            got, without = changed(), quiet()
        return {
            **got, "quiet_p99_us": without["p99_us"], "quiet_p99.9_us": without["p99.9_us"],
            "quiet_cpu_us_per_request": without["cpu_us_per_request"],
            "quiet_window": without["window"], "disturbed": is_disturbed(got, without),
            "p99_ratio": bench_summary.ratio(got["p99_us"], without["p99_us"])}

    def workers(self, name, order):
        one = self.drive(name, {**order, "connections": 64})
        proxy = self.new_proxy(name, workers=2)
        proxy.start()
        try:
            two = self.window(
                proxy, "drive", {"to": proxy.address, **order, "connections": 128},
                shares_cores=True)
        finally:
            proxy.stop()
        return {
            **two, "one_cpu_us_per_request": one["cpu_us_per_request"],
            "speedup_by_cpu": 2 * one["cpu_us_per_request"] / two["cpu_us_per_request"],
            "speedup": two["requests_per_second"] / one["requests_per_second"],
            "generator_capped": False, "disturbed": is_disturbed(one, two)}

    def start(self, name, order):
        proxy = self.new_proxy(name)
        begun = time.monotonic()
        proxy.spawn()
        try:
            while not answers(proxy.port):
                if proxy.child.poll() is not None or time.monotonic() > begun + 15:
                    self.programs.abort(f"{name} does not start")
                time.sleep(0.0005)
            return {"start_ms": 1000 * (time.monotonic() - begun)}
        finally:
            proxy.stop()

    def syscalls(self, name, order):
        proxy = self.proxy(name)

        def traced(seconds):
            tracer = Tracer(
                self.programs, proxy.processes(), {self.load_core}, f"{name}-{seconds}")
            try:
                got, _, _ = self.generator.measure(
                    "drive", {"to": proxy.address, **order, "seconds": seconds, "warmup": 0.1},
                    seconds, lambda: None, lambda: None)
            finally:
                calls = tracer.stop()
            return got["requests"], calls
        (few, short), (many, long) = traced(1), traced(4)
        calls = {key: (long.get(key, 0) - short.get(key, 0)) / (many - few)
                 for key in {*long, *short}}
        calls = dict(sorted(calls.items(), key=lambda item: -item[1]))
        return {"syscalls_per_request": sum(calls.values()), "calls": calls}

    def window(self, proxy, name, order, shares_cores=False, counts_ended=False,
               beside=contextlib.nullcontext()):
        """Measures, while `beside` is entered, until a window is not disturbed, or the tries are used up: then the one that
        was disturbed least stands, and is counted as such."""
        tries = []
        for _ in range(1 + self.options.repeats):
            self.wait_for_calm()
            with beside:
                got = self.window_once(proxy, name, order, counts_ended)
            got["changes"] = getattr(beside, "count", None)
            self.windows += 1
            reasons = bench_summary.disturbances(got["window"], shares_cores)
            if not reasons:
                break
            tries.append(got)
            say("  disturbed: " + self.place["proxy"] + " " + ", ".join(
                f"{key} {value:.3f} > {limit}" for key, value, limit in reasons))
        else:
            got = min(tries, key=lambda one: bench_summary.disturbance(
                one["window"], shares_cores))
            tries.remove(got)
            got["disturbed"] = True
            self.kept.append({**self.place, **got["window"]})
        self.dropped += [{**self.place, **one} for one in tries]
        return got

    def wait_for_calm(self):
        """Until others use less than would disturb a window, or patience ends."""
        end = time.monotonic() + self.options.patience
        while time.monotonic() < end:
            busy = busy_ratio([self.proxy_core, self.load_core], 0.25)
            if busy <= bench_summary.LIMITS["foreign_core_ratio"]:
                return

    def window_once(self, proxy, name, order, counts_ended):
        options = self.options
        if name == "multiplexed":
            scheme = "https" if self.tls else "http"
            path = order.get("path", CALL)
            clients = Clients(
                self.programs, {self.load_core}, f"{scheme}://127.0.0.1:{proxy.port}{path}", order)
            result, window = measure_multiplexed(
                proxy, self.generator, clients, self.servers if self.speech.is_grpc else None,
                [self.proxy_core, self.load_core], options)
            got = measures(result, window)
            return {**got, "mean_us": result["mean_us"]}
        meter = Meter(proxy, self.generator)
        if name == "drive":
            order = {**order, "seconds": options.seconds, "warmup": options.warmup}
            seconds = options.seconds + options.warmup
        else:
            seconds = order["ramp_seconds"] + order["tokens"] * order["interval_ms"] / 1000
        result, before, after = self.generator.measure(
            name, order, seconds, meter.read, meter.read)
        window = difference(
            before, after, [self.proxy_core, self.load_core], counts_ended)
        if meter.helpers():
            # The generator is two programs on one core: they wait for each other.
            window["generator_wait_ratio"] = None
        # At a rate the generator does not sleep: its core is full, whoever is measured.
        return measures(result, window, is_closed=name == "drive" and "rate" not in order)


def measures(result, window, is_closed=True):
    """What a window says, per request, byte and token."""
    latency = result.get("latency_us") or result.get("delay_us") or {}
    seconds = result.get("seconds") or window["seconds"]
    cpu = window["proxy_core_ratio"] * seconds
    got = {f"{key}_us": value for key, value in latency.items()}
    got.update({
        "errors": result.get("errors", 0), "result": result, "window": window,
        "reconnects": result.get("reconnects", 0),
        "generator_capped": is_closed and bench_summary.generator_was_the_cap(window)})
    for key in ("proxy_core_ratio", "generator_core_ratio", "user_ratio", "rss_bytes"):
        got[key] = window[key]
    if requests := result.get("requests"):
        got["requests_per_second"] = requests / seconds
        got["cpu_us_per_request"] = 1e6 * cpu / requests
    if octets := result.get("bytes_down", 0) + result.get("bytes_up", 0):
        got["megabytes_per_second"] = octets / seconds / 1e6
        got["cpu_ns_per_byte"] = 1e9 * cpu / octets
    if tokens := result.get("tokens"):
        got["tokens_per_second"] = tokens / seconds
        got["cpu_us_per_token"] = 1e6 * cpu / tokens
    return got


def is_disturbed(*parts):
    return any(part.get("disturbed") for part in parts)


def subtract_direct(one):
    """Gives every proxy its delays less those of streams straight from the endpoints."""
    direct = one.get("direct")
    if direct is None:
        return
    for name, got in one.items():
        if name != "direct":
            for key in ("p50_us", "p99_us", "p99.9_us"):
                got[f"added_{key}"] = got[key] - direct[key]
            got["disturbed"] = is_disturbed(got, direct)
