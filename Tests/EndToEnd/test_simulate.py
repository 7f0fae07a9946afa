"""`steelyard simulate` as a process: outputs, exit statuses, Ctrl-C."""

import csv
import io
import os
import signal
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from programs import BINARY, ROOT, run_steelyard, wait_for

SMALL = """
endpoints: [{count: 2}, {count: 1, speed: 3}]
warmup: 2s
measured: 10s
faults: [{at: 5s, until: 8s, endpoints: 3, kind: slow}]
policies: [least_request, steelyard]
seeds: [1, 2]
"""


@pytest.fixture
def scenario(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return file


def test_a_table_csv_shares_and_a_plot_come_of_one_run(scenario, tmp_path):
    done = run_steelyard(
        "simulate", scenario, "--csv", tmp_path / "a.csv", "--shares", tmp_path / "b.csv",
        "--svg", tmp_path / "c.svg")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("small: 3 endpoints that can do 40 requests/s, 32 arrive; 2 seeds")
    assert [line.split()[0] for line in lines[2:]] == ["policy", "least_request", "steelyard"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert [(row["policy"], row["seed"]) for row in rows] == [
        ("least_request", "1"), ("least_request", "2"), ("steelyard", "1"), ("steelyard", "2")]
    # The same arrivals for both policies.
    assert [row["requests"] for row in rows[:2]] == [row["requests"] for row in rows[2:]]
    for row in rows:
        assert 0 < float(row["p50_seconds"]) <= float(row["p99_seconds"]) < 30
    shares = list(csv.DictReader(io.StringIO((tmp_path / "b.csv").read_text())))
    assert {row["endpoint"] for row in shares} == {"1", "2", "3"}
    assert {row["policy"] for row in shares} == {"least_request", "steelyard"}
    root = ElementTree.parse(tmp_path / "c.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_seeds_print_the_same(scenario):
    first, second = (run_steelyard("simulate", scenario, "--seeds", "5,6") for _ in range(2))
    assert first.stdout == second.stdout != ""


def test_what_is_printed_is_a_scenario_again(scenario, tmp_path):
    printed = run_steelyard("simulate", scenario, "--print")
    assert printed.returncode == 0
    assert "slots: 8 # default" in printed.stdout
    again = tmp_path / "again.yaml"
    again.write_text(printed.stdout)
    assert run_steelyard("simulate", again).stdout == run_steelyard("simulate", scenario).stdout


@pytest.mark.parametrize("arguments, status, words", [
    ([], 64, "FILE is missing"),
    (["{}", "--policies", "leastconn"], 64, "did you mean `least_request`?"),
    (["{}", "--csv"], 64, "--csv needs a value"),
    (["/nowhere.yaml"], 66, "cannot read /nowhere.yaml"),
    (["{}", "--csv", "/nowhere/a.csv"], 73, "cannot write /nowhere/a.csv: No such file"),
])
def test_what_cannot_be_is_said(scenario, arguments, status, words):
    done = run_steelyard("simulate", *[argument.format(scenario) for argument in arguments])
    assert done.returncode == status
    assert words in done.stderr


def test_errors_have_their_place(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("endpoints: [{cuont: 2}]\nlaod: 3\n")
    done = run_steelyard("simulate", file)
    assert done.returncode == 78 and done.stdout == ""
    assert f"{file}:1:14: error: unknown key `cuont` in this endpoint" in done.stderr
    assert f"{file}:2:1: error: unknown key `laod` in the file" in done.stderr
    assert "hint: did you mean `load`?" in done.stderr


def test_policies_and_help_need_no_file():
    listed = run_steelyard("simulate", "--list-policies")
    assert listed.returncode == 0 and "peak_ewma" in listed.stdout
    assert "--svg FILE" in run_steelyard("simulate", "--help").stdout


def test_ctrl_c_ends_at_once_and_leaves_no_output(tmp_path):
    file = tmp_path / "long.yaml"
    file.write_text("endpoints: [{count: 50}]\nmeasured: 1h\nseeds: [1, 2, 3, 4]\n")
    output = tmp_path / "a.csv"
    process = subprocess.Popen(
        [BINARY, "simulate", file, "--csv", output], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    try:
        wait_for(lambda: len(os.listdir(f"/proc/{process.pid}/task")) > 1, "the runs")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=5)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT
    assert out == b"" and not output.exists()


@pytest.mark.parametrize("file", sorted((ROOT / "config/scenarios").glob("*.yaml")), ids=lambda f: f.stem)
def test_an_example_is_printed(file):
    assert run_steelyard("simulate", file, "--print").returncode == 0
