"""Shares of a core for processes: quotas of the kernel's scheduler where this process may set
them (cgroup v1 or v2), else by stopping and continuing the process ten times a second."""

import os
import signal
import threading
import time
from pathlib import Path

PERIOD_SECONDS = 0.1
ROOT = Path("/sys/fs/cgroup")
PREFIX = "steelyard-engines-"


def limiter(allows_groups=True):
    """The best that works here. `remove` it at the end, after the processes."""
    for kind in (GroupsV1, GroupsV2) if allows_groups else ():
        groups = kind.open()
        if groups:
            return groups
    return Stops()


class Groups:
    """A group for each process, below one of our own."""

    def __init__(self, place):
        self.place = place
        self.made = []

    def make(self, path):
        path.mkdir()
        self.made.append(path)
        return path

    def limit(self, pid, share):
        group = self.make(self.place / str(pid))
        self.set_quota(group, share)
        (group / "cgroup.procs").write_text(str(pid))

    def remove(self):
        """Requires: the processes have ended."""
        for path in reversed(self.made):
            for _ in range(50):
                try:
                    path.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)
        self.made = []

    @classmethod
    def try_out(cls, parent):
        """None where a group with a quota cannot be made."""
        for path in parent.glob(PREFIX + "*"):
            cls.remove_stale(path)
        place = parent / f"{PREFIX}{os.getpid()}"
        groups = cls(place)
        try:
            groups.make(place)
            groups.prepare()
            trial = groups.make(place / "trial")
            groups.set_quota(trial, 0.5)
            trial.rmdir()
            groups.made.remove(trial)
        except OSError:
            groups.remove()
            return None
        return groups

    @staticmethod
    def remove_stale(path):
        """What a bench left that was killed."""
        if Path("/proc", path.name.removeprefix(PREFIX)).exists():
            return
        try:
            for group in [each for each in path.iterdir() if each.is_dir()] + [path]:
                group.rmdir()
        except OSError:
            pass

    def prepare(self):
        """What the group of all needs."""


class GroupsV1(Groups):
    note = "quotas of cgroup v1"

    @classmethod
    def open(cls):
        for name in ("cpu", "cpu,cpuacct"):
            if (ROOT / name / "cpu.cfs_quota_us").exists():
                return cls.try_out(ROOT / name)
        return None

    def set_quota(self, group, share):
        microseconds = int(PERIOD_SECONDS * 1e6)
        (group / "cpu.cfs_period_us").write_text(str(microseconds))
        (group / "cpu.cfs_quota_us").write_text(str(int(share * microseconds)))


class GroupsV2(Groups):
    note = "quotas of cgroup v2"

    @classmethod
    def open(cls):
        controllers = ROOT / "cgroup.controllers"
        if not controllers.exists() or "cpu" not in controllers.read_text().split():
            return None
        return cls.try_out(ROOT)

    def prepare(self):
        for group in (ROOT, self.place):
            control = group / "cgroup.subtree_control"
            if "cpu" not in control.read_text().split():
                control.write_text("+cpu")

    def set_quota(self, group, share):
        microseconds = int(PERIOD_SECONDS * 1e6)
        (group / "cpu.max").write_text(f"{int(share * microseconds)} {microseconds}")


class Stops:
    """Lets each process run for its share of each tenth of a second."""
    note = "by SIGSTOP and SIGCONT, as no cgroup can be made here"

    def __init__(self):
        self.over = threading.Event()
        self.threads = []

    def limit(self, pid, share):
        if share >= 1:
            return
        thread = threading.Thread(target=self.run, args=(pid, share), daemon=True)
        thread.start()
        self.threads.append(thread)

    def run(self, pid, share):
        try:
            while not self.over.is_set():
                os.kill(pid, signal.SIGCONT)
                self.over.wait(PERIOD_SECONDS * share)
                os.kill(pid, signal.SIGSTOP)
                self.over.wait(PERIOD_SECONDS * (1 - share))
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def remove(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.threads = []
