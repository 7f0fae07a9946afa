"""The defaults do no harm where pages lie, requests are of many kinds, or an endpoint was bad for a
while. `make bench-harm` compares the same with the law `static` and with nginx."""

import itertools
import threading
import time

import pytest
from conftest import minimal
from loads import Load
from programs import wait_for


class Server:
    """An endpoint with so many slots. `page()` is the text of its metrics."""

    def __init__(self, stage, seconds, slots=8, page=None):
        self.seconds = seconds
        self.slots = threading.BoundedSemaphore(slots)
        self.page = page
        # Of requests that took a slot: when they came.
        self.taken = []
        # How many were answered, and the seconds that they took.
        self.count, self.sum = 0, 0.0
        self.lock = threading.Lock()
        self.address = stage.endpoint(self.answer).address

    def answer(self, exchange):
        exchange.read_content()
        if exchange.request.target == "/metrics":
            exchange.answer(self.page(self).encode(), fields=[("Content-Type", "text/plain")])
            return
        if exchange.request.target == "/v1/models":
            time.sleep(0.002)
            exchange.answer(b"models")
            return
        begun = time.monotonic()
        self.taken.append(begun)
        with self.slots:
            time.sleep(self.seconds)
        with self.lock:
            self.count += 1
            self.sum += time.monotonic() - begun
        exchange.answer(b"done")


def kserve(count, seconds):
    return (f'# TYPE request_predict_seconds histogram\n'
            f'request_predict_seconds_bucket{{le="+Inf",model_name="m"}} {count}\n'
            f'request_predict_seconds_count{{model_name="m"}} {count}\n'
            f'request_predict_seconds_sum{{model_name="m"}} {seconds}\n')


def honest(server):
    return kserve(server.count, server.sum)


def thrice(server):
    """An ensemble and its two steps each count a request."""
    return kserve(3 * server.count, 3 * server.sum)


def workers():
    """Two processes, which answer for the page in turn; the second is the older one."""
    turn = itertools.cycle([900, 1400])

    def page(server):
        before = next(turn)
        return kserve(before + server.count // 2, 0.3 * before + server.sum / 2)
    return page


def vllm(server, queued):
    return (f"vllm:num_requests_running {len(server.taken) - server.count}\n"
            f"vllm:num_requests_waiting {queued}\nvllm:kv_cache_usage_perc 0.1\n"
            f'vllm:request_success_total{{finished_reason="stop"}} {server.count}\n')


def shares(servers, since=0.0):
    counts = [sum(at >= since for at in list(one.taken)) for one in servers]
    return [count / max(1, sum(counts)) for count in counts]


def pass_time(seconds):
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end, "time to pass")


@pytest.mark.parametrize("lie, seconds, clients", [(thrice, 0.02, 4), (workers(), 0.1, 12)],
                         ids=["thrice", "workers"])
def test_counters_that_lie_move_no_traffic(stage, lie, seconds, clients):
    servers = [Server(stage, seconds, page=page) for page in (lie, honest)]
    steelyard = stage.steelyard(minimal(
        [one.address for one in servers], weights={"scrape": [{"preset": "kserve"}]}))
    load = Load(steelyard, clients, pause=0.02)
    # The lie has been read.
    pass_time(2)
    begun, before = time.monotonic(), len(load.seen)
    wait_for(lambda: len(load.seen) >= before + 400, "requests")
    load.stop()
    found = shares(servers, begun)
    print(f"shares of the liar and the honest one: {found}")
    assert set(load.statuses()) == {200} and max(found) <= 0.65


def test_a_page_that_reported_a_long_queue_is_forgiven(stage):
    queued = [0]
    servers = [Server(stage, 0.02, page=lambda server: vllm(server, queued[0])),
               Server(stage, 0.02, page=lambda server: vllm(server, 0))]
    steelyard = stage.steelyard(minimal(
        [one.address for one in servers], weights={"scrape": [{"preset": "vllm"}]}))
    load = Load(steelyard, 4, pause=0.02)
    wait_for(lambda: all(len(one.taken) > 20 for one in servers), "requests")
    lie = time.monotonic()
    queued[0] = 10_000
    pass_time(2)
    during = shares(servers, lie)[0]
    queued[0] = 0
    end, before = time.monotonic(), len(load.seen)
    # About 90 requests a second.
    wait_for(lambda: len(load.seen) >= before + 300, "requests")
    load.stop()
    after = shares(servers, end)[0]
    print(f"share {during:.2f} while it lied, {after:.2f} of the next 300 requests")
    assert set(load.statuses()) == {200} and after >= 0.06


def test_one_of_two_that_was_slow_is_soon_back(stage):
    slow, good = servers = [Server(stage, seconds, slots=16) for seconds in (2.0, 0.05)]
    steelyard = stage.steelyard(minimal([one.address for one in servers]))
    # About 40 requests a second.
    load = Load(steelyard, 16, pause=0.35)
    wait_for(lambda: slow.count > 2, "slow answers")
    begun = time.monotonic()
    pass_time(2)
    during = shares(servers, begun)[0]
    slow.seconds = good.seconds
    end = time.monotonic()
    wait_for(lambda: shares(servers, time.monotonic() - 1)[0] >= 0.3, "its share", deadline=9)
    load.stop()
    print(f"share {during:.2f} while it was slow, back after {time.monotonic() - end:.1f} s")
    assert set(load.statuses()) == {200}


def test_quick_requests_beside_slow_ones_move_no_weights(stage):
    servers = [Server(stage, 0.4, slots=4) for _ in range(2)]
    steelyard = stage.steelyard(minimal([one.address for one in servers]))
    # 18 slow requests a second, 90 % of what there is, and 160 quick ones.
    loads = [Load(steelyard, 4, pause=0.02, method="GET", target="/v1/models"),
             Load(steelyard, 8, pause=0.04, target="/v1/completions")]
    wait_for(lambda: len(loads[1].seen) >= 80, "slow requests")
    for load in loads:
        load.stop()
    found = shares(servers)
    print(f"{[len(load.seen) for load in loads]} quick and slow, shares of the slow {found}")
    assert max(found) <= 0.6 and not steelyard.events("weights frozen")
    assert all(set(load.statuses()) == {200} for load in loads)
