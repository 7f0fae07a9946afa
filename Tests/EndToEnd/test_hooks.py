"""Hooks: real commands and a real HTTP server, and what goes wrong with them."""

import http.server
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from conftest import minimal
from endpoints import text
from programs import free_port, wait_for
from wire import Connection


def health(**more):
    return {"health": {"interval": "500ms", "timeout": "400ms", "fall": 1, "rise": 1} | more}


def with_hooks(addresses, *hooks, **pool):
    return minimal(addresses, **health(), **pool) | {"hooks": list(hooks)}


def script(directory, name, body):
    file = Path(directory) / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


def runs(steelyard, event, outcome):
    return steelyard.metrics().value("steelyard_hook_runs_total", event=event, outcome=outcome)


def dead():
    return f"127.0.0.1:{free_port()}"


def test_a_command_gets_what_happened_word_by_word(stage, tmp_path):
    record = tmp_path / "record"
    hostile = "$(touch /tmp/never) `id` ; \"quoted\" 'x' {pool} * \\"
    # No shell looks at them: NUL ends each word.
    command = script(tmp_path, "record.sh", f"printf '%s\\0' \"$@\" > {record}.new; "
                     f"env | sort > {record}.env; readlink /proc/$$/fd/0 >> {record}.env; "
                     f"mv {record}.new {record}; echo first; echo second")
    address = dead()
    steelyard = stage.steelyard(
        with_hooks([address],
                   {"on": ["endpoint_unhealthy"],
                    "run": [command, "{event}", "{endpoint}", hostile, "", "a{reason}b"]}),
        environment={"SECRET": "do not tell"})
    wait_for(record.exists, "the record")
    words = record.read_bytes().decode().split("\0")[:-1]
    assert words == ["endpoint_unhealthy", address, hostile.replace("{pool}", "text"), "",
                     "arefusedb"]
    environment = Path(f"{record}.env").read_text().splitlines()
    host, port = address.split(":")
    for line in ["STEELYARD_EVENT=endpoint_unhealthy", "STEELYARD_POOL=text",
                 f"STEELYARD_ENDPOINT={address}", f"STEELYARD_HOST={host}",
                 f"STEELYARD_PORT={port}", "STEELYARD_REASON=refused", "/dev/null"]:
        assert line in environment
    assert not any("SECRET" in line for line in environment)
    (done,) = wait_for(lambda: steelyard.events("hook done"), "its end")
    assert done["output"] == "first\nsecond" and done["endpoint"] == address
    (started,) = steelyard.events("hook started")
    assert started["action"] == command
    assert runs(steelyard, "endpoint_unhealthy", "ok") == 1


