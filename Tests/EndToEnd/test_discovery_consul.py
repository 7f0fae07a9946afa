"""Services of Consul, by blocking queries. NOT RUN AGAINST A REAL ONE: Debian has no Consul any
more, so that registries.py has a server written from Consul's documentation; a client of others
(py-consul) reads it too and has to see the same members."""

import time

import pytest
from discoveries import (
    Members, Traffic, agrees, answers, endpoints_of, failures, fails, outlives_its_member, reaches,
    start, successes, weights, works_again)
from programs import wait_for
from readers import seen_by_consul_client
from registries import Consul, Instance, breaks_http, cuts, drips, hangs, refuses


@pytest.fixture
def members(stage):
    return Members(stage)


@pytest.fixture
def consul(stage, members):
    consul = Consul(stage)
    consul.set(*members.some(0, 1))
    return consul


def health_requests(consul):
    return [one.target for one in consul.requests if "/v1/health/" in one.target]


def test_members_come_and_go_and_a_client_sees_the_same(stage, consul, members):
    steelyard = start(stage, consul.source())
    assert set(answers(steelyard)) == set(members.some(0, 1))
    seen = seen_by_consul_client(consul)
    agrees(steelyard, seen, members.some(0, 1))
    with Traffic(steelyard) as traffic:
        for now in [(0, 1, 2), (2, 3), (3,), (3, 4, 5, 6)]:
            consul.set(*members.some(*now))
            agrees(steelyard, seen, members.some(*now))
        # A check that fails, and one that warns.
        consul.set(Instance(members[3], "critical"), Instance(members[4], "warning"),
                   Instance(members[5]), Instance(members[6]))
        agrees(steelyard, seen, members.some(5, 6))
        settled = time.monotonic()
        wait_for(lambda: len(traffic.since(settled)) == 2, "both to answer")
        assert traffic.since(settled) == set(members.some(5, 6))
    assert not failures(steelyard)


def test_changes_come_by_blocking_queries(stage, consul, members):
    """Nothing is asked in a loop, and a change is there at once."""
    steelyard = start(stage, consul.source(interval="1h"))
    for number in range(2, 12):
        begin = time.monotonic()
        consul.set(members[number])
        wait_for(lambda: endpoints_of(steelyard) == {members[number]}, "the change")
        assert time.monotonic() - begin < 5
    asked = health_requests(consul)
    assert len(asked) <= 14
    assert "index=" not in asked[0] and "wait=" not in asked[0]
    assert all("index=" in one and "wait=" in one for one in asked[1:])
    assert all("passing" in one for one in asked)


def test_weights_tags_and_metadata(stage, consul, members):
    consul.set(
        Instance(members[0], tags=["gpu", "a"], weight=3),
        Instance(members[1], tags=["a", "gpu"], meta={"zone": "x"}),
        Instance(members[2], tags=["gpu"]), Instance(members[3], tags=["a"]),
        Instance(members[4], tags=["gpu", "a"], meta={"backup": "true"}),
        Instance(members[5], tags=["gpu", "a"], meta={"drain": "true"}, on_node=True))
    steelyard = start(stage, consul.source(tags=["gpu", "a"]))
    assert endpoints_of(steelyard) == set(members.some(0, 1, 4, 5))
    assert answers(steelyard, 40) == {members[0]: 30, members[1]: 10}
    # Metadata goes before the service's own weight.
    consul.set(Instance(members[0], tags=["gpu", "a"], weight=3, meta={"weight": "1"}),
               Instance(members[5], tags=["gpu", "a"], weight=4))
    wait_for(lambda: answers(steelyard, 50) == {members[0]: 10, members[5]: 40}, "the weights")
    consul.set(Instance(members[4], tags=["gpu", "a"], meta={"backup": "true"}))
    reaches(steelyard, [members[4]])


def test_a_client_sees_the_same_tags(stage, consul, members):
    consul.set(
        Instance(members[0], tags=["gpu", "a"]), Instance(members[1], tags=["a"]),
        Instance(members[2], tags=["gpu", "b"], on_node=True))
    steelyard = start(stage, consul.source(tags=["gpu"]))
    seen = seen_by_consul_client(consul, tag="gpu")
    agrees(steelyard, seen, members.some(0, 2))
    consul.set(Instance(members[1], tags=["gpu", "a"]), Instance(members[3], tags=["a"]))
    agrees(steelyard, seen, members.some(1))


