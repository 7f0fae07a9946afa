"""A steelyard whose process is replaced by others, and clients that must not notice it."""

import json
import os
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

from programs import BINARY, Steelyard, run_steelyard, wait_for
from wire import Connection, Cut


class Generations(Steelyard):
    """A program of its own that can be replaced; its processes are whatever runs it."""

    def __init__(self, directory, configuration, environment=None, under=(), binary=None,
                 secure=None):
        Path(directory).mkdir(parents=True, exist_ok=True)
        self.program = Path(directory) / "program"
        shutil.copy2(binary or BINARY, self.program)
        super().__init__(
            directory, configuration, environment, under, self.program, secure)

    @property
    def state(self):
        return json.loads(self.admin_get("/api/v1/upgrade").content)

    def processes(self):
        """The process ids of all generations."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                is_alive = " Z " not in (entry / "stat").read_text()
            except OSError:
                continue
            if is_alive and str(self.file).encode() in words:
                found.append(int(entry.name))
        return found

    @property
    def in_charge(self):
        return self.state["process"]["id"]

    def upgrade(self, timeout=100):
        host, port = self.admin
        return run_steelyard("upgrade", "--admin", f"{host}:{port}", timeout=timeout)

    def replace_program(self, text):
        """Another program in the place of this one: a script."""
        new = self.program.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o755)
        new.rename(self.program)

    def restore_program(self):
        new = self.program.with_suffix(".new")
        shutil.copy2(BINARY, new)
        new.rename(self.program)

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_for_end(self, process, deadline=30):
        wait_for(lambda: process not in self.processes(), f"the end of {process}", deadline)

    def stop(self, number=signal.SIGTERM, deadline=10):
        for number in (number, signal.SIGKILL):
            for process in self.processes():
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    continue
            end = time.monotonic() + deadline
            while self.processes() and time.monotonic() < end:
                self.process.poll()
                time.sleep(0.02)
        return self.process.wait()


class Clients:
    """Requests without a pause from several threads, each of its own kind. What failed is kept as
    text; `count` has the exchanges that ended well, by kind."""

    KINDS = ("fresh", "kept", "posts")

    def __init__(self, address, threads=1, streams=0, stream_seconds=1.0):
        self.address = address
        self.stream_seconds = stream_seconds
        self.failures = []
        self.count = dict.fromkeys((*self.KINDS, "streams"), 0)
        self.is_over = threading.Event()
        kinds = [*self.KINDS] * threads + ["streams"] * streams
        self.threads = [
            threading.Thread(
                target=self._run, args=(getattr(self, f"_{kind}"), kind), name=kind, daemon=True)
            for kind in kinds]
        for thread in self.threads:
            thread.start()

    def wait_for_more(self):
        """Until exchanges of every kind that there is have ended since now."""
        before = dict(self.count)
        kinds = {thread.name for thread in self.threads}
        wait_for(
            lambda: all(self.count[kind] > before[kind] for kind in kinds) or self.failures,
            "exchanges of every kind")

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(60)
        return self.failures

    def _run(self, step, kind):
        kept = None
        while not self.is_over.is_set():
            try:
                kept = step(kept)
                self.count[kind] += 1
            except (Cut, OSError, ValueError, AssertionError) as failure:
                self.failures.append(f"{kind}: {type(failure).__name__}: {failure}")
                kept = None

    def _connect(self):
        return Connection(self.address, timeout=30)

    def _fresh(self, _):
        with self._connect() as connection:
            answer = connection.exchange("GET", "/fresh")
        assert answer.status == 200, answer.status

    def _exchange(self, kept, method, **options):
        """On a kept connection, until an answer says that it ends."""
        kept = kept or self._connect()
        answer = kept.exchange(method, "/kept", **options)
        assert answer.status == 200, answer.status
        if (answer.one("Connection") or "").lower() == "close":
            kept.close()
            return None
        return kept

    def _kept(self, kept):
        # Now and then idle, so that a stop meets connections between two requests.
        time.sleep(0.001)
        return self._exchange(kept, "GET")

    def _posts(self, kept):
        return self._exchange(kept, "POST", content=b"x" * 20_000)

    def _streams(self, _):
        with self._connect() as connection:
            connection.send_request("GET", f"/stream?seconds={self.stream_seconds}")
            answer = connection.read_response()
        assert answer.status == 200 and answer.content.endswith(b"end\n"), answer.content[-20:]


def engine(exchange):
    """Answers at once, or with a stream of so many seconds."""
    request = exchange.request
    exchange.read_content()
    if not request.target.startswith("/stream"):
        exchange.answer(b"ok")
        return
    exchange.begin_chunked()
    end = time.monotonic() + float(request.target.split("=")[1])
    while time.monotonic() < end:
        exchange.chunk(b"token\n")
        time.sleep(0.05)
    exchange.chunk(b"end\n")
    exchange.end_chunked()


def is_refused(address):
    """Whether nobody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(address) != 0
