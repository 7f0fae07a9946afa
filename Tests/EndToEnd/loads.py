"""Clients that send one request after another while a test looks on."""

import threading
import time

from wire import Cut


class Load:
    """Clients that each send one after another until stopped; notes each answer's status and its
    time."""

    def __init__(self, steelyard, count, pause=0.01, method="POST", target="/"):
        self.method, self.target = method, target
        self.content = b"x" if method == "POST" else b""
        self.seen = []
        self.is_over = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(steelyard, pause), daemon=True)
            for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, steelyard, pause):
        connection = None
        while not self.is_over.wait(pause):
            try:
                connection = connection or steelyard.connect(timeout=20)
                answer = connection.exchange(self.method, self.target, content=self.content)
                self.seen.append((time.monotonic(), answer.status))
            except (Cut, OSError) as failure:
                self.seen.append((time.monotonic(), type(failure).__name__))
                connection = None

    def statuses(self, since=0.0):
        return [status for at, status in list(self.seen) if at >= since]

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(30)