FAULTS = {
    "hangs": hangs, "drips": drips, "cut": cuts, "no HTTP": breaks_http,
    "500": refuses(500, b"No cluster leader"), "429": refuses(429), "404": refuses(404),
    "no index": refuses(200, b"[]"),
    "index that is no number": refuses(200, b"[]", [("X-Consul-Index", "x")]),
    "no JSON": refuses(200, b"<html>", [("X-Consul-Index", "900")]),
    "nothing": refuses(200, b"", [("X-Consul-Index", "900")]),
    "null": refuses(200, b"null", [("X-Consul-Index", "900")]),
    "no service": refuses(200, b'[{"Node": {}}]', [("X-Consul-Index", "900")])}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_with_a_fault_changes_nothing(stage, consul, members, fault):
    steelyard = start(stage, consul.source(empty="accept"))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        consul.fault = FAULTS[fault]
        # The query that waits is answered, the next one meets the fault.
        consul.set(*members.some(1, 2))
        if fault in ("hangs", "drips"):
            # The wait for a change is a minute long. After a failure nothing is waited for.
            consul.kill()
            fails(steelyard)
            consul.revive()
            fails(steelyard, count=1)
        else:
            fails(steelyard)
        assert endpoints_of(steelyard) in [set(members.some(0, 1)), set(members.some(1, 2))]
        consul.fault = None
        if fault in ("hangs", "drips"):
            consul.restart()
        works_again(steelyard, good)
        consul.set(*members.some(1, 2, 3))
        reaches(steelyard, members.some(1, 2, 3))


def test_a_server_that_is_killed_and_comes_back(stage, consul, members):
    steelyard = start(stage, consul.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        consul.kill()
        fails(steelyard)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        consul.set(*members.some(1, 2))
        consul.revive()
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))
    assert len(failures(steelyard)) == 1


def test_a_server_that_begins_anew_at_a_lower_index(stage, consul, members):
    steelyard = start(stage, consul.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        consul.kill()
        fails(steelyard)
        consul.index = 3
        consul.set(*members.some(1, 2))
        consul.revive()
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))
        consul.set(*members.some(2, 3))
        reaches(steelyard, members.some(2, 3), 15)


def test_an_index_that_goes_back_under_a_query_that_waits(stage, consul, members):
    """As after a snapshot is put back."""
    steelyard = start(stage, consul.source())
    for number in range(2, 6):
        consul.set(*members.some(0, number))
        reaches(steelyard, members.some(0, number))
    with Traffic(steelyard):
        for index in (7, 5, 1):
            consul.restore(index, *members.some(1, index))
            reaches(steelyard, members.some(1, index), 15)
            asked = len(health_requests(consul))
            consul.set(*members.some(0, 2))
            reaches(steelyard, members.some(0, 2), 15)
            # No loop of questions.
            assert len(health_requests(consul)) - asked < 10
    assert not failures(steelyard)


def test_index_0_is_not_asked_in_a_loop(stage, consul, members):
    consul.index = -1
    consul.set(*members.some(0, 1))
    assert consul.index == 0
    steelyard = start(stage, consul.source(interval="1s"))
    reaches(steelyard, members.some(0, 1))
    asked, begin = len(health_requests(consul)), time.monotonic()
    wait_for(lambda: len(health_requests(consul)) >= asked + 4, "four more questions")
    assert time.monotonic() - begin > 2.5


@pytest.mark.parametrize("empty", ["keep", "accept"])
def test_the_end_of_the_last_instance(stage, consul, members, empty):
    steelyard = start(stage, consul.source(empty=empty))
    reaches(steelyard, members.some(0, 1))
    consul.set()
    if empty == "accept":
        wait_for(lambda: not endpoints_of(steelyard), "no endpoints")
        assert steelyard.get("/").status == 503
    else:
        wait_for(lambda: steelyard.metrics().value(
            "steelyard_discovery_empty_kept", pool="text", source="consul") == 1, "the guard")
        assert set(answers(steelyard)) == set(members.some(0, 1))
    consul.set(members[3])
    reaches(steelyard, [members[3]])


