"""One of three real nginx breaks under the load of a real client (wrk): what clients meet, how long
until the traffic is elsewhere, how long until it is back. Each test prints what it measured."""

import signal
import threading
import time

import pytest
import wire
from conftest import minimal
from loads import Wrk
from programs import wait_for

pytestmark = pytest.mark.over_tls

POST = """
wrk.method = "POST"
wrk.body = "{}"
wrk.headers["Content-Type"] = "application/json"
"""


class Prober:
    """One request after another, about a hundred a second, each noted with when and by whom."""

    def __init__(self, steelyard, target="/work", method="GET"):
        self.seen = []
        self._ask = (steelyard, target, method)
        self._stops = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stops.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        steelyard, target, method = self._ask
        connection = None
        while not self._stops.wait(0.04):
            try:
                connection = connection or steelyard.connect(timeout=20)
                began = time.monotonic()
                response = connection.exchange(method, target)
                self.seen.append((began, response.status, response.one("X-Endpoint")))
            except (OSError, wire.Cut) as failure:
                self.seen.append((began, repr(failure), None))
                connection = None

    def failed(self):
        return [one for one in self.seen if one[1] != 200]

    def last(self, label, since):
        """Seconds from `since` to the last answer of that endpoint."""
        return max([at - since for at, _, who in self.seen if who == label and at > since],
                   default=0.0)

    def wait_for_answer(self, label, since):
        """Seconds from `since` until that endpoint answers well again."""
        def first():
            return next((one for one in list(self.seen)
                         if one[0] > since and one[1] == 200 and one[2] == label), None)
        return wait_for(first, f"{label} to answer")[0] - since


def fleet(stage, route=None, **pool):
    """Three nginx behind one steelyard."""
    servers = [stage.nginx(label=f"n{number}") for number in range(3)]
    configuration = minimal([one.address for one in servers], weights={"law": "static"}, **pool)
    listener = configuration["listeners"][0]
    del listener["pool"]
    listener["routes"] = [{"match": {"path_prefix": "/"}, "pool": "text", **(route or {})}]
    return servers, stage.steelyard(configuration)


def test_a_crash_fails_no_request(stage, tmp_path):
    servers, steelyard = fleet(stage)
    load = stage.keep(Wrk(steelyard, tmp_path, "/work", 12))
    prober = stage.keep(Prober(steelyard))
    wait_for(lambda: len(prober.seen) > 100, "traffic")
    victim = servers[1]
    at = time.monotonic()
    victim.signal_all(signal.SIGKILL)
    victim.process.wait()
    wait_for(lambda: time.monotonic() > at + 4, "the fault to last")
    gone = prober.last("n1", at)
    back_at = time.monotonic()
    stage.nginx(port=victim.port, label="n1")
    back = prober.wait_for_answer("n1", back_at)
    done, bad, cut = load.finish()
    print(f"crash: {done} requests, {bad} bad, {cut} cut; gone after {gone:.2f} s, "
          f"back after {back:.2f} s")
    assert (bad, cut) == (0, 0) and not prober.failed()
    assert gone < 1 and back < 3 + 3


def test_a_hang_costs_what_was_in_flight(stage, tmp_path):
    connections = 8
    servers, steelyard = fleet(stage, timeouts={"first_byte": "3s"})
    load = stage.keep(Wrk(steelyard, tmp_path, "/work", 14, connections))
    prober = stage.keep(Prober(steelyard))
    wait_for(lambda: len(prober.seen) > 100, "traffic")
    at = time.monotonic()
    servers[1].signal_all(signal.SIGSTOP)
    try:
        wait_for(lambda: time.monotonic() > at + 8, "the fault to last")
        gone = prober.last("n1", at)
    finally:
        servers[1].signal_all(signal.SIGCONT)
    back_at = time.monotonic()
    back = prober.wait_for_answer("n1", back_at)
    done, bad, cut = load.finish()
    failed = len(prober.failed())
    print(f"hang: {done} requests, {bad} bad, {cut} cut, {failed} of the prober's; gone after "
          f"{gone:.2f} s, back after {back:.2f} s")
    # All that was in flight at one instant, and a trial each second.
    assert bad + cut + failed <= connections + 4 + 8
    assert gone < 3


