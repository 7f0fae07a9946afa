"""Alerts arrive: things are broken behind a real Prometheus and Alertmanager with the shipped rules,
quickened. `make test-alerts` breaks everything; this is a part of it."""

import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts/alerts.d"))
from drill import Drill  # noqa: E402
from faults import BY_POOL, FAULTS  # noqa: E402
from watchers import FILES, quicker, quicker_rules  # noqa: E402

# One of each kind: endpoints, answers, steelyard's own scrapes, a page that Prometheus reads itself.
POOLS = ["dead", "errors", "scrape", "memory"]


def test_alerts_come_and_go(tmp_path):
    drill = Drill(tmp_path, POOLS, factor=20)
    try:
        assert drill.warm_up(6) == []
        rows = drill.break_and_heal()
        expected = {(BY_POOL[pool].alert, pool) for pool in POOLS}
        assert {(alert, pool) for alert, pool, *_ in rows} == expected
        # Each by the receiver of its severity, and with the text of its runbook.
        severities = {rule["alert"]: rule["labels"]["severity"] for rule in _alerts()}
        for receiver, labels, annotations in drill.receiver.all:
            assert receiver == labels["severity"] == severities[labels["alertname"]]
            assert annotations["runbook_url"].endswith(labels["alertname"].lower())
        # Without any endpoint nothing else is said of that pool: the worse silences the rest.
        assert {name for name, pool in drill.receiver.fired if pool == "dead"} <= {
            "SteelyardNoEligibleEndpoint", "SteelyardServiceInterrupted"}
    finally:
        drill.stop()


def _alerts():
    groups = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_fault_is_of_an_alert_that_there_is_and_has_a_pool_of_its_own():
    assert {fault.alert for fault in FAULTS} <= {rule["alert"] for rule in _alerts()}
    assert len(BY_POOL) == len(FAULTS) >= 10


@pytest.mark.parametrize("text, factor, least, expected", [
    ("5m", 20, 5, "15000ms"), ("1m", 20, 5, "5000ms"), ("1h30m", 20, 5, "270000ms"),
    ("15s", 20, 1, "1000ms"), ("0s", 20, 1, "0ms"), ("5m", 1, 5, "5m")])
def test_durations_are_divided(text, factor, least, expected):
    assert quicker(text, factor, least) == expected


def test_rules_are_quickened_everywhere_and_nowhere_else():
    rules = quicker_rules((FILES / "alerts.yml").read_text(), 20)
    text = quicker_rules((FILES / "recording.yml").read_text(), 20)
    assert "[15000ms]" in text and "[30000ms:1500ms]" in text and "offset 1500ms" in text
    assert "[5m]" not in rules + text and "offset 1w" not in rules
    waits = [rule.get("for") for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]
    assert "15000ms" in waits and "5m" not in waits
    assert "threshold_error_ratio" in rules and "> 0.009" in rules