def test_a_webhook_gets_json(stage):
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, dict(self.headers), json.loads(content)))
            self.send_response(204 if self.path == "/good" else 500)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.server_port}"
    address = dead()
    event = {"on": ["endpoint_unhealthy"]}
    try:
        steelyard = stage.steelyard(with_hooks(
            [address], event | {"post": url + "/good"}, event | {"post": url + "/bad"},
            event | {"post": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout": "300ms"},
            event | {"post": f"http://{dead()}/"}, {"on": ["config_reloaded"], "post": url + "/good"}))
        wait_for(lambda: len(steelyard.events("hook failed")) == 2
                 and steelyard.events("hook timed out") and steelyard.events("hook done"), "all")
        path, fields, content = next(each for each in got if each[0] == "/good")
        assert fields["Content-Type"] == "application/json"
        assert fields["User-Agent"].startswith("steelyard/")
        assert content.pop("time") > 1_700_000_000
        assert content == {"event": "endpoint_unhealthy", "pool": "text", "endpoint": address,
                           "reason": "refused"}
        assert {each["reason"] for each in steelyard.events("hook failed")} == {
            "status 500", "Connection refused"}
        assert [runs(steelyard, "endpoint_unhealthy", each)
                for each in ("ok", "failed", "timeout", "dropped")] == [1, 2, 1, 0]
        steelyard.send_signal(signal.SIGHUP)
        wait_for(lambda: runs(steelyard, "config_reloaded", "ok"), "the reload's")
        assert got[-1][2]["pool"] is None and got[-1][2]["endpoint"] is None
    finally:
        server.shutdown()
        server.server_close()
        silent.close()


def test_webhooks_that_reach_nobody_cost_no_memory_for_ever(stage):
    hook = {"on": ["config_reloaded"], "post": f"http://{dead()}/", "cooldown": "0s",
            "concurrency": 16}
    address = stage.endpoint(text()).address
    steelyard = stage.steelyard(minimal([address]) | {"hooks": [hook] * 16})

    def fail(count):
        with Connection(steelyard.admin) as admin:
            while runs(steelyard, "config_reloaded", "failed") < count:
                for _ in range(8):
                    assert admin.exchange("POST", "/api/v1/reload").status == 200

    fail(600)
    before = steelyard.rss_bytes()
    fail(2_400)
    assert steelyard.rss_bytes() < before + (3 << 20)


def test_what_hangs_is_ended_with_its_children(stage, tmp_path):
    pids = tmp_path / "pids"
    command = script(tmp_path, "hang.sh", f"""
trap '' TERM
for i in 1 2 3; do (trap '' TERM; sleep 1000) & echo $! >> {pids}.new; done
echo $$ >> {pids}.new
mv {pids}.new {pids}
sleep 1000""")
    steelyard = stage.steelyard(with_hooks(
        [dead()], {"on": ["endpoint_unhealthy"], "run": [command], "timeout": "500ms"}))
    wait_for(pids.exists, "the processes")
    (late,) = wait_for(lambda: steelyard.events("hook timed out"), "the time-out")
    assert late["level"] == "warning" and float(late["seconds"]) >= 0.5
    wait_for(lambda: not any(alive(pid) for pid in pids.read_text().split()), "their end")
    assert runs(steelyard, "endpoint_unhealthy", "timeout") == 1
    children = Path(f"/proc/{steelyard.pid}/task/{steelyard.pid}/children").read_text()
    assert children == ""
    assert steelyard.get("/").status in (502, 503)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_storm_of_events_is_bounded(stage, tmp_path):
    """Forty endpoints go at once, one command at a time: one runs, sixteen wait, the others are
    dropped; the data plane goes on."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = script(tmp_path, "wait.sh", f"echo >> {tmp_path}/begun; cat {gate} > /dev/null")
    configuration = with_hooks(
        [dead() for _ in range(40)],
        {"on": ["endpoint_unhealthy"], "run": [command], "timeout": "1h"})
    # Without checks: on a busy machine one of them may be late.
    configuration["pools"]["good"] = {"endpoints": [stage.endpoint(text()).address]}
    configuration["listeners"][0]["pool"] = "good"
    steelyard = stage.steelyard(configuration)
    wait_for(lambda: runs(steelyard, "endpoint_unhealthy", "dropped") == 40 - 1 - 16,
             "those that have no room")
    wait_for(lambda: len(steelyard.events("hook dropped")) == 23, "the log")
    wait_for((tmp_path / "begun").exists, "the one that runs")
    assert all(steelyard.get("/").status == 200 for _ in range(5))
    # An end on demand: the running one is told, none begins.
    steelyard.send_signal(signal.SIGTERM)
    assert steelyard.wait(30) == 0
    assert (tmp_path / "begun").read_text() == "\n"
    (failed,) = steelyard.events("hook failed")
    assert failed["reason"] == "ending"


def test_commands_that_cannot_run_fail_or_flood_are_told(stage, tmp_path):
    flood = script(tmp_path, "flood.sh", "exec yes $(printf '%0200d' 7)")
    escape = script(tmp_path, "escape.sh", "printf '\\033[2J\\n\\000\\377level=error'; exit 7")
    hooks = [{"on": ["endpoint_unhealthy"], "run": [command], "timeout": "1s"}
             for command in ("/nowhere/at/all", escape, flood)]
    steelyard = stage.steelyard(with_hooks([dead()], *hooks))
    wait_for(lambda: len(steelyard.events("hook failed")) == 2
             and steelyard.events("hook timed out"), "all three")
    reasons = {event["reason"]: event for event in steelyard.events("hook failed")}
    assert set(reasons) == {"cannot be started: No such file or directory", "exit 7"}
    assert reasons["exit 7"]["output"] == "\x1b[2J\n\x00\ufffdlevel=error"
    assert "\x1b" not in steelyard.text() and "\x00" not in steelyard.text()
    (late,) = steelyard.events("hook timed out")
    assert 0 < len(late["output"]) <= 1100
    assert steelyard.rss_bytes() < 300 << 20


def test_a_reload_changes_hooks_and_lets_running_ones_end(stage, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = script(tmp_path, "slow.sh", f"cat {gate} > {tmp_path}/ended")
    quick = script(tmp_path, "quick.sh", f"touch {tmp_path}/quick")
    endpoint = stage.endpoint(text())
    address = dead()
    steelyard = stage.steelyard(with_hooks(
        [address, endpoint.address], {"on": ["endpoint_unhealthy"], "run": [slow]}))
    wait_for(lambda: steelyard.events("hook started"), "the slow one")
    steelyard.write(with_hooks(
        [address, endpoint.address], {"on": ["endpoint_draining"], "run": [quick], "pools": ["text"]}))
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: [event["change"] for event in steelyard.events("configuration change")]
             == ["hooks changed"], "the reload")
    with Connection(steelyard.admin) as connection:
        order = f"/api/v1/pools/text/endpoints/{endpoint.address}/drain"
        assert connection.exchange("POST", order).status == 200
    wait_for((tmp_path / "quick").exists, "the new one")
    gate.write_text("done")
    wait_for(lambda: runs(steelyard, "endpoint_unhealthy", "ok") == 1, "the old one's end")
    assert (tmp_path / "ended").read_text() == "done"


SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die": os._exit(1)
        self.send_response(200); self.send_header("Content-Length", "5"); self.end_headers()
        self.wfile.write(b"alive")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.allow_reuse_address = True
open(sys.argv[2], "a").write(f"{os.getpid()}\\n")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_an_endpoint_that_dies_is_restarted_and_serves_again(stage, tmp_path):
    """The demonstration: a server that dies is started again by the hook, and takes requests."""
    server = tmp_path / "server.py"
    server.write_text(SERVER)
    port, pids = free_port(), tmp_path / "pids"
    restart = script(
        tmp_path, "restart.sh",
        f'setsid {sys.executable} {server} "$STEELYARD_PORT" {pids} '
        f'< /dev/null > /dev/null 2>&1 & echo "restarted $1"')
    try:
        steelyard = stage.steelyard(with_hooks(
            [f"127.0.0.1:{port}"],
            {"on": ["endpoint_unhealthy", "endpoint_ejected"], "run": [restart, "{endpoint}"],
             "cooldown": "30s"},
            {"on": ["pool_recovered"], "run": [script(
                tmp_path, "back.sh", f"touch {tmp_path}/back")]}, slow_start="0s"))
        # The first start too is the hook's.
        wait_for(lambda: steelyard.get("/").status == 200, "the server")
        (first,) = pids.read_text().split()
        wait_for(lambda: any(each.get("output") == f"restarted 127.0.0.1:{port}"
                             for each in steelyard.events("hook done")), "the hook's own end")
        wait_for((tmp_path / "back").exists, "the word that it is back")
        steelyard.write(with_hooks(
            [f"127.0.0.1:{port}"],
            {"on": ["endpoint_unhealthy"], "run": [restart, "{endpoint}"]}, slow_start="0s"))
        steelyard.send_signal(signal.SIGHUP)
        wait_for(lambda: steelyard.events("configuration reloaded"), "the reload")
        steelyard.get("/die")
        wait_for(lambda: len(pids.read_text().split()) == 2, "the second start")
        response = wait_for(
            lambda: next(iter([one for one in [steelyard.get("/")] if one.status == 200]), None),
            "the server again")
        assert response.content == b"alive"
        assert pids.read_text().split()[-1] != first
    finally:
        for pid in pids.read_text().split() if pids.exists() else []:
            if alive(pid):
                os.kill(int(pid), signal.SIGKILL)
