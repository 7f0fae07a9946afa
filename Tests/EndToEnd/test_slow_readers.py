"""Clients that read slowly do not make their endpoint look slow."""

import json
import socket
import threading
import time
from pathlib import Path

from conftest import minimal
from programs import wait_for
from wire import Connection

# More than sockets take: four times what the kernel gives a sender at most.
LENGTH = 4 * int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])
TAKES = 0.02
STEP = LENGTH // 60
PAUSE = 0.03
READERS = 6
CONTENT = bytes(LENGTH)


def answer(exchange):
    """A long one after 20 ms to those who ask for it; a short one after the same time to others."""
    threading.Event().wait(TAKES)
    exchange.answer(CONTENT if exchange.request.target == "/long" else b"short")


def read_slowly(steelyard, cookie, stops):
    """Asks for the long answer and reads it with pauses, through a small window. For how long."""
    with Connection(steelyard.address) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
        begun = time.monotonic()
        connection.send_request("GET", "/long", [("Cookie", cookie)])
        left = LENGTH
        while left > 0 and not stops.wait(PAUSE):
            step = min(STEP, left)
            left -= step
            while step > 0:
                step -= len(connection.socket.recv(step))
        return time.monotonic() - begun


def explained(steelyard):
    with Connection(steelyard.admin) as connection:
        content = connection.exchange("GET", "/api/v1/pools/text/explain").content
    return {one["address"]: one for one in json.loads(content)["endpoints"]}


def test_slow_readers_do_not_make_their_endpoint_look_slow(stage):
    endpoints = [stage.endpoint(answer) for _ in range(2)]
    first, second = (one.address for one in endpoints)
    steelyard = stage.steelyard(minimal(
        [first, second], affinity={"cookie": "at"}, balance="round_robin", watchdog="none",
        weights={"law": "capacity"}))
    cookies = {}
    while len(cookies) < 2:
        before = [len(one.requests) for one in endpoints]
        cookie = steelyard.get("/").one("Set-Cookie").split(";")[0]
        (place,) = [place for place in range(2) if len(endpoints[place].requests) > before[place]]
        cookies[place] = cookie
    stops = threading.Event()
    times = []

    def slowly():
        # Together about one of twenty requests.
        while not stops.is_set():
            times.append(read_slowly(steelyard, cookies[0], stops))

    def quickly(cookie):
        while not stops.is_set():
            steelyard.get("/", fields=[("Cookie", cookie)])

    threads = [threading.Thread(target=slowly, daemon=True) for _ in range(READERS)]
    threads += [threading.Thread(target=quickly, args=[cookies[place]], daemon=True)
                for place in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: len(times) >= 2 * READERS, "slow readers to read all")
        # While others are at it: theirs do not count either.
        found = explained(steelyard)
        held = steelyard.metrics().value("steelyard_endpoint_in_flight", endpoint=first)
    finally:
        stops.set()
        for thread in threads:
            thread.join(10)
    done = times[:2 * READERS]
    assert min(done) > 10 * TAKES and held >= READERS
    responses = [found[address]["answers"]["mean_response_seconds"] for address in (first, second)]
    print(f"slow {done}, mean responses {responses}, "
          f"weights {[found[address]['effective_weight'] for address in (first, second)]}")
    # Six times before, where what they waited for counted; copying takes a little.
    assert responses[0] < 3 * responses[1]
    assert found[first]["target_weight"] > 0.75 * found[second]["target_weight"]
    # What clients waited for is told as it was.
    page = steelyard.metrics()
    seconds = [page.value("steelyard_request_duration_seconds_sum", endpoint=address)
               for address in (first, second)]
    assert seconds[0] > 0.7 * sum(done) > seconds[1]
