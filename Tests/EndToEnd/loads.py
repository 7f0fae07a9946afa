"""Clients that send one request after another while a test looks on."""

import re
import subprocess
import threading
import time

from programs import find
from wire import Cut


class Load:
    """Clients that each send one after another until stopped; notes of each exchange when it ended,
    and the answer's status or what came in its place. `exchanges_max`: on one connection."""

    def __init__(self, steelyard, count, pause=0.01, method="POST", target="/", content=b"x",
                 exchanges_max=None):
        self.method, self.target = method, target
        self.content = content if method == "POST" else b""
        self.seen = []
        self.is_over = threading.Event()
        self.threads = [
            threading.Thread(
                target=self._run, args=(steelyard, pause, exchanges_max), daemon=True)
            for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, steelyard, pause, exchanges_max):
        connection, count = None, 0
        while not self.is_over.wait(pause):
            try:
                connection = connection or steelyard.connect(timeout=20)
                answer = connection.exchange(self.method, self.target, content=self.content)
                self.seen.append((time.monotonic(), answer.status))
                count += 1
                if count == exchanges_max:
                    connection.close()
                    connection, count = None, 0
            except (Cut, OSError, ValueError, AssertionError) as failure:
                self.seen.append((time.monotonic(), type(failure).__name__))
                connection, count = None, 0

    def statuses(self, since=0.0):
        return [status for at, status in list(self.seen) if at >= since]

    def stop(self):
        """All that they got."""
        self.is_over.set()
        for thread in self.threads:
            thread.join(30)
        return self.statuses()


class Wrk:
    """wrk until its time is over; what failed is counted by status and by cut."""

    def __init__(self, steelyard, room, target, seconds, connections=8, script=None):
        command = [find("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"]
        if script:
            file = room / f"{target.strip('/').replace('/', '-')}.lua"
            file.write_text(script)
            command += ["-s", str(file)]
        self.process = subprocess.Popen(
            [*command, steelyard.url + target], stdout=subprocess.PIPE, text=True)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def finish(self):
        """(requests, answers that are not 2xx or 3xx, cuts and time-outs)."""
        text = self.process.communicate(timeout=200)[0]
        done = int(re.search(r"(\d+) requests in", text).group(1))
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        cut = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        return done, int(bad.group(1)) if bad else 0, sum(map(int, cut.groups())) if cut else 0