def play(stage, room, route, fault, seconds, **pool):
    """One of the three has the fault for so long."""
    servers, steelyard = fleet(stage, route, **pool)
    servers[1].switch(fault)
    room.mkdir()
    return stage.keep(Wrk(steelyard, room, "/work", seconds, 4, POST))


# It rests for 2 s, then for twice as long each time, up to `fail_timeout`: a trial costs a client
# an error, and so does what was on its way: three failures, and the four connections at most.
@pytest.mark.parametrize("seconds, ejection, bad_max", [
    (15, {"fail_timeout": "3s"}, 13),
    pytest.param(90, {}, 15, marks=pytest.mark.long)])
def test_fail_fast_errors_reach_few_clients_and_none_with_retries(
        stage, tmp_path, seconds, ejection, bad_max):
    loads = {}
    for kind, route in (("plain", {}), ("idempotent", {"idempotent": True})):
        loads[kind] = play(stage, tmp_path / kind, route, "fail", seconds, ejection=ejection)
    for kind, load in loads.items():
        done, bad, cut = load.finish()
        print(f"fail-fast, {kind}: {done} requests in {seconds} s, {bad} errors, {cut} cut")
        assert done > 1_000 and cut == 0
        assert bad <= (bad_max if kind == "plain" else 0)


def test_half_of_the_answers_are_errors(stage, tmp_path):
    repeated = play(stage, tmp_path / "repeated", {"idempotent": True}, "half", 15)
    plain = play(stage, tmp_path / "plain", {}, "half", 15)
    done, bad, cut = repeated.finish()
    print(f"half of the answers: {done} requests, {bad} errors, {cut} cut")
    assert (bad, cut) == (0, 0)
    done, bad, cut = plain.finish()
    print(f"half of the answers, not to be repeated: {done} requests, {bad} errors")
    assert cut == 0 and bad <= 15


def test_a_slow_one_is_left_to_itself(stage, tmp_path):
    pause = threading.Event()
    seconds = {"e0": 0.03, "e1": 0.03, "e2": 0.03}
    counts = dict.fromkeys(seconds, 0)

    def worker(label):
        def answer(exchange):
            exchange.read_content()
            counts[label] += 1
            pause.wait(seconds[label])
            exchange.answer(b"done", fields=[("X-Endpoint", label)])
        return answer

    servers = [stage.endpoint(worker(label)) for label in seconds]
    steelyard = stage.steelyard(minimal([one.address for one in servers], weights={"law": "static"}))
    stage.keep(Wrk(steelyard, tmp_path, "/", 4, 12)).finish()
    before = dict(counts)
    seconds["e1"] *= 20
    done, bad, cut = stage.keep(Wrk(steelyard, tmp_path, "/", 15, 12)).finish()
    taken = {label: counts[label] - before[label] for label in counts}
    share = taken["e1"] / sum(taken.values())
    print(f"20 times slower: {done} requests, {bad} errors, {cut} cut, share {share:.3f} "
          f"({before['e1'] / sum(before.values()):.3f} before)")
    assert (bad, cut) == (0, 0)
    # By what it can do its share would be 1/41.
    assert share < 0.06


def test_a_reset_in_the_middle_is_a_cut_for_the_client(stage):
    def half_an_answer(exchange):
        exchange.read_content()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000)
        exchange.socket.setsockopt(
            wire.socket.SOL_SOCKET, wire.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        exchange.keeps_alive = False

    endpoint = stage.endpoint(half_an_answer)
    steelyard = stage.steelyard(minimal([endpoint.address]))
    for _ in range(20):
        with steelyard.connect() as connection:
            connection.send_request("GET", "/")
            try:
                response = connection.read_response()
                assert response.status != 200, "a whole answer that never was"
            except (wire.Cut, ConnectionError):
                pass
