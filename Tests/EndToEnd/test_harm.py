"""scripts/harm: its endpoints and clients, and when it calls something worse."""

import json
import subprocess
import sys

import pytest
from programs import ROOT, free_port

sys.path[:0] = [str(ROOT / "scripts/harm.d")]
import clients  # noqa: E402
import harm_summary  # noqa: E402
import rows  # noqa: E402


def report(**p99):
    """One run's; each contestant's mean is half of its p99, its goodput 10."""
    return {"contestants": [
        {"name": name, "measured": {
            "requests": 10, "ok": 10, "goodput_per_second": 10.0, "mean_seconds": value / 2,
            "p99_seconds": value, "failed": {"status": 0}}}
        for name, value in {
            "steelyard": 1.0, "static": 1.0, "static-again": 1.0, "nginx": 1.0, **p99}.items()]}


def test_worse_is_more_than_5_percent_and_more_than_the_noise():
    assert harm_summary.verdict(harm_summary.summary([report(steelyard=1.04)])) == "not worse"
    bad = harm_summary.summary([report(steelyard=1.5), report(steelyard=1.2), report()])
    assert bad["ratios"]["static"]["p99"] == 1.2
    assert bad["worse"] == ["mean ÷ static", "p99 ÷ static", "mean ÷ nginx", "p99 ÷ nginx"]
    # Two equal balancers differ by as much.
    noisy = report(steelyard=1.2)
    noisy["contestants"][2]["measured"]["p99_seconds"] = 1.3
    row = harm_summary.summary([noisy])
    assert row["doubtful"] == ["p99 ÷ static", "p99 ÷ nginx"]
    assert row["worse"] == ["mean ÷ static", "mean ÷ nginx"]


def test_lost_answers_are_worse_and_one_or_two_are_chance():
    one = report()
    ours = one["contestants"][0]["measured"]
    ours["failed"]["status"] = 2
    assert harm_summary.summary([one])["worse"] == []
    ours["failed"]["status"], ours["goodput_per_second"] = 4, 9.0
    assert harm_summary.summary([one])["worse"] == [
        "goodput ÷ static", "failed ÷ static", "goodput ÷ nginx", "failed ÷ nginx"]
    # Nobody was answered: that is no good p99.
    ours["p99_seconds"] = ours["mean_seconds"] = None
    assert "p99 ÷ static" in harm_summary.summary([one])["worse"]


def test_a_row_of_the_table_has_its_cells():
    row = harm_summary.cells(harm_summary.summary([report(steelyard=0.5)]))
    assert len(row) + 1 == len(harm_summary.HEAD) and row[:4] == ["1.00", "0/0", "0.50", "0.50"]


@pytest.mark.parametrize("row", rows.ALL, ids=lambda row: row.name)
def test_all_get_the_same_requests_and_fewer_than_there_is_room_for(row):
    if isinstance(row, rows.Full):
        return
    kinds = [vars(kind) for kind in row.kinds]
    end = row.warm_up + (row.seconds or 12)
    one, again, other = (
        clients.schedule(row.rates, kinds, end, seed) for seed in (1, 1, 2))
    assert one == again and one != other and 0 < one[0].at < one[-1].at < end
    assert {arrival.kind for arrival in one} == {kind.name for kind in row.kinds}
    work = sum(kind.share * kind.mean for kind in row.kinds if kind.takes_slot)
    room = sum(server.speed * server.slots for server in row.servers)
    assert max(rate for _, rate in row.rates) * work <= 0.95 * room
    assert all(at <= end for at, _, what, _ in row.events if what != "dead")


class Played:
    """field.py with one contestant, whose proxy is its own first endpoint."""

    def __init__(self, directory, row, seconds=1.5):
        ports = [free_port() for _ in row["servers"]]
        addresses = [f"127.0.0.1:{port}" for port in ports]
        file = directory / "told.json"
        file.write_text(json.dumps({
            "row": row, "seed": 1, "seconds": seconds, "warm_up_seconds": 0.2,
            "contestants": [{"name": "one", "proxy": addresses[0], "endpoints": addresses}]}))
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "scripts/harm.d/field.py", file], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    def report(self):
        try:
            assert json.loads(self.process.stdout.readline()) == {"event": "ready"}
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            lines = [json.loads(line) for line in self.process.stdout]
            assert [line.get("event") for line in lines[:2]] == ["measuring", "measured"]
            return lines[2]["contestants"][0]
        finally:
            self.process.kill()
            self.process.wait()


def told(servers, rate, kinds, **more):
    row = rows.Row("one", servers, [[0, rate]], kinds, **more)
    return {**vars(row), "servers": [vars(one) for one in servers],
            "kinds": [vars(one) for one in kinds]}


def test_endpoints_serve_refuse_and_restart(tmp_path):
    kinds = [rows.Kind("slow", 0.5, 0.05, True), rows.Kind("refused", 0.3, 0.05, status=400),
             rows.Kind("late", 0.2, 0.01, True, byte_count=500_000, reading=0.02)]
    run = Played(tmp_path, told(
        [rows.Server(slots=4, preset="vllm")], 60, kinds, timed="slow",
        events=[(0.8, 0, "dead", 1), (1.0, 0, "dead", 0)]))
    found = run.report()
    measured = found["measured"]
    failed = measured["failed"]
    print(measured)
    assert failed["status"] > 5 and failed["refused"] + failed["cut"] > 2
    assert failed["timeout"] == 0 and measured["ok"] > 20
    # A slot is busy for 50 ms, and a machine that is busy too makes it longer, not shorter.
    assert measured["p50_seconds"] > 0.045 and found["shares"] == [1]
