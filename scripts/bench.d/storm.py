#!/usr/bin/python3
"""Clients that connect anew, a full TLS 1.3 handshake and one request each, at a steady rate.

As a program: `storm.py PORT CA RATE` until SIGTERM, then a line of JSON. It runs at the lowest
priority, so that it takes what others leave of its core."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

THREADS = 32


class Storm:
    """The program, for as long as it is entered; then `count` is how many it made a second."""

    def __init__(self, programs, cores, port, ca, rate):
        self.programs = programs
        self.cores = cores
        self.arguments = [str(port), str(ca), str(rate)]
        self.count = None

    def __enter__(self):
        self.child = self.programs.start(
            "storm", [sys.executable, __file__, *self.arguments], cores=self.cores,
            stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        said, _ = self.child.communicate(timeout=30)
        self.programs.stop_one(self.child)
        result = json.loads(said or "{}")
        if result.get("failed", 1):
            raise OSError(f"of the clients that connect anew some failed: {result}")
        self.count = result["rate"]


def connect(context, port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(b"GET /bytes/16 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not secure.recv(4096).startswith(b"HTTP/1.1 200 "):
                raise OSError("not 200")


def main(port, ca, rate):
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    begun = time.monotonic()
    answered, failed = [0] * THREADS, [0] * THREADS

    def run(place):
        number = place
        while not is_over.wait(max(0, begun + number / rate - time.monotonic())):
            try:
                connect(context, port)
                answered[place] += 1
            except OSError as error:
                failed[place] += 1
                print(error, file=sys.stderr, flush=True)
            number += THREADS

    threads = [threading.Thread(target=run, args=(place,)) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begun
    print(json.dumps({"rate": sum(answered) / seconds, "failed": sum(failed)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
