"""The arithmetic behind scripts/race's tables, and how a run listens to its player."""

import json
import sys
from argparse import Namespace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts/race.d"), str(ROOT / "scripts/common.d")]
import course  # noqa: E402
import race_summary  # noqa: E402


def report(law_p99, other_p99, failed=0, share=0.1):
    def contestant(name, p99, failed=0):
        kinds = {"status": failed, "timeout": 0, "cut": 0, "refused": 0, "unsent": 0}
        numbers = {"requests": 10, "ok": 10 - failed, "failed": kinds, "goodput_per_second": 1.0}
        if p99 is not None:
            numbers["p99_seconds"] = p99
        windows = [{"label": "0-5 s", "share": share, "fair_share": 0.2}]
        return {"name": name, "measured": numbers, "faulted_shares": windows,
                "proxy_core_ratio": 0.01}

    return {
        "contestants": [contestant("law", law_p99), contestant("other", other_p99, failed)],
        "own_core_ratio": 0.05, "send_lag_p99_seconds": 0.001,
        "machine": {"cores": 2, "steal_cores": 0, "busy_cores": 0.4, "foreign_cores": 0.1}}


def test_a_ratio_is_the_median_of_the_ratios_in_each_run():
    rows = race_summary.summary([report(1, 2), report(8, 4), report(3, 4)])
    assert rows["other"]["p99_seconds"] == 4 and rows["law"]["p99_seconds"] == 3
    assert rows["other"]["law_ratios"]["p99_seconds"] == 0.75
    assert rows["law"]["law_ratios"]["p99_seconds"] == 1


def test_what_nobody_measured_is_no_number():
    rows = race_summary.summary([report(1, None, failed=10, share=None)])
    assert rows["other"]["law_ratios"]["p99_seconds"] is None
    assert rows["other"]["failed"]["status"] == 10 and rows["other"]["ok"] == 0
    assert race_summary.share_cell(rows["other"]["faulted_shares"][0]) == "-"
    assert race_summary.milliseconds(None) == race_summary.times(None) == "-"


def test_tables_name_the_scenario_the_law_and_the_shares(capsys):
    one = report(0.1, 0.2) | {
        "rate_per_second": 136.0, "load_ratio": 0.8, "faulted_endpoint": 3}
    race_summary.print_scenario("cold", [one], "capacity")
    text = capsys.readouterr().out
    assert "cold: 136 requests/s each, load 0.80, median of 1 seeds" in text
    assert "capacity p99" in text and "| other | 10 | 0 | 0/0/0/0 |" in text
    assert "Share of endpoint 4 since its return (fair: 20.0 %)" in text
    assert "10.0 % (0.50 of fair)" in text


def test_doubtful_runs_say_why():
    good = report(1, 1)
    assert list(race_summary.warnings(good)) == []
    good["own_core_ratio"] = 0.5
    good["send_lag_p99_seconds"] = 0.02
    good["machine"]["steal_cores"] = 0.3
    good["contestants"][0]["measured"]["failed"]["unsent"] = 7
    assert len(list(race_summary.warnings(good))) == 4


class Sleeper(course.Contestant):
    def configure(self, ports, weights):
        return ["sleep", "60"]

    def is_ready(self):
        return True


class Hasty(course.Race):
    """A player that says all it has to say at once."""

    def command(self, spec):
        lines = [{"event": "measuring"}, {"event": "measured"}, report(1, 2)]
        text = "\n".join(json.dumps(line) for line in lines)
        return ["sh", "-c", f"echo '{{\"event\": \"ready\"}}'; read go; echo '{text}'; exec sleep 60"]


def test_lines_that_come_together_are_heard_one_after_the_other(tmp_path):
    options = Namespace(
        field={"speeds": [1]}, weights="equal", seconds=1, warmup=0, load=None, is_post=True)
    race = Hasty(options, [Sleeper(name, "") for name in ("law", "other")], "steady", 1, tmp_path)
    try:
        found = race.run()
    finally:
        race.stop()
    assert [one["name"] for one in found["contestants"]] == ["law", "other"]
