"""EndpointSlices of Kubernetes, listed and watched. NOT RUN AGAINST A REAL ONE: clusters.py has a
server written from Kubernetes' documentation; a real kubectl lists and watches there too, and has
to see the same members."""

import json
import os
import time

import pytest
from clusters import Cluster, Pod, in_pod, leaving, status
from discoveries import (
    Members, Traffic, agrees, answers, configured, endpoints_of, failures, fails,
    outlives_its_member, reaches, start, successes, weights, works_again)
from programs import run_steelyard, wait_for
from readers import Kubectl
from registries import breaks_http, cuts, drips, hangs, refuses


@pytest.fixture
def members(stage):
    return Members(stage)


@pytest.fixture
def cluster(stage, members):
    cluster = Cluster(stage)
    cluster.set(*members.some(0, 1))
    return cluster


def kubectl(stage, cluster):
    """A function that gives what kubectl sees."""
    return stage.keep(Kubectl(stage.directory / f"kubectl-{len(stage.running)}", cluster)).seen


def test_members_come_and_go_and_kubectl_sees_the_same(stage, cluster, members):
    steelyard = start(stage, cluster.source())
    assert set(answers(steelyard)) == set(members.some(0, 1))
    seen = kubectl(stage, cluster)
    agrees(steelyard, seen, members.some(0, 1))
    with Traffic(steelyard) as traffic:
        for now in [(0, 1, 2), (2, 3), (3,), (3, 4, 5, 6)]:
            cluster.set(*members.some(*now), per_slice=2)
            agrees(steelyard, seen, members.some(*now))
        cluster.set(Pod(members[3], ready=False), Pod(members[4], ready=False, serving=False),
                    Pod(members[5]), Pod(members[6]), per_slice=2)
        agrees(steelyard, seen, members.some(5, 6))
        settled = time.monotonic()
        wait_for(lambda: len(traffic.since(settled)) == 2, "both to answer")
        assert traffic.since(settled) == set(members.some(5, 6))
    assert not failures(steelyard)
    # Each of them listed once; all else came by watches.
    assert len(cluster.lists()) == 2


def test_conditions(stage, cluster, members):
    """Without conditions an endpoint is taken to be ready; one that is terminating gets no new
    requests, and one that is not ready none at all."""
    cluster.set(
        Pod(members[0], ready=None), Pod(members[1], ready=True, serving=True, terminating=False),
        Pod(members[2], ready=False, serving=True), leaving(members[3]),
        leaving(members[4], serving=False))
    steelyard = start(stage, cluster.source())
    assert set(answers(steelyard, 40)) == set(members.some(0, 1))
    assert endpoints_of(steelyard) == set(members.some(0, 1, 3))
    assert weights(steelyard)[members[3]] == 0


def test_a_pod_that_is_told_to_end_finishes_its_streams(stage, cluster, members):
    steelyard = start(stage, cluster.source())

    def leave():
        cluster.set(leaving(members[0]), members[1])
        wait_for(lambda: weights(steelyard)[members[0]] == 0, "the end of new requests")
        cluster.set(members[1])

    outlives_its_member(steelyard, members, leave)


def test_a_port_by_name_and_by_number(stage, cluster, members):
    ports = [{"name": "metrics", "port": 1}, {"name": "http", "port": members.port},
             {"name": "none"}]
    cluster.set(*members.some(0, 1), ports=ports)
    for port in ("http", str(members.port)):
        reaches(start(stage, cluster.source(port=port)), members.some(0, 1))
    first = start(stage, cluster.source())
    assert endpoints_of(first) == {f"{members.host(number)}:1" for number in (0, 1)}


def test_a_list_in_pages(stage, cluster, members):
    cluster.set(*members.some(*range(60)), per_slice=2)
    cluster.page_max = 4
    steelyard = start(stage, cluster.source())
    reaches(steelyard, members.some(*range(60)))
    assert len([one for one in cluster.lists() if "continue=" in one]) == 7
    cluster.set(*members.some(*range(4)), per_slice=2)
    reaches(steelyard, members.some(*range(4)))


def test_a_list_that_expires_between_its_pages_begins_anew(stage, cluster, members):
    cluster.set(*members.some(*range(20)), per_slice=2)
    cluster.page_max = 3
    cluster.expires_pages = 2
    steelyard = start(stage, cluster.source())
    reaches(steelyard, members.some(*range(20)))
    assert cluster.expires_pages == 0 and not failures(steelyard)


def test_watches_end_and_go_on_where_they_were(stage, cluster, members):
    steelyard = start(stage, cluster.source())
    with Traffic(steelyard):
        for number in range(2, 6):
            begun = len(cluster.watches)
            cluster.end_watches()
            cluster.set(*members.some(0, number))
            reaches(steelyard, members.some(0, number))
            wait_for(lambda: len(cluster.watches) > begun, "the next watch")
    assert not failures(steelyard)
    assert len(cluster.lists()) == 1


