"""Each configuration of docs/migrating.md and its steelyard twin, side by side on real ports: the
same endpoints behind both, the same requests to both, and both have to do the same."""

import collections
import json
import threading

import pytest
import wire
from endpoints import Endpoint, echo
from peers import EXAMPLES, HAProxyPeer, NginxPeer, endpoint_addresses, moved, twin
from programs import ROOT, free_port, run_steelyard, wait_for

PAIRS = {
    "tensorflow-serving": "nginx.conf", "tensorflow-serving-weighted": "nginx.conf",
    "generation": "nginx.conf", "task-routing": "nginx.conf", "haproxy": "haproxy.cfg",
    "haproxy-source": "haproxy.cfg", "strict-dns": "envoy.yaml", "grpc": "nginx.conf",
    "grpc-cluster": "envoy.yaml"}


class Pair:
    """A peer and its twin in front of the same endpoints."""

    def __init__(self, stage, name, answer=echo):
        text = (EXAMPLES / f"{name}.{PAIRS[name]}").read_text()
        own = (EXAMPLES / f"{name}.yaml").read_text()
        self.names = endpoint_addresses(text)
        assert set(self.names) == set(endpoint_addresses(own)), "the twin has other endpoints"
        self.endpoints = {name: stage.endpoint(answer) for name in self.names}
        self.labels = {one.port: name for name, one in self.endpoints.items()}
        addresses = {name: one.address for name, one in self.endpoints.items()}
        kind = NginxPeer if PAIRS[name] == "nginx.conf" else HAProxyPeer
        self.peer = stage.keep(kind(stage.directory / "peer", moved(text, addresses)))
        log = stage.directory / "access.log"
        own = own.replace("/var/log/steelyard/access.log", str(log))
        self.log = log
        self.twin = stage.steelyard(twin(moved(own, addresses)))

    def both(self, method, target, **options):
        """(status, what the endpoint saw, which endpoint) from the peer and from the twin."""
        return [self._ask(address, method, target, **options)
                for address in (self.peer.address, self.twin.address)]

    def _ask(self, address, method, target, **options):
        before = {name: len(one.requests) for name, one in self.endpoints.items()}
        with wire.Connection(address) as connection:
            response = connection.exchange(method, target, **options)
        asked = [name for name, one in self.endpoints.items()
                 if any(r.target != "/health" or target == "/health"
                        for r in one.requests[before[name]:])]
        saw = json.loads(response.content) if response.content[:1] == b"{" else None
        return response, saw, asked

    def shares(self, address, count, target="/v1/models/m:predict"):
        """How many of `count` requests each endpoint took."""
        counts = collections.Counter()
        with wire.Connection(address) as connection:
            for _ in range(count):
                before = {name: len(one.requests) for name, one in self.endpoints.items()}
                assert connection.exchange("GET", target).status == 200
                for name, one in self.endpoints.items():
                    counts[name] += sum(r.target != "/health" for r in one.requests[before[name]:])
        return counts


def fields(saw, name):
    return [value for key, value in saw["fields"] if key.lower() == name.lower()]


@pytest.mark.parametrize("name", PAIRS)
def test_the_twin_is_a_valid_configuration(name):
    done = run_steelyard("check", EXAMPLES / f"{name}.yaml")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", PAIRS)
def test_the_page_shows_both_as_they_are(name):
    page = (ROOT / "docs/migrating.md").read_text()
    for file in (f"{name}.{PAIRS[name]}", f"{name}.yaml"):
        assert (EXAMPLES / file).read_text().strip() in page, f"{file} is not in docs/migrating.md"


def test_round_robin_takes_turns(stage):
    pair = Pair(stage, "tensorflow-serving")
    peer, own = (pair.shares(one.address, 30) for one in (pair.peer, pair.twin))
    assert peer == own == dict.fromkeys(pair.names, 10)


def test_a_dead_server_costs_no_request(stage):
    pair = Pair(stage, "tensorflow-serving")
    pair.endpoints[pair.names[1]].stop()
    for one in (pair.peer, pair.twin):
        counts = pair.shares(one.address, 30)
        assert counts[pair.names[1]] == 0 and sum(counts.values()) == 30


def test_weights_and_fields(stage):
    pair = Pair(stage, "tensorflow-serving-weighted")
    peer, own = (pair.shares(one.address, 60) for one in (pair.peer, pair.twin))
    assert peer == own == dict(zip(pair.names, (30, 20, 10)))
    for _, saw, _ in pair.both("POST", "/v1/models/m:predict", content=b"{}"):
        assert saw["method"] == "POST" and saw["target"] == "/v1/models/m:predict"
        assert fields(saw, "Host") == ["test.example"]
        assert fields(saw, "X-Real-IP") == ["127.0.0.1"]


def test_generation_counts_what_runs_by_weight(stage):
    go, arrived = threading.Event(), collections.Counter()

    def wait(exchange):
        arrived[exchange.endpoint.port] += 1
        go.wait(60)
        echo(exchange)

    pair = Pair(stage, "generation", wait)
    for one in (pair.peer, pair.twin):
        go.clear()
        arrived.clear()
        connections = []
        for number in range(1, 9):
            connection = wire.Connection(one.address)
            connection.send_request("GET", "/v1/completions")
            connections.append(connection)
            wait_for(lambda: sum(arrived.values()) == number, "the request to arrive")
        go.set()
        for connection in connections:
            assert connection.read_response().status == 200
            connection.close()
        assert [arrived[pair.endpoints[name].port] for name in pair.names] == [3, 3, 2, 0]


