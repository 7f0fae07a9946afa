"""Lists of targets from a web server, as a real Prometheus reads them too (`http_sd_configs`)."""

import gzip
import json
import time

import pytest
from discoveries import (
    Members, Traffic, agrees, answers, configured, endpoints_of, failures, fails,
    outlives_its_member, reaches, seen_by_prometheus, start, successes, weights, works_again)
from endpoints import Endpoint, text
from programs import free_port, wait_for
from registries import TargetServer, breaks_http, cuts, drips, hangs, refuses


SOURCE = {"pool": "text", "source": "http"}


@pytest.fixture
def members(stage):
    return Members(stage)


@pytest.fixture
def server(stage, members):
    server = TargetServer(stage)
    server.set(members.some(0, 1))
    return server


def test_members_come_and_go_and_prometheus_sees_the_same(stage, server, members):
    steelyard = start(stage, server.source())
    assert set(answers(steelyard)) == set(members.some(0, 1))
    seen = seen_by_prometheus(stage, {"http_sd_configs": [
        {"url": f"{server.url}/targets", "refresh_interval": "1s"}]})
    agrees(steelyard, seen, members.some(0, 1))
    with Traffic(steelyard) as traffic:
        for now in [(0, 1, 2), (2, 3), (3,), (3, 4, 5, 6)]:
            server.set(members.some(*now))
            agrees(steelyard, seen, members.some(*now))
        settled = time.monotonic()
        wait_for(lambda: len(traffic.since(settled)) == 4, "all four to answer")
        assert traffic.since(settled) == set(members.some(3, 4, 5, 6))
    assert not failures(steelyard)


def test_labels_are_settings(stage, server, members):
    server.groups = [
        {"targets": [members[0]], "labels": {"weight": "3", "zone": "a"}},
        {"targets": [members[1]]},
        {"targets": [members[2]], "labels": {"backup": "true"}},
        {"targets": [members[3]], "labels": {"drain": "true"}}]
    steelyard = start(stage, server.source())
    assert answers(steelyard, 40) == {members[0]: 30, members[1]: 10}
    server.groups = [
        {"targets": [members[1]], "labels": {"drain": "true"}},
        {"targets": [members[2]], "labels": {"backup": "true"}}]
    reaches_only(steelyard, members[2])


def reaches_only(steelyard, address):
    wait_for(lambda: set(answers(steelyard)) == {address}, f"only {address} to answer")


# What the server does, the reason in metrics, and a word of the log.
FAULTS = {
    "hangs": (hangs, "timeout", ""), "drips": (drips, "timeout", ""),
    "cut": (cuts, "unreachable", ""), "no HTTP": (breaks_http, "malformed", ""),
    "500": (refuses(500), "server", "500"), "204": (refuses(204, b""), "server", "204"),
    "302": (refuses(302, b"", [("Location", "http://127.0.0.1:1/")]), "server", "302"),
    "404": (refuses(404), "missing", "404"), "401": (refuses(401), "denied", "401"),
    "403": (refuses(403), "denied", "403"),
    "no JSON": (refuses(200, b"<html>"), "malformed", "no JSON"),
    "nothing": (refuses(200, b""), "malformed", ""),
    "another type": (refuses(200, b'{"targets": []}'), "malformed", "another type"),
    "no address": (refuses(200, b'[{"targets": ["x y"]}]'), "malformed", "no address"),
    "33 MB": (refuses(200, b"[" + b" " * (33 << 20) + b"]"), "too_large", "")}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_with_a_fault_changes_nothing(stage, server, members, fault):
    steelyard = start(stage, server.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        server.fault, reason, words = FAULTS[fault]
        assert words in fails(steelyard)[0]
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        page = steelyard.metrics()
        assert page.value("steelyard_discovery_up", **SOURCE) == 0
        assert page.value("steelyard_discovery_endpoints", **SOURCE) == 2
        assert page.value("steelyard_discovery_failures_total", reason=reason, **SOURCE) > 0
        total = page.sum("steelyard_discovery_failures_total")
        assert total == page.value("steelyard_discovery_failures_total", reason=reason, **SOURCE)
        success = page.value("steelyard_discovery_last_success_timestamp_seconds", **SOURCE)
        server.set(members.some(1, 2))
        server.fault = None
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))
    page = steelyard.metrics()
    assert page.value("steelyard_discovery_up", **SOURCE) == 1
    for what in ("success", "change"):
        name = f"steelyard_discovery_last_{what}_timestamp_seconds"
        assert success < page.value(name, **SOURCE) <= time.time()


