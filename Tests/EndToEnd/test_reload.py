"""Reloads: by signal, API and command; nothing that runs is lost, nothing old is left over."""

import os
import signal
import socket
import threading

import pytest
from conftest import minimal
from endpoints import Held, text
from programs import free_port, run_steelyard, wait_for
from wire import Connection, Cut, accepts

OK, REFUSED, UNREACHABLE = 0, 65, 69


def listening(*ports, **pool):
    """`minimal` with these listeners."""
    return lambda addresses: minimal(addresses, **pool) | {
        "listeners": [{"listen": f"127.0.0.1:{port}", "pool": "text"} for port in ports]}


def replace(steelyard, address, **pool):
    """Puts one endpoint in the others' place. Slots rest for a second before they are used again,
    so that many replacements in a row may have to wait."""
    steelyard.write(minimal([address], **pool))
    wait_for(lambda: steelyard.reload().returncode == OK, "room for an endpoint")


def test_a_reload_says_what_changed(stage):
    one, two = stage.endpoint(text()), stage.endpoint(text())
    first, second = free_port(), free_port()
    steelyard = stage.steelyard(listening(first)([one.address]))
    assert steelyard.reload().stdout == "reloaded: nothing has changed\n"
    changed = listening(first, second, balance="round_robin")(
        [{"address": one.address, "weight": 2}, two.address])
    changed["listeners"][0]["idle_timeout"] = "7s"
    done = steelyard.reload(changed)
    assert done.returncode == OK
    assert done.stdout.splitlines() == [
        "reloaded:", f"listener 127.0.0.1:{first} changed", f"listener 127.0.0.1:{second} added",
        "pool text changed", f"endpoint {one.address} of pool text changed",
        f"endpoint {two.address} of pool text added"]
    changes = [event["change"] for event in steelyard.events("configuration change")]
    assert changes == done.stdout.splitlines()[1:]
    done = steelyard.reload(listening(second)([two.address]))
    assert f"listener 127.0.0.1:{first} removed" in done.stdout
    assert f"endpoint {one.address} of pool text removed" in done.stdout


def test_a_refused_reload_says_why_and_changes_nothing(stage):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(minimal([endpoint.address]))
    done = steelyard.reload("listeners: [{listen: '127.0.0.1:0', pol: text}]\n")
    assert done.returncode == REFUSED
    assert "unknown key `pol`" in done.stderr and "steelyard.yaml:1:" in done.stderr
    done = steelyard.reload(minimal([endpoint.address]) | {"workers": 3})
    assert done.returncode == REFUSED and "restart" in done.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = steelyard.reload(listening(taken.getsockname()[1])(["127.0.0.1:9"]))
    assert done.returncode == REFUSED and "in use" in done.stderr
    log = minimal(["127.0.0.1:9"]) | {"access_log": {"path": "/nowhere/at/all"}}
    done = steelyard.reload(log)
    assert done.returncode == REFUSED and "access log" in done.stderr
    assert steelyard.get("/").status == 200
    assert set(steelyard.metrics().by_endpoint("steelyard_endpoint_weight")) == {endpoint.address}
    assert steelyard.reload(minimal([endpoint.address])).returncode == OK


def _fifo(path):
    os.mkfifo(path)
    # A writer that never writes: without one a read ends at once.
    return os.open(path, os.O_RDWR)


@pytest.mark.parametrize("put", [
    _fifo, os.mkdir, lambda path: os.symlink("/dev/zero", path),
    lambda path: os.symlink("/dev/ptmx", path), lambda path: None,
    lambda path: path.write_bytes(b"\xbb\n") and None,
    lambda path: path.write_bytes(b"\x80" * 5000) and None,
], ids=["fifo", "directory", "zeroes", "terminal", "nothing", "no-utf-8", "continuations"])
def test_whatever_is_behind_the_path_a_reload_is_harmless(stage, put):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(minimal([endpoint.address]))
    steelyard.file.unlink()
    held = put(steelyard.file)
    done = steelyard.reload()
    assert done.returncode == REFUSED and str(steelyard.file) in done.stderr, done
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: len([event for event in steelyard.events() if
                          event.get("msg", "").startswith("reload refused")]) == 2, "the second refusal")
    assert steelyard.get("/").status == 200
    if held is not None:
        os.close(held)
    steelyard.send_signal(signal.SIGTERM)
    assert steelyard.wait() == 0


