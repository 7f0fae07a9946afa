"""Keys of a real etcd 3 as endpoints: by leases, watches and compaction."""

import threading
import time

import pytest
from certificates import openssl
from discoveries import (
    Members, Traffic, answers, endpoints_of, failures, fails, outlives_its_member, reaches, start,
    successes, weights, works_again)
from etcds import Etcd, Gate
from programs import wait_for
from registries import breaks_http, hangs, refuses

PREFIX = "/steelyard/"


@pytest.fixture
def members(stage):
    return Members(stage)


@pytest.fixture
def etcd(stage):
    return make(stage)


def make(stage, **options):
    return stage.keep(Etcd(stage.directory / f"etcd-{len(stage.running)}", **options))


def source(server, **options):
    return {"etcd": PREFIX, "server": server.url, "interval": "1s", "timeout": "2s", **options}


def put(etcd, members, *numbers):
    for number in numbers:
        etcd.put(f"{PREFIX}{number}", members[number])


def delete(etcd, *numbers):
    for number in numbers:
        etcd.delete(f"{PREFIX}{number}")


def test_members_come_and_go(stage, etcd, members):
    put(etcd, members, 0, 1)
    # Neighbours of the prefix are none of ours.
    etcd.put("/steelyard", "x")
    etcd.put("/steelyard0", "x")
    steelyard = start(stage, source(etcd))
    assert set(answers(steelyard)) == set(members.some(0, 1))
    with Traffic(steelyard) as traffic:
        put(etcd, members, 2)
        reaches(steelyard, members.some(0, 1, 2))
        delete(etcd, 0, 1)
        reaches(steelyard, members.some(2))
        put(etcd, members, 3, 4, 5)
        reaches(steelyard, members.some(2, 3, 4, 5))
        # The key stays, its address does not.
        etcd.put(f"{PREFIX}5", members[6])
        reaches(steelyard, members.some(2, 3, 4, 6))
        settled = time.monotonic()
        wait_for(lambda: len(traffic.since(settled)) == 4, "all four to answer")
        assert traffic.since(settled) == set(members.some(2, 3, 4, 6))
    assert not failures(steelyard)


def test_a_value_can_be_an_object_with_settings(stage, etcd, members):
    etcd.put(f"{PREFIX}a", {"address": members[0], "weight": 3})
    etcd.put(f"{PREFIX}b", {"Addr": members[1], "Op": 0, "Metadata": "x"})
    etcd.put(f"{PREFIX}c", {"address": members[2], "backup": True})
    etcd.put(f"{PREFIX}d", {"address": members[3], "drain": True, "labels": {"zone": "a"}})
    steelyard = start(stage, source(etcd))
    assert answers(steelyard, 40) == {members[0]: 30, members[1]: 10}
    etcd.put(f"{PREFIX}a", {"address": members[0], "drain": True})
    etcd.put(f"{PREFIX}d", {"address": members[3], "weight": 4})
    wait_for(lambda: answers(steelyard, 50) == {members[3]: 40, members[1]: 10}, "the settings")
    for key in "abd":
        etcd.delete(f"{PREFIX}{key}")
    reaches(steelyard, [members[2]])


def test_an_engine_that_stops_renewing_its_lease_is_dropped(stage, etcd, members):
    put(etcd, members, 0)
    lease = etcd.grant(2)
    etcd.put(f"{PREFIX}1", members[1], lease)
    steelyard = start(stage, source(etcd))
    ends = threading.Event()

    def renew():
        while not ends.wait(0.5):
            etcd.keep_alive(lease)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    with Traffic(steelyard):
        begin = time.monotonic()
        while time.monotonic() - begin < 5:
            assert endpoints_of(steelyard) == set(members.some(0, 1))
        ends.set()
        thread.join()
        reaches(steelyard, [members[0]])
        etcd.put(f"{PREFIX}1", members[1], etcd.grant(60))
        reaches(steelyard, members.some(0, 1))


def test_a_server_that_is_killed_and_comes_back(stage, etcd, members):
    put(etcd, members, 0, 1)
    steelyard = start(stage, source(etcd))
    with Traffic(steelyard):
        for end in (9, 15):
            bad, good = len(failures(steelyard)), successes(steelyard)
            etcd.stop(end)
            fails(steelyard, count=bad)
            assert endpoints_of(steelyard) == set(members.some(0, 1))
            etcd.revive()
            works_again(steelyard, good)
        put(etcd, members, 2)
        reaches(steelyard, members.some(0, 1, 2))


