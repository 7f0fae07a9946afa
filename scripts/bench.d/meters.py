"""What a window costs, read from /proc at both its ends.

CPU time and run-queue wait come from /proc/PID/task/*/schedstat, in nanoseconds; the shares of user
and system from /proc/PID/stat, in ticks. The kernel counts loopback's soft interrupts to whoever
sends, unless it is built to account for interrupts apart; /proc/stat says how much that was."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from stage import TICKS, find

FIELDS = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
# What a core was not busy with. The kernel measures this, while it samples what the core was busy
# with: work that begins with the timer's tick, as streams do, would count several times over.
FREE = ["idle", "iowait", "steal"]


def threads(pids):
    """Nanoseconds on a processor and in a run queue, of all threads."""
    ran = waited = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                fields = task.read_text().split()
            except OSError:
                continue  # it ended
            ran += int(fields[0])
            waited += int(fields[1])
    return ran, waited


def ticks(pids):
    """User and system ticks, with those of children that ended."""
    user = system = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        user += int(fields[11]) + int(fields[13])
        system += int(fields[12]) + int(fields[14])
    return user, system


def machine():
    """Ticks by core."""
    cores = {}
    for line in Path("/proc/stat").read_text().splitlines():
        if re.match(r"cpu\d", line):
            name, *values = line.split()
            cores[int(name[3:])] = dict(zip(FIELDS, map(int, values)))
    return cores


def busy_ratio(cores, seconds):
    """What runs now, while nobody is measured, in cores."""
    before, begun = machine(), time.monotonic()
    time.sleep(seconds)
    after, wall = machine(), time.monotonic() - begun
    return len(cores) - sum(
        after[core][name] - before[core][name] for core in cores for name in FREE) / TICKS / wall


def rss_bytes(pids):
    """Resident memory, and the proportional part of it (what processes share counts once)."""
    resident = proportional = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        resident += 1024 * int(re.search(r"^Rss:\s+(\d+)", text, re.M)[1])
        proportional += 1024 * int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    return resident, proportional


def soft_interrupt_threads():
    """By core: the kernel's thread that goes on with soft interrupts where there are too many."""
    found = {}
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = comm.read_text().strip()
        except OSError:
            continue
        if match := re.fullmatch(r"ksoftirqd/(\d+)", name):
            found[int(match[1])] = int(comm.parent.name)
    return found


class Meter:
    """Reads what `proxy` (None: nobody) and the generator used."""

    def __init__(self, proxy, generator):
        self.proxy = proxy
        self.generator = generator
        self.more = []
        self.soft = soft_interrupt_threads()

    def helpers(self):
        """What else is the generator's: other endpoints, and what gives load-bench TLS."""
        hop = getattr(self.proxy, "hop", None)
        return [*self.more, *([hop.child.pid] if hop else [])]

    def read(self):
        pids = self.proxy.processes() if self.proxy else []
        return {
            "at": time.monotonic(), "proxy": threads(pids), "ticks": ticks(pids),
            "generator": threads([self.generator.pid, *self.helpers()]), "own": threads([os.getpid()]),
            "soft": {core: threads([pid])[0] for core, pid in self.soft.items()},
            "machine": machine(), "rss": rss_bytes(pids)}


def difference(before, after, cores, counts_ended=False):
    """What happened between two readings, as shares of the time between them (of one core).

    `cores`: the proxy's and the generator's. What the kernel's soft interrupt thread of a core did
    is part of what the program there cost, and that this one waited for it disturbs nobody.
    `counts_ended`: the proxy replaces its processes, so that only ticks, which a parent inherits
    from its children, know what they used."""
    wall = after["at"] - before["at"]

    def share(key, place):
        return (after[key][place] - before[key][place]) / 1e9 / wall

    user, system = (after["ticks"][place] - before["ticks"][place] for place in (0, 1))
    by_core = {
        str(core): {
            name: (after["machine"][core][name] - before["machine"][core][name]) / TICKS / wall
            for name in FIELDS}
        for core in cores}
    busy = len(by_core) - sum(core[name] for core in by_core.values() for name in FREE)
    soft = [
        (after["soft"].get(core, 0) - before["soft"].get(core, 0)) / 1e9 / wall for core in cores]
    proxy = (user + system) / TICKS / wall if counts_ended else share("proxy", 0)
    proxy += soft[0]
    generator = share("generator", 0) + soft[-1]
    return {
        "seconds": wall, "proxy_core_ratio": proxy, "generator_core_ratio": generator,
        "proxy_wait_ratio": max(0, share("proxy", 1) - soft[0]),
        "generator_wait_ratio": max(0, share("generator", 1) - soft[-1]),
        "soft_interrupt_ratios": soft,
        "foreign_core_ratio": max(0, busy - proxy - generator - share("own", 0)),
        "steal_ratio": sum(core["steal"] for core in by_core.values()),
        "user_ratio": user / (user + system) if user + system else None,
        "rss_bytes": after["rss"][0], "pss_bytes": after["rss"][1], "cores": by_core}


class Tracer:
    """strace, counting the system calls of processes that run."""

    def __init__(self, programs, pids, cores, name):
        self.file = programs.room / f"{name}.strace"
        log = programs.room / f"{name}.strace.log"
        arguments = [find("strace"), "-c", "-f", "-o", self.file]
        for pid in pids:
            arguments += ["-p", pid]
        self.child = programs.start(log.stem, arguments, cores=cores)
        programs.wait_until(
            lambda: log.read_text().count(" attached") >= len(pids), "strace", self.child)

    def stop(self):
        """Calls by name."""
        self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
        calls = {}
        for line in self.file.read_text().splitlines():
            words = line.split()
            if len(words) >= 5 and re.fullmatch(r"[\d.]+", words[0]) and words[-1] != "total":
                calls[words[-1]] = int(words[3])
        return calls

