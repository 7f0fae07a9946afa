"""What scripts/race, faults, refusals and harm share: proxies as contestants, and one run in which
all of them take part together, with socket-race (or harm's field) as clients and endpoints."""

import json
import os
import select
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from stage import (
    TICKS, Ports, Programs, can_connect, cpu_ticks, fill, find, nginx_command, nginx_user)

TEMPLATES = Path(__file__).resolve().parent
PATIENCE_SECONDS = 30
# Endpoints that refuse what they have no room for; with `speeds` and `full_status`.
FULL = {"slots": 4, "unit_seconds": 0.4, "full_cache_ratio": 0.5, "queue_max": 4,
        "is_constant": True}


class Contestant:
    """A proxy: how it is configured and started."""

    def __init__(self, name, note):
        self.name = name
        self.note = note
        self.process = None
        self.admin_port = None
        # What it has in its environment beside ours.
        self.environment = {}

    def prepare(self, room, ports, weights):
        """Chooses ports; `weights` are the static ones of the endpoints, in order."""
        self.room = room / self.name
        self.room.mkdir()
        self.port = ports.take()
        self.endpoints = [f"127.0.0.1:{ports.take()}" for _ in weights]
        self.command = self.configure(ports, weights)

    def write(self, name, text):
        file = self.room / name
        file.write_text(text)
        return file

    def lines(self, form, weights):
        return "\n".join(
            form.format(index=index, address=address, weight=weight)
            for index, (address, weight) in enumerate(zip(self.endpoints, weights), 1))

    def is_ready(self):
        if not can_connect(self.port):
            return False
        if self.admin_port is None:
            return True
        try:
            url = f"http://127.0.0.1:{self.admin_port}/readyz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


class Steelyard(Contestant):
    template = "steelyard.yaml"

    def __init__(self, name, binary, balance, law, signals=None):
        super().__init__(name, f"steelyard, {balance}, law {law}")
        self.signals = signals
        self.binary = binary
        self.balance = balance
        self.law = law

    def values(self):
        """What its template has beside the usual."""
        return {}

    def configure(self, ports, weights):
        self.admin_port = ports.take()
        policy = {"law": self.law}
        if self.law != "static":
            # Nobody tells the law which endpoint is fast.
            weights = [1] * len(weights)
            policy["scrape"] = [{"preset": "vllm"}]
            if self.signals:
                policy["scrape"][0]["signals"] = self.signals
        file = self.write("steelyard.yaml", fill(
            TEMPLATES / self.template, port=self.port, admin_port=self.admin_port,
            balance=self.balance,
            weights=json.dumps(policy), **self.values(),
            endpoints=self.lines('      - {{address: "{address}", weight: {weight}}}', weights)))
        return [self.binary, "serve", file]


class Plain(Steelyard):
    """Its shortest configuration. `route` and `pool` are what its route and pool have beside it."""
    template = "refusals-steelyard.yaml"

    def __init__(self, name, binary, route="", pool=""):
        super().__init__(name, binary, "least_request", "capacity")
        self.own = {"route": route, "pool": pool and f"\n    {pool}"}

    def values(self):
        return self.own


class Nginx(Contestant):
    template = "nginx.conf"

    def configure(self, ports, weights):
        file = self.write("nginx.conf", fill(
            TEMPLATES / self.template, port=self.port, room=self.room, user=nginx_user(),
            endpoints=self.lines("    server {address} weight={weight};", weights)))
        return nginx_command(self.room, file)


class HAProxy(Contestant):
    template = "haproxy.cfg"

    def configure(self, ports, weights):
        file = self.write("haproxy.cfg", fill(
            TEMPLATES / self.template, port=self.port,
            endpoints=self.lines("  server e{index} {address} weight {weight}", weights)))
        return [find("haproxy"), "-db", "-f", file]


