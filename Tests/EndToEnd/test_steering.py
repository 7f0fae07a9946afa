"""HAProxy and Envoy follow steelyard's weights: agent checks and endpoint discovery over REST."""

import collections
import json
import socket
import time

import packages
import pytest
from conftest import minimal
from endpoints import pages, text
from peers import HAProxyPeer
from programs import Program, free_port, run_steelyard, wait_for
from wire import Connection

NAMES = ["one", "two", "three"]
TOLERANCE = 0.02
REQUESTS = 1_000


def bearing(token_file):
    """What makes Envoy send a token to a cluster."""
    def typed(name, kind, **keys):
        return {"name": name, "typed_config": {"@type": f"type.googleapis.com/envoy.{kind}", **keys}}

    secret = {"name": "token", "sds_config": {"path_config_source": {"path": str(token_file)}}}
    return {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": [
            typed("envoy.filters.http.credential_injector",
                  "extensions.filters.http.credential_injector.v3.CredentialInjector",
                  credential=typed(
                      "envoy.http.injected_credentials.generic",
                      "extensions.http.injected_credentials.generic.v3.Generic",
                      credential=secret)),
            typed("envoy.filters.http.upstream_codec",
                  "extensions.filters.http.upstream_codec.v3.UpstreamCodec")]}}


class EnvoyPeer(Program):
    """Envoy in front of a pool that it asks steelyard for. `token_file`: a secret of Envoy's."""

    def __init__(self, directory, steelyard, token_file=None):
        directory.mkdir(parents=True, exist_ok=True)
        self.address = ("127.0.0.1", free_port())
        envoy = packages.TOOLS / "envoy"
        assert envoy.exists(), "envoy is missing: run scripts/setup test"

        def at(address):
            return {"address": {"socket_address": {"address": address[0], "port_value": address[1]}}}

        routes = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "text"}}]}]}
        manager = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network."
                     "http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "in", "route_config": routes,
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}
        source = {"resource_api_version": "V3", "api_config_source": {
            "api_type": "REST", "transport_api_version": "V3", "cluster_names": ["localhost"],
            "refresh_delay": "0.2s"}}
        configuration = {
            "node": {"id": "proxy-1", "cluster": "proxies"},
            "static_resources": {
                "listeners": [{**at(self.address), "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": manager}]}]}],
                "clusters": [
                    {"name": "localhost", "type": "STATIC",
                     "typed_extension_protocol_options": bearing(token_file) if token_file else {},
                     "load_assignment": {
                        "cluster_name": "localhost",
                        "endpoints": [{"lb_endpoints": [{"endpoint": at(steelyard.admin)}]}]}},
                    {"name": "text", "type": "EDS", "lb_policy": "ROUND_ROBIN",
                     "eds_cluster_config": {"service_name": "text", "eds_config": source}}]}}
        file = directory / "envoy.json"
        file.write_text(json.dumps(configuration))
        super().__init__("envoy", directory, [
            envoy, "-c", file, "--concurrency", "1", "--base-id", str(self.address[1]),
            "--disable-hot-restart", "--log-level", "warning"])
        self.wait_for_port(*self.address)


def haproxy(stage, directory, agent, addresses, state=""):
    servers = "".join(
        f'    server s{index} {address} agent-send "text {address}{state}\\n"\n'
        for index, address in enumerate(addresses))
    return stage.keep(HAProxyPeer(directory, (
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n"
        "    timeout server 30s\n"
        "frontend in\n    bind :80\n    default_backend text\n"
        "backend text\n    balance roundrobin\n"
        f"    default-server weight 100 agent-check agent-addr 127.0.0.1 agent-port {agent} "
        "agent-inter 100ms\n" + servers)))


def engine(name, busy):
    """Says its name, and on its metrics page how busy it is."""
    answer, page = text(name.encode()), pages(lambda: f"busy {busy}\n")
    return lambda exchange: (page if exchange.request.target == "/metrics" else answer)(exchange)


