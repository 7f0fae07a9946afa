"""Requests in flight at an endpoint that turns out to be down: repeated, or a bounded end."""

import threading
import time

import pytest
import wire
from conftest import minimal
from endpoints import text
from programs import wait_for
from waiters import Waiter

CHECKS = {"interval": "300ms", "timeout": "250ms", "fall": 2, "rise": 1}


class Sick:
    """An endpoint that takes requests and does not answer them until `release`; `health` says what
    its page does: `well`, `bad` (503), `silent`. Streams go on as long as `streams` is set."""

    def __init__(self):
        self.health = "well"
        self.count = 0
        self.lock = threading.Lock()
        self.release = threading.Event()
        self.streams = threading.Event()

    def __call__(self, exchange):
        exchange.read_content()
        if exchange.request.target == "/health":
            if self.health == "silent":
                self.release.wait(60)
            exchange.answer(b"", status=503 if self.health == "bad" else 200)
            return
        with self.lock:
            self.count += 1
        if exchange.request.target == "/stream":
            exchange.begin_chunked()
            exchange.chunk(b"first")
            while self.streams.is_set() and not self.release.wait(0.1):
                exchange.chunk(b"more")
            self.release.wait(60)
            exchange.end_chunked()
            return
        self.release.wait(60)
        exchange.answer(b"late")


def start(stage, sick, **pool):
    """The sick endpoint is the one that is asked; the other stands behind it."""
    one, two = stage.endpoint(sick), stage.endpoint(text(b"other"))
    return stage.steelyard(minimal(
        [one.address, {"address": two.address, "backup": True}], health=CHECKS, watchdog="none",
        weights={"law": "static"}, timeouts={"first_byte": "20s", "idle": "20s"}, **pool))


def post(steelyard, target="/"):
    connection = steelyard.connect(timeout=60)
    connection.send_request("POST", target, content=b"x")
    return connection


def is_unhealthy(steelyard):
    return any(event["to"] == "unhealthy" for event in steelyard.events("eligibility changed"))


def test_requests_that_may_be_repeated_leave_a_dead_endpoint_at_once(stage):
    sick = Sick()
    steelyard = start(stage, sick)
    waiting = [Waiter(steelyard) for _ in range(10)]
    wait_for(lambda: sick.count == 10, "ten requests to be there")
    sick.health = "silent"
    responses = [waiter.response() for waiter in waiting]
    assert [response.content for response in responses] == [b"other"] * 10
    page = steelyard.metrics()
    assert page.sum("steelyard_retries_total", reason="down") == 10
    assert sick.count == 10


def test_what_cannot_be_repeated_ends_after_the_grace(stage):
    sick = Sick()
    steelyard = start(stage, sick, on_marked_down={"end_after": "700ms"})
    with post(steelyard) as silent, post(steelyard, "/stream") as begun:
        wait_for(lambda: sick.count == 2, "both to be there")
        sick.health = "silent"
        response = silent.read_response("POST")
        assert response.status == 503 and b"endpoint_down" in response.content
        with pytest.raises((wire.Cut, ConnectionError)):
            begun.read_response("POST")


def test_a_health_pages_own_word_ends_nothing_by_default(stage):
    sick = Sick()
    steelyard = start(stage, sick, on_marked_down={"end_after": "0s"})
    get, sent = Waiter(steelyard), post(steelyard)
    with sent:
        wait_for(lambda: sick.count == 2, "both to be there")
        sick.health = "bad"
        wait_for(lambda: is_unhealthy(steelyard), "the verdict")
        time.sleep(0.3)
        assert not get.has_answer()
        sick.release.set()
        assert get.response().content == sent.read_response("POST").content == b"late"


def test_a_health_pages_own_word_counts_where_the_operator_says_so(stage):
    sick = Sick()
    steelyard = start(stage, sick, on_marked_down={"causes": "any", "end_after": "0s"})
    get, sent = Waiter(steelyard), post(steelyard)
    with sent:
        wait_for(lambda: sick.count == 2, "both to be there")
        sick.health = "bad"
        assert get.response().content == b"other"
        assert sent.read_response("POST").status == 503


def test_a_stream_that_goes_on_is_left_alone(stage):
    sick = Sick()
    sick.streams.set()
    steelyard = start(stage, sick, on_marked_down={"end_after": "500ms"})
    with post(steelyard, "/stream") as stream:
        wait_for(lambda: sick.count == 1, "the stream to begin")
        sick.health = "silent"
        wait_for(lambda: is_unhealthy(steelyard), "the verdict")
        time.sleep(1.2)
        sick.release.set()
        assert stream.read_response("POST").content.startswith(b"firstmore")