class Race(Programs):
    """One run: one scenario, one seed, all contestants together.

    `options` has `race_binary`, `field`, `weights`, `seconds`, `warmup`, `load` and `is_post`."""
    # Plays clients and endpoints.
    player = "socket-race"

    def __init__(self, options, contestants, scenario, seed, room):
        super().__init__(room)
        self.options = options
        self.scenario = scenario
        self.seed = seed
        self.contestants = contestants

    def run(self):
        """The report, with what the script measured itself."""
        options = self.options
        ports = Ports()
        speeds = options.field["speeds"]
        weights = speeds if options.weights == "speed" else [1] * len(speeds)
        for one in self.contestants:
            one.prepare(self.room, ports, weights)
        spec = self.room / "race.json"
        # Who is served first at an instant changes with the seed.
        turn = self.seed % len(self.contestants)
        order = self.contestants[turn:] + self.contestants[:turn]
        spec.write_text(json.dumps({
            **self.told(), "seed": self.seed, "seconds": options.seconds,
            "warm_up_seconds": options.warmup,
            "contestants": [
                {"name": one.name, "proxy": f"127.0.0.1:{one.port}", "endpoints": one.endpoints}
                for one in order]}, indent=2))
        # Without a buffer of ours: a line that waited there would not wake `select`.
        self.course = self.start(
            self.player, self.command(spec), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            bufsize=0)
        self.expect("ready", 15)
        for one in self.contestants:
            one.process = self.start(
                one.name, one.command, one.room, env={**os.environ, **one.environment})
        for one in self.contestants:
            self.wait_until(one.is_ready, one.name, one.process)
        self.course.stdin.write(b"go\n")
        self.course.stdin.flush()
        self.expect("measuring", options.warmup + 15)
        before = self.readings()
        self.expect("measured", options.seconds + 15)
        machine, cores = self.differences(before, self.readings())
        report = self.read_line(PATIENCE_SECONDS + 15)
        report["machine"] = machine
        report["commands"] = [shlex.join(map(str, one.command)) for one in self.contestants]
        report["contestants"].sort(
            key=lambda got: [one.name for one in self.contestants].index(got["name"]))
        for got in report["contestants"]:
            got["proxy_core_ratio"] = cores[got["name"]]
        return report

    def told(self):
        """What the player is told beside who takes part, and when."""
        options = self.options
        return {"field": options.field, "scenario": self.scenario, "load_ratio": options.load,
                "is_post": options.is_post}

    def command(self, spec):
        return [self.options.race_binary, spec]

    def read_line(self, seconds):
        """The player's next JSON line. A time in which this very process did not run, such as that
        of a host that stands still, counts for a second at most."""
        if not any(select.select([self.course.stdout], [], [], 1)[0] for _ in range(int(seconds))):
            self.abort(f"{self.player} says nothing")
        line = self.course.stdout.readline()
        return json.loads(line) if line else self.abort(f"{self.player} ended")

    def expect(self, event, seconds):
        got = self.read_line(seconds)
        if got.get("event") != event:
            self.abort(f"{self.player} says {got}, not {event}")

    def readings(self):
        line = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        names = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
        return {
            "at": time.monotonic(), "machine": dict(zip(names, map(int, line))),
            "own": {name: cpu_ticks(child.pid) for name, child in self.children}}

    def differences(self, before, after):
        """In cores: what the machine lost to others, and what each of our programs used."""
        ticks = (after["at"] - before["at"]) * TICKS
        machine = {
            name: (after["machine"][name] - before["machine"][name]) / ticks
            for name in before["machine"]}
        own = {
            name: (after["own"][name] - before["own"][name]) / ticks for name in before["own"]}
        busy = sum(machine[name] for name in ("user", "nice", "system", "irq", "softirq"))
        return {
            "cores": os.cpu_count(), "steal_cores": machine["steal"], "busy_cores": busy,
            "own_cores": sum(own.values()),
            "foreign_cores": max(0, busy - sum(own.values()))}, own
