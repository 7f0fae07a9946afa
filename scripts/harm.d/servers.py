"""Endpoints of scripts/harm: timers in one process that serve so many requests at a time and keep
the others waiting, with metrics pages that may lie."""

import asyncio
import collections
import random
import re

_COUNT = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_FILL = b"x" * 2_000_000


class Job:
    def __init__(self, work, done):
        self.left, self.done = work, done
        self.since, self.timer = 0.0, None


class Slots:
    """Serves `count` jobs at a time, first come, first served; a job's work is seconds at speed 1."""

    def __init__(self, count, speed):
        self.count, self.speed = count, speed
        self.loop = asyncio.get_running_loop()
        self.running, self.waiting = set(), collections.deque()

    def add(self, work, done):
        job = Job(work, done)
        if len(self.running) < self.count:
            self._start(job)
        else:
            self.waiting.append(job)
        return job

    def remove(self, job):
        if job in self.running:
            job.timer.cancel()
            self._leave(job)
        elif job in self.waiting:
            self.waiting.remove(job)

    def set_speed(self, speed):
        for job in self.running:
            job.timer.cancel()
            job.left -= (self.loop.time() - job.since) * self.speed
        self.speed = speed
        for job in self.running:
            self._time(job)

    def clear(self):
        for job in self.running:
            job.timer.cancel()
        self.running.clear()
        self.waiting.clear()

    def _start(self, job):
        self.running.add(job)
        self._time(job)

    def _time(self, job):
        job.since = self.loop.time()
        job.timer = self.loop.call_later(max(0, job.left) / self.speed, self._end, job)

    def _end(self, job):
        self._leave(job)
        job.done()

    def _leave(self, job):
        self.running.discard(job)
        if self.waiting and len(self.running) < self.count:
            self._start(self.waiting.popleft())


class Page:
    """What the endpoint says of itself. With several workers each request is counted by one of
    them, and each answers for the page in turn; they are of different age."""

    def __init__(self, server, mean, seed):
        self.preset, self.factor = server["preset"], server["page_counts"]
        self.random = random.Random(seed)
        self.counters = [[500 * place, 500 * place * mean] for place in
                         range(server["page_workers"])]
        self.turn = 0
        self.queued = 0

    def count(self, seconds):
        counter = self.random.choice(self.counters)
        counter[0] += self.factor
        counter[1] += self.factor * seconds

    def text(self, slots):
        self.turn = (self.turn + 1) % len(self.counters)
        count, seconds = self.counters[self.turn]
        if self.preset == "kserve":
            return (
                "# TYPE request_predict_seconds histogram\n"
                f'request_predict_seconds_bucket{{le="+Inf",model_name="m"}} {count}\n'
                f'request_predict_seconds_count{{model_name="m"}} {count}\n'
                f'request_predict_seconds_sum{{model_name="m"}} {seconds:.6f}\n')
        label = '{model_name="m",engine="0"}'
        cache = 0.5 * len(slots.running) / slots.count
        return (
            "# TYPE vllm:num_requests_running gauge\n"
            f"vllm:num_requests_running{label} {len(slots.running)}\n"
            "# TYPE vllm:num_requests_waiting gauge\n"
            f"vllm:num_requests_waiting{label} {len(slots.waiting) + self.queued}\n"
            "# TYPE vllm:kv_cache_usage_perc gauge\n"
            f"vllm:kv_cache_usage_perc{label} {cache:.4f}\n"
            "# TYPE vllm:request_success_total counter\n"
            f'vllm:request_success_total{{model_name="m",finished_reason="stop"}} {count}\n')


class Endpoint:
    """One endpoint of one contestant; `note(place)` is told of each request for work."""

    def __init__(self, address, server, mean, place, note):
        self.host, port = address.split(":")
        self.port = int(port)
        self.server, self.mean, self.place, self.note = server, mean, place, note
        self.loop = asyncio.get_running_loop()
        self.slots = Slots(server["slots"], server["speed"])
        self.page = Page(server, mean, place)
        self.connections = set()
        self.listening = None

    async def listen(self):
        self.listening = await self.loop.create_server(
            lambda: Served(self), self.host, self.port, backlog=1024)

    async def change(self, what, value):
        if what == "slow":
            self.slots.set_speed(self.server["speed"] / value)
        elif what == "queued":
            self.page.queued = value
        elif value:
            self.listening.close()
            self.slots.clear()
            for connection in list(self.connections):
                connection.transport.abort()
        else:
            # Another process: it begins to count anew.
            self.page = Page(self.server, self.mean, self.place)
            await self.listen()


class Served(asyncio.Protocol):
    """A connection of an endpoint; requests come one after another."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.input = b""
        self.job = None

    def connection_made(self, transport):
        self.transport = transport
        self.endpoint.connections.add(self)

    def connection_lost(self, _):
        self.endpoint.connections.discard(self)
        if self.job:
            self.endpoint.slots.remove(self.job)

    def data_received(self, data):
        self.input += data
        end = self.input.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        found = _COUNT.search(self.input, 0, end)
        end += int(found[1]) if found else 0
        if len(self.input) < end:
            return
        target = self.input.split(b" ", 2)[1].decode()
        self.input = self.input[end:]
        self.take(*target.partition("?")[::2])

    def take(self, path, query):
        endpoint = self.endpoint
        if path == "/metrics":
            self.answer(200, endpoint.page.text(endpoint.slots).encode())
            return
        if not query:
            self.answer(200, b"ok")
            return
        asked = dict(pair.split("=") for pair in query.split("&"))
        work, status = float(asked["work"]), int(asked["status"])
        fill = _FILL[:int(asked["bytes"])]
        if asked["slot"] == "0":
            endpoint.loop.call_later(work, self.answer, 200, fill)
            return
        endpoint.note(endpoint.place)
        status = status if status != 200 else endpoint.server["status"]
        if status != 200:
            self.answer(status, b"no")
            return
        begun = endpoint.loop.time()

        def done():
            self.job = None
            endpoint.page.count(endpoint.loop.time() - begun)
            self.answer(200, fill)

        self.job = endpoint.slots.add(work, done)

    def answer(self, status, content):
        if self.transport.is_closing():
            return
        self.transport.write(
            b"HTTP/1.1 %d Because\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(content), content))