def test_a_token_that_expires_and_its_file_is_renewed(stage, consul, members, tmp_path):
    consul.tokens = {"first"}
    token = tmp_path / "token"
    token.write_text("first\n")
    steelyard = start(stage, consul.source(token={"file": str(token)}))
    reaches(steelyard, members.some(0, 1))
    assert consul.requests[0].one("X-Consul-Token") == "first"
    with Traffic(steelyard):
        good = successes(steelyard)
        consul.tokens = {"second"}
        consul.set(*members.some(1, 2))
        (reason,) = fails(steelyard)
        # The question that waits may be answered with a list that is filtered, or refused.
        assert "403" in reason or "may not read" in reason
        assert "first" not in reason
        members_then = endpoints_of(steelyard)
        token.write_text("second\n")
        works_again(steelyard, good)
        assert len(members_then) == 2
        reaches(steelyard, members.some(1, 2))
    assert "first" not in steelyard.text() and "second" not in steelyard.text()


def test_a_list_that_was_filtered_is_not_believed(stage, consul, members, tmp_path):
    """Consul leaves out what a token may not read, and says so in a field: an empty list is not
    certain then, whatever `empty` says."""
    consul.tokens, consul.hides = {"first"}, True
    token = tmp_path / "token"
    token.write_text("first")
    steelyard = start(stage, consul.source(token={"file": str(token)}, empty="accept"))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        asked = len(health_requests(consul))
        consul.tokens = {"second"}
        for more in (1, 2):
            consul.set(*members.some(0, 1, more))
            wait_for(lambda: len(health_requests(consul)) >= asked + more, "an empty list")
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        assert set(answers(steelyard)) == set(members.some(0, 1))


def test_tls_with_an_authority_of_its_own(stage, members, certificates):
    consul = Consul(stage, pair=certificates.local)
    consul.set(*members.some(0, 1))
    steelyard = start(stage, consul.source(tls={"ca": certificates.ca}))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        consul.set(*members.some(1, 2))
        reaches(steelyard, members.some(1, 2))
    doubting = start(stage, consul.source())
    fails(doubting, "certificate")
    assert not endpoints_of(doubting)


def test_a_reused_address_with_another_id_begins_anew(stage, consul, members):
    def instances(first):
        return [Instance(members[0], id=first), Instance(members[1], id="other")]

    consul.set(*instances("one"))
    steelyard = start(stage, consul.source())
    answers(steelyard, 40)

    def attempts():
        return steelyard.metrics().by_endpoint("steelyard_endpoint_attempts_total")

    assert attempts() == {members[0]: 20, members[1]: 20}
    with Traffic(steelyard):
        consul.set(*instances("two"))
        wait_for(lambda: attempts()[members[0]] < attempts()[members[1]] / 2 - 8, "a new begin")
    assert attempts()[members[1]] > 20
    reaches(steelyard, members.some(0, 1))


def test_a_member_that_leaves_finishes_its_streams(stage, consul, members):
    steelyard = start(stage, consul.source())
    outlives_its_member(steelyard, members, lambda: consul.set(members[1]))


def test_ten_thousand_members(stage, consul, members):
    consul.set(*(members[n] for n in range(10_000)))
    steelyard = start(stage, consul.source(timeout="20s"), limits={"endpoints": 10_100})
    assert len(weights(steelyard)) == 10_000
    assert len(answers(steelyard, 300)) == 300
    with Traffic(steelyard):
        consul.set(*(members[n] for n in range(9_000, 10_000)))
        wait_for(lambda: len(weights(steelyard)) == 1_000, "the others' end", interval=0.5)


def test_a_thousand_changes_a_minute(stage, consul, members):
    steelyard = start(stage, consul.source())
    with Traffic(steelyard):
        for turn in range(250):
            consul.set(*members.some(0, 1, 2 + turn % 200))
            time.sleep(0.06)
        consul.set(*members.some(0, 1, 999))
        reaches(steelyard, members.some(0, 1, 999))
    assert not failures(steelyard)
