"""scripts/soak, shortened: it is good where nothing was lost, and bad where something was."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from programs import BINARY, ROOT, wait_for

sys.path.insert(0, str(ROOT / "scripts/soak.d"))
import report  # noqa: E402

SECONDS = 4


class Soak:
    def __init__(self, directory, *options):
        self.json = Path(directory) / "soak.json"
        self.process = subprocess.Popen(
            [ROOT / "scripts/soak", "--binary", BINARY, "--json", self.json, "--pace", "0.15",
             "--rate", "40", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def end(self):
        """Exit status, report as text, its numbers."""
        try:
            text, _ = self.process.communicate(timeout=90)
        finally:
            self.process.kill()
        return self.process.returncode, text, json.loads(self.json.read_text())


def test_a_soak_is_good_where_all_is_saved_and_bad_where_it_is_not(tmp_path):
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    good = Soak(tmp_path / "good", "--minutes", str(SECONDS / 60))
    # Without retries a killed endpoint costs requests; this one would run for an hour.
    bad = Soak(tmp_path / "bad", "--minutes", "60", "--no-retries")
    try:
        wait_for(lambda: any(" 0 failed" not in line for line in [bad.process.stderr.readline()]),
                 "a request to fail", interval=0)
    finally:
        bad.process.send_signal(signal.SIGINT)
    status, text, data = bad.end()
    assert status == 1 and data["failed"] > 0 and data["failures"], text
    assert "requests failed that could have been saved" in text
    status, text, data = good.end()
    assert status == 0 and text.rstrip().splitlines()[-2] == "good", text
    assert data["failed"] == 0 and data["requests"] > 20 and data["counts"]["reloads"] > 2
    assert data["counts"]["kill"] > 0 and data["counts"]["stop"] > 0


def samples(rss, descriptors, overhead, count=200):
    """One a second; each value is that of the first second and of the last."""
    def value(ends, number):
        return ends[0] + (ends[1] - ends[0]) * number / (count - 1)
    return [report.Sample(number, value(rss, number), value(descriptors, number),
                          value(overhead, number)) for number in range(count)]


def test_growth_and_drift_are_bad():
    good = report.Report(200, 10, samples=samples((30e6, 31e6), (50, 55), (0.002, 0.003)))
    assert good.judge() == []
    for rss, descriptors, overhead, what in (
            ((30e6, 90e6), (50, 50), (0.002, 0.002), "memory"),
            ((30e6, 30e6), (50, 300), (0.002, 0.002), "descriptors"),
            ((30e6, 30e6), (50, 50), (0.002, 0.2), "latency")):
        (problem,) = report.Report(200, 10, samples=samples(rss, descriptors, overhead)).judge()
        assert problem.startswith(f"{what} grew from")


def test_only_streams_that_had_begun_may_be_cut():
    from traffic import Outcome
    seen = report.Report()
    cut = {"failure": "cut: ConnectionResetError"}
    seen.note(Outcome(1, "stream", 200, had_begun=True, **cut), "kill", 0)
    assert (seen.streams_cut, seen.failed) == (1, 0)
    for outcome in (Outcome(1, "stream", **cut), Outcome(1, "long", 200, had_begun=True, **cut),
                    Outcome(1, "stream", 502, "502", had_begun=True)):
        before = seen.failed
        seen.note(outcome, None, 0)
        assert seen.failed == before + 1
