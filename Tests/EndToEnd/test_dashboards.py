"""The dashboards: files as made, in Grafana's form, and every question answered by a Prometheus
that watches real steelyards to which everything happens."""

import json
import math
import re
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from eventful import Eventful
from programs import find, wait_for

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["overview", "weights", "endpoints", "process"]
DASHBOARDS = {name: json.loads((ROOT / f"dashboards/{name}.json").read_text()) for name in NAMES}
DOCUMENTED = dict(
    re.findall(r"^\| `(\w+)` \| (\w+) \|", (ROOT / "docs/metrics.md").read_text(), re.M))
# Grafana's names of units.
UNITS = {"s", "reqps", "ops", "cps", "percentunit", "bytes", "Bps", "short"}
KINDS = {"row", "timeseries", "stat", "state-timeline", "heatmap", "table"}
BUILT_IN = {"__rate_interval", "__all"}
# Expressions with this may be 0 throughout or have no numbers, because a test cannot cause it.
MAY_BE_ZERO = {
    "steelyard_log_dropped_total": "a test's log is a file, which takes every line",
    # test_room.py and test_buffers.py run out of them.
    "steelyard_connections_closed_total": "there is room for every client",
    "steelyard_accept_pauses_total": "there is room for every client",
    "steelyard_pool_endpoints_left_out": "there is room for every endpoint",
    "steelyard_buffered_bytes": "every client reads",
    "steelyard_buffer_cuts_total": "every client reads",
    "steelyard_discovery_endpoints_held_back": "no endpoint comes and goes",
    "steelyard_discovery_empty_kept": "no source says that there are no endpoints",
    "steelyard_http2_": "no client speaks HTTP/2", "steelyard_grpc_": "no client speaks gRPC"}


def panels(name):
    return [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]


def targets():
    """(dashboard, panel, target) of every question, annotations too."""
    for name in NAMES:
        for panel in panels(name):
            for target in panel["targets"]:
                yield name, panel["title"], target
        for one in DASHBOARDS[name]["annotations"]["list"][1:]:
            yield name, f"annotation {one['name']}", one


def families(expression):
    """The families of a query, without a histogram's suffixes."""
    found = set(re.findall(r"\b((?:steelyard|process)_\w+)", expression))
    return {re.sub(r"_(bucket|sum|count)$", "", one)
            if DOCUMENTED.get(re.sub(r"_(bucket|sum|count)$", "", one), "histogram") == "histogram"
            else one for one in found}


