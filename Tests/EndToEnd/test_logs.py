"""Steelyard's own log: levels, formats, bursts, and a standard error that takes nothing."""

import fcntl
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import programs
import pytest
from conftest import minimal
from endpoints import text
from programs import ROOT, free_port, run_steelyard, wait_for
from wire import Connection

PIPE_BYTES = 4096
LEVELS = ["debug", "info", "warning", "error"]


def log(level="info", format="logfmt"):
    return {"log": {"level": level, "format": format}}


class Piped:
    """A steelyard whose standard error is what the test makes of it."""

    def __init__(self, directory, configuration, stderr):
        self.admin_port = free_port()
        self.port = free_port()
        configuration |= {
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "listeners": [{"listen": f"127.0.0.1:{self.port}", "pool": "text"}]}
        self.file = Path(directory) / "piped.yaml"
        self.write(configuration)
        self.process = subprocess.Popen(
            [str(programs.BINARY), "serve", str(self.file)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=stderr, preexec_fn=programs._prepare_child)
        wait_for(self.is_ready, "steelyard to be ready")

    def write(self, configuration):
        self.file.write_text(json.dumps(configuration))

    def ask(self, target, method="GET"):
        with Connection(("127.0.0.1", self.admin_port)) as connection:
            return connection.exchange(method, target, host="127.0.0.1")

    def is_ready(self):
        assert self.process.poll() is None
        try:
            return self.ask("/readyz").status == 200
        except OSError:
            return False

    def value(self, sample):
        page = self.ask("/metrics").content.decode()
        return float(re.search(rf"^{re.escape(sample)} (\S+)$", page, re.M)[1])

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)


def piped(stage, directory, stderr, **more):
    endpoint = stage.endpoint(text())
    one = Piped(directory, minimal([endpoint.address]) | more, stderr)
    one.endpoint = endpoint.address
    return stage.keep(one)


def test_json_lines_are_json_and_levels_hold(stage):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(minimal([endpoint.address]))
    steelyard.write(minimal([endpoint.address]) | log("info", "json"))
    steelyard.send_signal(signal.SIGHUP)
    lines = wait_for(
        lambda: [line for line in steelyard.text().splitlines() if line.startswith("{")], "JSON")
    reloaded = json.loads(lines[0])
    assert reloaded["msg"] == "configuration reloaded" and reloaded["changes"] == 1
    assert reloaded["level"] == "info" and re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", reloaded["time"])
    wait_for(lambda: "configuration change" in steelyard.text(), "the change")
    steelyard.write(minimal([endpoint.address]) | log("error", "json"))
    steelyard_post(steelyard, "/api/v1/reload")
    metric = "steelyard_log_lines_total"
    before = steelyard.metrics().value(metric, level="info")
    assert before > 0
    for weight in (2, 3):
        steelyard_post(steelyard, f"/api/v1/pools/text/endpoints/{endpoint.address}/pin?weight={weight}")
    after = steelyard.metrics()
    assert after.value(metric, level="info") == before
    # A refused reload is an error: with every line of what is wrong, each in one line.
    steelyard.write("pools: \x1b\n")
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: "reload refused" in steelyard.text(), "the refusal")
    for line in steelyard.text().splitlines():
        if line.startswith("{"):
            assert json.loads(line)["level"] in LEVELS
    assert "\x1b" not in steelyard.text()
    assert steelyard.metrics().value(metric, level="error") >= 2


def steelyard_post(steelyard, target):
    with Connection(steelyard.admin) as connection:
        assert connection.exchange("POST", target).status == 200


def test_a_burst_of_one_kind_is_cut_and_told(stage):
    many = [f"127.0.0.1:{free_port()}" for _ in range(60)]
    steelyard = stage.steelyard(minimal(
        many, health={"interval": "500ms", "timeout": "400ms", "fall": 1}))
    metric = "steelyard_log_suppressed_total"
    wait_for(lambda: steelyard.metrics().value(metric) >= 60 - 32, "lines too many")
    assert len(steelyard.events("eligibility changed")) == 32
    (told,) = wait_for(
        lambda: [event for event in steelyard.events("lines suppressed")
                 if event["of"] == "eligibility changed"], "the word of it")
    assert int(told["count"]) == 60 - 32 and told["level"] == "warning"
    (none,) = steelyard.events("no endpoint is ready")
    assert none["are"] == "60 unhealthy" and none["level"] == "error"