@pytest.mark.parametrize("method, fields, status", [
    ("POST", [], 200), ("GET", [], 405), ("POST", [("Origin", "http://evil.example")], 403)])
def test_the_api_takes_posts_that_no_web_page_made(stage, method, fields, status):
    steelyard = stage.steelyard(minimal([stage.endpoint(text()).address]))
    with Connection(steelyard.admin) as connection:
        assert connection.exchange(method, "/api/v1/reload", fields=fields).status == status
    assert len(steelyard.events("configuration reloaded")) == (1 if status == 200 else 0)


def test_nobody_there_is_said(stage):
    done = run_steelyard("reload", "--admin", f"127.0.0.1:{free_port()}")
    assert done.returncode == UNREACHABLE


def test_nothing_is_reloaded_once_an_end_has_begun(stage):
    held = Held()
    endpoint = stage.endpoint(held)
    first, second = free_port(), free_port()
    steelyard = stage.steelyard(listening(first)([endpoint.address]))
    with Connection(("127.0.0.1", first)) as client:
        client.send_request("GET", "/")
        assert held.begun.wait(30)
        steelyard.send_signal(signal.SIGTERM)
        wait_for(lambda: steelyard.events("ending"), "the end")
        done = steelyard.reload(listening(first, second)([endpoint.address]))
        assert done.returncode == REFUSED and "ending" in done.stderr
        # A listener that is open, and that nobody serves, would let clients hang.
        assert not accepts(("127.0.0.1", second))
        held.release.set()
        assert client.read_response().content == b"first second"
    assert steelyard.wait() == 0
    (refused,) = steelyard.events("reload refused")
    assert "ending" in refused["reason"]


def test_a_stream_outlives_its_endpoint_its_pool_and_its_listener(stage):
    held = Held()
    first, second = free_port(), free_port()
    old, new = stage.endpoint(held), stage.endpoint(text(b"new"))
    steelyard = stage.steelyard(listening(first)([old.address]))
    with Connection(("127.0.0.1", first)) as running, Connection(("127.0.0.1", first)) as idle:
        running.send_request("GET", "/")
        assert held.begun.wait(30)
        changed = listening(second)([new.address])
        changed["listeners"][0]["pool"] = "other"
        changed["pools"] = {"other": changed["pools"]["text"]}
        assert steelyard.reload(changed).returncode == OK
        # A connection on which nothing runs ends, and nobody listens there any more.
        assert idle.is_closed()
        wait_for(lambda: not accepts(("127.0.0.1", first)), "the old listener's end")
        with Connection(("127.0.0.1", second)) as connection:
            assert connection.exchange("GET", "/").content == b"new"
        held.release.set()
        assert running.read_response().content == b"first second"
        # This one began before, so its head promised nothing: now it ends.
        assert running.is_closed()


def test_a_listener_that_is_removed_comes_back_at_once(stage):
    first, second = free_port(), free_port()
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(listening(first, second)([endpoint.address]) | {"workers": 2})
    for _ in range(20):
        done = steelyard.reload(listening(second)([endpoint.address]) | {"workers": 2})
        assert done.returncode == OK, done.stderr
        done = steelyard.reload(listening(first, second)([endpoint.address]) | {"workers": 2})
        assert done.returncode == OK, done.stderr

    def answers():
        with Connection(("127.0.0.1", first)) as connection:
            return connection.exchange("GET", "/").status == 200

    wait_for(answers, "the listener that came back")


def test_listeners_may_come_and_go_for_ever(stage):
    """More of them than there are tags for listeners at a time."""
    endpoint = stage.endpoint(text())
    first, second = free_port(), free_port()
    steelyard = stage.steelyard(listening(first)([endpoint.address]))
    with Connection(steelyard.admin) as admin:
        for number in range(1100):
            steelyard.write(listening(second if number % 2 else first)([endpoint.address]))
            assert admin.exchange("POST", "/api/v1/reload").status == 200
    steelyard.write(listening(first)([endpoint.address]))
    assert steelyard.reload().returncode == OK
    with Connection(("127.0.0.1", first)) as connection:
        assert connection.exchange("GET", "/").status == 200


