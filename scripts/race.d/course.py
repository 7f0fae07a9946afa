"""What scripts/race and scripts/faults share: proxies as contestants, and one run in which all of
them take part together, with socket-race as clients and endpoints."""

import ctypes
import json
import os
import random
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent
PATIENCE_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")
LOCK = Path(tempfile.gettempdir()) / "steelyard-bench.lock"
_libc = ctypes.CDLL(None, use_errno=True)


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"{Path(sys.argv[0]).name}: {text}")


def find(name):
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin")
    return found or fail(f"{name} is missing: run scripts/setup bench")


class Ports:
    """Free ports below the range that the kernel gives to clients: an endpoint that died gets its
    own back."""

    def __init__(self):
        self.given = set()

    def take(self):
        for _ in range(2000):
            port = random.randrange(12000, 30000)
            if port in self.given:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            self.given.add(port)
            return port
        fail("no free port")


def fill(template, **values):
    text = (TEMPLATES / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    return text


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
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
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
            self.template, port=self.port, admin_port=self.admin_port, balance=self.balance,
            weights=json.dumps(policy), **self.values(),
            endpoints=self.lines('      - {{address: "{address}", weight: {weight}}}', weights)))
        return [self.binary, "serve", file]


class Nginx(Contestant):
    template = "nginx.conf"

    def configure(self, ports, weights):
        file = self.write("nginx.conf", fill(
            self.template, port=self.port, room=self.room,
            user="user root;" if os.geteuid() == 0 else "",
            endpoints=self.lines("    server {address} weight={weight};", weights)))
        return [find("nginx"), "-p", self.room, "-c", file, "-e", self.room / "error.log"]


class HAProxy(Contestant):
    template = "haproxy.cfg"

    def configure(self, ports, weights):
        file = self.write("haproxy.cfg", fill(
            self.template, port=self.port,
            endpoints=self.lines("  server e{index} {address} weight {weight}", weights)))
        return [find("haproxy"), "-db", "-f", file]


def prepare_child():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Race:
    """One run: one scenario, one seed, all contestants together.

    `options` has `race_binary`, `field`, `weights`, `seconds`, `warmup`, `load` and `is_post`."""

    def __init__(self, options, contestants, scenario, seed, room):
        self.options = options
        self.scenario = scenario
        self.seed = seed
        self.room = Path(room)
        self.children = []
        self.contestants = contestants

    def start(self, name, command, room, **streams):
        log = open(room / f"{name}.log", "wb")
        child = subprocess.Popen(
            [str(part) for part in command], cwd=room, stderr=log, preexec_fn=prepare_child,
            **{"stdin": subprocess.DEVNULL, "stdout": log, **streams})
        self.children.append((name, child))
        return child

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
            "socket-race", command, self.room, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.expect("ready", 15)
        for one in self.contestants:
            one.process = self.start(one.name, one.command, one.room)
        for one in self.contestants:
            self.wait_for(one)
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

    def wait_for(self, one):
        end = time.monotonic() + 15
        while not one.is_ready():
            if one.process.poll() is not None:
                self.abort(f"{one.name} ended with {one.process.returncode}")
            if time.monotonic() > end:
                self.abort(f"{one.name} does not get ready")
            time.sleep(0.05)

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

    def abort(self, text):
        for log in sorted(self.room.rglob("*.log")):
            tail = log.read_text(errors="replace")[-2000:]
            if tail:
                say(f"--- {log.relative_to(self.room)}\n{tail}")
        fail(text)

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

    def stop(self):
        for _, child in self.children:
            if child.poll() is None:
                child.terminate()
        for _, child in self.children:
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def cpu_ticks(pid):
    """User and system time of a process and its children that run."""
    ticks = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            waiting += [int(child) for child in children.read_text().split()]
    return ticks


def first_line(*command):
    ended = subprocess.run(command, capture_output=True, text=True, timeout=10)
    return (ended.stdout + ended.stderr).strip().split("\n")[0]


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"
