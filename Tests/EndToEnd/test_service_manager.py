"""What a service manager is told (sd_notify(3)), with the test in the manager's place: a real
datagram socket, whose name is a path or abstract."""

import ctypes
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from conftest import minimal
from endpoints import Held, text
from generations import Generations
from programs import free_port, wait_for

OK = 0
_libc = ctypes.CDLL(None, use_errno=True)


class Manager:
    """Receives what is sent to NOTIFY_SOCKET, message by message."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name[0] == "@" else name)
        self.socket.settimeout(0)
        self.environment = {"NOTIFY_SOCKET": name}
        self.messages = []

    def stop(self):
        self.socket.close()

    def take(self):
        """What has come so far, as dicts, with the time at which it was seen."""
        while True:
            try:
                lines = self.socket.recv(8192).decode().split("\n")
            except BlockingIOError:
                return self.messages
            pairs = [line.split("=", 1) for line in lines]
            assert all(len(pair) == 2 for pair in pairs), lines
            self.messages.append((time.monotonic(), dict(pairs)))

    def count(self, name):
        return sum(name in message for _, message in self.take())

    def wait(self, name, count=1):
        """The last message with `name`, once there are so many of them."""
        wait_for(lambda: self.count(name) >= count, f"{name}, {count} times")
        return [message for _, message in self.messages if name in message][-1]


@pytest.fixture(params=["path", "abstract"])
def manager(request, stage, tmp_path):
    name = str(tmp_path / "notify") if request.param == "path" else f"@steelyard-{os.getpid()}"
    return stage.keep(Manager(name))


def one(stage, manager, **environment):
    endpoint = stage.endpoint(text())
    return stage.steelyard(
        minimal([endpoint.address]), {**manager.environment, **environment}), endpoint


def test_ready_comes_when_requests_are_answered(stage, manager):
    steelyard, _ = one(stage, manager)
    message = manager.wait("READY")
    assert message["READY"] == "1"
    assert message["STATUS"] == "Serving: 1 of 1 endpoints take requests"
    assert steelyard.get("/").status == 200
    assert manager.count("WATCHDOG") == 0


def test_a_reload_by_signal_is_told_with_its_time_and_its_end(stage, manager):
    steelyard, endpoint = one(stage, manager)
    manager.wait("READY")
    before = time.monotonic_ns() // 1000
    steelyard.write(minimal([endpoint.address, stage.endpoint(text()).address]))
    steelyard.send_signal(signal.SIGHUP)
    manager.wait("READY", 2)
    message = manager.wait("RELOADING")
    assert message["RELOADING"] == "1"
    assert before <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    order = [name for _, message in manager.messages for name in message
             if name in ("READY", "RELOADING")]
    assert order == ["READY", "RELOADING", "READY"]
    assert manager.wait("READY", 2)["STATUS"] == "Serving: 2 of 2 endpoints take requests"


def test_a_refused_reload_is_ready_again_and_says_so(stage, manager):
    steelyard, endpoint = one(stage, manager)
    manager.wait("READY")
    steelyard.write("listeners: [{listen: '127.0.0.1:0', pol: text}]\n")
    steelyard.send_signal(signal.SIGHUP)
    assert manager.wait("READY", 2)["STATUS"].endswith("; the last reload was refused")
    steelyard.write(minimal([endpoint.address]))
    steelyard.send_signal(signal.SIGHUP)
    assert "refused" not in manager.wait("READY", 3)["STATUS"]


def threads(pid):
    """By name."""
    return {Path(f"{task}/comm").read_text().strip(): int(task.name)
            for task in Path(f"/proc/{pid}/task").iterdir()}


def test_the_watchdog_is_not_fed_while_a_worker_stands_still(stage, manager):
    period = 0.6
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(
        minimal([endpoint.address]) | {"workers": 2},
        {**manager.environment, "WATCHDOG_USEC": str(int(period * 1e6))})
    manager.wait("WATCHDOG", 3)
    with frozen(threads(steelyard.pid)["worker-1"]):
        wait_for(lambda: steelyard.events("a worker does not answer"), "a word in the log")
        seen = manager.count("WATCHDOG")
        time.sleep(2 * period)
        assert manager.count("WATCHDOG") == seen
        # It is the worker alone that stands still.
        assert steelyard.admin_status("/healthz") == 200
    manager.wait("WATCHDOG", seen + 3)
    assert [event["worker"] for event in steelyard.events("a worker does not answer")] == ["1"]


def test_the_watchdog_is_fed_twice_a_period_while_the_control_loop_turns(stage, manager):
    period = 0.6
    steelyard, _ = one(stage, manager, WATCHDOG_USEC=str(int(period * 1e6)))
    manager.wait("WATCHDOG")
    begun = time.monotonic()
    seen = manager.count("WATCHDOG")
    # Those that are counted from here on were sent after `begun`, each half a period after the one
    # before it; this machine may be late, not early.
    manager.wait("WATCHDOG", seen + 8)
    assert time.monotonic() - begun > 7 * 0.4 * period
    with frozen(steelyard.pid):
        seen = manager.count("WATCHDOG")
        time.sleep(2 * period)
        assert manager.count("WATCHDOG") == seen
    manager.wait("WATCHDOG", seen + 2)


class frozen:
    """Stops one thread, by the debugger's way: the others run on."""

    ATTACH, DETACH = 16, 17

    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        if _libc.ptrace(self.ATTACH, self.thread, None, None) != 0:
            pytest.skip(f"ptrace is refused: {os.strerror(ctypes.get_errno())}")
        os.waitpid(self.thread, 0x40000000)  # __WALL

    def __exit__(self, *_):
        assert _libc.ptrace(self.DETACH, self.thread, None, None) == 0