def test_a_server_that_begins_anew(stage, etcd, members):
    """Its revisions begin at 1 again."""
    for _ in range(50):
        put(etcd, members, 0, 1)
    steelyard = start(stage, source(etcd))
    with Traffic(steelyard):
        good = successes(steelyard)
        etcd.stop(9)
        etcd.revive(anew=True)
        works_again(steelyard, good)
        # It has no keys, as a database does that was lost.
        assert set(answers(steelyard)) == set(members.some(0, 1))
        put(etcd, members, 1, 2)
        reaches(steelyard, members.some(1, 2))
        delete(etcd, 1)
        reaches(steelyard, members.some(2))


def test_what_was_missed_is_compacted(stage, etcd, members):
    put(etcd, members, 0, 1)
    gate = Gate(stage, etcd)
    steelyard = start(stage, source(gate))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        gate.shut()
        wait_for(gate.waits, "the next watch")
        delete(etcd, 0)
        put(etcd, members, 2)
        etcd.compact(etcd.put(f"{PREFIX}3", members[3]))
        begin = time.monotonic()
        gate.open()
        reaches(steelyard, members.some(1, 2, 3))
        assert time.monotonic() - begin < 15
        put(etcd, members, 4)
        reaches(steelyard, members.some(1, 2, 3, 4))
    assert not failures(steelyard)
    paths = [one.target for one in gate.requests]
    assert paths.count("/v3/kv/range") == 2


def test_what_was_missed_is_caught_up_without_reading_all(stage, etcd, members):
    put(etcd, members, 0, 1)
    gate = Gate(stage, etcd)
    steelyard = start(stage, source(gate))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        for number in range(2, 6):
            gate.shut()
            wait_for(gate.waits, "the next watch")
            delete(etcd, number - 2)
            put(etcd, members, number)
            gate.open()
            reaches(steelyard, members.some(number - 1, number))
    assert not failures(steelyard)
    assert [one.target for one in gate.requests].count("/v3/kv/range") == 1


@pytest.mark.parametrize("empty", ["keep", "accept"])
def test_the_end_of_the_last_key(stage, etcd, members, empty):
    put(etcd, members, 0, 1)
    steelyard = start(stage, source(etcd, empty=empty))
    reaches(steelyard, members.some(0, 1))
    etcd.delete_all(PREFIX, "/steelyard0")
    if empty == "accept":
        wait_for(lambda: not endpoints_of(steelyard), "no endpoints")
        assert steelyard.get("/").status == 503
    else:
        wait_for(lambda: steelyard.metrics().value(
            "steelyard_discovery_empty_kept", pool="text", source="etcd") == 1, "the guard")
        with Traffic(steelyard):
            assert set(answers(steelyard)) == set(members.some(0, 1))
    put(etcd, members, 3)
    reaches(steelyard, [members[3]])


@pytest.mark.parametrize("value", ["", "rubbish", "{", "[]", "\0\1", '{"address": "x"}',
                                   '{"address": "127.0.0.1:1", "weight": "many"}'])
def test_a_value_that_is_wrong(stage, etcd, members, value):
    put(etcd, members, 0, 1)
    steelyard = start(stage, source(etcd))
    with Traffic(steelyard):
        good = successes(steelyard)
        etcd.put(f"{PREFIX}x", value)
        fails(steelyard)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        etcd.delete(f"{PREFIX}x")
        works_again(steelyard, good)
        put(etcd, members, 2)
        reaches(steelyard, members.some(0, 1, 2))


# A watch that hangs is noticed after a minute.
@pytest.mark.parametrize("fault", [
    pytest.param(hangs, marks=pytest.mark.long), breaks_http, refuses(500), refuses(200, b"[]\n"),
    refuses(404), refuses(503, b"")])
def test_a_gateway_with_a_fault_changes_nothing(stage, etcd, members, fault):
    put(etcd, members, 0, 1)
    gate = Gate(stage, etcd)
    steelyard = start(stage, source(gate))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        gate.fault = fault
        gate.shut()
        gate.open()
        wait_for(lambda: failures(steelyard), "a failure", 150)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        put(etcd, members, 2)
        gate.fault = None
        gate.restart()
        works_again(steelyard, good)
        reaches(steelyard, members.some(0, 1, 2))


def test_a_gateway_that_ends_every_watch_at_once_is_not_asked_in_a_loop(stage, etcd, members):
    put(etcd, members, 0, 1)
    gate = Gate(stage, etcd)
    steelyard = start(stage, source(gate))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        gate.fault = refuses(200, b"{}\n")
        gate.shut()
        gate.open()
        asked, begin = len(gate.requests), time.monotonic()
        wait_for(lambda: len(gate.requests) >= asked + 6, "six more questions")
        assert time.monotonic() - begin > 2
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        gate.fault = None
        put(etcd, members, 2)
        reaches(steelyard, members.some(0, 1, 2))


