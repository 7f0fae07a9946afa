"""Endpoints that are added, renewed and removed while steelyard runs, by command and by the API, and
the state file that keeps some of them."""

import json
import threading

import pytest
from conftest import minimal
from endpoints import text
from generations import Generations
from programs import run_steelyard, wait_for
from registries import TargetServer
from wire import Connection

OK, REFUSED = 0, 65


def configuration(addresses=(), **more):
    one = minimal(list(addresses), discover=[])
    one.update(more)
    return one


def command(steelyard, *words):
    host, port = steelyard.admin
    return run_steelyard(*words, "--admin", f"{host}:{port}")


def done(steelyard, *words):
    ended = command(steelyard, *words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def ask(steelyard, method, address, query=""):
    with Connection(steelyard.admin) as connection:
        return connection.exchange(
            method, f"/api/v1/pools/text/endpoints/{address}{query}").status


def addresses(steelyard):
    (pool,) = json.loads(steelyard.admin_get("/api/v1/pools").content)["pools"]
    return {one["address"]: one for one in pool["endpoints"]}


def test_an_endpoint_that_is_added_serves_and_one_that_is_removed_does_not(stage):
    one, two = (stage.endpoint(text(name)) for name in (b"one", b"two"))
    steelyard = stage.steelyard(configuration([one.address]))
    assert "added" in done(steelyard, "endpoints", "add", "text", two.address, "--weight", "3",
                           "--name", "gpu-2", "--labels", "zone=a")
    wait_for(lambda: {steelyard.get("/").content for _ in range(8)} == {b"one", b"two"}, "both")
    assert addresses(steelyard)[two.address]["base_weight"] == 3
    shown = done(steelyard, "endpoints")
    assert "gpu-2, weight 3, zone=a" in shown and "the configuration file" in shown
    assert "changed" in done(steelyard, "endpoints", "set", "text", two.address, "--drain")
    wait_for(lambda: addresses(steelyard)[two.address]["base_weight"] == 0, "the drain")
    assert {steelyard.get("/").content for _ in range(8)} == {b"one"}
    assert "removed" in done(steelyard, "endpoints", "remove", "text", two.address)
    wait_for(lambda: set(addresses(steelyard)) == {one.address}, "the end")
    assert "was not there" in done(steelyard, "endpoints", "remove", "text", two.address)
    refused = command(steelyard, "endpoints", "remove", "text", one.address)
    assert refused.returncode == REFUSED and "was not added at run time" in refused.stderr
    assert command(
        steelyard, "endpoints", "add", "nowhere", two.address).returncode == REFUSED


def test_a_stream_outlives_its_endpoint(stage):
    go_on = threading.Event()

    def slow(exchange):
        exchange.begin_chunked()
        exchange.chunk(b"first ")
        assert go_on.wait(60)
        exchange.chunk(b"second")
        exchange.end_chunked()

    leaves = stage.endpoint(slow)
    steelyard = stage.steelyard(configuration())
    assert steelyard.get("/").status == 503
    assert ask(steelyard, "PUT", leaves.address) == 200
    wait_for(lambda: addresses(steelyard), "the endpoint")
    with Connection(steelyard.address) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: leaves.requests, "the request")
        assert ask(steelyard, "DELETE", leaves.address) == 200
        wait_for(lambda: not addresses(steelyard), "the end")
        assert steelyard.get("/").status == 503
        go_on.set()
        assert connection.read_response().content == b"first second"


def test_who_does_not_renew_itself_is_dropped(stage):
    one, two = (stage.endpoint(text(name)) for name in (b"one", b"two"))
    steelyard = stage.steelyard(configuration())
    stops = threading.Event()

    def renew():
        while not stops.wait(0.3):
            ask(steelyard, "PUT", one.address, "?for=3s")

    assert ask(steelyard, "PUT", one.address, "?for=3s") == 200
    assert ask(steelyard, "PUT", two.address, "?for=1s") == 200
    heart = threading.Thread(target=renew, daemon=True)
    heart.start()
    wait_for(lambda: set(addresses(steelyard)) == {one.address, two.address}, "both")
    wait_for(lambda: set(addresses(steelyard)) == {one.address}, "the end of one")
    assert steelyard.get("/").content == b"one"
    lines = steelyard.events("audit")
    assert len(lines) == 2, "renewals leave no line"
    stops.set()
    heart.join(10)
    wait_for(lambda: not addresses(steelyard), "the end of the other")


def test_what_persists_is_there_after_a_restart(stage, tmp_path):
    one, two, three = (stage.endpoint(text(name)) for name in (b"one", b"two", b"three"))
    state = tmp_path / "state.json"
    configured = configuration([one.address], state_file=str(state))
    steelyard = stage.steelyard(configured)
    done(steelyard, "endpoints", "add", "text", two.address, "--persist", "--weight", "2")
    done(steelyard, "endpoints", "add", "text", three.address)
    done(steelyard, "weights", "pin", two.address, "0.5", "--persist")
    done(steelyard, "drain", one.address, "--persist")
    steelyard.stop()
    again = stage.steelyard(configured)
    found = addresses(again)
    assert set(found) == {one.address, two.address}
    wait_for(lambda: addresses(again)[two.address]["effective_weight"] == 0.5, "the pin")
    assert addresses(again)[one.address]["state"] in ("draining", "drained")
    assert again.get("/").content == b"two"
    done(again, "weights", "reset", two.address)
    done(again, "drain", one.address, "--undo")
    done(again, "endpoints", "remove", "text", two.address)
    saved = json.loads(state.read_text())
    assert saved == {"version": 1, "endpoints": [], "orders": []}
    assert not (tmp_path / "state.json.new").exists()