@pytest.mark.parametrize("environment, is_fed", [
    ({"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}, False),
    ({"WATCHDOG_USEC": "0"}, False),
    ({"WATCHDOG_USEC": "-5"}, False),
    ({"WATCHDOG_USEC": "1e6"}, False),
    ({"WATCHDOG_USEC": "99999999999999999999"}, False),
    ({"WATCHDOG_USEC": ""}, False),
    ({"WATCHDOG_USEC": "1"}, True),
])
def test_odd_watchdogs(stage, tmp_path, environment, is_fed):
    manager = stage.keep(Manager(str(tmp_path / "notify")))
    steelyard, _ = one(stage, manager, **environment)
    manager.wait("READY")
    if is_fed:
        # A microsecond: once a turn, and no more.
        manager.wait("WATCHDOG", 5)
    else:
        for _ in range(5):
            assert steelyard.admin_status("/healthz") == 200
            time.sleep(0.05)
        assert manager.count("WATCHDOG") == 0
    steelyard.send_signal(signal.SIGTERM)
    assert steelyard.wait() == OK


def test_the_end_is_told_and_asks_for_the_time_that_it_needs(stage, manager):
    held = Held()
    configuration = minimal([stage.endpoint(held).address]) | {"shutdown_timeout": "100s"}
    steelyard = stage.steelyard(configuration, manager.environment)
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert held.begun.wait(30)
        steelyard.send_signal(signal.SIGTERM)
        message = manager.wait("EXTEND_TIMEOUT_USEC")
        assert manager.count("STOPPING") == 1
        assert 60e6 < int(message["EXTEND_TIMEOUT_USEC"]) <= 110e6
        assert message["STATUS"].startswith("Ending: 1 requests in flight, cut in ")
        # A reload that comes too late does not make it ready again.
        steelyard.send_signal(signal.SIGHUP)
        manager.wait("EXTEND_TIMEOUT_USEC", 3)
        assert manager.count("READY") == 1 and manager.count("RELOADING") == 0
        held.release.set()
        assert connection.read_response().status == 200
    assert steelyard.wait() == OK


@pytest.mark.parametrize("name", [
    "relative", "vsock:2:1234", "/", "@", "/" + "x" * 200, "/does/not/exist"])
def test_a_socket_that_cannot_be_used_is_said_and_nothing_else(stage, name):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(
        minimal([endpoint.address]), {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000"})
    assert steelyard.get("/").status == 200
    said = wait_for(
        lambda: [event for event in steelyard.events() if "service manager" in event["msg"]],
        "a word in the log")
    assert len(said) == 1 and said[0]["level"] == "warning" and said[0]["reason"]


def test_a_manager_that_does_not_read_holds_nothing_up(stage, tmp_path):
    manager = stage.keep(Manager(str(tmp_path / "notify")))
    steelyard, _ = one(stage, manager, WATCHDOG_USEC="1000")
    # More than the socket has room for; the loop answers all the while.
    for _ in range(100):
        assert steelyard.admin_status("/healthz") == 200
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: steelyard.events("configuration reloaded"), "the reload")
    manager.wait("RELOADING")
    manager.wait("READY", 2)


def generations(stage, manager=None, **options):
    configuration = minimal([stage.endpoint(text()).address])
    return stage.keep(Generations(
        stage.directory / "generations", configuration,
        manager and manager.environment | {"WATCHDOG_USEC": "400000"}, **options))


def test_an_upgrade_tells_the_new_main_process(stage, manager):
    steelyard = generations(stage, manager)
    manager.wait("READY")
    old = steelyard.in_charge
    assert steelyard.upgrade().returncode == OK
    manager.wait("READY", 2)
    new = steelyard.in_charge
    assert manager.wait("MAINPID")["MAINPID"] == str(new) != str(old)
    order = [name for _, message in manager.messages for name in message
             if name in ("READY", "RELOADING", "MAINPID", "STOPPING")]
    assert order == ["READY", "RELOADING", "MAINPID", "READY"]
    # The new process feeds the watchdog, and is told about in the same way.
    seen = manager.count("WATCHDOG")
    steelyard.wait_for_end(old)
    manager.wait("WATCHDOG", seen + 3)
    assert steelyard.upgrade().returncode == OK
    manager.wait("READY", 3)
    assert manager.wait("MAINPID", 2)["MAINPID"] == str(steelyard.in_charge)


def test_a_failed_upgrade_is_ready_again(stage, manager):
    steelyard = generations(stage, manager)
    manager.wait("READY")
    steelyard.replace_program("#!/bin/sh\nexit 1\n")
    assert steelyard.upgrade().returncode != OK
    seen = manager.count("WATCHDOG")
    manager.wait("WATCHDOG", seen + 2)
    # One that fails at once may not be told at all.
    assert manager.count("READY") == manager.count("RELOADING") + 1
    assert manager.count("MAINPID") == 0


# Opens sockets as a service manager does, and becomes the program.
ACTIVATION = """import os, socket, sys
addresses, program = sys.argv[1].split(","), sys.argv[2:]
held = []
for address in addresses:
    host, port = address.rsplit(":", 1)
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    one = socket.socket(family)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((host.strip("[]"), int(port)))
    one.listen(100)
    held.append(one)
copies = [os.dup(one.fileno()) for one in held]
copies = [os.dup2(one, 100 + n) for n, one in enumerate(copies)]
for n, one in enumerate(copies):
    os.dup2(one, 3 + n, inheritable=True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(held)),
               "LISTEN_FDNAMES": ":".join("abcdef"[:len(held)])}
os.execv(program[0], program)
"""


@pytest.mark.parametrize("workers", [1, 3])
def test_sockets_of_the_service_manager_are_used(stage, workers):
    port, admin, other = free_port(), free_port(), free_port()
    configuration = minimal([stage.endpoint(text()).address]) | {
        "workers": workers, "admin": {"listen": f"127.0.0.1:{admin}"},
        "listeners": [{"listen": f"0.0.0.0:{port}", "pool": "text"}]}
    script = stage.directory / "activation.py"
    script.write_text(ACTIVATION)
    addresses = f"[::]:{port},127.0.0.1:{admin},127.0.0.1:{other}"
    steelyard = stage.keep(Generations(
        stage.directory / "generations", configuration,
        under=["/usr/bin/python3", script, addresses]))
    assert {steelyard.get("/").status for _ in range(20)} == {200}
    warnings = steelyard.events("inherited socket not used")
    assert [one["reason"] for one in warnings] == [
        f"no listener has the address 127.0.0.1:{other}"]
    # The sockets go on in a process with more workers, or fewer.
    for count in (2, 1):
        steelyard.write(configuration | {"workers": count})
        assert steelyard.upgrade().returncode == OK
        assert {steelyard.get("/").status for _ in range(20)} == {200}
    assert len(steelyard.events("inherited socket not used")) == 1