def test_tls_with_an_authority_of_its_own(stage, members, certificates):
    etcd = make(stage, pair=certificates.local, ca=certificates.ca)
    put(etcd, members, 0, 1)
    steelyard = start(stage, source(etcd, tls={"ca": certificates.ca}))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        put(etcd, members, 2)
        delete(etcd, 0)
        reaches(steelyard, members.some(1, 2))
    doubting = start(stage, source(etcd))
    fails(doubting, "certificate")
    assert not endpoints_of(doubting)


def test_a_token_that_expires_and_its_file_is_renewed(stage, members, certificates, tmp_path):
    """Tokens of etcd's own kind `jwt`, which live for 3 s."""
    pair = certificates.local_rsa
    public = tmp_path / "public.pem"
    public.write_text(openssl("x509", "-in", pair.certificate, "-noout", "-pubkey"))
    etcd = make(stage, auth=f"jwt,pub-key={public},priv-key={pair.key},sign-method=RS256,ttl=3s")
    put(etcd, members, 0, 1)
    etcd.set_up_auth()
    token = tmp_path / "token"
    token.write_text(etcd.authenticate() + "\n")
    gate = Gate(stage, etcd)
    steelyard = start(stage, source(gate, token={"file": str(token)}))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        # The watch ends, and the next question has the old token.
        wait_for(lambda: expired(etcd, token), "the token's end")
        gate.shut()
        gate.open()
        fails(steelyard)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        etcd.token = etcd.authenticate("root")
        put(etcd, members, 2)
        ends = threading.Event()

        def renew():
            while not ends.is_set():
                token.write_text(etcd.authenticate())
                ends.wait(1)

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            works_again(steelyard, good)
            reaches(steelyard, members.some(0, 1, 2))
        finally:
            ends.set()
            thread.join()


def expired(etcd, token):
    etcd.token = token.read_text().strip()
    try:
        etcd.call("kv/range", key="Lw==")
    except AssertionError:
        return True
    finally:
        etcd.token = None
    return False


def test_a_reused_address_with_another_uid_begins_anew(stage, etcd, members):
    etcd.put(f"{PREFIX}a", {"address": members[0], "uid": "one"})
    etcd.put(f"{PREFIX}b", {"address": members[1], "uid": "two"})
    steelyard = start(stage, source(etcd))
    answers(steelyard, 40)

    def attempts():
        return steelyard.metrics().by_endpoint("steelyard_endpoint_attempts_total")

    assert attempts() == {members[0]: 20, members[1]: 20}
    # The same uid with other settings goes on.
    etcd.put(f"{PREFIX}b", {"address": members[1], "uid": "two", "weight": 2})
    wait_for(lambda: weights(steelyard)[members[1]] == 2, "its weight")
    with Traffic(steelyard):
        etcd.put(f"{PREFIX}a", {"address": members[0], "uid": "three"})
        wait_for(lambda: attempts()[members[0]] < attempts()[members[1]] / 2 - 8, "a new begin")
    assert attempts()[members[1]] > 20
    reaches(steelyard, members.some(0, 1))


def test_a_member_that_leaves_finishes_its_streams(stage, etcd, members):
    put(etcd, members, 0, 1)
    steelyard = start(stage, source(etcd))
    outlives_its_member(steelyard, members, lambda: delete(etcd, 0))


def test_ten_thousand_members(stage, etcd, members):
    etcd.put_all({f"{PREFIX}{n:05}": members[n] for n in range(10_000)})
    steelyard = start(stage, source(etcd, timeout="20s"), limits={"endpoints": 10_100})
    assert len(weights(steelyard)) == 10_000
    assert len(answers(steelyard, 300)) == 300
    with Traffic(steelyard):
        etcd.delete_all(f"{PREFIX}00000", f"{PREFIX}09000")
        wait_for(lambda: len(weights(steelyard)) == 1_000, "the others' end", interval=0.5)


def test_a_thousand_changes_a_minute(stage, etcd, members):
    put(etcd, members, 0, 1)
    steelyard = start(stage, source(etcd))
    with Traffic(steelyard):
        for turn in range(250):
            etcd.put(f"{PREFIX}x", members[2 + turn % 200])
            time.sleep(0.06)
        reaches(steelyard, members.some(0, 1, 51))
    assert not failures(steelyard)


@pytest.mark.long
def test_a_server_that_stops_without_a_word_is_noticed(stage, etcd, members):
    put(etcd, members, 0, 1)
    steelyard = start(stage, source(etcd))
    with Traffic(steelyard):
        etcd.send_signal(19)
        wait_for(lambda: failures(steelyard), "a failure", 200, 0.5)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        good = successes(steelyard)
        etcd.send_signal(18)
        works_again(steelyard, good)
