"""Requests to language models, drawn from seeds, and clients that send them when they are due,
whatever became of the ones before. Answers are streamed; times count from when a request was
due."""

import asyncio
import json
import math
import random
import time
from dataclasses import dataclass

PATIENCE_SECONDS = 120
WORDS = ("the river runs through old green hills where people plant corn and watch slow clouds "
         "drift over quiet stone walls while children carry water home before evening").split()


@dataclass(frozen=True)
class Request:
    due: float
    content: bytes


def lognormal(chance, median, sigma, low, high):
    return round(min(high, max(low, chance.lognormvariate(math.log(median), sigma))))


def content(chance, words=None, tokens=None):
    """A chat completion: mostly short prompts, some long ones; answers of 5 to 80 tokens."""
    words = words or lognormal(chance, 20, 0.9, 5, 300)
    tokens = tokens or lognormal(chance, 15, 0.7, 5, 80)
    prompt = " ".join(chance.choice(WORDS) for _ in range(words))
    return json.dumps({
        "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens,
        "stream": True, "cache_prompt": False, "ignore_eos": True, "temperature": 0,
        "seed": 1}).encode()


def schedule(seed, rate, seconds):
    """Poisson arrivals: the same ones for the same seed and rate."""
    chance = random.Random(f"arrivals {seed} {rate:.6f}")
    requests, due = [], chance.expovariate(rate)
    while due < seconds:
        requests.append(Request(due, content(chance)))
        due += chance.expovariate(rate)
    return requests


@dataclass
class Answer:
    """Seconds since the request was due; `failure` None where it was answered in full."""
    due: float
    first: float | None = None
    whole: float | None = None
    failure: str | None = None


async def ask(port, body, due, origin, patience=PATIENCE_SECONDS):
    """`origin`: when `due` was 0, on the monotonic clock."""
    answer = Answer(due)
    begun = origin + due
    try:
        async with asyncio.timeout(patience):
            await exchange(port, body, begun, answer)
    except TimeoutError:
        answer.failure = "timeout"
    except (OSError, EOFError, ValueError) as error:
        answer.failure = answer.failure or type(error).__name__
    return answer


async def exchange(port, body, begun, answer):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: engines\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        status = (await reader.readline()).split()
        if len(status) < 2 or status[1] != b"200":
            answer.failure = f"status {status[1].decode()}" if len(status) > 1 else "cut"
            return
        # Events begin at the beginning of a line, chunks or not.
        while line := await reader.readline():
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                answer.whole = time.monotonic() - begun
                return
            if answer.first is None and has_text(data):
                answer.first = time.monotonic() - begun
        answer.failure = "cut"
    finally:
        writer.close()


def has_text(data):
    choices = json.loads(data).get("choices") or [{}]
    return bool(choices[0].get("delta", {}).get("content"))


async def send_all(port, requests, patience=PATIENCE_SECONDS):
    """Sends each request when it is due, and returns all answers, in order."""
    origin = time.monotonic() + 0.05

    async def later(request):
        await asyncio.sleep(max(0, origin + request.due - time.monotonic()))
        return await ask(port, request.content, request.due, origin, patience)

    return await asyncio.gather(*(later(request) for request in requests))


async def saturate(ports, slots, seconds, seed):
    """Keeps `slots` requests running at each server for so long. Answers a second of each."""
    origin = time.monotonic()

    async def work(port, chance):
        count = 0
        while time.monotonic() - origin < seconds:
            answer = await ask(port, content(chance), time.monotonic() - origin, origin)
            if answer.failure:
                raise RuntimeError(f"a server fails: {answer.failure}")
            count += 1
        return count, time.monotonic() - origin

    async def one(number, port):
        chances = [random.Random(f"work {seed} {number} {slot}") for slot in range(slots)]
        done = await asyncio.gather(*(work(port, chance) for chance in chances))
        return sum(count / passed for count, passed in done)

    return await asyncio.gather(*(one(number, port) for number, port in enumerate(ports)))
