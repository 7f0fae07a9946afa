"""The rules of config/prometheus: the real tools take them, every alert has a case in which it fires
and one in which it does not, and what they name exists."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from programs import find, run_steelyard

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "config/prometheus"
SEVERITIES = {"warning", "critical", "disaster"}
# What belongs to others: exporters, and Prometheus itself.
FOREIGN = re.compile(r"node_\w+|DCGM_\w+|up")


def _rules(file):
    groups = yaml.safe_load((FOLDER / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in _rules("alerts.yml")}
RECORDS = {rule["record"]: rule for rule in _rules("recording.yml")}
TESTS = sorted((FOLDER / "tests").glob("*.yml"))


def _run(*arguments):
    done = subprocess.run(
        [str(argument) for argument in arguments], cwd=FOLDER, capture_output=True, text=True,
        timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr


def _names(expression):
    """The metric names of a PromQL expression."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"|\{[^}]*\}', "", expression)
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    # Not a function, not a word of the language, not a number or duration.
    words = re.findall(r"(?<![\w:.])([A-Za-z_:][\w:]*)(?!\s*\()(?![\w:])", bare)
    return set(words) - {"and", "or", "unless", "offset", "bool", "by", "on", "without"}


def test_the_tools_take_the_files():
    _run(find("promtool"), "check", "config", "prometheus.yml")
    _run(find("promtool"), "check", "rules", "recording.yml", "alerts.yml")
    _run(find("amtool"), "check-config", "alertmanager.yml")


@pytest.mark.parametrize("file", TESTS, ids=[file.stem for file in TESTS])
def test_alerts_fire_when_they_should(file):
    _run(find("promtool"), "test", "rules", file)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    firing, silent = set(), set()
    for file in TESTS:
        for case in yaml.safe_load(file.read_text())["tests"]:
            for one in case["alert_rule_test"]:
                (firing if one["exp_alerts"] else silent).add(one["alertname"])
                # A case without any series would be silent whatever the rule says.
                assert one["exp_alerts"] or case["input_series"], case["name"]
    assert firing == set(ALERTS)
    assert silent == set(ALERTS)


def test_alerts_say_what_and_how_bad_and_where_to_read_on():
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in SEVERITIES, name
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url"}, name
        assert notes["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
        assert re.match(r"Steelyard|Inference", name)


def test_links_to_runbooks_lead_to_one_absolute_address(tmp_path):
    def links(path, *options):
        done = run_steelyard("rules", path, *options)
        assert done.returncode == 0, done.stderr
        if str(path).endswith(".json"):
            return {one["url"] for one in json.loads(done.stdout)["links"] if one.get("url")}
        groups = yaml.safe_load(done.stdout)["groups"]
        file = tmp_path / "alerts.yml"
        file.write_text(done.stdout)
        return {rule["annotations"]["runbook_url"].partition("#")[0]
                for group in groups for rule in group["rules"]}

    own = "https://wiki.example/runbooks?v=1&page=a"
    built = links(FOLDER / "alerts.yml")
    assert len(built) == 1 and next(iter(built)).startswith("https://")
    assert links(FOLDER / "alerts.yml", "--runbooks", own) == {own}
    _run(find("promtool"), "check", "rules", tmp_path / "alerts.yml")
    # What was rendered once can be rendered again, and a dashboard as well.
    assert links(tmp_path / "alerts.yml", "--runbooks", own) == {own}
    file = tmp_path / "alerts.yml"
    file.write_text(run_steelyard("rules", FOLDER / "alerts.yml").stdout)
    assert links(file, "--runbooks", own) == {own}
    board = ROOT / "dashboards/overview.json"
    assert links(board) == built and links(board, "--runbooks", own) == {own}
    for bad in ["wiki.example", "ftp://a/b", "https://a/#b", 'https://a/"', "https://a/{{b}}",
                "https://a b"]:
        assert run_steelyard("rules", FOLDER / "alerts.yml", "--runbooks", bad).returncode == 64, bad
    assert run_steelyard("rules", FOLDER / "recording.yml").returncode == 65
    assert run_steelyard("rules", tmp_path / "none.yml").returncode == 66


def test_the_texts_of_alerts_are_fit_to_be_read():
    """In every expectation of the cases: a label that is not there leaves no gap, a small number is
    no milli-something, and none has more digits than anybody reads."""
    for file in TESTS:
        for case in yaml.safe_load(file.read_text())["tests"]:
            for alert in [one for asked in case["alert_rule_test"] for one in asked["exp_alerts"]]:
                notes = alert["exp_annotations"]
                text = f"{notes['summary']} {notes['description']}"
                bad = re.findall(r"  |\d{8}|\d[mun] (?!\d)|<no value>|%!|NaN|Inf", text)
                assert not bad, f"{case['name']}: {text}"


def test_every_alert_has_a_runbook_and_a_row_and_nothing_else_has():
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.M)
    assert sorted(headings) == sorted(ALERTS)
    table = re.findall(
        r"^\| \[(\w+)\]\(runbooks\.md#(\w+)\) \|.*\| (\S+) \| (\w+) \|$",
        (ROOT / "docs/alerting.md").read_text(), re.M)
    assert {name: (anchor, wait, severity) for name, anchor, wait, severity in table} == {
        name: (name.lower(), rule.get("for", "0s"), rule["labels"]["severity"])
        for name, rule in ALERTS.items()}


def test_names_that_rules_use_exist():
    documented = set(re.findall(
        r"^\| `(\w+)` \| \w+ \|", (ROOT / "docs/metrics.md").read_text(), re.M))
    documented |= {f"{name}{end}" for name in documented for end in ("_bucket", "_sum", "_count")}
    used = set()
    for name, rule in {**ALERTS, **RECORDS}.items():
        for found in _names(rule["expr"]):
            assert found in documented | set(RECORDS) or FOREIGN.fullmatch(found), f"{name}: {found}"
            used.add(found)
    # The reader of expressions finds names at all, and no record is there for nothing.
    assert {"steelyard_requests_total", "up", "DCGM_FI_DEV_GPU_UTIL"} <= used
    assert set(RECORDS) <= used


def test_the_routes_send_each_severity_to_its_receiver():
    for severity in sorted(SEVERITIES):
        done = subprocess.run(
            [find("amtool"), "config", "routes", "test", "--config.file=alertmanager.yml",
             f"severity={severity}", "pool=text"],
            cwd=FOLDER, capture_output=True, text=True, timeout=30)
        assert done.stdout.strip() == severity, done.stderr
