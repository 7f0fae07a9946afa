"""Files of targets, as a real Prometheus reads them too (`file_sd_configs`): replaced by rename, in
JSON and YAML, by a pattern; a file that is wrong or gone changes nothing."""

import json
import time

import pytest
from conftest import minimal
from discoveries import (
    Members, Traffic, agrees, answers, configured, endpoints_of, failures, fails,
    outlives_its_member, reaches, seen_by_prometheus, start, successes, weights, works_again)
from programs import run_steelyard, wait_for
from targets import Files


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.fixture
def members(stage):
    return Members(stage)


def test_members_come_and_go_and_prometheus_sees_the_same(stage, files, members):
    files.set(members.some(0, 1))
    steelyard = start(stage, files.source())
    # From the first request on.
    assert set(answers(steelyard)) == set(members.some(0, 1))
    seen = seen_by_prometheus(stage, {"file_sd_configs": [
        {"files": [files.pattern], "refresh_interval": "1s"}]})
    agrees(steelyard, seen, members.some(0, 1))
    with Traffic(steelyard) as traffic:
        for now in [(0, 1, 2), (2, 3), (3,), (3, 4, 5, 6)]:
            files.set(members.some(*now))
            agrees(steelyard, seen, members.some(*now))
        # A second file, and its end.
        files.set(members.some(7, 8), "b.json")
        agrees(steelyard, seen, members.some(3, 4, 5, 6, 7, 8))
        (files.directory / "b.json").unlink()
        reaches(steelyard, members.some(3, 4, 5, 6))
        settled = time.monotonic()
        wait_for(lambda: len(traffic.since(settled)) == 4, "all four to answer")
        assert traffic.since(settled) == set(members.some(3, 4, 5, 6))
    lines = steelyard.events("source of endpoints answers")
    assert (lines[0]["added"], lines[0]["removed"], lines[0]["endpoints"]) == ("2", "0", "2")
    assert (lines[2]["added"], lines[2]["removed"], lines[2]["endpoints"]) == ("1", "2", "2")
    assert not failures(steelyard)


def test_yaml_is_read_like_json(stage, files, members):
    files.write(
        f"""# Written by a person.
- targets: ['{members[0]}', "{members[1]}"]
  labels:
    weight: "3"
    zone: a
- targets:
    - {members[2]}
""", "a.yml")
    steelyard = start(stage, {"file": str(files.directory / "*.yml"), "interval": "1s"})
    seen = seen_by_prometheus(stage, {"file_sd_configs": [
        {"files": [str(files.directory / "*.yml")], "refresh_interval": "1s"}]})
    agrees(steelyard, seen, members.some(0, 1, 2))
    assert weights(steelyard) == {members[0]: 3, members[1]: 3, members[2]: 1}


def test_labels_are_settings(stage, files, members):
    files.write([
        {"targets": [members[0]], "labels": {"weight": "3"}},
        {"targets": [members[1]]},
        {"targets": [members[2]], "labels": {"backup": "true"}},
        {"targets": [members[3]], "labels": {"drain": "true", "__meta_x": "y"}}])
    steelyard = start(stage, files.source(weight=1))
    assert answers(steelyard, 40) == {members[0]: 30, members[1]: 10}
    files.write([
        {"targets": [members[1]], "labels": {"drain": "true"}},
        {"targets": [members[2]], "labels": {"backup": "true"}},
        {"targets": [members[3]], "labels": {"weight": "2"}},
        {"targets": [members[4]], "labels": {"weight": "1"}}])
    wait_for(lambda: answers(steelyard, 30) == {members[3]: 20, members[4]: 10}, "the new settings")
    # The backups are for when no other is left.
    files.write([{"targets": [members[2]], "labels": {"backup": "true"}}])
    reaches(steelyard, [members[2]])


def test_name_and_labels_are_shown(stage, files, members):
    files.write([{
        "targets": [members[0]],
        "labels": {"name": "gpu-1", "zone": "a", "model": "llama", "__meta_x": "y"}}])
    steelyard = start(stage, files.source())
    for path in ("status", "pools"):
        answer = json.loads(steelyard.admin_get(f"/api/v1/{path}").content)
        (shown,) = answer["pools"][0]["endpoints"]
        assert shown["name"] == "gpu-1"
    assert shown["labels"] == {"zone": "a", "model": "llama"}


