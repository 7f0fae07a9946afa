"""The load generator as scripts/bench talks to it: one process that is the clients and the
endpoints, which takes orders line by line and answers in JSON."""

import json
import os
import select
import subprocess
import time


class OrderError(Exception):
    """The generator refused an order, or an order measured nothing."""


class Generator:
    ENDPOINTS = 4

    def __init__(self, programs, binary, cores):
        self.programs = programs
        self.child = programs.start(
            "load-bench", [binary, "load", "--endpoints", self.ENDPOINTS], cores=cores,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.buffer = b""
        self.endpoints = self.answer(15, "ready")["endpoints"]

    @property
    def pid(self):
        return self.child.pid

    def send(self, name, values):
        words = [name, *(f"{key}={value}" for key, value in values.items() if value is not None)]
        self.child.stdin.write((" ".join(words) + "\n").encode())
        self.child.stdin.flush()

    def answer(self, seconds, key=None):
        """The next line; `key` is what it has to have."""
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                self.programs.abort(f"load-bench says nothing for {seconds:g} s")
            # Not through Python's buffer, which select does not see.
            piece = os.read(self.child.stdout.fileno(), 65536)
            if not piece:
                self.programs.abort("load-bench ended")
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise OrderError(answer["error"])
        if key is not None and key not in answer:
            raise OrderError(f"load-bench says {answer}, not {key}")
        return answer

    def measure(self, name, values, seconds, at_start, at_end):
        """Runs an order with a window; the two functions are called at its ends."""
        self.send(name, values)
        self.answer(60, "measuring")
        before = at_start()
        result = self.answer(seconds + 30)
        return result, before, at_end()

    def idle(self, address, connections):
        """Returns how many were lost."""
        self.send("idle", {"to": address, "connections": connections})
        return self.answer(120, "idle").get("lost", 0)

    def close(self):
        self.send("close", {})
        self.answer(60, "closed")