def test_a_server_that_is_killed_and_comes_back(stage, server, members):
    steelyard = start(stage, server.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        server.kill()
        fails(steelyard)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        server.set(members.some(1, 2))
        server.revive()
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))
    # One line a fault, not one a question.
    assert len(failures(steelyard)) == 1


def test_a_slow_server_holds_up_neither_requests_nor_other_sources(stage, server, members):
    other = TargetServer(stage)
    other.set(members.some(5))
    server.fault = hangs
    steelyard = start(stage, server.source(timeout="30s"), other.source(name="other"))
    reaches(steelyard, members.some(5))
    with Traffic(steelyard):
        for number in range(6, 10):
            other.set(members.some(5, number))
            reaches(steelyard, members.some(5, number))


@pytest.mark.parametrize("empty", ["keep", "accept"])
def test_an_empty_list(stage, server, members, empty):
    steelyard = start(stage, server.source(empty=empty))
    reaches(steelyard, members.some(0, 1))
    asked = len(server.requests)
    server.groups = []
    wait_for(lambda: len(server.requests) > asked + 2, "the empty list to be read")
    if empty == "accept":
        wait_for(lambda: not endpoints_of(steelyard), "no endpoints")
        assert steelyard.get("/").status == 503
    else:
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        assert set(answers(steelyard)) == set(members.some(0, 1))
    server.set(members.some(3))
    reaches(steelyard, members.some(3))
    assert not failures(steelyard)


def test_tls_with_an_authority_of_its_own(stage, members, certificates):
    server = TargetServer(stage, pair=certificates.local)
    server.set(members.some(0, 1))
    trusting = start(stage, server.source(tls={"ca": certificates.ca}))
    reaches(trusting, members.some(0, 1))
    # The system's authorities do not know it.
    doubting = start(stage, server.source())
    fails(doubting, "certificate")
    assert doubting.get("/").status == 503 and not endpoints_of(doubting)
    # A certificate that is not the server's: the endpoints stay.
    with Traffic(trusting):
        server.kill()
        wrong = TargetServer(stage, pair=certificates.unknown)
        wrong.kill()
        wrong.port = server.port
        wrong.set(members.some(9))
        wrong.revive()
        fails(trusting)
        wait_for(lambda: wrong.endpoint.failures, "a handshake")
        assert endpoints_of(trusting) == set(members.some(0, 1))


def test_a_client_certificate_is_shown(stage, members, certificates):
    server = TargetServer(stage, pair=certificates.local, clients=certificates.ca)
    server.set(members.some(0))
    shown = {"ca": certificates.ca, **certificates.client.files}
    steelyard = start(stage, server.source(tls=shown))
    reaches(steelyard, members.some(0))


def test_fields_are_sent_and_compressed_answers_are_read(stage, server, members):
    def compressed(exchange):
        exchange.read_content()
        exchange.answer(gzip.compress(json.dumps(server.groups).encode()), fields=[
            ("Content-Type", "application/json"), ("Content-Encoding", "gzip")])

    server.fault = compressed
    steelyard = start(stage, server.source(headers={"X-Room": "one"}))
    reaches(steelyard, members.some(0, 1))
    request = server.requests[0]
    assert request.one("X-Room") == "one"
    assert request.one("Host") == f"127.0.0.1:{server.port}"
    assert request.one("User-Agent").startswith("steelyard")


def test_a_member_that_leaves_finishes_its_streams(stage, server, members):
    steelyard = start(stage, server.source())
    outlives_its_member(steelyard, members, lambda: server.set([members[1]]))


def test_ten_thousand_members(stage, server, members):
    server.set([members[n] for n in range(10_000)])
    steelyard = start(stage, server.source(timeout="10s"), limits={"endpoints": 10_100})
    assert len(weights(steelyard)) == 10_000
    assert len(answers(steelyard, 300)) == 300
    with Traffic(steelyard):
        server.set([members[n] for n in range(9_000, 10_000)])
        wait_for(lambda: len(weights(steelyard)) == 1_000, "the others' end", interval=0.5)
    server.set([members[n] for n in range(10_001)])
    fails(steelyard, "10000")
    assert len(weights(steelyard)) == 1_000


