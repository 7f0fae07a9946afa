"""Interim answers (100, 103): those of one attempt reach the client, and there is an end to them."""

from pathlib import Path

import pytest
from conftest import minimal
from programs import Program, find, wait_for
from wire import Cut

pytestmark = pytest.mark.over_tls

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
GROWTH_MAX = 8 << 20


def flood(exchange):
    """150 MB of them, or what is taken, then an answer."""
    exchange.read_content()
    block = HINTS * (1 << 14)
    for _ in range(150_000_000 // len(block)):
        exchange.send(block)
    exchange.answer(b"at last")


def test_an_endpoint_that_sends_nothing_but_interim_answers_has_not_answered(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(flood).address], retries={"max": 0}))
    start = steelyard.rss_bytes()
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        # The client reads nothing until then.
        wait_for(lambda: steelyard.metrics().sum(
            "steelyard_local_responses_total", reason="bad_response") == 1, "the verdict")
        assert steelyard.rss_max_bytes() < start + GROWTH_MAX
        response = connection.read_response()
        assert response.status == 502 and 0 < len(response.interim) <= 65_536 // len(HINTS)
        assert set(response.interim) == {103}


def test_an_endpoint_that_sends_some_has(stage):
    def answer(exchange):
        exchange.read_content()
        for _ in range(500):
            exchange.send(HINTS)
        exchange.answer(b"fine")

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    for version, count in [("1.1", 500), ("1.0", 0)]:
        response = steelyard.get("/", version=version)
        assert (response.content, len(response.interim)) == (b"fine", count)


def traced(stage, steelyard, *options):
    """Attaches strace to every thread."""
    stage.keep(Program("strace", steelyard.directory / "strace", [
        find("strace"), "-f", "-qq", "-p", steelyard.pid, *options]))
    wait_for(
        lambda: all("TracerPid:\t0\n" not in (task / "status").read_text()
                    for task in Path(f"/proc/{steelyard.pid}/task").iterdir()), "the tracer")


@pytest.mark.over_tls(False)
def test_an_endpoint_waits_for_a_client_that_does_not_read_them(stage):
    """The client takes no byte: each send but that of the request is told so. It has a second."""
    configuration = minimal([stage.endpoint(flood).address], retries={"max": 0})
    configuration["listeners"][0]["send_timeout"] = "1s"
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        traced(stage, steelyard, "-e", "trace=sendto", "-e", "inject=sendto:error=EAGAIN:when=2+")
        connection.send_request("GET", "/")
        assert connection.rest() == b""
    stage.running[-1].stop()
    page = wait_for(
        lambda: (page := steelyard.metrics()).sum("steelyard_requests_total") == 1 and page,
        "it to be counted")
    # Not too many of them came, but none was taken.
    assert page.sum("steelyard_requests_total", code="canceled") == 1
    assert page.sum("steelyard_local_responses_total", reason="bad_response") == 0


@pytest.mark.parametrize("last", [b"", b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"])
def test_a_client_is_sent_those_of_one_attempt(stage, last):
    def fails(exchange):
        exchange.read_content()
        exchange.send(HINTS + last)
        raise Cut()

    def answers(exchange):
        exchange.read_content()
        exchange.send(HINTS)
        exchange.answer(b"fine")

    bad = [stage.endpoint(fails) for _ in range(2)]
    good = stage.endpoint(answers)
    steelyard = stage.steelyard(minimal(
        [one.address for one in [*bad, good]], balance="round_robin",
        weights={"law": "static"}, ejection={"max_fails": 0}))
    for _ in range(6):
        response = steelyard.get("/")
        assert (response.content, response.interim) == (b"fine", [103])
    assert all(len(one.requests) > 0 for one in bad)


def test_a_client_that_waits_with_its_content_is_told_to_go_on_by_a_later_attempt(stage):
    def fails(exchange):
        exchange.send(HINTS)
        raise Cut()

    def answers(exchange):
        exchange.send(HINTS + CONTINUE)
        exchange.read_content()
        exchange.answer(b"fine")

    bad, good = stage.endpoint(fails), stage.endpoint(answers)
    steelyard = stage.steelyard(minimal(
        [bad.address, good.address], balance="round_robin", weights={"law": "static"},
        ejection={"max_fails": 0}))
    for _ in range(4):
        with steelyard.connect() as connection:
            connection.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                            b"Expect: 100-continue\r\n\r\n")
            seen = []
            while not seen or seen[-1] != 100:
                seen.append(connection.read_head().status)
            assert seen == [103, 100]
            connection.send(b"hello")
            assert connection.read_response("PUT").content == b"fine"
    assert good.requests[0].content == b"hello"