def test_nothing_persists_without_a_state_file(stage):
    one = stage.endpoint(text(b"one"))
    steelyard = stage.steelyard(configuration([one.address]))
    for words in (["endpoints", "add", "text", "127.0.0.1:9"], ["drain", one.address]):
        refused = command(steelyard, *words, "--persist")
        assert refused.returncode == REFUSED and "state_file" in refused.stderr
    assert set(addresses(steelyard)) == {one.address}
    assert addresses(steelyard)[one.address]["state"] == "ready"


@pytest.mark.parametrize("content, words", [
    ("{", "is no state file"), ('{"version": 9, "endpoints": [], "orders": []}', "version 9")])
def test_a_file_that_is_none_is_not_overwritten(tmp_path, content, words):
    state = tmp_path / "state.json"
    state.write_text(content)
    file = tmp_path / "steelyard.yaml"
    file.write_text(json.dumps(configuration(["127.0.0.1:9"], state_file=str(state))))
    ended = run_steelyard("serve", str(file))
    assert ended.returncode == 78 and words in ended.stderr
    assert state.read_text() == content


def test_a_state_file_that_cannot_be_written_is_told(stage, tmp_path):
    one = stage.endpoint(text(b"one"))
    missing = tmp_path / "missing" / "state.json"
    steelyard = stage.steelyard(configuration([one.address], state_file=str(missing)))
    assert ask(steelyard, "PUT", "127.0.0.1:9", "?persist=true") == 500
    assert set(addresses(steelyard)) == {one.address}
    wait_for(lambda: steelyard.events("state file not written"), "the line")
    missing.parent.mkdir()
    assert ask(steelyard, "PUT", "127.0.0.1:9", "?persist=true") == 200
    assert json.loads(missing.read_text())["endpoints"][0]["address"] == "127.0.0.1:9"


# Upgrades


def generations(stage, configured):
    return stage.keep(Generations(stage.directory / "generations", configured))


def test_an_upgrade_takes_endpoints_along_with_their_time(stage):
    one, two = (stage.endpoint(text(name)) for name in (b"one", b"two"))
    steelyard = generations(stage, configuration([one.address]))
    assert ask(steelyard, "PUT", two.address, "?for=1h&name=gpu-2") == 200
    assert steelyard.upgrade().returncode == OK
    assert addresses(steelyard)[two.address]["name"] == "gpu-2"
    assert "ends in 3" in done(steelyard, "endpoints")
    wait_for(lambda: {steelyard.get("/").content for _ in range(8)} == {b"one", b"two"}, "both")


def test_what_changes_while_the_new_process_starts_is_not_lost(stage, tmp_path):
    """The page of one endpoint hangs, and the new process waits for it before it takes over."""
    hung = threading.Event()

    def hangs(exchange):
        if exchange.request.target == "/metrics":
            hung.wait(60)
        exchange.answer(b"one")

    first, second, third = (stage.endpoint(one) for one in (hangs, text(b"2"), text(b"3")))
    state = tmp_path / "state.json"
    configured = configuration(
        [first.address], state_file=str(state), upgrade={"ready_timeout": "16s"})
    configured["pools"]["text"]["weights"] = {
        "scrape": [{"preset": "vllm"}], "interval": "1s", "timeout": "900ms"}
    steelyard = generations(stage, configured)
    assert ask(steelyard, "PUT", third.address) == 200
    upgrades = threading.Thread(target=steelyard.upgrade, daemon=True)
    old = steelyard.in_charge
    upgrades.start()
    wait_for(lambda: "next" in steelyard.state, "the new process")
    wait_for(lambda: steelyard.state["next"].get("version"), "its first word")
    assert ask(steelyard, "PUT", second.address, "?persist=true") == 200
    assert ask(steelyard, "DELETE", third.address) == 200
    assert steelyard.in_charge == old, "the change came before the takeover"
    upgrades.join(60)
    assert steelyard.in_charge != old
    wait_for(lambda: set(addresses(steelyard)) == {first.address, second.address}, "both")
    # The next change of the file keeps it too.
    assert ask(steelyard, "PUT", third.address, "?persist=true") == 200
    saved = json.loads(state.read_text())["endpoints"]
    assert {one["address"] for one in saved} == {second.address, third.address}
    hung.set()


def test_an_upgrade_keeps_the_endpoints_of_a_source_that_is_gone(stage):
    one, two = (stage.endpoint(text(name)) for name in (b"one", b"two"))
    server = TargetServer(stage)
    server.set([one.address, two.address], weight="3")
    configured = configuration()
    configured["pools"]["text"]["discover"] = [server.source(empty="keep")]
    steelyard = generations(stage, configured)
    wait_for(lambda: set(addresses(steelyard)) == {one.address, two.address}, "both")
    server.kill()
    assert steelyard.upgrade().returncode == OK
    assert {one["base_weight"] for one in addresses(steelyard).values()} == {3}
    wait_for(lambda: {steelyard.get("/").content for _ in range(8)} == {b"one", b"two"}, "both")
    assert steelyard.metrics().value(
        "steelyard_discovery_endpoints", pool="text", source="http") == 2
    server.set([two.address])
    server.restart()
    wait_for(lambda: set(addresses(steelyard)) == {two.address}, "what it says now")