def test_a_thousand_changes_a_minute(stage, server, members):
    steelyard = start(stage, server.source())
    with Traffic(steelyard):
        for turn in range(250):
            server.set(members.some(0, 1, 2 + turn % 200))
            time.sleep(0.06)
        server.set(members.some(0, 1, 999))
        reaches(steelyard, members.some(0, 1, 999))
    assert not failures(steelyard)


def test_a_server_by_name_that_moves(stage, server, members, hosts):
    moved = TargetServer(stage)
    moved.set(members.some(5))
    moved.kill()
    hosts.set(registry__test=["127.0.0.1"])
    source = {"http": f"http://registry.test:{server.port}/targets", "interval": "1s"}
    steelyard = start(stage, source, environment=hosts.environment)
    reaches(steelyard, members.some(0, 1))
    assert server.requests[0].one("Host") == f"registry.test:{server.port}"
    with Traffic(steelyard):
        good = successes(steelyard)
        hosts.set()
        server.kill()
        fails(steelyard)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        other = stage.keep(Endpoint(moved.serve, "127.0.0.2", server.port))
        hosts.set(registry__test=["127.0.0.2"])
        works_again(steelyard, good)
        reaches(steelyard, members.some(5))
    assert other.requests


@pytest.mark.parametrize("fault", ["killed", "empty"])
def test_a_reload_with_other_settings_keeps_what_was_said(stage, server, members, fault):
    """The source is another one then, and has not answered yet."""
    steelyard = start(stage, server.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        if fault == "killed":
            server.kill()
            fails(steelyard)
        else:
            server.groups = []
            wait_for(lambda: steelyard.metrics().value(
                "steelyard_discovery_empty_kept", **SOURCE) == 1, "the guard")
        asked = len(server.requests)
        done = steelyard.reload(configured(server.source(interval="2s")))
        assert done.returncode == 0, done.stderr
        if fault == "empty":
            wait_for(lambda: len(server.requests) >= asked + 2, "the new source's questions")
        else:
            wait_for(lambda: steelyard.metrics().value(
                "steelyard_discovery_failures_total", reason="unreachable", **SOURCE) > 1,
                "the new source's failures")
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        page = steelyard.metrics()
        assert page.value("steelyard_discovery_endpoints", **SOURCE) == 2
        assert page.value("steelyard_discovery_empty_kept", **SOURCE) == (fault == "empty")
        server.set(members.some(1, 2))
        if fault == "killed":
            server.revive()
        reaches(steelyard, members.some(1, 2))


def test_members_with_ipv6_addresses(stage, server):
    port = free_port(("127.0.0.1",))
    stage.keep(Endpoint(text(b"six"), "::1", port))
    server.set([f"[::1]:{port}"])
    steelyard = start(stage, server.source())
    assert steelyard.get("/").content == b"six"
    # As some write it, and as others do: one endpoint.
    server.set([f"[::1]:{port}", f"[0:0:0:0:0:0:0:1]:{port}"])
    asked = len(server.requests)
    wait_for(lambda: len(server.requests) > asked + 1, "the list to be read")
    assert len(endpoints_of(steelyard)) == 1 and not failures(steelyard)


def test_an_empty_list_is_accepted_after_a_reload_with_other_settings(stage, server, members):
    steelyard = start(stage, server.source())
    reaches(steelyard, members.some(0, 1))
    server.groups = []
    wait_for(lambda: steelyard.metrics().value("steelyard_discovery_empty_kept", **SOURCE) == 1,
             "the guard")
    done = steelyard.reload(configured(server.source(empty="accept")))
    assert done.returncode == 0, done.stderr
    wait_for(lambda: not endpoints_of(steelyard), "no endpoints")


def test_neither_start_nor_reload_waits_long_for_a_server_that_hangs(stage, server, members):
    server.fault = hangs
    source = server.source(timeout="60s")
    begin = time.monotonic()
    steelyard = start(stage, source, endpoints=members.some(0))
    assert time.monotonic() - begin < 20
    with Traffic(steelyard):
        begin = time.monotonic()
        again = {**source, "name": "again"}
        done = steelyard.reload(configured(again, endpoints=members.some(0)))
        assert done.returncode == 0 and time.monotonic() - begin < 20, done.stderr
        assert endpoints_of(steelyard) == set(members.some(0))
        server.fault = None
        server.restart()
        reaches(steelyard, members.some(0, 1))
