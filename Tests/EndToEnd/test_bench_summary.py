"""The arithmetic behind scripts/bench: which windows count, medians, ratios, goals, tables."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts/bench.d"), str(ROOT / "scripts/common.d")]
import bench_report  # noqa: E402
import bench_summary  # noqa: E402
import meters  # noqa: E402
import runner  # noqa: E402
from bench_summary import Goal, disturbances  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402

CALM = {"foreign_core_ratio": 0.01, "steal_ratio": 0, "proxy_wait_ratio": 0.001,
        "generator_wait_ratio": 0.002, "generator_core_ratio": 0.8, "proxy_core_ratio": 0.99}


def rounds(**values):
    """`nginx=[1, 2]` is what it had in two rounds; None: nothing."""
    count = max(map(len, values.values()))
    return [{name: {"x": of[place]} for name, of in values.items() if of[place] is not None}
            for place in range(count)]


@pytest.mark.parametrize("figure", bench_summary.LIMITS)
def test_a_window_is_dropped_by_each_figure_over_its_limit(figure):
    limit = bench_summary.LIMITS[figure]
    assert disturbances({**CALM, figure: limit}) == []
    assert disturbances({**CALM, figure: limit * 1.01}) == [(figure, limit * 1.01, limit)]


@pytest.mark.parametrize("result", [0, 1, 1e9, None])
def test_no_result_drops_a_window(result):
    window = {**CALM, "requests_per_second": result, "p99_us": result, "errors": result}
    assert disturbances(window) == [] and bench_summary.disturbance(window) == 0


def test_waiting_is_no_disturbance_where_the_cores_are_shared():
    window = {**CALM, "proxy_wait_ratio": 0.5, "generator_wait_ratio": 0.5}
    assert len(disturbances(window)) == 2 and disturbances(window, shares_cores=True) == []
    window["steal_ratio"] = 0.5
    assert [name for name, *_ in disturbances(window, shares_cores=True)] == ["steal_ratio"]


def test_of_disturbed_windows_the_calmest_has_the_least_disturbance():
    little = bench_summary.disturbance({**CALM, "steal_ratio": 0.03})
    much = bench_summary.disturbance({**CALM, "steal_ratio": 0.03, "foreign_core_ratio": 0.5})
    assert 0 < little < much


@pytest.mark.parametrize("generator, proxy, capped", [
    (0.95, 0.94, True), (1.0, 0.5, True), (0.94, 0.5, False), (0.99, 0.95, False)])
def test_the_generator_was_the_cap_where_its_core_was_full_and_the_proxys_not(
        generator, proxy, capped):
    window = {"generator_core_ratio": generator, "proxy_core_ratio": proxy}
    assert bench_summary.generator_was_the_cap(window) is capped


def test_a_row_has_the_median_and_the_ends_of_the_rounds_that_there_are():
    found = bench_summary.row(rounds(nginx=[3, 1, 20], steelyard=[5, None, 7]), "x")
    assert found["nginx"] == {"median": 3, "min": 1, "max": 20, "rounds": 3}
    assert found["steelyard"] == {"median": 6, "min": 5, "max": 7, "rounds": 2}
    assert bench_summary.row(rounds(nginx=[None]), "x") == {}


def test_a_ratio_is_the_median_of_the_ratios_in_each_round():
    of = rounds(nginx=[1, 10, 4], haproxy=[2, None, 0], steelyard=[1, 5, 4])
    assert bench_summary.ratios(of, "x") == {"nginx": 1, "haproxy": 0.5}
    assert bench_summary.ratios(rounds(nginx=[1]), "x") == {}


def test_the_better_peer_is_chosen_in_each_round():
    of = rounds(nginx=[4, 1], haproxy=[2, 2], steelyard=[1, 1])
    assert bench_summary.better(of, "x", ["nginx", "haproxy"]) == 0.75
    assert bench_summary.better(of, "x", ["nginx", "haproxy"], high=True) == 0.375
    assert bench_summary.better(rounds(steelyard=[1]), "x", ["nginx"]) is None


@pytest.mark.parametrize("limits, high, figure, reached", [
    ({"nginx": 0.5}, False, 0.5, True), ({"nginx": 0.49}, False, 0.5, False),
    ({"nginx": 0.5}, True, 0.5, True), ({"nginx": 0.51}, True, 0.5, False),
    ({"better": 1}, False, 1, True), ({"better": 0.9}, False, 1, False),
    ({"": 2}, False, 2, True), ({"": 1}, False, 2, False),
    ({"envoy": 9}, False, None, None)])
def test_a_goal_is_reached_at_its_limit_and_needs_a_figure(limits, high, figure, reached):
    results = {"a": rounds(nginx=[4], haproxy=[2], steelyard=[2])}
    verdict, = Goal("a goal", "a", "x", limits, high=high).judge(results)
    assert (verdict["figure"], verdict["reached"]) == (figure, reached)


def test_a_goal_is_not_judged_by_a_figure_that_the_generator_capped():
    results = {"a": rounds(nginx=[10], steelyard=[11])}
    results["a"][0]["steelyard"]["generator_capped"] = True
    goal = Goal("a goal", "a", "x", {"nginx": 1.25}, high=True, unless="generator_capped")
    assert goal.judge(results)[0]["reached"] is None
    goal.limits = {"nginx": 1.05}
    assert goal.judge(results)[0]["reached"] is True, "it would have been more"


def test_disturbed_windows_count_only_where_a_proxy_has_no_other():
    of = rounds(nginx=[1, 9], steelyard=[2, 3])
    for name, got in of[0].items():
        got["disturbed"] = True
    left, doubtful = bench_summary.usable(of)
    assert doubtful == set() and bench_summary.row(left, "x")["nginx"]["median"] == 9
    of[1]["nginx"]["disturbed"] = True
    left, doubtful = bench_summary.usable(of)
    assert doubtful == {"nginx"} and bench_summary.row(left, "x")["nginx"]["median"] == 5
    assert bench_summary.row(left, "x")["steelyard"]["median"] == 3


@pytest.mark.parametrize("limits, doubtful, judged", [
    ({"nginx": 2}, "nginx", False), ({"nginx": 2}, "steelyard", False),
    ({"nginx": 2}, "haproxy", True), ({"better": 2}, "haproxy", False), ({"": 2}, "nginx", True)])
def test_no_goal_is_judged_by_disturbed_windows_alone(limits, doubtful, judged):
    results = {"a": rounds(nginx=[1], haproxy=[1], steelyard=[1])}
    results["a"][0][doubtful]["disturbed"] = True
    verdict, = Goal("a goal", "a", "x", limits).judge(results)
    assert verdict["reached"] is (True if judged else None)
    assert verdict["note"] == ("" if judged else "disturbed")


def test_goals_name_scenarios_and_measures_that_there_are():
    for goal in bench_summary.GOALS:
        keys = [key for key, *_ in SCENARIOS[goal.scenario].measures]
        assert goal.measure in keys, goal.title
        assert set(goal.limits) <= {"", "better", *SCENARIOS[goal.scenario].proxies}
    assert bench_summary.judge({}) == []


def test_half_rates_come_from_scenarios_with_the_same_connections():
    for scenario in SCENARIOS.values():
        if scenario.half_of:
            source = SCENARIOS[scenario.half_of].order
            assert source["connections"] == scenario.order["connections"]


def reading(at, proxy, generator, ticks, busy, soft=(0, 0)):
    core = dict.fromkeys(meters.FIELDS, 0)
    return {"at": at, "soft": dict(enumerate(soft)), "proxy": proxy, "generator": generator,
            "own": (0, 0), "ticks": ticks, "rss": (3, 2),
            "machine": {0: {**core, "idle": at * meters.TICKS - busy},
                        1: {**core, "idle": at * meters.TICKS - busy // 10, "steal": busy // 10}}}


def test_a_window_is_the_difference_of_two_readings_in_shares_of_a_core():
    ticks = meters.TICKS
    before = reading(10, (0, 0), (0, 0), (0, 0), 0)
    after = reading(12, (10 ** 9, 10 ** 8), (5 * 10 ** 8, 0), (ticks // 4, ticks // 4), 2 * ticks)
    window = meters.difference(before, after, [0, 1])
    assert window["seconds"] == 2 and window["proxy_core_ratio"] == 0.5
    assert window["proxy_wait_ratio"] == 0.05 and window["generator_core_ratio"] == 0.25
    assert window["foreign_core_ratio"] == 0.25 and window["user_ratio"] == 0.5
    assert window["steal_ratio"] == 0.1 and window["rss_bytes"] == 3
    by_ticks = meters.difference(before, after, [0, 1], counts_ended=True)
    assert by_ticks["proxy_core_ratio"] == 0.25


def test_soft_interrupts_of_a_core_belong_to_the_program_there():
    ticks = meters.TICKS
    before = reading(10, (0, 0), (0, 0), (0, 0), 0)
    after = reading(
        12, (10 ** 9, 3 * 10 ** 8), (5 * 10 ** 8, 0), (ticks // 4, ticks // 4), 2 * ticks,
        soft=(2 * 10 ** 8, 3 * 10 ** 8))
    window = meters.difference(before, after, [0, 1])
    assert window["soft_interrupt_ratios"] == [0.1, 0.15]
    assert window["proxy_core_ratio"] == 0.6 and window["generator_core_ratio"] == 0.4
    assert abs(window["proxy_wait_ratio"] - 0.05) < 1e-9 and window["generator_wait_ratio"] == 0
    assert window["foreign_core_ratio"] == 0


def test_costs_are_those_of_the_window_over_what_was_done_in_it():
    window = {**CALM, "proxy_core_ratio": 0.5, "seconds": 2.2, "user_ratio": 0.2, "rss_bytes": 1}
    got = runner.measures(
        {"requests": 1000, "seconds": 2, "bytes_down": 10 ** 6, "bytes_up": 10 ** 6,
         "latency_us": {"p99": 7, "p99.9": 8}}, window)
    assert got["requests_per_second"] == 500 and got["cpu_us_per_request"] == 1000
    assert got["cpu_ns_per_byte"] == 500 and got["megabytes_per_second"] == 1
    assert got["p99_us"] == 7 and got["p99.9_us"] == 8
    assert "cpu_us_per_token" not in got
    assert "requests_per_second" not in runner.measures({}, window)


def test_the_generator_is_no_cap_where_it_keeps_a_rate():
    window = {**CALM, "generator_core_ratio": 1, "proxy_core_ratio": 0.5, "seconds": 1,
              "user_ratio": None, "rss_bytes": 1}
    assert runner.measures({}, window)["generator_capped"] is True
    assert runner.measures({}, window, is_closed=False)["generator_capped"] is False


def test_added_delay_is_over_the_direct_one_of_the_same_round():
    def delays(x):
        return {"p50_us": x, "p99_us": 2 * x, "p99.9_us": 3 * x}
    one = {"direct": delays(10), "nginx": delays(15)}
    runner.subtract_direct(one)
    assert one["nginx"]["added_p99_us"] == 10 and "added_p99_us" not in one["direct"]
    alone = {"nginx": delays(15)}
    runner.subtract_direct(alone)
    assert "added_p99_us" not in alone["nginx"]


FACTS = {"command": "scripts/bench", "at": "now", "commit": "abc", "processor": "P", "cores": 2,
         "kernel": "6", "congestion_control": "cubic", "versions": {"nginx": "1.22"},
         "windows": 9, "dropped": 2, "kept": 1}


@pytest.mark.parametrize("is_markdown", [False, True])
def test_tables_show_medians_ends_ratios_marks_and_goals(is_markdown):
    results = {"keepalive-64": [
        {"nginx": {"requests_per_second": 100, "errors": 3},
         "steelyard": {"requests_per_second": rate, "generator_capped": True}}
        for rate in (150, 170)]}
    text = bench_report.report(
        FACTS, SCENARIOS, results, {}, bench_summary.judge(results), is_markdown)
    assert "160 (150–170) ^" in text and "1.60" in text and "÷ nginx" in text
    assert "the generator's core was full" in text and "Errors: nginx 6." in text
    assert "1 KB, 64 keep-alive connections (2 rounds)" in text
    assert "p99" not in text.split("Goals")[0]
    assert "≥ 1.25 × nginx" in text and "reached" in text
    assert "2 were disturbed and measured again, 1 were in the last" in text and "cubic" in text
    assert ("| requests/s | 100 |" in text) is is_markdown


def test_what_was_not_measured_has_no_table():
    text = bench_report.report(FACTS, SCENARIOS, {"fresh": [{}], "start": []}, {}, [], False)
    assert "fresh" not in text and "start" not in text
