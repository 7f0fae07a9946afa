"""Active checks and model readiness, against endpoints whose answers the test chooses."""

import json
import socket
import threading

import pytest
from conftest import minimal
from programs import free_port, run_steelyard, wait_for

QUICK = {"interval": "200ms", "timeout": "150ms"}


class Checked:
    """An endpoint whose checks and whose other requests are answered apart."""

    def __init__(self, stage, name=b"ok"):
        self.status, self.content, self.fields = 200, b"fine", []
        self.checks = []
        self.name = name
        self.served = 0
        self.stalls = False
        self.one = stage.endpoint(self.answer)
        self.address = self.one.address

    def answer(self, exchange):
        exchange.read_content()
        if exchange.request.target.startswith("/work"):
            self.served += 1
            exchange.answer(self.name)
            return
        self.checks.append(exchange.request)
        if self.stalls:
            threading.Event().wait(2)
        exchange.answer(self.content, self.status, self.fields)


def states(steelyard):
    page = steelyard.metrics()
    return {labels["endpoint"]: labels["state"] for labels, value
            in page.series("steelyard_endpoint_eligibility") if value == 1}


def wait_for_state(steelyard, endpoint, state):
    wait_for(lambda: states(steelyard)[endpoint.address] == state, f"{state}", deadline=30)


def start(stage, *endpoints, **health):
    return stage.steelyard(minimal(
        [one.address for one in endpoints], weights={"law": "static"}, watchdog="none",
        balance="round_robin", health={**QUICK, **health}))


def test_statuses_choose_and_redirects_are_not_followed(stage):
    one, two = Checked(stage), Checked(stage)
    steelyard = start(stage, one, two, path="/up?deep=1", statuses=[200, "204-206"])
    wait_for_state(steelyard, one, "ready")
    assert one.checks[0].target == "/up?deep=1" and one.checks[0].method == "GET"
    assert one.checks[0].one("Host") == one.address
    one.status = 302
    one.fields = [("Location", f"http://{two.address}/followed")]
    wait_for_state(steelyard, one, "unhealthy")
    assert all(check.target == "/up?deep=1" for check in two.checks)
    one.status = 205
    wait_for_state(steelyard, one, "ready")
    page = steelyard.metrics()
    assert page.sum("steelyard_health_failures_total", endpoint=one.address, reason="status") >= 3
    assert page.value("steelyard_health_duration_seconds", endpoint=one.address) > 0
    assert page.value(
        "steelyard_health_last_success_timestamp_seconds", endpoint=one.address) > 1.7e9


def test_method_host_and_headers_are_sent(stage):
    one = Checked(stage)
    steelyard = start(
        stage, one, method="HEAD", host="model.example:80",
        headers={"Authorization": "Bearer a b", "X-Check": "1"})
    wait_for_state(steelyard, one, "ready")
    wait_for(lambda: len(one.checks) > 3, "more checks on the same connection")
    check = one.checks[0]
    assert check.method == "HEAD" and check.one("Host") == "model.example:80"
    assert check.one("Authorization") == "Bearer a b" and check.one("X-Check") == "1"
    # HEAD's Content-Length is no content: the connection goes on.
    assert one.one.connection_count <= 2


@pytest.mark.parametrize("body, good, bad, reason", [
    ({"contains": "all well"}, b"yes, all well!", b"not so well", "content"),
    ({"json": "checks.0.state", "equals": "ok"}, b'{"checks": [{"state": "ok"}]}',
     b'{"checks": [{"state": "down"}]}', "content"),
    ({"json": "ready", "equals": True}, b'{"ready": true}', b"<html>", "content"),
    ({"contains": "x"}, b"x" * 65536, b"x" * 65537, "too_large"),
], ids=["text", "json", "truth", "size"])
def test_content_has_to_say_it(stage, body, good, bad, reason):
    one, two = Checked(stage), Checked(stage)
    one.content = two.content = good
    steelyard = start(stage, one, two, body=body)
    wait_for_state(steelyard, one, "ready")
    one.content = bad
    wait_for_state(steelyard, one, "unhealthy")
    failures = steelyard.metrics().sum(
        "steelyard_health_failures_total", endpoint=one.address, reason=reason)
    assert failures >= 3
    assert states(steelyard)[two.address] == "ready"
    one.content = good
    wait_for_state(steelyard, one, "ready")


def test_tcp_checks_connect_and_ask_nothing(stage):
    one = Checked(stage)
    port = free_port()
    steelyard = stage.steelyard(minimal(
        [one.address, f"127.0.0.1:{port}"], weights={"law": "static"}, watchdog="none",
        health={**QUICK, "type": "tcp"}))
    wait_for_state(steelyard, one, "ready")
    wait_for(lambda: states(steelyard)[f"127.0.0.1:{port}"] == "unhealthy", "refused")
    assert one.one.received_byte_count == 0
    before = one.one.connection_count
    wait_for(lambda: one.one.connection_count > before + 2, "a connection each time")
    with socket.create_server(("127.0.0.1", port)):
        wait_for(lambda: states(steelyard)[f"127.0.0.1:{port}"] == "ready", "accepted")


