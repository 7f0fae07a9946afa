"""What scripts/race and scripts/faults share: proxies as contestants, and one run in which all of
them take part together, with socket-race as clients and endpoints."""

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


class Contestant:
    """A proxy: how it is configured and started."""

    def __init__(self, name, note):
        self.name = name
        self.note = note
        self.process = None
        self.admin_port = None

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
            "field": options.field, "scenario": self.scenario, "seed": self.seed,
            "seconds": options.seconds,
            "warm_up_seconds": options.warmup, "load_ratio": options.load,
            "is_post": options.is_post,
            "contestants": [
                {"name": one.name, "proxy": f"127.0.0.1:{one.port}", "endpoints": one.endpoints}
                for one in order]}, indent=2))
        command = [options.race_binary, spec]
        self.course = self.start(
            "socket-race", command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.expect("ready", 15)
        for one in self.contestants:
            one.process = self.start(one.name, one.command, one.room)
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

    def read_line(self, seconds):
        """The next JSON line of socket-race."""
        if not select.select([self.course.stdout], [], [], seconds)[0]:
            self.abort("socket-race says nothing")
        line = self.course.stdout.readline()
        return json.loads(line) if line else self.abort("socket-race ended")

    def expect(self, event, seconds):
        got = self.read_line(seconds)
        if got.get("event") != event:
            self.abort(f"socket-race says {got}, not {event}")

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
