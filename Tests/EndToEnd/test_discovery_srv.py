"""SRV records of real name servers, dnsmasq and BIND, through the C library's resolver."""

import time

import pytest
from discoveries import (
    Members, Traffic, answers, endpoints_of, failures, fails, outlives_its_member, reaches, start,
    successes, weights, works_again)
from nameservers import NAME, Dnsmasq, Named, Record, asking, record, refusal
from programs import wait_for

SERVERS = {"dnsmasq": Dnsmasq, "bind": Named}


@pytest.fixture(scope="module", autouse=True)
def privileged(tmp_path_factory):
    if why := refusal(tmp_path_factory.mktemp("names")):
        pytest.skip(why)


@pytest.fixture
def members(stage):
    return Members(stage)


@pytest.fixture(params=SERVERS)
def kind(request):
    return request.param


def serve(stage, kind, *records, **options):
    server = stage.keep(
        SERVERS[kind](stage.directory / f"{kind}-{len(stage.running)}", *records, **options))
    if kind == "bind":
        stage.keep(server.relay)
    return server


def follow(stage, server, options="timeout:1 attempts:1", **rest):
    """A steelyard that asks this server; `rest` is its source's or, after `pool`, its pool's."""
    pool = rest.pop("pool", {})
    return start(
        stage, {"srv": NAME, "interval": "1s", **rest},
        under=asking(stage.directory, server.host, options), **pool)


def records(members, *numbers, **options):
    return [record(members[number], **options) for number in numbers]


def test_members_come_and_go(stage, members, kind):
    server = serve(stage, kind, *records(members, 0, 1))
    steelyard = follow(stage, server)
    assert set(answers(steelyard)) == set(members.some(0, 1))
    with Traffic(steelyard) as traffic:
        for now in [(0, 1, 2), (2, 3), (3,), (3, 4, 5, 6)]:
            server.set(*records(members, *now))
            reaches(steelyard, members.some(*now))
        settled = time.monotonic()
        wait_for(lambda: len(traffic.since(settled)) == 4, "all four to answer")
        assert traffic.since(settled) == set(members.some(3, 4, 5, 6))


def test_weights_and_priorities(stage, members, kind):
    server = serve(
        stage, kind, record(members[0], weight=3), record(members[1], weight=1),
        record(members[2], priority=5, weight=9))
    steelyard = follow(stage, server)
    assert answers(steelyard, 40) == {members[0]: 30, members[1]: 10}
    server.set(record(members[1], weight=1, priority=7), record(members[2], priority=5, weight=0),
               record(members[3], priority=5, weight=0))
    wait_for(lambda: answers(steelyard, 20) == {members[2]: 10, members[3]: 10}, "the priorities")
    server.set(record(members[1], priority=7, weight=2))
    reaches(steelyard, [members[1]])
    assert weights(steelyard) == {members[1]: 2}


def test_a_server_that_is_killed_and_comes_back(stage, members, kind):
    server = serve(stage, kind, *records(members, 0, 1))
    steelyard = follow(stage, server)
    with Traffic(steelyard):
        good = successes(steelyard)
        server.stop(9)
        fails(steelyard, "no answer")
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        if kind == "bind":
            server.revive()
            works_again(steelyard, good)
        server.set(*records(members, 1, 2))
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))


def test_a_server_that_does_not_answer_holds_up_nothing(stage, members, kind):
    server = serve(stage, kind, *records(members, 0, 1))
    steelyard = follow(stage, server, "timeout:2 attempts:2")
    with Traffic(steelyard):
        server.send_signal(19)
        fails(steelyard, "no answer")
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        good = successes(steelyard)
        server.send_signal(18)
        works_again(steelyard, good)


def test_no_records_change_nothing(stage, members, kind):
    """A name that is gone is no list without endpoints: it is as likely a mistake."""
    server = serve(stage, kind, *records(members, 0, 1))
    steelyard = follow(stage, server, empty="accept")
    with Traffic(steelyard):
        good = successes(steelyard)
        server.set()
        fails(steelyard, "no such name", "no SRV record")
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        server.set(*records(members, 1))
        works_again(steelyard, good)
        reaches(steelyard, [members[1]])


