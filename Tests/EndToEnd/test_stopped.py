"""steelyard itself is stopped for a while: what came in meanwhile is taken, and nobody is blamed."""

import signal
import threading
import time

from conftest import minimal
from programs import wait_for
from waiters import Waiter

STOPPED_SECONDS = 3.5
PAGE = b"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 1\n"


class Late:
    """Answers requests when the test says so, health checks and scrapes at once."""

    def __init__(self):
        self.release = threading.Event()
        self.count = 0
        self.lock = threading.Lock()

    def __call__(self, exchange):
        if exchange.request.target in ("/health", "/metrics"):
            exchange.answer(PAGE)
            return
        with self.lock:
            self.count += 1
        self.release.wait(60)
        exchange.answer(b"late")


def test_answers_that_came_while_steelyard_was_stopped_are_passed_on(stage):
    late = Late()
    addresses = [stage.endpoint(late).address for _ in range(2)]
    steelyard = stage.steelyard(minimal(
        addresses, timeouts={"first_byte": "2s", "connect": "1s"},
        health={"interval": "300ms", "timeout": "250ms", "fall": 1},
        weights={"interval": "300ms", "scrape": [{"preset": "vllm"}]}))
    waiting = [Waiter(steelyard) for _ in range(10)]
    wait_for(lambda: late.count == 10, "ten requests to be there")
    steelyard.send_signal(signal.SIGSTOP)
    late.release.set()
    time.sleep(STOPPED_SECONDS)
    steelyard.send_signal(signal.SIGCONT)
    assert [waiter.response().status for waiter in waiting] == [200] * 10
    states = {event["to"] for event in steelyard.events("eligibility changed")}
    assert states <= {"ready", "starting"}
    page = steelyard.metrics()
    assert page.sum("steelyard_endpoint_ejections_total") == 0
    assert page.sum("steelyard_health_failures_total") == 0
    (stopped,) = steelyard.events("process was stopped")
    assert 1 < float(stopped["seconds"]) < STOPPED_SECONDS + 2


def test_what_is_not_there_after_a_stop_still_has_its_time_and_then_times_out(stage):
    late = Late()
    steelyard = stage.steelyard(minimal(
        [stage.endpoint(late).address], weights={"law": "static"},
        timeouts={"first_byte": "1500ms", "connect": "1s"}))
    waiter = Waiter(steelyard)
    wait_for(lambda: late.count == 1, "the request to be there")
    steelyard.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    steelyard.send_signal(signal.SIGCONT)
    resumed = time.monotonic()
    assert waiter.response().status == 504
    # Some of its time was over before the stop, and the timers tick; most of it is left.
    assert time.monotonic() - resumed > 0.3
    late.release.set()