GARBAGE = {
    "cut": b'[{"targets": ["127.0.0.1:1"',
    "nothing": b"",
    "zeros": b"\0" * 4096,
    "no UTF-8": b'[{"targets": ["\xff\xfe"]}]',
    "another type": b'{"targets": ["127.0.0.1:1"]}',
    "numbers": b'[{"targets": [1, 2]}]',
    "null": b"null",
    "no port": b'[{"targets": ["127.0.0.1"]}]',
    "a port too large": b'[{"targets": ["127.0.0.1:65536"]}]',
    "port 0": b'[{"targets": ["127.0.0.1:0"]}]',
    "a bad weight": b'[{"targets": ["127.0.0.1:1"], "labels": {"weight": "-1"}}]',
    "no number": b'[{"targets": ["127.0.0.1:1"], "labels": {"weight": "nan"}}]',
    "a bad truth": b'[{"targets": ["127.0.0.1:1"], "labels": {"backup": "maybe"}}]',
    "deep": b"[" * 100_000,
    "long": b'[{"targets": ["127.0.0.1:1"]}]' + b" " * (9 << 20)}


def test_what_is_wrong_changes_nothing(stage, files, members):
    files.set(members.some(0, 1))
    steelyard = start(stage, files.source())
    with Traffic(steelyard):
        for what, content in GARBAGE.items():
            before, good = len(failures(steelyard)), successes(steelyard)
            files.write(content)
            fails(steelyard, count=before)
            assert endpoints_of(steelyard) == set(members.some(0, 1)), what
            files.set(members.some(0, 1))
            works_again(steelyard, good)
        assert set(answers(steelyard)) == set(members.some(0, 1))


def test_one_wrong_file_holds_up_no_other(stage, files, members):
    files.set([members[0]], "a.json")
    files.set([members[1]], "b.json")
    steelyard = start(stage, files.source())
    reaches(steelyard, members.some(0, 1))
    files.write(b"{", "a.json")
    fails(steelyard, "a.json")
    files.set([members[2]], "b.json")
    # What a.json had stays; whether b.json is followed meanwhile is said here.
    reaches(steelyard, members.some(0, 2))


def test_a_file_that_is_gone_takes_nothing_away(stage, files, members):
    files.set(members.some(0, 1))
    steelyard = start(stage, files.source())
    with Traffic(steelyard):
        good = successes(steelyard)
        (files.directory / "a.json").unlink()
        fails(steelyard, "no file matches")
        assert endpoints_of(steelyard) == set(members.some(0, 1))
        files.set(members.some(0, 1, 2))
        works_again(steelyard, good)
        reaches(steelyard, members.some(0, 1, 2))


@pytest.mark.parametrize("empty", ["keep", "accept"])
def test_an_empty_list(stage, files, members, empty):
    files.set(members.some(0, 1))
    steelyard = start(stage, files.source(empty=empty))
    reaches(steelyard, members.some(0, 1))
    files.write([])
    if empty == "accept":
        wait_for(lambda: not endpoints_of(steelyard), "no endpoints")
        assert steelyard.get("/").status == 503
    else:
        # A second file shows that the empty one was read.
        with Traffic(steelyard):
            files.set([members[2]], "b.json")
            reaches(steelyard, [members[2]])
            (files.directory / "b.json").unlink()
            wait_for(lambda: conditions(steelyard), "a condition")
            reaches(steelyard, [members[2]])
    files.set(members.some(3))
    reaches(steelyard, members.some(3))


def conditions(steelyard):
    """What the admin server says of sources that keep endpoints through an empty answer."""
    status = json.loads(steelyard.admin_get("/api/v1/status").content)
    return [one for one in status["conditions"] if one["alert"] == "SteelyardDiscoveryEmpty"]


def test_a_member_that_leaves_finishes_its_streams(stage, files, members):
    files.set(members.some(0, 1))
    steelyard = start(stage, files.source())
    outlives_its_member(steelyard, members, lambda: files.set([members[1]]))


def test_endpoints_of_the_file_and_of_two_sources_are_one_pool(stage, files, members):
    files.set(members.some(0, 1), "a.json", weight="5")
    files.set(members.some(1, 2), "b.yaml", weight="7")
    steelyard = start(
        stage, files.source(),
        {"file": str(files.directory / "b.yaml"), "interval": "1s", "name": "second"},
        endpoints=[members[0]])
    reaches(steelyard, members.some(0, 1, 2))
    # The list comes first, then the sources in their order.
    assert weights(steelyard) == {members[0]: 1, members[1]: 5, members[2]: 7}
    files.set([members[0]], "a.json", weight="5")
    wait_for(lambda: weights(steelyard) == {members[0]: 1, members[1]: 7, members[2]: 7},
             "the other source's weight")


