"""Live tuning by the admin API and the command line: at once, without a reload, with a trace."""

import json

import fleets
import pytest
from programs import run_steelyard, wait_for
from wire import Connection

OK, USAGE, REFUSED, UNAVAILABLE = 0, 64, 65, 69


class Fleet(fleets.Fleet):
    def rows(self):
        (pool,) = json.loads(self.said("weights", "--json"))["pools"]
        return pool["endpoints"]

    def answers(self, count=40):
        return super().answers(fleets.plain(count))


@pytest.fixture
def fleet(stage):
    return Fleet(stage, balance="round_robin")


def test_a_drained_endpoint_gets_nothing_until_it_is_taken_back(fleet):
    assert set(fleet.answers()) == {b"one", b"two"}
    done = fleet.cli("drain", fleet.addresses[0])
    assert (done.returncode, done.stdout) == (OK, "drain: in force\n")
    wait_for(lambda: fleet.rows()[0]["state"] == "draining", "the drain")
    assert set(fleet.answers()) == {b"two"}
    assert fleet.cli("drain", fleet.addresses[0], "--undo").returncode == OK
    wait_for(lambda: fleet.rows()[0]["state"] == "ready", "its end")
    wait_for(lambda: set(fleet.answers()) == {b"one", b"two"}, "both to answer")
    actions = [event["action"] for event in fleet.steelyard.events("tuning")]
    assert actions == ["drain", "reset"]


def test_a_pin_steers_and_ends_by_itself(fleet):
    assert fleet.cli("weights", "pin", fleet.addresses[0], "9", "--for", "1h").returncode == OK
    row = wait_for(
        lambda: next((row for row in fleet.rows() if row["effective_weight"] == 9), None), "the pin")
    assert row["reason"] == "pinned"
    answers = fleet.answers(100)
    assert answers.count(b"one") >= 85
    page = fleet.steelyard.metrics()
    labels = {"pool": "text", "endpoint": fleet.addresses[0], "reason": "pinned"}
    assert page.value("steelyard_endpoint_weight_reason", **labels) == 1
    assert fleet.cli("weights", "pin", fleet.addresses[0], "9", "--for", "1s").returncode == OK
    wait_for(lambda: fleet.rows()[0]["reason"] != "pinned", "its end")
    wait_for(lambda: fleet.steelyard.events("tuning expired"), "a line in the log")


def test_an_endpoint_is_called_by_its_name(stage):
    fleet = Fleet(stage, rows=[
        {"name": "first", "labels": {"zone": "a"}}, {"name": "second"}], balance="round_robin")
    assert f"{fleet.addresses[0]} first " in fleet.said("weights")
    assert [row.get("labels") for row in fleet.rows()] == [{"zone": "a"}, None]
    assert f"\n{fleet.addresses[1]} second: weight " in fleet.said("explain", "text")
    fleet.said("drain", "first")
    wait_for(lambda: fleet.rows()[0]["state"] == "draining", "the drain")
    assert set(fleet.answers()) == {b"two"}
    wait_for(lambda: [
        event["name"] for event in fleet.steelyard.events("tuning")] == ["first"], "its name")
    fleet.said("weights", "reset", "first")
    fleet.said("weights", "pin", "second", "7")
    wait_for(lambda: fleet.rows()[1]["effective_weight"] == 7, "the pin")
    fleet.said("weights", "reset", "text")
    done = fleet.cli("drain", "third")
    assert (done.returncode, done.stderr) == (REFUSED, "steelyard: no pool has an endpoint third\n")
    done = fleet.cli("weights", "reset", "third")
    assert done.returncode == REFUSED and "third" in done.stderr
    status = wait_for(lambda: json.loads(
        fleet.steelyard.admin_get("/api/v1/status").content).get("pools"), "the first reading")
    assert [one["name"] for one in status[0]["endpoints"]] == ["first", "second"]
    info = fleet.steelyard.metrics().series("steelyard_endpoint_info", label_zone="a")
    assert [labels["name"] for labels, _ in info] == ["first"]
    assert fleet.said("completion", "endpoints").split() == [
        fleet.addresses[0], "first", fleet.addresses[1], "second"]