def test_a_pipe_that_nobody_reads_holds_nothing_up(stage, tmp_path):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    load = {"value": 0.1}
    page = stage.endpoint(lambda exchange: exchange.answer(
        b'{"cpu_usage": %d, "memory_usage": 40}' % (100 * load["value"])))
    steelyard = Piped(tmp_path, minimal(
        [page.address], weights={"law": "headroom", "scrape": [{"preset": "json"}],
                                 "interval": "200ms"}), writing)
    steelyard.endpoint = page.address
    stage.keep(steelyard)
    os.close(writing)
    # More than pipe and ring hold: orders are never left out of the log.
    dropped = 'steelyard_log_dropped_total{reason="slow"}'
    order = f"/api/v1/pools/text/endpoints/{page.address}/pin?weight=2"

    def flood():
        with Connection(("127.0.0.1", steelyard.admin_port)) as connection:
            for _ in range(250):
                assert connection.exchange("POST", order, host="127.0.0.1").status == 200
        return steelyard.value(dropped)

    wait_for(flood, "lines that have no room", 60)
    # Weights are still made of new numbers and published.
    assert steelyard.ask(order.replace("pin?weight=2", "reset"), "POST").status == 200
    before = steelyard.value("steelyard_weight_table_revision")
    scrapes = len(page.requests)
    load["value"] = 0.99
    wait_for(lambda: steelyard.value("steelyard_weight_table_revision") > before
             and len(page.requests) > scrapes, "another table")
    # Who reads at last gets whole lines, and the word of those that are lost.
    seen = bytearray()

    def told():
        seen.extend(os.read(reading, 1 << 16))
        return b"lines lost" in seen

    wait_for(told, "the word of what is lost", interval=0)
    lines = seen.decode().splitlines()
    assert all(line.startswith("time=") for line in lines[:-1])
    # It ends although nobody reads again.
    steelyard.process.send_signal(signal.SIGTERM)
    assert steelyard.process.wait(30) == 0
    os.close(reading)


@pytest.mark.parametrize("kind", ["closed pipe", "closed", "full disk"])
def test_a_standard_error_that_fails_is_counted(stage, tmp_path, kind):
    if kind == "full disk":
        target = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, target = os.pipe()
        os.close(reading)
    steelyard = piped(stage, tmp_path, target) if kind != "closed" else closed(stage, tmp_path)
    os.close(target)
    dropped = 'steelyard_log_dropped_total{reason="failing"}'
    order = f"/api/v1/pools/text/endpoints/{steelyard.endpoint}/pin?weight=2"

    def flood():
        with Connection(("127.0.0.1", steelyard.admin_port)) as connection:
            for _ in range(250):
                assert connection.exchange("POST", order, host="127.0.0.1").status == 200
        return steelyard.value(dropped)

    wait_for(flood, "lines that fail", 60)
    with Connection(("127.0.0.1", steelyard.port)) as connection:
        assert connection.exchange("GET", "/").status == 200
    steelyard.process.send_signal(signal.SIGTERM)
    assert steelyard.process.wait(30) == 0


def closed(stage, directory):
    """`2>&-`, by a shell that becomes steelyard."""
    endpoint = stage.endpoint(text())
    wrapper = directory / "closed"
    wrapper.write_text(f'#!/bin/sh\nexec "{programs.BINARY}" "$@" 2>&-\n')
    wrapper.chmod(0o755)
    real, programs.BINARY = programs.BINARY, wrapper
    try:
        one = Piped(directory, minimal([endpoint.address]), subprocess.DEVNULL)
    finally:
        programs.BINARY = real
    one.endpoint = endpoint.address
    return stage.keep(one)


def test_before_the_configuration_is_read_errors_are_plain(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("log: {format: json}\n")
    done = run_steelyard("serve", file)
    assert done.returncode == 78 and "error:" in done.stderr and "{\"" not in done.stderr


# What stands in docs/logs.md against what the sources write.

CALL = re.compile(r"\blog\??\.write\(|\bself\.append\(|(?<!func )\bappend\((?=\.\w+, \")"
                  r"|\bTransition\.Line\(")


def calls():
    """Message → (levels, keys), of every call of the log in the sources."""
    found = {}
    rooms = [ROOT / "Sources" / name for name in ("steelyard", "CLI", "Admin", "Events")]
    for file in [file for room in rooms for file in room.rglob("*.swift")]:
        source = file.read_text()
        for match in CALL.finditer(source):
            call = balanced(source, match.end())
            # Two of them where the message is chosen.
            messages = re.findall(r'"((?:[^"\\]|\\.)*)"', call.split("[")[0])
            levels = {word for word in re.findall(r"\.(\w+)", call.split('"')[0])
                      if word in LEVELS}
            if re.match(r"\s*level,", call):
                levels = {"info", "debug"}
            keys = re.findall(r'"(\w+)":', call)
            for message in messages:
                before = found.setdefault(message, (set(), []))
                before[0].update(levels)
                before[1].extend(key for key in keys if key not in before[1])
    return found


def balanced(source, start):
    depth, index = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(source[index], 0)
        index += 1
    return source[start:index - 1]


def test_the_documentation_names_every_message_and_no_other():
    page = (ROOT / "docs/logs.md").read_text().split("### Messages")[1].split("## Hooks")[0]
    documented = {}
    for message, levels, keys in re.findall(
            r"^\| `([^`]+)` \| ([a-z, ]+) \| ([^|]*) \|", page, re.M):
        documented[message] = (set(levels.replace(" ", "").split(",")), re.findall(r"`(\w+)`", keys))
    found = calls()
    assert len(found) > 25
    assert documented == found
