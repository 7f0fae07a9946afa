"""An endpoint that fails is tried by the operator's own request, and by no client's until that is
answered well: without `idempotent` it is back soon, and no client pays for finding it out."""

import json
import random
import threading
import time
from collections import deque

from conftest import minimal
from programs import run_steelyard, wait_for
from wire import Connection

BODY = '{"model": "m", "prompt": "hi", "max_tokens": 1}'
PER_SECOND = 40
SERVICE_SECONDS = 0.2


class Server:
    """Takes a fifth of a second for a request, more or less, and answers 500 at once while it fails."""

    def __init__(self, stage):
        self.fails = False
        self.one = stage.endpoint(self.answer)
        self.address = self.one.address

    def answer(self, exchange):
        exchange.read_content()
        if self.fails:
            exchange.answer(b"broken", 500)
            return
        time.sleep(SERVICE_SECONDS * random.uniform(0.75, 1.25))
        exchange.answer(self.address.encode())

    def requests(self, target):
        return [each for each in list(self.one.requests) if each.target == target]


class Clients:
    """POST requests that come at random; what came of each, in the order of their ends."""

    def __init__(self, steelyard, count=40):
        self.steelyard = steelyard
        self.stops = threading.Event()
        self.lock = threading.Lock()
        self.next = time.monotonic()
        self.answers = []
        self.latest = deque(maxlen=PER_SECOND // 2)
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        with self.steelyard.connect() as connection:
            while not self.stops.is_set():
                with self.lock:
                    self.next = begun = (
                        max(self.next, time.monotonic() - 0.1) + random.expovariate(PER_SECOND))
                self.stops.wait(max(0, begun - time.monotonic()))
                answer = connection.exchange(
                    "POST", "/work", fields=[("X-Client", "secret"), ("Cookie", "a=b")],
                    content=b"client")
                with self.lock:
                    self.answers.append((begun, answer.status))
                    self.latest.append(answer.content.decode())

    def errors(self, since=0.0):
        with self.lock:
            return [status for begun, status in self.answers if begun > since and status != 200]

    def share(self, address):
        """Of the last half second's answers."""
        with self.lock:
            return self.latest.count(address) / self.latest.maxlen

    def stop(self):
        self.stops.set()
        for thread in self.threads:
            thread.join()


def explained(steelyard, address):
    with Connection(steelyard.admin) as connection:
        found = json.loads(connection.exchange("GET", "/api/v1/pools/text/explain").content)
    (one,) = [each for each in found["endpoints"] if each["address"] == address]
    return one


def test_the_operators_request_brings_an_endpoint_back_and_costs_no_client_anything(
        stage, tmp_path):
    key = tmp_path / "engine.key"
    key.write_text("Bearer of good news\n")
    key.chmod(0o600)
    good, bad = Server(stage), Server(stage)
    steelyard = stage.steelyard(minimal(
        [good.address, bad.address], weights={"law": "static"}, canary={
            "method": "POST", "path": "/v1/completions?canary", "host": "engine.example",
            "headers": {"Content-Type": "application/json", "Authorization": {"file": str(key)}},
            "body": BODY, "timeout": "2s"}))
    clients = Clients(steelyard)
    try:
        wait_for(lambda: len(clients.answers) >= 2 * PER_SECOND, "some traffic")
        before = len(bad.requests("/work")) / len(clients.answers)
        assert 0.25 < before < 0.75 and clients.errors() == []
        bad.fails = True
        ejection = wait_for(
            lambda: explained(steelyard, bad.address).get("ejection"), "the ejection")
        assert "tried by the canary" in ejection["text"]
        ejected_at = time.monotonic()
        wait_for(lambda: len(bad.requests("/v1/completions?canary")) >= 4, "canaries")
        seen = explained(steelyard, bad.address)["canary"]
        assert seen["last"] == "status" and seen["detail"].startswith("500: broken")
        assert seen["good_in_row"] == 0 and "last_good_age_seconds" not in seen

        bad.fails = False
        healed_at = time.monotonic()
        sent = len(bad.requests("/v1/completions?canary"))
        wait_for(lambda: clients.share(bad.address) >= before / 2, "half of its share", 20,
                 interval=0.02)
        back_seconds = time.monotonic() - healed_at
        # One a second is sent: two good ones, and one that may have been under way.
        assert len(bad.requests("/v1/completions?canary")) - sent <= 3
        # What was in flight when it was ejected apart, no client met its errors.
        assert clients.errors(since=ejected_at) == []
        assert 2 <= len(clients.errors()) <= 8
    finally:
        clients.stop()
    print(f"share {before:.2f}, half of it back after {back_seconds:.1f} s, "
          f"{len(clients.errors())} errors, all before the ejection")

    canaries = bad.requests("/v1/completions?canary")
    for each in canaries:
        assert each.method == "POST" and each.content == BODY.encode()
        assert each.one("Host") == "engine.example"
        assert each.one("Content-Type") == "application/json"
        assert each.one("Authorization") == "Bearer of good news"
        assert {name.lower() for name, _ in each.fields} == {
            "host", "user-agent", "accept", "accept-encoding", "connection", "content-length",
            "content-type", "authorization"}
    assert good.requests("/v1/completions?canary") == []

    page = steelyard.metrics()
    name = "steelyard_endpoint_canaries_total"
    assert page.sum(name, endpoint=bad.address, result="status") >= 4
    assert page.sum(name, endpoint=bad.address, result="good") >= 2
    assert page.sum(name, endpoint=bad.address) == len(canaries)
    assert page.sum(name, endpoint=good.address) == 0
    # It is in no number of requests.
    assert page.sum("steelyard_endpoint_attempts_total", endpoint=bad.address) == len(
        bad.requests("/work"))
    told = run_steelyard("explain", "text", "--admin", "%s:%s" % steelyard.admin).stdout
    assert "  canary     last good " in told and " s ago, " in told
    (back,) = steelyard.events("endpoint readmitted")
    assert back["endpoint"] == bad.address and back["by"] == "trial_answers"
    assert len(steelyard.events("endpoint ejected")) == 1
    assert "canary" not in steelyard.text()