def test_an_endpoint_in_an_old_ones_place_begins_anew(stage):
    """Neither its counters nor its idle connections are the old one's."""
    old, new = stage.endpoint(text(b"old")), stage.endpoint(text(b"new"))
    steelyard = stage.steelyard(minimal([old.address], keepalive={"idle": "1h"}))
    with steelyard.connect() as connection:
        for _ in range(10):
            assert connection.exchange("GET", "/").content == b"old"
    # 64 slots: every one has had an owner after these.
    for number in range(80):
        replace(steelyard, f"127.0.0.1:{20_000 + number}")
    for number in range(3):
        replace(steelyard, new.address, keepalive={"idle": "1h"})
        page = steelyard.metrics()
        assert page.by_endpoint("steelyard_endpoint_attempts_total") == {new.address: 10 * number}
        with steelyard.connect() as connection:
            for _ in range(10):
                assert connection.exchange("GET", "/").content == b"new"
        assert old.connection_count == 1


def test_an_ejected_endpoints_place_is_not_ejected(stage):
    """A slot's new owner inherits no rest."""
    bad = stage.endpoint(text(b"no", status=500))
    good = stage.endpoint(text(b"yes"))
    steelyard = stage.steelyard(
        minimal([bad.address], ejection={"max_fails": 1, "fail_timeout": "1h"}))
    with steelyard.connect() as connection:
        for _ in range(10):
            connection.exchange("GET", "/")

    def states():
        page = steelyard.metrics()
        return {
            endpoint for endpoint, value in
            page.by_endpoint("steelyard_endpoint_eligibility", state="ejected").items() if value}

    wait_for(lambda: states() == {bad.address}, "the ejection")
    for number in range(70):
        replace(steelyard, f"127.0.0.1:{21_000 + number}")
    replace(steelyard, good.address)
    assert states() == set()
    assert steelyard.get("/").content == b"yes"


def test_fifty_reloads_under_load_fail_no_request(stage):
    servers = [stage.endpoint(text(b"ok")) for _ in range(6)]
    first, second = free_port(), free_port()

    def configuration(number):
        pool = [servers[number % 6].address, servers[(number + 1) % 6].address]
        made = listening(first, second)(pool) if number % 2 else listening(first)(pool)
        return made | {"workers": 2}

    steelyard = stage.steelyard(configuration(0))
    stop = threading.Event()
    failures, counts = [], [0] * 8

    def client(number):
        try:
            with Connection(("127.0.0.1", first)) as connection:
                while not stop.is_set():
                    response = connection.exchange("GET", "/")
                    if (response.status, response.content) != (200, b"ok"):
                        failures.append(response)
                    counts[number] += 1
        except (Cut, OSError) as failure:
            failures.append(failure)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for one in clients:
        one.start()
    for number in range(1, 51):
        steelyard.write(configuration(number))
        if number % 2:
            assert steelyard.reload().returncode == OK
        else:
            before = len(steelyard.events("configuration reloaded"))
            steelyard.send_signal(signal.SIGHUP)
            wait_for(
                lambda: len(steelyard.events("configuration reloaded")) > before, "the reload")
    wait_for(lambda: failures or min(counts) > 50, "answers to everybody")
    stop.set()
    for one in clients:
        one.join()
    assert failures == []
    page = steelyard.metrics()
    assert page.sum("steelyard_local_responses_total") == 0
    # A client may have its answer a moment before the worker has counted it.
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "nothing in flight")


def test_reloads_cost_no_memory_for_ever(stage):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(minimal([endpoint.address]))

    def reloads(count):
        with Connection(steelyard.admin) as admin:
            for number in range(count):
                steelyard.write(minimal([endpoint.address, f"127.0.0.1:{22_000 + number % 40}"]))
                assert admin.exchange("POST", "/api/v1/reload").status == 200

    reloads(100)
    before = steelyard.rss_bytes()
    reloads(300)
    assert steelyard.rss_bytes() < before + (8 << 20)
