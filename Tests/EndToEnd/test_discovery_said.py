"""What people are told of sources: by `steelyard discover`, the API and conditions, while several
sources of one pool work, fail, and answer with nothing."""

import json

import pytest
from discoveries import Members, endpoints_of, fails, reaches, start
from programs import run_steelyard, wait_for
from registries import Consul, TargetServer
from targets import Files


@pytest.fixture
def stand(stage, tmp_path):
    """With a list, a file that works, a server that fails and a catalogue that is empty."""
    members = Members(stage)
    files, server, consul = Files(tmp_path), TargetServer(stage), Consul(stage)
    files.set(members.some(1, 2))
    server.set(members.some(3), zone="a", weight="2", __meta_x="y")
    consul.set(*members.some(4))
    steelyard = start(
        stage, files.source(), server.source(name="registry"), consul.source(),
        endpoints=members.some(0))
    reaches(steelyard, members.some(0, 1, 2, 3, 4))
    server.kill()
    consul.set()
    fails(steelyard)
    wait_for(lambda: steelyard.metrics().value(
        "steelyard_discovery_empty_kept", pool="text", source="consul") == 1, "the guard")
    assert endpoints_of(steelyard) == set(members.some(0, 1, 2, 3, 4))
    return steelyard, members, server, consul


def discover(steelyard, *options):
    host, port = steelyard.admin
    done = run_steelyard("discover", *options, "--admin", f"{host}:{port}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_tells_of_every_source(stand):
    steelyard, members, server, consul = stand
    said = discover(steelyard)
    for words in [
            "pool text\n", "the configuration file, 1 endpoint\n",
            "/targets/*.json, 2 endpoints\n",
            f"registry: {server.url}/targets, 1 endpoint; fails: Connection refused\n",
            f"consul: Consul service vllm at 127.0.0.1:{consul.port}, 1 endpoint; the last answer"
            " was empty and is not believed\n", *members.some(0, 1, 2, 3, 4)]:
        assert words in said
    (pool,) = json.loads(discover(steelyard, "--json", "--pool", "text"))["pools"]
    listed, file, registry, catalogue = pool["sources"]
    assert [one["address"] for one in listed["members"]] == members.some(0)
    assert sorted(one["address"] for one in file["members"]) == sorted(members.some(1, 2))
    assert (registry["name"], registry["is_up"], registry["failure_reason"]) == (
        "registry", False, "unreachable")
    assert registry["members"][0]["labels"] == {"zone": "a"}
    assert registry["members"][0]["weight"] == 2
    assert (catalogue["is_up"], catalogue["keeps_through_empty"]) == (True, True)
    (member,) = catalogue["members"]
    host = members.host(4)
    assert member["uid"] == f"id-of-node-{host}/vllm-{host}" and member["weight"] == 1
    assert registry["last_success"] >= registry["last_change"] > 1.7e9


def test_conditions_say_what_fails_and_end(stand):
    steelyard, members, server, consul = stand

    def conditions():
        status = json.loads(steelyard.admin_get("/api/v1/status").content)
        return {one["alert"] for one in status["conditions"] if "Discovery" in one["alert"]}

    wait_for(lambda: "SteelyardDiscoveryEmpty" in conditions(), "a word of the empty answer")
    wait_for(lambda: "SteelyardDiscoveryFailing" in conditions(), "a word of the failure", 150)
    server.revive()
    consul.set(*members.some(4))
    wait_for(lambda: not conditions(), "their end", 90)