def flap(steelyard, files, members):
    """Member 1 goes three times, and is held back when it comes the third time."""
    for _ in range(3):
        files.set([members[0]])
        wait_for(lambda: endpoints_of(steelyard) == {members[0]}, "its end")
        # The mark shows that the file was read; it has gone twice before it comes for the last
        # time, which is not too often.
        files.set(members.some(0, 1, 2))
        wait_for(lambda: members[2] in endpoints_of(steelyard), "the mark")
        files.set(members.some(0, 1))
        wait_for(lambda: members[2] not in endpoints_of(steelyard), "the end of the mark")
    assert endpoints_of(steelyard) == {members[0]}
    assert steelyard.metrics().value(
        "steelyard_discovery_endpoints_held_back", pool="text", source="file") == 1


def test_what_flaps_is_held_back(stage, files, members):
    files.set(members.some(0, 1))
    steelyard = start(stage, files.source())
    with Traffic(steelyard):
        flap(steelyard, files, members)
        assert set(answers(steelyard)) == {members[0]}
        # Better one that flaps than none.
        files.set(members.some(1))
        reaches(steelyard, members.some(1))


@pytest.mark.long
def test_what_flapped_is_let_in_again(stage, files, members):
    files.set(members.some(0, 1))
    steelyard = start(stage, files.source())
    with Traffic(steelyard):
        flap(steelyard, files, members)
        # Its points halve every minute.
        held = time.monotonic()
        reaches(steelyard, members.some(0, 1), 180)
        assert time.monotonic() - held > 40


def test_ten_thousand_members(stage, files, members):
    files.set([members[n] for n in range(10_000)])
    steelyard = start(stage, files.source(), limits={"endpoints": 10_100})
    assert len(endpoints_of(steelyard)) == 10_000
    assert len(answers(steelyard, 300)) == 300
    with Traffic(steelyard):
        files.set([members[n] for n in range(5_000, 15_000)])
        expected = {members[n] for n in range(5_000, 15_000)}
        wait_for(lambda: endpoints_of(steelyard) == expected, "the other half", interval=0.5)
    # One more is refused as a whole.
    files.set([members[n] for n in range(10_001)])
    fails(steelyard, "10000")
    assert endpoints_of(steelyard) == expected


def test_a_thousand_changes_a_minute(stage, files, members):
    files.set(members.some(0, 1))
    steelyard = start(stage, files.source())
    with Traffic(steelyard):
        for turn in range(250):
            files.set(members.some(0, 1, 2 + turn % 200))
            time.sleep(0.06)
        files.set(members.some(0, 1, 999))
        reaches(steelyard, members.some(0, 1, 999))
    assert not failures(steelyard)


def test_a_reload_keeps_what_a_source_said(stage, files, members):
    files.set(members.some(0, 1))
    steelyard = start(stage, files.source())
    reaches(steelyard, members.some(0, 1))
    files.write(b"{")
    fails(steelyard)
    with Traffic(steelyard):
        done = steelyard.reload(configured(files.source(), endpoints=[members[5]]))
        assert done.returncode == 0, done.stderr
        reaches(steelyard, members.some(0, 1, 5))
        # A source that is taken out takes its endpoints along.
        done = steelyard.reload(minimal(
            [members[5]], balance="round_robin", weights={"law": "static"}))
        assert done.returncode == 0, done.stderr
        reaches(steelyard, [members[5]])
        files.set(members.some(3, 4))
        done = steelyard.reload(configured(files.source()))
        assert done.returncode == 0, done.stderr
        reaches(steelyard, members.some(3, 4))


def test_a_source_that_has_nothing_at_the_start_is_waited_for(stage, files, members):
    steelyard = start(stage, files.source())
    assert steelyard.get("/").status == 503
    fails(steelyard, "no file matches")
    files.set([members[0]])
    wait_for(lambda: steelyard.get("/").status == 200, "the endpoint")


@pytest.mark.parametrize("source, words", [
    ({"file": "/x/*.json", "http": "http://127.0.0.1/"}, "one of"),
    ({"interval": "1s"}, "one of"),
    ({"file": "/x", "token": {"file": "/x"}}, "token"),
    ({"http": "127.0.0.1:80/targets"}, "URL"),
    ({"http": "http://127.0.0.1:80/", "tls": {"ca": "/x"}}, "https"),
    ({"srv": "models"}, "_http._tcp"),
    ({"consul": "vllm", "token": "secret"}, "file: PATH"),
    ({"file": "/x", "empty": "yes"}, "accept"),
    ({"kubernetes": "a b"}, "visible")])
def test_what_is_no_source_is_an_error(tmp_path, source, words):
    file = tmp_path / "a.yaml"
    file.write_text(json.dumps(configured(source)))
    done = run_steelyard("check", file)
    assert done.returncode == 78 and words in done.stdout + done.stderr
