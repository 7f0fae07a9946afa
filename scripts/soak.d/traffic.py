"""Requests at a steady rate over kept connections, and what became of each."""

import asyncio
import random
import time
from dataclasses import dataclass

ANSWER_SECONDS_MAX = 30
# Connections that a burst has opened are closed after so long without use.
IDLE_SECONDS_MAX = 30
CONTENT = b"x" * 2_000


@dataclass
class Outcome:
    at: float
    kind: str
    status: int = 0
    # What failed; empty where nothing did.
    failure: str = ""
    # A byte of the answer had been passed on: nobody could repeat it.
    had_begun: bool = False
    # What steelyard, the wait and repeats took beside the endpoint's work.
    overhead: float = 0.0


class CountingReader(asyncio.StreamReader):
    """Knows whether anything came, also where a reset took the place of the rest."""
    byte_count = 0

    def feed_data(self, data):
        self.byte_count += len(data)
        super().feed_data(data)


async def connect(address):
    loop = asyncio.get_running_loop()
    reader = CountingReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, *address)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class Client:
    """One connection."""

    def __init__(self, address):
        self.address = address
        self.reader = self.writer = None
        self.idle_since = 0.0

    def close(self):
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    async def exchange(self, outcome, method, target):
        if self.writer is None:
            self.reader, self.writer = await connect(self.address)
        before = self.reader.byte_count
        try:
            return await self.read_answer(outcome, method, target)
        finally:
            outcome.had_begun = self.reader is not None and self.reader.byte_count > before

    async def read_answer(self, outcome, method, target):
        content = CONTENT if method == "POST" else b""
        self.writer.write(
            f"{method} {target} HTTP/1.1\r\nHost: soak.test\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        outcome.status = int(head.split(" ", 2)[1])
        fields = {name.lower(): value.strip() for name, _, value in (
            line.partition(":") for line in head.split("\r\n")[1:] if line)}
        text = await self.content(fields)
        if outcome.status != 200:
            outcome.failure = f"{outcome.status} {text[:200].decode(errors='replace').strip()}"
        if fields.get("connection", "").lower() == "close":
            self.close()
        return float(fields.get("x-work-seconds", 0))

    async def content(self, fields):
        if fields.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(fields.get("content-length", 0)))
        content = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            content += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return content


async def patiently(exchange):
    """Its result, None where it takes ANSWER_SECONDS_MAX. A time in which this very process did not
    run, such as that of a host that stands still, counts for a second at most."""
    task = asyncio.create_task(exchange)
    try:
        for _ in range(ANSWER_SECONDS_MAX):
            done, _ = await asyncio.wait({task}, timeout=1)
            if done:
                return task.result()
        return None
    finally:
        task.cancel()


class Traffic:
    """`rate` requests a second until `stop`; every outcome goes to `note`."""

    def __init__(self, address, rate, note, seed):
        self.address, self.rate, self.note = address, rate, note
        self.random = random.Random(seed)
        self.idle = []
        self.running = set()

    def draw(self):
        """Method, target, kind: mostly short, some as long as a reload's interval, some streams."""
        draw = self.random.random()
        if draw < 0.1:
            return "GET", "/work?seconds=2", "long"
        if draw < 0.2:
            return "POST", "/stream?seconds=0.5", "stream"
        seconds = self.random.uniform(0.01, 0.1)
        method = self.random.choice(["GET", "POST"])
        return method, f"/work?seconds={seconds:.3f}", "short"

    async def run(self, until):
        """Begins requests until then, then waits for the last."""
        due = time.monotonic()
        while due < until:
            await asyncio.sleep(max(0, due - time.monotonic()))
            task = asyncio.create_task(self.one())
            self.running.add(task)
            task.add_done_callback(self.running.discard)
            due += self.random.expovariate(self.rate)
        await asyncio.gather(*self.running)

    async def one(self):
        method, target, kind = self.draw()
        outcome = Outcome(time.monotonic(), kind)
        client = self.idle.pop() if self.idle else Client(self.address)
        try:
            work = await patiently(client.exchange(outcome, method, target))
            if work is None:
                outcome.failure = f"no answer within {ANSWER_SECONDS_MAX} s"
            else:
                outcome.overhead = time.monotonic() - outcome.at - work
        except (asyncio.IncompleteReadError, OSError, ValueError) as error:
            outcome.failure = f"cut: {type(error).__name__}"
        if outcome.failure:
            client.close()
        else:
            self.keep(client)
        self.note(outcome)

    def keep(self, client):
        """The last one is taken first, so that those at the front are the oldest."""
        client.idle_since = time.monotonic()
        self.idle.append(client)
        while self.idle[0].idle_since < client.idle_since - IDLE_SECONDS_MAX:
            self.idle.pop(0).close()

    def close(self):
        for client in self.idle:
            client.close()