def test_the_files_are_what_the_script_makes():
    made = subprocess.run(
        [ROOT / "scripts/dashboards", "--check"], capture_output=True, text=True, timeout=30)
    assert (made.returncode, made.stdout + made.stderr) == (0, "")
    assert {file.name for file in (ROOT / "dashboards").iterdir()} == {f"{n}.json" for n in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_has_the_form_that_grafana_imports(name):
    one = DASHBOARDS[name]
    assert one["schemaVersion"] == 39 and one["uid"] == f"steelyard-{name}" and one["id"] is None
    assert (one["timezone"], one["refresh"]) == ("browser", "15s")
    assert one["tags"] == ["steelyard"] and one["title"].startswith("Steelyard: ")
    assert one["__requires"][0]["version"] == "10.0.0"
    assert [link["type"] for link in one["links"]] == ["dashboards", "link"]
    assert one["links"][0]["tags"] == ["steelyard"] and "runbooks" in one["links"][1]["url"]
    identifiers = [panel["id"] for panel in one["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    assert {panel["type"] for panel in one["panels"]} <= KINDS


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_lies_on_another(name):
    taken = {}
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["w"] > 0 and place["h"] > 0 and 0 <= place["x"] <= 24 - place["w"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies on {taken[x, y]}"
                taken[x, y] = panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_says_what_it_shows_and_in_which_unit(name):
    titles = [panel["title"] for panel in panels(name)]
    assert not [one for one in titles if titles.count(one) > 1]
    for panel in panels(name):
        assert len(panel["description"]) > 10 and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


@pytest.mark.parametrize("name", NAMES)
def test_questions_go_to_the_chosen_source_and_use_variables_that_there_are(name):
    one = DASHBOARDS[name]
    variables = {entry["name"]: entry for entry in one["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    for entry in variables.values():
        if entry["type"] == "query":
            assert entry["multi"] and entry["includeAll"] and entry["refresh"] == 2
    text = json.dumps(one)
    used = set(re.findall(r"\$\{?(\w+)", text))
    assert used - BUILT_IN == set(variables)
    sources = re.findall(r'"datasource": \{"type": "\w+", "uid": "([^"]+)"', text)
    assert len(sources) > len(panels(name)) * 2
    assert set(sources) == {"${datasource}", "-- Grafana --"}
    for _, title, target in targets():
        # A fixed window is wrong at another scrape interval; annotations have a step of their own.
        if "legendFormat" in target:
            assert not re.search(r"\[\d", target["expr"]), title


def test_thresholds_are_drawn():
    """What a legend ends in makes its line dashed; fixed thresholds are lines, too."""
    dashed = 0
    for name in NAMES:
        for panel in panels(name):
            if panel["type"] != "timeseries":
                continue
            defaults = panel["fieldConfig"]["defaults"]
            steps = defaults["thresholds"]["steps"]
            mode = defaults["custom"]["thresholdsStyle"]["mode"]
            assert (len(steps) > 1) == (mode == "dashed"), panel["title"]
            patterns = [one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]]
            for target in panel["targets"]:
                if "_threshold_" in target["expr"]:
                    # `{{level}}` is normal or alarm.
                    legend = target["legendFormat"].replace("{{level}}", "alarm")
                    hits = [one for one in patterns if re.search(one.strip("/"), legend)]
                    assert len(hits) == 1, (panel["title"], legend)
                    dashed += 1
    assert dashed >= 5


def test_exemplars_are_asked_of_the_duration_histogram():
    asked = [target["expr"] for _, _, target in targets() if target.get("exemplar")]
    assert len(asked) >= 3
    assert all("steelyard_request_duration_seconds_bucket" in one for one in asked)


def test_every_family_is_documented():
    unknown = {
        (name, title, one) for name, title, target in targets()
        for one in families(target["expr"]) if one not in DOCUMENTED}
    assert unknown == set()


def test_every_documented_family_is_shown():
    shown = {one for _, _, target in targets() for one in families(target["expr"])}
    assert set(DOCUMENTED) - shown == set()


def substituted(expression, values):
    """As Grafana sends it: `values` of a variable as one regular expression."""
    def chosen(match):
        name = match.group(1)
        if name == "__rate_interval":
            return "10s"
        return "(" + "|".join(re.escape(one).replace("\\", "\\\\") for one in values[name]) + ")"

    return re.sub(r"\$(\w+)", chosen, expression)


def test_promtool_reads_every_question(tmp_path):
    values = {name: ["a", "b:1"] for name in ("instance", "pool", "endpoint", "signal")}
    rules = [{"record": f"check:number:{number}", "expr": substituted(target["expr"], values)}
             for number, (_, _, target) in enumerate(targets())]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    checked = subprocess.run(
        [find("promtool"), "check", "rules", file], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {len(rules)} rules found" in checked.stdout


class Viewer:
    """Asks what a dashboard asks."""

    def __init__(self, prometheus, begin):
        self.prometheus = prometheus
        self.begin = begin

    def variables(self, name):
        """The values that each variable offers, those before it all chosen."""
        found = {}
        for one in DASHBOARDS[name]["templating"]["list"]:
            if one["type"] == "query":
                query = substituted(one["query"]["query"], found)
                selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
                found[one["name"]] = self.prometheus.api(
                    f"/api/v1/label/{label}/values?match[]={quote(selector)}") or []
        return found

    def answer(self, expression):
        """Every number of the time since the beginning, None where the question is refused."""
        data = self.prometheus.api(
            f"/api/v1/query_range?query={quote(expression)}&start={self.begin}"
            f"&end={time.time()}&step=1")
        if data is None:
            return None
        numbers = [float(value) for one in data["result"] for _, value in one["values"]]
        return [number for number in numbers if math.isfinite(number)]

    def lacks(self, target, values):
        """What is wrong with the answer, None where it is right."""
        signals = values["signal"] if "$signal" in target["expr"] else [""]
        each = [self.answer(substituted(target["expr"], {**values, "signal": [one]}))
                for one in signals]
        if None in each:
            return "refused"
        if any(one in target["expr"] for one in MAY_BE_ZERO):
            return None
        # Not every signal has thresholds.
        if not (any if "_threshold" in target["expr"] else all)(each):
            return "no data"
        return None if any(any(numbers) for numbers in each) else "only 0"


def test_every_question_has_an_answer(module_stage, tmp_path):
    begin = time.time()
    fleet = Eventful(module_stage, tmp_path)
    fleet.happen()
    happened = time.time()
    viewer = Viewer(fleet.prometheus, begin)
    variables = {name: viewer.variables(name) for name in NAMES}
    assert len(variables["overview"]["instance"]) == 2
    assert variables["overview"]["pool"] == [
        "many", "nameless", "single", "spare", "text"]
    assert len(variables["overview"]["endpoint"]) == 47
    asked = list(targets())
    open_ = {number: None for number in range(len(asked))}

    def all_answered():
        for number in list(open_):
            name, title, target = asked[number]
            open_[number] = viewer.lacks(target, variables[name])
            if open_[number] is None:
                del open_[number]
        return not open_

    try:
        wait_for(all_answered, "every question to be answered", 60, interval=0.5)
    except AssertionError:
        wrong = [f"{asked[n][0]}, {asked[n][1]}: {why}: {asked[n][2]['expr']}"
                 for n, why in open_.items()]
        raise AssertionError("\n".join(wrong)) from None
    exemplars = fleet.prometheus.api(
        "/api/v1/query_exemplars?query=steelyard_request_duration_seconds_bucket"
        f"&start={begin}&end={time.time()}")
    assert {"trace_id"} == {key for one in exemplars for found in one["exemplars"]
                            for key in found["labels"]}
    print(f"{len(asked)} questions answered; all had happened after {happened - begin:.1f} s, "
          f"all were answered after {time.time() - begin:.1f} s")


def test_the_documentation_explains_every_row_and_no_other():
    text = (ROOT / "docs/dashboards.md").read_text()
    sections = {"overview": "Overview", "weights": "Weights", "endpoints": "Endpoints",
                "process": "Controller and process"}
    for name, title in sections.items():
        section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
        explained = re.findall(r"^\| ([^|]+) \| [A-Z]", section, re.M)
        rows = [panel["title"] for panel in DASHBOARDS[name]["panels"] if panel["type"] == "row"]
        assert explained == rows


def test_the_examples_for_grafana_say_what_its_files_say():
    folder = ROOT / "config/grafana/provisioning"
    source = (folder / "datasources/prometheus.yml").read_text()
    assert re.search(r"^apiVersion: 1\ndatasources:\n  - name: \w+\n    type: prometheus$", source,
                     re.M)
    provider = (folder / "dashboards/steelyard.yml").read_text()
    path = re.search(r"^    options:\n      path: (\S+)$", provider, re.M)[1]
    documentation = (ROOT / "docs/dashboards.md").read_text()
    assert f"`{path}/`" in documentation and "`--enable-feature=exemplar-storage`" in documentation


def test_every_alert_of_the_rules_is_shown_where_it_fires():
    rules = (ROOT / "config/prometheus/alerts.yml").read_text()
    alerts = re.findall(r"^ +- alert: (\w+)$", rules, re.M)
    [table] = [panel for panel in panels("overview") if panel["title"] == "Firing alerts"]
    shown = re.search(r'alertname=~"([^"]+)"', table["targets"][0]["expr"])[1]
    assert len(alerts) > 20 and [one for one in alerts if not re.fullmatch(shown, one)] == []
