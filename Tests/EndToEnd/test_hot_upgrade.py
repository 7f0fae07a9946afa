"""Another process of the program replaces the running one: nothing that clients see fails, whatever
happens to either of them."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import minimal
from endpoints import Held, echo, text
from generations import Clients, Generations, engine, is_refused
from programs import free_port, wait_for
from tunnels import open_raw, pipe_endpoint

OK, REFUSED = 0, 65

# What a new program may be that is none, by the reason that is told.
BROKEN = {
    "it ends at once": ("#!/bin/sh\nexit 7\n", "before it said anything: exit code 7"),
    "it is killed": ("#!/bin/sh\nkill -9 $$\n", "before it said anything: signal 9"),
    "it is no program": ("no program at all", "cannot be started"),
}
# A successor in Python up to some step of the protocol.
FAKE = """#!/usr/bin/python3 -IS
import json, os, socket, struct, sys, time
channel = socket.socket(fileno=int(os.environ["STEELYARD_UPGRADE"]))
def send(kind, content):
    data = json.dumps(content).encode()
    channel.sendall(struct.pack("<BBHI", kind, 0, 0, len(data)) + data)
def hello(version=1):
    send(1, {"version": version, "program": "fake"})
"""


def start(stage, configuration=None, answer=text(), **options):
    configuration = configuration or minimal([stage.endpoint(answer).address])
    return stage.keep(Generations(
        stage.directory / f"generations-{len(stage.running)}", configuration, **options))


def echo_lines(exchange):
    while True:
        exchange.send(exchange.line() + b"\r\n")


def says(connection, line):
    connection.send(line + b"\r\n")
    return connection.line() == line


@pytest.mark.parametrize("workers", [1, 3])
def test_upgrades_under_load_lose_nothing(stage, workers):
    steelyard = start(stage, minimal([stage.endpoint(engine).address]) | {"workers": workers})
    first = steelyard.in_charge
    clients = Clients(steelyard.address, threads=2, streams=2)
    seen = [first]
    for _ in range(5):
        clients.wait_for_more()
        done = steelyard.upgrade()
        assert done.returncode == OK, done.stderr
        seen.append(steelyard.in_charge)
        assert f"process {seen[-2]} (steelyard" in done.stdout
        assert f"is replaced by process {seen[-1]} " in done.stdout
    clients.wait_for_more()
    assert clients.stop() == []
    assert len(set(seen)) == 6
    assert all(clients.count.values()), clients.count
    for process in seen[:-1]:
        steelyard.wait_for_end(process)
    assert steelyard.processes() == [seen[-1]]


def test_what_runs_goes_on_in_the_old_process(stage):
    """A stream, a tunnel, and a client that is idle and has been told nothing."""
    held = Held()
    endpoints = {"held": stage.endpoint(held), "tunnel": stage.endpoint(pipe_endpoint(echo_lines)),
                 "plain": stage.endpoint(echo)}
    configuration = minimal([endpoints["plain"].address])
    configuration["pools"] |= {
        name: {"endpoints": [endpoints[name].address]} for name in ("held", "tunnel")}
    configuration["listeners"] += [
        {"listen": "127.0.0.1:0", "pool": name} for name in ("held", "tunnel")]
    steelyard = start(stage, configuration)
    old = steelyard.in_charge
    idle, stream = steelyard.connect(), None
    assert idle.exchange("GET", "/").status == 200
    unused = steelyard.connect()
    with socket.create_connection(steelyard.addresses[1]) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert held.begun.wait(10)
        tunnel = open_raw(_At(steelyard, 2))
        assert says(tunnel, b"before")
        assert steelyard.upgrade().returncode == OK
        assert old in steelyard.processes() and steelyard.in_charge != old
        assert says(tunnel, b"after")
        # Both connections are the old process's: their next answer is their last.
        for connection in (idle, unused):
            answer = connection.exchange("GET", "/")
            assert answer.status == 200 and answer.one("Connection") == "close"
            assert connection.is_closed()
        held.release.set()
        stream = b""
        while not stream.endswith(b"0\r\n\r\n"):
            data = raw.recv(65536)
            assert data, stream
            stream += data
    assert b"first " in stream and b"second" in stream
    assert says(tunnel, b"still")
    assert steelyard.state["previous"]["id"] == old
    tunnel.close()
    steelyard.wait_for_end(old)
    wait_for(lambda: "previous" not in steelyard.state, "its end to be noticed")
    assert steelyard.get("/").status == 200


class _At:
    """A listener of several."""

    def __init__(self, steelyard, index):
        from wire import Connection
        self.connect = lambda **options: Connection(steelyard.addresses[index], **options)


def test_the_drain_has_an_end(stage):
    configuration = minimal([stage.endpoint(pipe_endpoint(echo_lines)).address])
    steelyard = start(stage, configuration | {"upgrade": {"drain_timeout": "500ms"}})
    old = steelyard.in_charge
    tunnel = open_raw(steelyard)
    assert says(tunnel, b"before")
    assert steelyard.upgrade().returncode == OK
    assert tunnel.is_closed()
    steelyard.wait_for_end(old)


def test_a_signal_upgrades(stage):
    steelyard = start(stage)
    old = steelyard.in_charge
    os.kill(old, signal.SIGUSR2)
    wait_for(lambda: steelyard.in_charge != old, "another process")
    steelyard.wait_for_end(old)
    assert steelyard.get("/").status == 200
    for message in ("upgrade begins", "replaced, ending", "in charge",
                    "the replaced process has ended"):
        wait_for(lambda: steelyard.events(message), message)


def goes_on(steelyard, process, clients):
    assert clients.stop() == []
    assert steelyard.processes() == [process]
    assert steelyard.in_charge == process and steelyard.state["phase"] == "failed"
    assert steelyard.get("/").status == 200
    steelyard.restore_program()
    # Nothing is left over that would be in the way of the next one.
    assert steelyard.upgrade().returncode == OK
    assert steelyard.in_charge != process


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_program_changes_nothing(stage, kind):
    script, reason = BROKEN[kind]
    steelyard = start(stage)
    process = steelyard.in_charge
    clients = Clients(steelyard.address)
    steelyard.replace_program(script)
    done = steelyard.upgrade()
    assert done.returncode == REFUSED and reason in done.stderr
    if kind == "it is no program":
        assert steelyard.state["phase"] == "failed"
    goes_on(steelyard, process, clients)


@pytest.mark.parametrize("script, reason", [
    ("time.sleep(1000)", "said nothing in time"),
    ("hello(); time.sleep(1000)", "was not ready in time"),
    ("hello(); os._exit(3)", "ended before it was ready: exit code 3"),
    ("hello(); os.kill(os.getpid(), 9)", "ended before it was ready: signal 9"),
    ("hello(99); time.sleep(1000)", "speaks version 99 of the upgrade protocol"),
    ("send(3, {}); time.sleep(1000)", "does not follow the upgrade protocol"),
    ("hello(); send(2, {'exitCode': 78, 'lines': ['no luck']}); time.sleep(1000)", "no luck"),
    ("channel.close(); time.sleep(1000)", "before it said anything"),
    ("channel.sendall(b'\\xff' * 100); time.sleep(1000)", "before it said anything"),
], ids=["silent", "slow", "ends", "killed", "other version", "disorder", "refuses", "closes",
        "garbage"])
def test_a_successor_that_fails_at_any_step_changes_nothing(stage, script, reason):
    configuration = minimal([stage.endpoint(text()).address])
    # Its first word takes as long as Python does to start.
    limit = "1s" if reason == "said nothing in time" else "8s"
    steelyard = start(stage, configuration | {"upgrade": {"ready_timeout": limit}})
    process = steelyard.in_charge
    clients = Clients(steelyard.address)
    steelyard.replace_program(FAKE + script + "\n")
    done = steelyard.upgrade()
    assert done.returncode == REFUSED and reason in done.stderr, done.stderr
    steelyard.write(configuration)
    goes_on(steelyard, process, clients)


def test_errors_of_the_file_are_told_and_change_nothing(stage):
    steelyard = start(stage)
    process = steelyard.in_charge
    clients = Clients(steelyard.address)
    before = steelyard.file.read_text()
    steelyard.file.write_text(before.replace('"workers"', '"wrokers"'))
    done = steelyard.upgrade()
    assert done.returncode == REFUSED
    assert "did you mean `workers`" in done.stderr and f"process {process} " in done.stderr
    assert any("wrokers" in event["text"] for event in steelyard.events("upgrade error"))
    steelyard.file.write_text(before)
    goes_on(steelyard, process, clients)


def test_an_address_that_cannot_be_had_changes_nothing(stage):
    with socket.create_server(("127.0.0.1", 0)) as other:
        configuration = minimal([stage.endpoint(text()).address])
        steelyard = start(stage, configuration)
        process = steelyard.in_charge
        clients = Clients(steelyard.address)
        taken = {"listen": "127.0.0.1:%d" % other.getsockname()[1], "pool": "text"}
        steelyard.write(configuration | {"listeners": configuration["listeners"] + [taken]})
        done = steelyard.upgrade()
        assert done.returncode == REFUSED and "cannot listen on" in done.stderr
        steelyard.write(configuration)
        goes_on(steelyard, process, clients)


def slow(stage):
    """A steelyard whose upgrades take until their time is over."""
    configuration = minimal([stage.endpoint(text()).address])
    steelyard = start(stage, configuration | {"upgrade": {"ready_timeout": "20s"}})
    steelyard.replace_program(FAKE + "hello(); time.sleep(1000)\n")
    return steelyard


def begin(steelyard):
    os.kill(steelyard.in_charge, signal.SIGUSR2)
    wait_for(lambda: (steelyard.state.get("next") or {}).get("version"), "a successor's word")


def test_two_upgrades_at_once_are_one(stage):
    steelyard = slow(stage)
    begin(steelyard)
    done = steelyard.upgrade()
    assert done.returncode == REFUSED and "an upgrade is in progress" in done.stderr
    assert steelyard.state["phase"] == "starting"
    reloaded = steelyard.reload()
    assert reloaded.returncode == REFUSED and "an upgrade is in progress" in reloaded.stderr
    os.kill(steelyard.state["next"]["id"], signal.SIGKILL)
    wait_for(lambda: steelyard.state["phase"] == "failed", "the end of the successor")
    assert steelyard.reload().returncode == OK


def test_an_end_during_an_upgrade_ends_both(stage):
    steelyard = slow(stage)
    begin(steelyard)
    os.kill(steelyard.in_charge, signal.SIGTERM)
    wait_for(lambda: steelyard.processes() == [], "the end of both", 15)
    assert steelyard.process.wait() == OK


def test_no_upgrade_begins_while_ending(stage):
    held = Held()
    steelyard = start(stage, answer=held)
    process = steelyard.in_charge
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert held.begun.wait(10)
        os.kill(process, signal.SIGTERM)
        wait_for(lambda: steelyard.admin_status("/readyz") == 503, "its end to begin")
        done = steelyard.upgrade()
        assert done.returncode == REFUSED and "steelyard is ending" in done.stderr
        held.release.set()
        assert connection.read_response().content == b"first second"
    wait_for(lambda: steelyard.processes() == [], "its end")


def test_an_old_process_that_is_killed_leaves_the_new_one_serving(stage):
    steelyard = start(stage, answer=pipe_endpoint(echo_lines))
    old = steelyard.in_charge
    tunnel = open_raw(steelyard)
    assert says(tunnel, b"before")
    assert steelyard.upgrade().returncode == OK
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: "previous" not in steelyard.state, "its end to be noticed")
    assert steelyard.admin_status("/readyz") == 200
    assert steelyard.upgrade().returncode == OK


def test_an_end_of_the_new_process_waits_for_the_old_one(stage):
    held = Held()
    steelyard = start(stage, answer=held)
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert held.begun.wait(10)
        assert steelyard.upgrade().returncode == OK
        new = steelyard.in_charge
        os.kill(new, signal.SIGTERM)
        wait_for(lambda: steelyard.events("ending"), "the new process to begin its end")
        for _ in range(20):
            assert new in steelyard.processes()
        held.release.set()
        assert connection.read_response().content == b"first second"
    wait_for(lambda: steelyard.processes() == [], "the end of both")
    assert is_refused(steelyard.address)


def test_what_needs_a_restart_takes_effect(stage):
    configuration = minimal([stage.endpoint(engine).address])
    steelyard = start(stage, configuration | {"workers": 2})
    clients = Clients(steelyard.address, threads=2)
    for workers, connections in ((4, 400), (1, 300), (3, 500)):
        steelyard.write(
            configuration | {"workers": workers, "limits": {"connections": connections}})
        assert steelyard.upgrade().returncode == OK
        names = [(task / "comm").read_text() for task in
                 Path(f"/proc/{steelyard.in_charge}/task").iterdir()]
        assert sum(name.startswith("worker-") for name in names) == workers
        limit = steelyard.metrics().sum("steelyard_connections_limit")
        assert limit == workers * connections
    assert clients.stop() == []


def test_a_listener_that_goes_and_one_that_comes(stage):
    configuration = minimal([stage.endpoint(text()).address])
    more = configuration | {"listeners": [
        *configuration["listeners"], {"listen": "127.0.0.1:0", "pool": "text"}]}
    steelyard = start(stage, more)
    stays, goes = steelyard.addresses
    steelyard.write(configuration)
    old = steelyard.in_charge
    assert steelyard.upgrade().returncode == OK
    steelyard.wait_for_end(old)
    assert steelyard.get("/").status == 200 and is_refused(goes)
    assert stays == steelyard.address


def test_agent_checks_go_on(stage):
    agent = ("127.0.0.1", free_port())
    configuration = minimal([stage.endpoint(text()).address])
    steelyard = start(stage, configuration | {"agent_check": {"listen": "%s:%d" % agent}})

    def ask():
        with socket.create_connection(agent, timeout=10) as connection:
            connection.sendall(b"text %s\n" % configuration["pools"]["text"]["endpoints"][0].encode())
            return connection.recv(100)

    before = ask()
    assert before.strip()
    assert steelyard.upgrade().returncode == OK
    assert ask() == before


def counters(steelyard):
    """The value of every sample of a counter or histogram."""
    lines = steelyard.admin_get("/metrics").content.decode().splitlines()
    types = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE")}
    found = {}
    for line in lines:
        if line.startswith("#"):
            continue
        head, value = line.rsplit(" ", 1)
        name = head.split("{")[0]
        for ending in ("", "_bucket", "_sum", "_count"):
            family = name.removesuffix(ending) if name.endswith(ending) else name
            if types.get(family) in ("counter", "histogram"):
                found[head] = float(value)
    return found


def test_no_counter_goes_back(stage):
    endpoint = stage.endpoint(engine)
    configuration = minimal([endpoint.address])
    steelyard = start(stage, configuration)
    clients = Clients(steelyard.address, threads=1, streams=1)
    last = counters(steelyard)
    for _ in range(4):
        assert steelyard.upgrade().returncode == OK
        for _ in range(5):
            now = counters(steelyard)
            back = {head: (value, now.get(head)) for head, value in last.items()
                    if now.get(head, -1) < value}
            assert not back
            last = now
    assert clients.stop() == []
    done = sum(clients.count.values())
    for process in steelyard.processes():
        if process != steelyard.in_charge:
            steelyard.wait_for_end(process)

    def requests():
        return steelyard.metrics().sum("steelyard_requests_total")

    # None is counted twice, and none that ran in an old process is missing.
    wait_for(lambda: requests() >= done, f"{done} requests to be counted")
    assert requests() == done


def status(steelyard):
    return json.loads(steelyard.admin_get("/api/v1/pools").content)["pools"]


def order(steelyard, *words):
    host, port = steelyard.admin
    done = subprocess.run(
        [steelyard.program, *words, "--admin", f"{host}:{port}"], capture_output=True, text=True,
        timeout=30)
    assert done.returncode == OK, done.stderr


def test_orders_go_on(stage):
    endpoints = [stage.endpoint(text(name)) for name in (b"a", b"b", b"c")]
    steelyard = start(stage, minimal([one.address for one in endpoints]))
    pinned, drained, scaled = (one.address for one in endpoints)
    order(steelyard, "weights", "pin", pinned, "0.25", "--for", "1h")
    order(steelyard, "drain", drained)
    order(steelyard, "weights", "scale", scaled, "0.5")
    order(steelyard, "weights", "set", "text", "floor=0.2")

    def weights():
        (pool,) = status(steelyard)
        return [(one["effective_weight"], one["state"]) for one in pool["endpoints"]]

    wait_for(lambda: weights() == [(0.25, "ready"), (1, "draining"), (0.5, "ready")], "the orders")
    before = status(steelyard)
    assert steelyard.upgrade().returncode == OK
    wait_for(lambda: status(steelyard) == before, "the same state")
    assert b"b" not in {steelyard.get("/").content for _ in range(20)}


def test_a_bucket_that_is_empty_stays_empty(stage):
    configuration = minimal([stage.endpoint(text()).address])
    configuration["pools"]["text"]["rate_limits"] = [
        {"rate": "2/h", "burst": 3, "key": "client_ip"}]
    steelyard = start(stage, configuration)
    assert [steelyard.get("/").status for _ in range(4)] == [200, 200, 200, 429]
    assert steelyard.upgrade().returncode == OK
    assert steelyard.get("/").status == 429


def test_an_ejection_goes_on(stage):
    refused = socket.create_server(("127.0.0.1", 0))
    address = "127.0.0.1:%d" % refused.getsockname()[1]
    refused.close()
    configuration = minimal([address, stage.endpoint(text()).address])
    steelyard = start(stage, configuration)

    def is_ejected():
        steelyard.get("/")
        return steelyard.metrics().sum(
            "steelyard_endpoint_eligibility", endpoint=address, state="ejected")

    wait_for(is_ejected, "an ejection")
    assert steelyard.upgrade().returncode == OK
    # The new process has had no request that could have failed.
    assert steelyard.metrics().sum(
            "steelyard_endpoint_eligibility", endpoint=address, state="ejected") == 1
    assert steelyard.get("/").status == 200
