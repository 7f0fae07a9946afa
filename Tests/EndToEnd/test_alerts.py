"""Alerts arrive: things are broken behind a real Prometheus and Alertmanager with the shipped rules,
quickened. `make test-alerts` breaks everything; this is a part of it."""

import json
import re
import sys
from pathlib import Path

import pytest
import wire
import yaml
from programs import Program, find, free_port, wait_for

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
        silent = {"SteelyardNoEligibleEndpoint", "SteelyardServiceInterrupted"}
        fired = {name: at for (name, pool), at in drill.receiver.fired.items() if pool == "dead"}
        assert {name for name, at in fired.items() if at < drill.healed_at} <= silent
        # Its endpoints come back one by one: for a moment half of them are out.
        assert set(fired) <= silent | {"SteelyardEjectedShareHigh"}
    finally:
        drill.stop()


def _alerts():
    groups = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_several_steelyards_with_a_token_are_watched_as_the_documentation_says(stage, tmp_path):
    asked = []

    def page(exchange):
        asked.append(exchange.request)
        exchange.answer(b"my_waiting 1\n")

    shared, own = stage.endpoint(page), stage.endpoint(page)
    token = tmp_path / "steelyard.token"
    token.write_text("0123456789abcdef0123456789abcdef\n")
    token.chmod(0o600)

    def steelyard(*endpoints):
        return stage.steelyard({
            "admin": {"listen": "127.0.0.1:0", "read_token": {"file": str(token)}},
            "listeners": [{"listen": "127.0.0.1:0", "pool": "text"}],
            "pools": {"text": {
                "endpoints": [one.address for one in endpoints],
                "weights": {"law": "static", "scrape": [{
                    "path": "/metrics",
                    "signals": [{"name": "waiting", "metric": "my_waiting"}]}]}}}})

    pair = [steelyard(shared), steelyard(shared, own)]
    admin = ["%s:%d" % one.admin for one in pair]
    port = free_port()
    file = tmp_path / "prometheus.yml"
    file.write_text(json.dumps(_as_documented(admin, token)))
    prometheus = stage.keep(Program("prometheus", tmp_path, [
        find("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}"]))
    prometheus.wait_for_port("127.0.0.1", port)

    def targets():
        with wire.Connection(("127.0.0.1", port)) as connection:
            answer = connection.exchange("GET", "/api/v1/targets")
        # Prometheus refuses until it is ready.
        found = json.loads(answer.content)["data"]["activeTargets"] if answer.status == 200 else []
        return sorted(
            (one["labels"]["job"], one["labels"]["instance"], one["labels"].get("endpoint"))
            for one in found if one["health"] == "up")

    # A page that both name is read once.
    expected = sorted([("steelyard", one, None) for one in admin] + [
        ("inference", one.address, one.address) for one in (shared, own)])
    wait_for(lambda: targets() == expected, "the targets to be read")
    readers = [one for one in asked if one.one("User-Agent").startswith("Prometheus")]
    assert readers and all(one.one("Authorization") is None for one in readers)


def _as_documented(admin, token):
    """The shipped configuration with the jobs that docs/alerting.md shows, here and now."""
    text = (ROOT / "docs/alerting.md").read_text()
    shown = re.search(r"^```yaml\n(scrape_configs:.*?)^```", text, re.M | re.S)[1]
    for documented, real in [
            ("/etc/prometheus/steelyard.token", str(token)), ("10.0.0.8:9900", admin[0]),
            ("10.0.0.9:9900", admin[1]), ("refresh_interval: 15s", "refresh_interval: 1s")]:
        assert documented in shown
        shown = shown.replace(documented, real)
    changed = {job["job_name"]: job for job in yaml.safe_load(shown)["scrape_configs"]}
    jobs = yaml.safe_load((FILES / "prometheus.yml").read_text())["scrape_configs"]
    for job in jobs:
        job.update(changed.get(job["job_name"], {}))
        if "http_sd_configs" in job:
            job["http_sd_configs"] = changed["inference"]["http_sd_configs"]
    return {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}


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
