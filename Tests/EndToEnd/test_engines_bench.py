"""What scripts/bench-engines sends and measures, and the arithmetic behind its tables."""

import asyncio
import json
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts/engines.d"))
import prompts  # noqa: E402
import engines_summary  # noqa: E402


def answers(*seconds, failed=0):
    found = [prompts.Answer(due, first=one / 2, whole=one) for due, one in enumerate(seconds)]
    return found + [prompts.Answer(9, failure="cut")] * failed


def window(number, name, *seconds, load=50, failed=0):
    return {"round": number, "load": load, "contestant": name, "shares": [0.5, 0.25],
            "figures": engines_summary.figures(answers(*seconds, failed=failed))}


def test_every_proxy_gets_the_same_requests_and_every_round_others():
    first, again, other = (prompts.schedule(seed, 5, 200) for seed in (1, 1, 2))
    assert first == again and first != other
    assert all(a.due <= b.due for a, b in zip(first, first[1:]))
    # 1 000 arrivals ± five standard deviations.
    assert 840 < len(first) < 1160 and first[-1].due < 200
    bodies = [json.loads(one.content) for one in first]
    words = [len(body["messages"][0]["content"].split()) for body in bodies]
    assert min(words) >= 5 and max(words) <= 300 and max(words) > 5 * sorted(words)[500]
    assert {body["cache_prompt"] for body in bodies} == {False}
    assert {body["stream"] for body in bodies} == {True}


def test_figures_are_those_of_whole_answers():
    got = engines_summary.figures(answers(*range(1, 101), failed=3))
    assert (got["requests"], got["failed"], got["failures"]) == (103, 3, {"cut": 3})
    assert (got["mean"], got["p50"], got["p99"]) == (50.5, 50, 99)
    assert (got["first_p50"], got["first_p99"]) == (25, 49.5)
    assert engines_summary.figures(answers(failed=1))["mean"] is None


def test_a_ratio_is_the_median_of_the_ratios_in_each_round():
    windows = [
        window(0, "steelyard", 1), window(0, "nginx", 2),
        window(1, "nginx", 4), window(1, "steelyard", 8, failed=1),
        window(2, "steelyard", 3), window(2, "nginx", 4),
        window(0, "steelyard", 100, load=90)]
    rows = engines_summary.summary(windows, 50)
    assert rows["steelyard"]["mean"] == 3 and rows["nginx"]["mean"] == 4
    assert rows["steelyard"]["ratios"]["mean"] == 0.75 and rows["nginx"]["ratios"]["mean"] == 1
    assert rows["steelyard"]["failed"] == 1 and rows["steelyard"]["requests"] == 4
    table = engines_summary.table(rows).splitlines()
    assert table[2].startswith("| steelyard | 4 | 1 | 3.00 ×0.75 | ") and "50/25" in table[2]


def event(text):
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


def served(exchange):
    exchange.read_content()
    exchange.begin_chunked([("Content-Type", "text/event-stream")])
    exchange.chunk(event(None))
    time.sleep(0.2)
    exchange.chunk(event("one"))
    time.sleep(0.2)
    exchange.chunk(event("two") + b"data: [DONE]\n\n")
    return exchange.end_chunked()


def cut(exchange):
    exchange.read_content()
    exchange.begin_chunked()
    exchange.chunk(event("one"))
    exchange.close()


def refused(exchange):
    exchange.read_content()
    return exchange.answer(b"no", status=503)


@pytest.mark.parametrize("behaviour, failure", [
    (served, None), (cut, "cut"), (refused, "status 503"), (None, "ConnectionRefusedError")])
def test_what_became_of_a_request(stage, behaviour, failure):
    endpoint = stage.endpoint(behaviour or served)
    if behaviour is None:
        endpoint.stop()
    requests = [prompts.Request(0.1 * number, b'{"n": 1}') for number in range(3)]
    found = asyncio.run(prompts.send_all(endpoint.port, requests, patience=20))
    assert [one.failure for one in found] == [failure] * 3
    assert [one.due for one in found] == [one.due for one in requests]
    if failure is None:
        assert all(0.19 < one.first and one.first + 0.19 < one.whole for one in found)


def test_a_client_waits_so_long_and_no_longer(stage):
    is_over = threading.Event()
    endpoint = stage.endpoint(lambda exchange: is_over.wait(60))
    try:
        one, = asyncio.run(
            prompts.send_all(endpoint.port, [prompts.Request(0, b"{}")], patience=0.3))
    finally:
        is_over.set()
    assert one.failure == "timeout" and one.whole is None