class Steered:
    """Three endpoints whose weights a steelyard computes that no request goes through."""

    def __init__(self, stage, busy=None, **pool):
        self.endpoints = [
            stage.endpoint(engine(name, (busy or {}).get(name, 0))) for name in NAMES]
        self.addresses = [one.address for one in self.endpoints]
        self.agent = free_port()
        rows = [{"address": address, "name": name, "weight": weight}
                for address, name, weight in zip(self.addresses, NAMES, [6, 3, 1])]
        self.steelyard = stage.steelyard(
            minimal(rows, **pool) | {"agent_check": {"listen": f"127.0.0.1:{self.agent}"}})

    def cli(self, *words):
        host, port = self.steelyard.admin
        done = run_steelyard(*words, "--admin", f"{host}:{port}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shares(self):
        """By name, what `steelyard weights` says."""
        pools = json.loads(self.cli("weights", "--json"))["pools"]
        return {one["name"]: one["weight_share"] for one in pools[0]["endpoints"]}

    def ask(self, line):
        """What the agent answers."""
        with socket.create_connection(("127.0.0.1", self.agent), timeout=10) as client:
            client.sendall(line)
            try:
                return b"".join(iter(lambda: client.recv(100), b""))
            except ConnectionResetError:
                # It did not read all that was sent.
                return b""


def traffic(address, count=REQUESTS):
    """By name, the share of the answers."""
    with Connection(address) as connection:
        answers = collections.Counter(
            connection.exchange("GET", "/").content.decode() for _ in range(count))
    return {name: answers[name] / count for name in NAMES}


def follows(proxy, steered):
    """Waits until the traffic of a proxy has the shares of `steelyard weights`."""
    def is_near():
        wanted, got = steered.shares(), traffic(proxy.address)
        return all(abs(wanted[name] - got[name]) <= TOLERANCE for name in NAMES) and (wanted, got)

    wanted, got = wait_for(is_near, "traffic by the weights")
    print("weights", wanted, "traffic", got)
    return got


@pytest.fixture
def steered(stage):
    return Steered(stage, weights={"law": "static"})


def changes(proxy, steered):
    """Weights, a pin and a drain: the proxy's traffic follows each."""
    shares = follows(proxy, steered)
    assert shares["one"] > shares["two"] > shares["three"] > 0
    steered.cli("weights", "pin", "three", "12")
    wait_for(lambda: steered.shares()["three"] > 0.5, "the pin")
    shares = follows(proxy, steered)
    assert shares["three"] > 0.5
    steered.cli("drain", "one")
    wait_for(lambda: steered.shares()["one"] == 0, "the drain")
    wait_for(lambda: traffic(proxy.address, 200)["one"] == 0, "no request to a drained endpoint")
    follows(proxy, steered)
    steered.cli("drain", "--undo", "one")
    wait_for(lambda: steered.shares()["one"] > 0, "its end")
    wait_for(lambda: traffic(proxy.address, 200)["one"] > 0, "requests to it again")
    follows(proxy, steered)


@pytest.mark.parametrize("state", ["", " state"])
def test_haproxy_follows_the_weights(stage, steered, tmp_path, state):
    changes(haproxy(stage, tmp_path / "haproxy", steered.agent, steered.addresses, state), steered)


def test_envoy_follows_the_weights(stage, steered, tmp_path):
    changes(stage.keep(EnvoyPeer(tmp_path / "envoy", steered.steelyard)), steered)


def test_envoy_can_send_a_token(stage, tmp_path):
    token = "read-token-0123456789"
    one, two = stage.endpoint(text(b"one")), stage.endpoint(text(b"two"))
    configuration = minimal([{"address": one.address, "weight": 4}, two.address])
    configuration["admin"]["read_token"] = {"env": "READ"}
    steelyard = stage.steelyard(configuration, {"READ": token})
    secret = tmp_path / "token.json"
    secret.write_text(json.dumps({"resources": [{
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "token",
        "generic_secret": {"secret": {"inline_string": f"Bearer {token}"}}}]}))
    envoy = stage.keep(EnvoyPeer(tmp_path / "envoy", steelyard, secret))

    def shares():
        with Connection(envoy.address) as connection:
            return connection.exchange("GET", "/").status == 200 and traffic(envoy.address)

    assert abs(wait_for(shares, "endpoints")["one"] - 0.8) <= TOLERANCE


def test_a_law_works_without_traffic_of_its_own(stage, tmp_path):
    """The pages alone show that an endpoint is busy: its weight falls, and HAProxy follows."""
    steered = Steered(stage, busy={"one": 0.9}, weights={
        "law": "headroom", "interval": "100ms",
        "scrape": [{"path": "/metrics", "signals": [
            {"name": "busy", "metric": "busy", "normal": 0, "alarm": 1}]}]})
    proxy = haproxy(stage, tmp_path / "haproxy", steered.agent, steered.addresses)
    wait_for(lambda: steered.shares()["one"] < 0.25, "a lower weight")
    assert follows(proxy, steered)["one"] < 0.3


def test_the_agent_answers_one_line(steered):
    assert steered.ask(b"text one\n") == b"100%\n"
    assert steered.ask(b"text two\r\nmore\n") == b"50%\n"
    assert steered.ask(f"text {steered.addresses[2]} state\n".encode()) == b"ready 17%\n"
    for line in [b"text four\n", b"none one\n", b"\n", b"x" * 4_000 + b"\n", b"text one up\n"]:
        assert steered.ask(line) == b"", line


def test_the_agents_address_changes_with_a_restart(steered):
    configuration = minimal(steered.addresses) | {
        "agent_check": {"listen": f"127.0.0.1:{free_port()}"}}
    done = steered.steelyard.reload(configuration)
    assert done.returncode != 0 and "agent_check" in done.stderr
    assert steered.ask(b"text one\n") == b"100%\n"


def test_silent_clients_of_the_agent_are_dropped(steered):
    silent = [socket.create_connection(("127.0.0.1", steered.agent)) for _ in range(300)]
    began = time.monotonic()
    assert all(one.recv(10) == b"" for one in silent)
    assert time.monotonic() - began < 30
    assert steered.ask(b"text one\n") == b"100%\n"
    for one in silent:
        one.close()


def test_endpoint_discovery_reads_its_request(steered):
    def ask(content, fields=()):
        with Connection(steered.steelyard.admin) as connection:
            return connection.exchange(
                "POST", "/v3/discovery:endpoints", content=content, fields=fields)

    # Envoy tells much of itself.
    request = {"node": {"id": "x", "extensions": ["y" * 100] * 1_500}, "resource_names": ["text"]}
    answer = ask(json.dumps(request).encode())
    assert answer.status == 200
    resource, = json.loads(answer.content)["resources"]
    members = resource["endpoints"][0]["lb_endpoints"]
    assert [one["load_balancing_weight"] for one in members] == [128, 64, 21]
    assert ask(b"{").status == 400 and ask(b"").status == 400
    assert ask(b"x" * (300 << 10)).status in (400, 413)
    with Connection(steered.steelyard.admin) as connection:
        assert connection.exchange("GET", "/v3/discovery:endpoints").status == 405
