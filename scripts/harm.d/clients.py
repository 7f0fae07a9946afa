"""Clients of scripts/harm: every request is sent when it is due, on a connection that is free; what
became of it is kept. `result` of a list of records is what socket-race says of a contestant."""

import asyncio
import math
import random
import socket
from dataclasses import dataclass

PATIENCE_SECONDS = 30
CONTENT = b"x" * 200
READ_BYTES = 64 * 1024


@dataclass
class Arrival:
    """One request: what all contestants get at that instant."""
    at: float
    kind: str
    head: bytes
    byte_count: int
    reading: float


@dataclass
class Record:
    at: float
    kind: str
    outcome: str = "cut"
    seconds: float = 0.0


def schedule(rates, kinds, seconds, seed):
    """Poisson arrivals whose rate changes at the steps; the same seed gives the same requests."""
    source = random.Random(seed)
    arrivals, shares = [], [kind["share"] for kind in kinds]
    for (start, rate), (end, _) in zip(rates, [*rates[1:], (seconds, 0)]):
        at = start
        while rate:
            at += source.expovariate(rate)
            if at >= end:
                break
            arrivals.append(arrival(at, source.choices(kinds, shares)[0], source))
    return arrivals


def arrival(at, kind, source):
    # A tail without an end would make single requests decide the p99.
    drawn = min(6, max(0.05, source.expovariate(1)))
    work = kind["mean"] * (1 if kind["is_constant"] else drawn)
    reading = min(3, source.expovariate(1)) * kind["reading"]
    content = CONTENT if kind["method"] == "POST" else b""
    head = (f"{kind['method']} {kind['path']}?work={work:.6f}&slot={int(kind['takes_slot'])}"
            f"&status={kind['status']}&bytes={kind['byte_count']} HTTP/1.1\r\n"
            f"Host: harm.test\r\nContent-Length: {len(content)}\r\n\r\n").encode()
    return Arrival(at, kind["name"], head + content, kind["byte_count"], reading)


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, crowd):
        self.crowd = crowd
        self.loop = crowd.loop
        self.record = self.timer = None

    def connection_made(self, transport):
        self.transport = transport

    def send(self, arrival, record):
        self.input, self.left, self.status, self.is_last = b"", None, 0, False
        self.arrival, self.record = arrival, record
        self.timer = self.loop.call_later(PATIENCE_SECONDS, self.end, "timeout")
        self.transport.write(arrival.head)

    def data_received(self, data):
        if self.record is None:
            return
        count = len(data)
        if self.left is None:
            self.input += data
            end = self.input.find(b"\r\n\r\n") + 4
            if end < 4:
                return
            self.read_head(self.input[:end].decode("latin-1"))
            count = len(self.input) - end
        self.left -= count
        if self.left <= 0:
            self.end("ok" if self.status == 200 else "status")
        elif self.arrival.reading:
            self.transport.pause_reading()
            pause = self.arrival.reading * count / self.arrival.byte_count
            self.loop.call_later(pause, self.go_on)

    def read_head(self, head):
        lines = head.lower().split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        self.is_last = fields.get("connection") == "close" or "content-length" not in fields
        self.left = int(fields.get("content-length", 0))
        # Who reads late takes long; what the balancer had to do with it ends here.
        if self.arrival.reading:
            self.record.seconds = self.loop.time() - self.record.at

    def go_on(self):
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, _):
        if self.record:
            self.end("cut")
        else:
            self.crowd.forget(self)

    def end(self, outcome):
        self.timer.cancel()
        record, self.record = self.record, None
        record.outcome = outcome
        record.seconds = record.seconds or self.loop.time() - record.at
        if outcome in ("ok", "status") and not self.is_last and not self.arrival.reading:
            self.crowd.idle.append(self)
        else:
            self.transport.abort()
        self.crowd.busy -= 1


class Crowd:
    """All clients of one contestant."""

    def __init__(self, address):
        self.host, port = address.split(":")
        self.port = int(port)
        self.loop = asyncio.get_running_loop()
        self.idle, self.records, self.tasks = [], [], set()
        self.busy = 0

    def forget(self, client):
        if client in self.idle:
            self.idle.remove(client)

    def send(self, arrival, due):
        record = Record(due, arrival.kind)
        self.records.append(record)
        self.busy += 1
        if self.idle and not arrival.reading:
            self.idle.pop().send(arrival, record)
        else:
            task = self.loop.create_task(self.connect(arrival, record))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def connect(self, arrival, record):
        try:
            one = socket.socket()
            one.setblocking(False)
            if arrival.reading:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_BYTES)
            await asyncio.wait_for(
                self.loop.sock_connect(one, (self.host, self.port)), PATIENCE_SECONDS)
            _, client = await self.loop.create_connection(lambda: Client(self), sock=one)
        except OSError:
            one.close()
            record.outcome = "refused"
            self.busy -= 1
            return
        client.send(arrival, record)


def quantile(ratio, values):
    """Nearest rank of sorted values; None where there are none."""
    return values[max(0, math.ceil(ratio * len(values)) - 1)] if values else None


def result(records, start, end, timed=None):
    """What socket-race says of requests that were due between; `timed` is the kind whose latencies
    count."""
    measured = [one for one in records if start <= one.at < end]
    failed = dict.fromkeys(("status", "timeout", "cut", "refused", "unsent"), 0)
    for one in measured:
        if one.outcome != "ok":
            failed[one.outcome] += 1
    good = sum(one.outcome == "ok" for one in measured)
    seconds = sorted(
        one.seconds for one in measured if one.outcome == "ok" and timed in (None, one.kind))
    return {
        "requests": len(measured), "ok": good, "failed": failed,
        "goodput_per_second": good / (end - start),
        "mean_seconds": sum(seconds) / len(seconds) if seconds else None,
        "p50_seconds": quantile(0.5, seconds), "p99_seconds": quantile(0.99, seconds)}