def test_orders_that_make_no_sense_are_refused_and_say_why(fleet):
    for words, code, part in [
        (("weights", "pin", "10.9.9.9:1", "2"), REFUSED, "no pool has an endpoint"),
        (("weights", "pin", fleet.addresses[0], "1e9"), REFUSED, "weight must be a number"),
        (("weights", "pin", fleet.addresses[0], "nan"), REFUSED, "weight must be a number"),
        (("weights", "pin", fleet.addresses[0], "2", "--for", "soon"), USAGE, "--for takes a time"),
        (("weights", "set", "text", "law=steps"), REFUSED, "no signal to read"),
        (("weights", "set", "text", "law=best"), REFUSED, "law is one of"),
        (("weights", "set", "text", "speed=3"), REFUSED, "set what?"),
        (("weights", "freeze", "nix"), REFUSED, "there is no pool nix"),
        (("explain", "nix"), REFUSED, "there is no pool nix"),
        (("weights", "juggle"), USAGE, "not juggle"),
        (("weights", "pin", "x", "1", "--fro", "1s"), USAGE, "unknown option --fro"),
    ]:
        done = fleet.cli(*words)
        assert (done.returncode, done.stdout) == (code, ""), words
        assert part in done.stderr, (words, done.stderr)
    assert fleet.steelyard.events("tuning") == []


def test_nobody_at_the_admin_address_is_said_so():
    done = run_steelyard("weights", "--admin", "127.0.0.1:1")
    assert done.returncode == UNAVAILABLE
    assert "nobody answers at 127.0.0.1:1" in done.stderr


def test_an_explanation_goes_from_requests_to_the_weight(fleet):
    fleet.answers(60)
    wait_for(
        lambda: "own view" in fleet.cli("explain", "text", "--verbose").stdout, "evidence")
    said = fleet.cli("explain", "--verbose").stdout
    for part in ("pool text: law capacity", "mean response", fleet.addresses[1], "law "):
        assert part in said


def test_dry_run_shows_what_the_law_would_do_and_does_not(stage):
    fleet = Fleet(stage, weights={"dry_run": True})
    assert {row["reason"] for row in fleet.rows()} <= {"dry_run", "blackout"}
    fleet.answers(20)
    wait_for(lambda: fleet.rows()[0]["reason"] == "dry_run", "the dry run")
    assert [row["effective_weight"] for row in fleet.rows()] == [1, 1]
    assert fleet.cli("weights", "set", "text", "dry_run=false").returncode == OK
    wait_for(lambda: fleet.rows()[0]["reason"] == "law", "the law")


@pytest.mark.parametrize(
    "line, fields, status",
    [
        ("POST /api/v1/pools/text/freeze", {}, 200),
        ("POST /api/v1/pools/text/freeze", {"Origin": "http://evil.example"}, 403),
        ("POST /api/v1/pools/te%78t/freeze?for=1s", {}, 200),
        ("POST /api/v1/pools/text/freeze?for=1s&for=2s", {}, 400),
        ("POST /api/v1/pools/text/freeze?colour=red", {}, 400),
        ("POST /api/v1/pools/%FF%00/freeze", {}, 400),
        ("POST /api/v1/pools", {}, 405),
        ("POST /api/v1/pools/text/endpoints/1:2:3/drain", {}, 404),
        ("POST /metrics", {}, 405),
        ("PUT /api/v1/pools/text/freeze", {}, 405),
        ("GET /api/v1/pools/text/freeze", {}, 405),
        ("GET /api/v1/", {}, 404),
    ],
)
def test_the_api_answers_strange_requests_with(fleet, line, fields, status):
    method, target = line.split(" ", 1)
    with Connection(fleet.steelyard.admin) as connection:
        response = connection.exchange(method, target, fields=list(fields.items()))
        assert response.status == status, response.content