def test_bookmarks_save_a_list(stage, cluster, members):
    """What was told by a bookmark need not be in the history any more."""
    steelyard = start(stage, cluster.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        wait_for(lambda: cluster.watches, "a watch")
        cluster.compact()
        cluster.bookmark()
        begun = len(cluster.watches)
        # The bookmark arrives before the end of the watch.
        cluster.end_watches()
        wait_for(lambda: len(cluster.watches) > begun, "the next watch")
        assert f"resourceVersion={cluster.version}" in cluster.watches[-1]
        cluster.set(*members.some(1, 2))
        reaches(steelyard, members.some(1, 2))
    assert len(cluster.lists()) == 1 and not failures(steelyard)


@pytest.mark.parametrize("by", ["event", "status"])
def test_a_version_that_is_too_old(stage, cluster, members, by):
    cluster.gone_by_event = by == "event"
    steelyard = start(stage, cluster.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        for number in range(2, 5):
            wait_for(lambda: len(cluster.watches) == 2 * number - 3, "a watch")
            # Nobody hears of these.
            with cluster.changed:
                cluster.set(*members.some(1, number))
                cluster.history = []
                cluster.compact()
                cluster.watch_ends += 1
            reaches(steelyard, members.some(1, number))
    assert not failures(steelyard)
    assert len(cluster.lists()) == 4


@pytest.mark.parametrize("empty", ["keep", "accept"])
def test_the_end_of_the_last_endpoint(stage, cluster, members, empty):
    steelyard = start(stage, cluster.source(empty=empty))
    reaches(steelyard, members.some(0, 1))
    cluster.set()
    if empty == "accept":
        wait_for(lambda: not endpoints_of(steelyard), "no endpoints")
        assert steelyard.get("/").status == 503
    else:
        wait_for(lambda: steelyard.metrics().value(
            "steelyard_discovery_empty_kept", pool="text", source="kubernetes") == 1, "the guard")
        assert set(answers(steelyard)) == set(members.some(0, 1))
    cluster.set(members[3])
    reaches(steelyard, [members[3]])


FAULTS = {
    "hangs": hangs, "drips": drips, "cut": cuts, "no HTTP": breaks_http, "500": refuses(500),
    "429": refuses(429), "404": refuses(404), "no JSON": refuses(200, b"<html>\n"),
    "null": refuses(200, b"null\n"), "no list": refuses(200, b"[]\n"),
    "a list without a version": refuses(200, b'{"metadata": {}, "items": []}\n'),
    "a slice without a name": refuses(
        200, b'{"type": "ADDED", "object": {"endpoints": []}, "items": [{"endpoints": []}]}\n'),
    "no address": refuses(200, b'{"type": "ADDED", "object": {"metadata": {"name": "x"}, "ports":'
                               b' [{"port": 1}], "endpoints": [{"addresses": ["x"]}]}}\n')}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_with_a_fault_changes_nothing(stage, cluster, members, fault):
    steelyard = start(stage, cluster.source(empty="accept"))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        wait_for(lambda: cluster.watches, "a watch")
        cluster.fault = FAULTS[fault]
        if fault in ("hangs", "drips"):
            # A watch may be silent for minutes; a list may not.
            cluster.restart()
            fails(steelyard)
        cluster.end_watches()
        fails(steelyard)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        cluster.fault = None
        cluster.set(*members.some(1, 2))
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))


def test_a_server_that_ends_every_watch_at_once_is_not_asked_in_a_loop(stage, cluster, members):
    steelyard = start(stage, cluster.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        wait_for(lambda: cluster.watches, "a watch")
        cluster.fault = refuses(200, b'{"type": "BOOKMARK", "object": {"metadata": {}}}\n')
        cluster.end_watches()
        asked, begin = len(cluster.requests), time.monotonic()
        wait_for(lambda: len(cluster.requests) >= asked + 6, "six more questions")
        assert time.monotonic() - begin > 2
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        cluster.fault = None
        cluster.set(*members.some(1, 2))
        reaches(steelyard, members.some(1, 2))


def test_an_error_in_a_watch(stage, cluster, members):
    steelyard = start(stage, cluster.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        gone = status(500, "InternalError", "etcd is away")
        cluster.history.append((cluster.version + 1, "ERROR", gone))
        cluster.version += 1
        cluster.set(*members.some(1, 2))
        fails(steelyard, "etcd is away")
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))


def test_a_server_that_is_killed_and_comes_back(stage, cluster, members):
    steelyard = start(stage, cluster.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        cluster.kill()
        fails(steelyard)
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        cluster.set(*members.some(1, 2))
        cluster.revive()
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))
    assert len(failures(steelyard)) == 1