def test_generation_uses_its_backup_last(stage):
    pair = Pair(stage, "generation")
    for one in (pair.peer, pair.twin):
        counts = pair.shares(one.address, 40, "/v1/completions")
        assert counts[pair.names[3]] == 0 and sum(counts.values()) == 40
    for name in pair.names[:3]:
        pair.endpoints[name].stop()
    for one in (pair.peer, pair.twin):
        with wire.Connection(one.address) as connection:
            for _ in range(5):
                assert connection.exchange("GET", "/v1/completions").status == 200
    assert len(pair.endpoints[pair.names[3]].requests) == 10


def test_generation_has_its_own_health_page_and_limits(stage):
    pair = Pair(stage, "generation")
    for response, saw, asked in pair.both("GET", "/health"):
        assert (response.status, response.content, asked) == (200, b"healthy\n", [])
        assert response.one("Content-Type").startswith("text/plain")
    for one in (pair.peer, pair.twin):
        with wire.Connection(one.address) as connection:
            connection.send(b"POST /v1/completions HTTP/1.1\r\nHost: test.example\r\n"
                            b"Content-Length: %d\r\n\r\n" % (10 * 1024 * 1024 + 1))
            assert connection.read_response().status == 413
    for response, saw, _ in pair.both("POST", "/v1/completions", content=b"x" * 100_000):
        assert response.status == 200 and saw["count"] == 100_000
        assert fields(saw, "X-Forwarded-For") == ["127.0.0.1"]

    def lines():
        return pair.log.read_text().splitlines() if pair.log.exists() else []

    wait_for(lambda: any(" 200 " in line for line in lines()), "the access log")
    assert not [line for line in lines() if "/health" in line]
    assert lines()[0].startswith("127.0.0.1 - ") and '"POST /v1/completions HTTP/1.1"' in lines()[0]


@pytest.mark.parametrize("kind", ["text", "image", "audio"])
def test_tasks_go_to_their_pools_without_the_prefix(stage, kind):
    pair = Pair(stage, "task-routing")
    place = ("text", "image", "audio").index(kind) + 1
    for response, saw, asked in pair.both("POST", f"/api/{kind}/v1/generate?n=1", content=b"{}"):
        assert response.status == 200 and saw["target"] == "/v1/generate?n=1"
        assert len(asked) == 1 and asked[0].startswith(f"10.0.{place}.")
    for response, _, asked in pair.both("GET", "/api/video/"):
        assert response.status == 404 and asked == []


def test_haproxy_routes_checks_and_takes_turns(stage):
    pair = Pair(stage, "haproxy")
    models, chats = pair.names[:2], pair.names[2:]
    for one in (pair.peer, pair.twin):
        counts = pair.shares(one.address, 20, "/v1/models")
        assert counts == dict.fromkeys(models, 10) | dict.fromkeys(chats, 0)
        counts = pair.shares(one.address, 20, "/chat/x")
        assert sum(counts[name] for name in chats) == 20 and all(counts[name] for name in chats)
    for name in pair.names:
        wait_for(lambda: any(r.target == "/health" for r in pair.endpoints[name].requests),
                 "health checks")


def test_a_source_address_sticks(stage):
    pair = Pair(stage, "haproxy-source")
    for one in (pair.peer, pair.twin):
        counts = pair.shares(one.address, 20)
        assert sorted(counts.values()) == [0, 0, 20]
    for one in (pair.twin,):
        (home,) = [name for name, count in pair.shares(one.address, 3).items() if count]
        pair.endpoints[home].stop()
        counts = pair.shares(one.address, 20)
        assert counts[home] == 0 and sorted(counts.values()) == [0, 0, 20]


def test_strict_dns_follows_names_takes_turns_and_ejects(stage, hosts):
    places = ["127.0.0.2", "127.0.0.3"]
    port = free_port(places)
    servers = [stage.keep(Endpoint(echo, place, port)) for place in places]
    hosts.set(**{"gpu-a__internal": places[:1]})
    text = (EXAMPLES / "strict-dns.yaml").read_text()
    text = text.replace(":8000", f":{port}").replace("interval: 5s", "interval: 1s")
    own = stage.steelyard(twin(text), environment=hosts.environment)

    def asked(count):
        before = [len(one.requests) for one in servers]
        for _ in range(count):
            assert own.get("/v1/completions").status == 200
        return [len(one.requests) - start for one, start in zip(servers, before)]

    assert asked(10) == [10, 0]
    hosts.set(**{"gpu-a__internal": places[:1], "gpu-b__internal": places[1:]})
    wait_for(lambda: asked(4)[1], "the second name's address")
    assert asked(20) == [10, 10]
    # A resolver that fails takes nothing away.
    hosts.file.unlink()
    wait_for(lambda: own.events("host name cannot be resolved") or "resolv" in own.text(),
             "a failed lookup")
    assert asked(20) == [10, 10]
    servers[1].stop()
    assert asked(20)[0] == 20