def test_checks_may_have_a_port_of_their_own(stage):
    one, health = Checked(stage), Checked(stage)
    steelyard = start(stage, one, port=health.one.port)
    wait_for_state(steelyard, one, "ready")
    assert health.checks and not one.checks


def test_the_start_period_forgives_until_the_first_success(stage):
    one = Checked(stage)
    one.status = 503
    steelyard = start(stage, one, start_period="60s")
    wait_for(lambda: len(one.checks) >= 6, "failed checks")
    assert states(steelyard)[one.address] == "starting"
    one.status = 200
    wait_for_state(steelyard, one, "ready")
    one.status = 503
    wait_for_state(steelyard, one, "unhealthy")


def model_status(*versions):
    """TensorFlow Serving's answer, as its api_rest.md shows it."""
    return json.dumps({"model_version_status": [
        {"version": str(version), "state": state,
         "status": {"error_code": "OK", "error_message": ""}}
        for version, state in versions]}, indent=1).encode()


def test_a_model_version_has_to_be_available_before_traffic_comes(stage):
    one, two = Checked(stage, b"one"), Checked(stage, b"two")
    one.content = model_status((1, "AVAILABLE"))
    two.content = model_status((2, "AVAILABLE"), (1, "UNLOADING"))
    steelyard = start(stage, one, two, model={"name": "bert", "version": 2})
    wait_for_state(steelyard, two, "ready")

    def ask(count=20):
        with steelyard.connect() as connection:
            return {connection.exchange("GET", "/work").content for _ in range(count)}

    assert one.checks[0].target == "/v1/models/bert"
    assert states(steelyard)[one.address] == "unhealthy"
    assert ask() == {b"two"} and one.served == 0
    one.content = model_status((2, "LOADING"), (1, "AVAILABLE"))
    wait_for(lambda: len(one.checks) > 8, "more checks")
    assert ask() == {b"two"} and one.served == 0
    one.content = model_status((2, "AVAILABLE"), (1, "UNLOADING"))
    wait_for_state(steelyard, one, "ready")
    assert ask() == {b"one", b"two"}
    # One word of its own is enough.
    failed = steelyard.metrics().sum("steelyard_health_failures_total", endpoint=two.address)
    two.content = model_status((2, "UNLOADING"))
    wait_for_state(steelyard, two, "unhealthy")
    assert ask() == {b"one"}
    assert steelyard.metrics().sum(
        "steelyard_health_failures_total", endpoint=two.address, reason="not_ready") > failed
    for content, reason in [
            (b"<html>", "content"), (b'{"model_version_status": 7}', "content"),
            (b'{"model_version_status": [' + b'{"version": "2"},' * 5000, "too_large"),
            (b"[" * 60000, "content")]:
        one.content = content
        wait_for(lambda reason=reason: steelyard.metrics().sum(
            "steelyard_health_failures_total", endpoint=one.address, reason=reason) >= 1, reason)
    two.content = model_status((2, "AVAILABLE"))
    wait_for_state(steelyard, two, "ready")
    assert ask() == {b"two"}


@pytest.mark.parametrize("health, message", [
    ({"method": "HEAD", "body": {"contains": "x"}}, "the answer to HEAD has no content"),
    ({"type": "tcp", "path": "/x"}, "`path` needs `type: http`"),
    ({"model": {"name": "a"}, "path": "/x"}, "`model` says by itself"),
    ({"statuses": "700"}, "`statuses` must be a status or a range"),
    ({"statuses": []}, "`statuses` needs 1 to 64 items"),
    ({"headers": {"Host": "x"}}, "header `Host` is set by steelyard"),
    ({"headers": {"X": "a\r\nb"}}, "visible ASCII"),
    ({"body": {}}, "`body` needs `contains`, or `json` and `equals`"),
    ({"model": {"name": "a/../b"}}, "the name of a model"),
])
def test_what_makes_no_sense_is_refused(tmp_path, health, message):
    file = tmp_path / "steelyard.yaml"
    file.write_text(json.dumps(minimal(["127.0.0.1:9"], health=health)))
    done = run_steelyard("check", file)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


def test_what_is_printed_loads_again(tmp_path):
    file = tmp_path / "steelyard.yaml"
    file.write_text(json.dumps(minimal(["127.0.0.1:9"], health={
        "port": 81, "method": "POST", "host": "a.b:1", "headers": {"A-b": "c: d"},
        "statuses": [200, "300-399"], "body": {"json": "a.0", "equals": 1.5}})))
    printed = run_steelyard("check", "--print", file)
    assert printed.returncode == 0, printed.stderr
    assert "# default" in printed.stdout and "statuses: [200, 300-399]" in printed.stdout
    file.write_text(printed.stdout)
    again = run_steelyard("check", "--print", file)
    assert again.returncode == 0, again.stderr
    assert again.stdout == printed.stdout.replace(" # default", "")


def test_a_hung_check_times_out_and_traffic_is_not_held_up(stage):
    one, two = Checked(stage), Checked(stage)
    steelyard = start(stage, one, two)
    wait_for_state(steelyard, one, "ready")
    one.stalls = True
    wait_for_state(steelyard, one, "unhealthy")
    assert steelyard.metrics().sum(
        "steelyard_health_failures_total", endpoint=one.address, reason="timeout") >= 3
    assert steelyard.get("/work").status == 200