def test_a_server_that_begins_anew_at_a_lower_version(stage, cluster, members):
    steelyard = start(stage, cluster.source())
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        cluster.kill()
        fails(steelyard)
        cluster.version, cluster.oldest, cluster.history = 3, 3, []
        cluster.set(*members.some(1, 2))
        cluster.revive()
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))
        cluster.set(*members.some(2, 3))
        reaches(steelyard, members.some(2, 3))


def test_a_token_that_expires_and_its_file_is_renewed(stage, cluster, members, tmp_path):
    cluster.tokens = {"first"}
    token = tmp_path / "token"
    token.write_text("first\n")
    steelyard = start(stage, cluster.source(token={"file": str(token)}))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        cluster.tokens = {"second"}
        cluster.end_watches()
        (reason,) = fails(steelyard)
        assert "401" in reason
        cluster.set(*members.some(1, 2))
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        token.write_text("second\n")
        works_again(steelyard, good)
        reaches(steelyard, members.some(1, 2))
    assert "first" not in steelyard.text() and "second" not in steelyard.text()


def test_a_token_that_may_not_list(stage, cluster, members):
    steelyard = start(stage, cluster.source())
    reaches(steelyard, members.some(0, 1))
    forbidden = status(403, "Forbidden", "endpointslices is forbidden")
    cluster.fault = refuses(403, str(forbidden).encode())
    cluster.restart()
    fails(steelyard, "403")
    assert set(answers(steelyard)) == set(members.some(0, 1))


def test_tls_with_an_authority_of_its_own(stage, members, certificates):
    cluster = Cluster(stage, pair=certificates.local)
    cluster.set(*members.some(0, 1))
    steelyard = start(stage, cluster.source(tls={"ca": certificates.ca}))
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        cluster.set(*members.some(1, 2))
        reaches(steelyard, members.some(1, 2))
    doubting = start(stage, cluster.source())
    fails(doubting, "certificate")
    assert not endpoints_of(doubting)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_a_pod_finds_in_its_container(stage, members, certificates, tmp_path):
    """The server by the environment; token, authority and namespace as files, the token renewed."""
    cluster = Cluster(stage, tokens={"one"}, pair=certificates.local)
    cluster.set(*members.some(0, 1))
    files = tmp_path / "serviceaccount"
    files.mkdir()
    (files / "token").write_text("one")
    (files / "namespace").write_text("default")
    (files / "ca.crt").write_bytes(certificates.authority.file.read_bytes())
    steelyard = start(
        stage, {"kubernetes": "vllm", "interval": "1s"}, under=in_pod(files), environment={
            "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(cluster.port)})
    reaches(steelyard, members.some(0, 1))
    with Traffic(steelyard):
        good = successes(steelyard)
        cluster.tokens = {"two"}
        cluster.end_watches()
        fails(steelyard, "401")
        (files / "token").write_text("two")
        works_again(steelyard, good)
        cluster.set(*members.some(1, 2))
        reaches(steelyard, members.some(1, 2))


def test_outside_of_a_cluster_a_server_is_needed(stage, certificates, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(json.dumps(configured({"kubernetes": "vllm"})))
    done = run_steelyard("serve", file)
    assert done.returncode == 78 and "kubernetes.io/serviceaccount/ca.crt" in done.stderr
    steelyard = start(stage, {"kubernetes": "vllm", "tls": {"ca": certificates.ca}})
    fails(steelyard, "name the `server`")


def test_a_reused_address_with_another_uid_begins_anew(stage, cluster, members):
    cluster.set(Pod(members[0], "one"), Pod(members[1], "other"))
    steelyard = start(stage, cluster.source())
    answers(steelyard, 40)

    def attempts():
        return steelyard.metrics().by_endpoint("steelyard_endpoint_attempts_total")

    assert attempts() == {members[0]: 20, members[1]: 20}
    with Traffic(steelyard):
        cluster.set(Pod(members[0], "two"), Pod(members[1], "other"))
        wait_for(lambda: attempts()[members[0]] < attempts()[members[1]] / 2 - 8, "a new begin")
    assert attempts()[members[1]] > 20
    reaches(steelyard, members.some(0, 1))


def test_ten_thousand_members(stage, cluster, members):
    cluster.set(*(members[n] for n in range(10_000)))
    steelyard = start(stage, cluster.source(timeout="20s"), limits={"endpoints": 10_100})
    assert len(weights(steelyard)) == 10_000
    assert len(answers(steelyard, 300)) == 300
    with Traffic(steelyard):
        cluster.set(*(members[n] for n in range(9_000, 10_000)))
        wait_for(lambda: len(weights(steelyard)) == 1_000, "the others' end", interval=0.5)


def test_a_thousand_changes_a_minute(stage, cluster, members):
    steelyard = start(stage, cluster.source())
    with Traffic(steelyard):
        for turn in range(250):
            cluster.set(*members.some(0, 1, 2 + turn % 200))
            time.sleep(0.06)
        cluster.set(*members.some(0, 1, 999))
        reaches(steelyard, members.some(0, 1, 999))
    assert not failures(steelyard)
