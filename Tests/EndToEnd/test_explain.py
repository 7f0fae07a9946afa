"""Why a weight is what it is: true sentences with the endpoint's own numbers, everywhere the same,
and each number as data. Decisions and the log are not buried under weights."""

import contextlib
import json
import re
import time

import pytest
from conftest import minimal
from endpoints import Held, text
from loads import Load
from programs import run_steelyard, wait_for
from wire import Connection


def ask(steelyard, path):
    with Connection(steelyard.admin) as connection:
        answer = connection.exchange("GET", path)
        assert answer.status == 200, answer.content
        return json.loads(answer.content)


def explained(steelyard, address):
    found = ask(steelyard, "/api/v1/pools/text/explain")
    (one,) = [one for one in found["endpoints"] if one["address"] == address]
    return found, one


def told(steelyard, address):
    """The sentences of the pools' resource and of the status."""
    pools = ask(steelyard, "/api/v1/pools")["pools"]
    status = ask(steelyard, "/api/v1/status")["pools"]
    return [one["reason_text"] for pool in (pools[0], status[0]) for one in pool["endpoints"]
            if one["address"] == address]


def slow(seconds, label):
    answer = text(label)

    def wait(exchange):
        time.sleep(seconds)
        answer(exchange)

    return wait


def duration(words):
    number, unit = words.split()
    return float(number) / {"ms": 1000, "s": 1}[unit]


def test_the_sentence_has_the_endpoints_own_numbers(stage):
    fleet = [stage.endpoint(slow(0.02, b"quick")), stage.endpoint(slow(0.2, b"slow"))]
    quick, late = (one.address for one in fleet)
    steelyard = stage.steelyard(minimal([quick, late], balance="round_robin"))
    load = stage.keep(Load(steelyard, 4, 0, "GET"))

    def weighed():
        pool, one = explained(steelyard, quick)
        _, other = explained(steelyard, late)
        is_known = min(one.get("answers", {}).get("count", 0),
                      other.get("answers", {}).get("count", 0)) > 8
        return (pool, one, other) if is_known and one["factor"] > 1.3 else None

    pool, one, other = wait_for(weighed, "the quick one's weight")
    load.stop()
    for each in (one, other):
        assert each["factor"] == pytest.approx(each["effective_weight"] / each["base_weight"])
        found = re.match(
            r"(\S+) × its configured weight(?:, moving to \S+ × its configured weight)?: "
            r"mean response (\S+ m?s), the pool's median is (\S+ m?s)", each["reason_text"])
        assert found, each["reason_text"]
        assert float(found[1]) == pytest.approx(each["factor"], rel=0.1)
        # The sentence rounds, and is of the last change. Its own mean, not the larger of its own and the pool's.
        mean = each["answers"]["mean_response_seconds"]
        assert duration(found[2]) == pytest.approx(mean, rel=0.1)
        assert duration(found[3]) == pytest.approx(
            pool["median_response_seconds"], rel=0.1)
    # Of two the quicker one says what is usual.
    assert one["answers"]["mean_response_seconds"] == pool["median_response_seconds"]
    assert other["answers"]["mean_response_seconds"] > pool["median_response_seconds"]
    # The formula's terms are for who asks for them.
    words = run_steelyard("explain", "text", "--admin", "%s:%s" % steelyard.admin).stdout
    assert "× its configured weight" in words and "e^(0.9 x)" not in words
    words = run_steelyard(
        "explain", "text", "--verbose", "--admin", "%s:%s" % steelyard.admin).stdout
    assert "e^(0.9 x)" in words and "own view" in words
    printed = json.loads(run_steelyard(
        "explain", "--json", "--admin", "%s:%s" % steelyard.admin).stdout)
    assert {"amount", "usual", "lately", "factor"} <= printed["endpoints"][0]["terms"].keys()
    # Changes of weights are debug lines, and no decisions.
    assert steelyard.events("target weight changed") == []
    status = ask(steelyard, "/api/v1/status")
    assert all(each["kind"] != "weight" for each in status["decisions"])
    assert {each["kind"] for each in status["weight_changes"]} == {"weight"}


def test_a_hang_is_counted_in_requests_and_since_when_the_oldest_waits(stage):
    held = Held()
    hung = stage.endpoint(held)
    steelyard = stage.steelyard(minimal(
        [hung.address], watchdog={"timeout": "60s"}, ejection={"max_fails": 0}))
    begun = time.monotonic()
    clients = contextlib.ExitStack()
    for _ in range(5):
        clients.enter_context(steelyard.connect()).send_request("GET", "/")

    def hanging():
        words = told(steelyard, hung.address)
        found = [re.search(r"(\d+) requests unanswered, the oldest for (\S+ m?s)", each)
                 for each in words]
        return found if all(found) and duration(found[0][2]) >= 3 else None

    with clients:
        found = wait_for(hanging, "the word of the hang")
        elapsed = time.monotonic() - begun
        for each in found:
            assert each[1] == "5"
            assert duration(each[2]) <= elapsed + 0.6
        _, one = explained(steelyard, hung.address)
        assert one["requests"]["in_flight"] == 5
        assert 2.9 <= one["requests"]["oldest_seconds"] <= time.monotonic() - begun + 0.1
        held.release.set()


def test_an_endpoint_without_recent_requests_says_so_however_many_it_had(stage):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(minimal([endpoint.address]))
    with steelyard.connect() as connection:
        for _ in range(200):
            connection.exchange("GET", "/")
    wait_for(
        lambda: told(steelyard, endpoint.address)
        == ["no recent requests: the configured weight"] * 2, "its peace", 30)