@pytest.mark.parametrize("empty", ["keep", "accept"])
def test_a_service_that_is_decidedly_not_available(stage, members, empty):
    """RFC 2782: one record with the target `.`."""
    server = serve(stage, "bind", *records(members, 0, 1))
    steelyard = follow(stage, server, empty=empty)
    reaches(steelyard, members.some(0, 1))
    server.set(Record("", 0))
    if empty == "accept":
        wait_for(lambda: not endpoints_of(steelyard), "no endpoints")
        assert steelyard.get("/").status == 503
    else:
        wait_for(lambda: steelyard.metrics().value(
            "steelyard_discovery_empty_kept", pool="text", source="srv") == 1, "the guard")
        assert set(answers(steelyard)) == set(members.some(0, 1))
    server.set(*records(members, 3))
    reaches(steelyard, members.some(3))


def test_a_target_without_an_address_changes_nothing(stage, members):
    server = serve(stage, "bind", *records(members, 0, 1))
    steelyard = follow(stage, server)
    with Traffic(steelyard):
        good = successes(steelyard)
        server.set(*records(members, 0), Record("nowhere.models.test", members.port))
        fails(steelyard)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        server.set(*records(members, 0, 2))
        works_again(steelyard, good)
        reaches(steelyard, members.some(0, 2))


def test_the_time_to_live_says_when_it_is_asked_again(stage, members):
    server = serve(stage, "bind", *records(members, 0), ttl=2)
    steelyard = follow(stage, server, interval="1h")
    reaches(steelyard, [members[0]])
    for number in range(1, 4):
        server.set(*records(members, number), ttl=2)
        reaches(steelyard, [members[number]], 15)


def test_a_target_with_many_addresses_is_many_endpoints(stage, members):
    hosts = [members.host(number) for number in range(3)]
    server = serve(stage, "bind", Record("all.models.test", members.port, *hosts, weight=2))
    steelyard = follow(stage, server)
    reaches(steelyard, members.some(0, 1, 2))
    assert set(weights(steelyard).values()) == {2}


def test_a_member_that_leaves_finishes_its_streams(stage, members):
    server = serve(stage, "bind", *records(members, 0, 1))
    steelyard = follow(stage, server)
    outlives_its_member(steelyard, members, lambda: server.set(*records(members, 1)))


def test_an_answer_that_is_too_long_for_udp(stage, members):
    server = serve(stage, "bind", *records(members, *range(300)))
    steelyard = follow(stage, server, pool={"limits": {"endpoints": 400}})
    reaches(steelyard, members.some(*range(300)))


def test_ten_thousand_members(stage, members):
    """40 targets with 250 addresses each: a message of the DNS has 65,535 bytes at most."""
    def targets(count):
        return [
            Record(f"t{target}.models.test", members.port,
                   *(members.host(250 * target + n) for n in range(250)))
            for target in range(count)]

    server = serve(stage, "bind", *targets(40))
    steelyard = follow(stage, server, pool={"limits": {"endpoints": 10_100}})
    wait_for(lambda: len(weights(steelyard)) == 10_000, "all endpoints", interval=0.5)
    assert len(answers(steelyard, 300)) == 300
    with Traffic(steelyard):
        server.set(*targets(4))
        wait_for(lambda: len(weights(steelyard)) == 1_000, "the others' end", interval=0.5)


def test_a_thousand_changes_a_minute(stage, members):
    server = serve(stage, "bind", *records(members, 0, 1))
    steelyard = follow(stage, server)
    with Traffic(steelyard):
        for turn in range(250):
            server.set(*records(members, 0, 1, 2 + turn % 200))
            time.sleep(0.05)
        server.set(*records(members, 0, 1, 999))
        reaches(steelyard, members.some(0, 1, 999))
    assert not failures(steelyard)
