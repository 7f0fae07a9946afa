"""Host names of endpoints: every address is one, changes are followed, failures change nothing.

getaddrinfo is the one of hosts_file.c, which reads a file of the test at each call: the program
around it is the real one.
"""

import json
import threading

import pytest
from conftest import minimal
from endpoints import Endpoint, text
from programs import free_port, run_steelyard, wait_for

OK, CONFIGURATION = 0, 78


class Farm:
    """Endpoints on one port of several loopback addresses, each saying its address."""

    def __init__(self, stage, *addresses):
        self.port = free_port(addresses)
        self.endpoints = {
            one: stage.keep(Endpoint(text(one.encode()), one, self.port)) for one in addresses}


def start(stage, hosts, endpoints, dns=None, limits=None, **pool):
    configuration = minimal(
        endpoints, balance="round_robin", weights={"law": "static"}, **pool)
    configuration["dns"] = {"interval": "1s"} | (dns or {})
    configuration["limits"] = limits or {}
    return stage.steelyard(configuration, environment=hosts.environment)


def answers(steelyard, count=12):
    with steelyard.connect() as connection:
        return {connection.exchange("GET", "/").content.decode() for _ in range(count)}


def endpoints_of(steelyard):
    return set(steelyard.metrics().by_endpoint("steelyard_endpoint_weight"))


def test_every_address_of_a_name_is_an_endpoint_and_changes_are_followed(stage, hosts):
    farm = Farm(stage, "127.0.0.2", "127.0.0.3", "127.0.0.4")
    hosts.set(gpu__test=["127.0.0.2", "127.0.0.3"])
    steelyard = start(stage, hosts, [{"address": f"gpu.test:{farm.port}", "weight": 2}])
    # From the first request on.
    assert answers(steelyard) == {"127.0.0.2", "127.0.0.3"}
    weights = steelyard.metrics().by_endpoint("steelyard_endpoint_base_weight")
    assert weights == {f"127.0.0.2:{farm.port}": 2, f"127.0.0.3:{farm.port}": 2}
    hosts.set(gpu__test=["127.0.0.3", "127.0.0.4"])
    wait_for(lambda: answers(steelyard) == {"127.0.0.3", "127.0.0.4"}, "the new addresses")
    page = steelyard.metrics()
    assert page.value("steelyard_dns_addresses", host="gpu.test") == 2
    assert page.value("steelyard_dns_resolutions_total", host="gpu.test", result="ok") >= 2
    _, event = wait_for(
        lambda: len(found := steelyard.events("host name resolved")) == 2 and found, "a line")
    assert (event["added"], event["removed"]) == ("127.0.0.4", "127.0.0.2")
    # What stayed keeps its counters, what came begins at 0.
    started = page.by_endpoint("steelyard_endpoint_attempts_total")
    assert started[f"127.0.0.3:{farm.port}"] > started[f"127.0.0.4:{farm.port}"] > 0


def test_a_running_exchange_outlives_its_address(stage, hosts):
    begun, release = threading.Event(), threading.Event()

    def held(exchange):
        exchange.begin_chunked()
        exchange.chunk(b"first ")
        begun.set()
        release.wait(60)
        exchange.chunk(b"second")
        exchange.end_chunked()

    port = free_port(("127.0.0.2", "127.0.0.3"))
    stage.keep(Endpoint(held, "127.0.0.2", port))
    stage.keep(Endpoint(text(b"other"), "127.0.0.3", port))
    hosts.set(a__test=["127.0.0.2"])
    steelyard = start(stage, hosts, [f"a.test:{port}"])
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert begun.wait(30)
        hosts.set(a__test=["127.0.0.3"])
        wait_for(lambda: endpoints_of(steelyard) == {f"127.0.0.3:{port}"}, "the new address")
        assert answers(steelyard) == {"other"}
        release.set()
        assert connection.read_response().content == b"first second"


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_a_failing_resolver_takes_nothing_away(stage, hosts, how):
    farm = Farm(stage, "127.0.0.2")
    hosts.set(gpu__test=["127.0.0.2"])
    steelyard = start(stage, hosts, [f"gpu.test:{farm.port}"])
    if how == "removed":
        hosts.file.unlink()
    else:
        hosts.set()

    def failures():
        return steelyard.metrics().value(
            "steelyard_dns_resolutions_total", host="gpu.test", result="failed")

    wait_for(lambda: failures() >= 2, "two failures")
    assert answers(steelyard) == {"127.0.0.2"}
    before = steelyard.metrics().value(
        "steelyard_dns_last_success_timestamp_seconds", host="gpu.test")
    assert len(steelyard.events("host name not resolved")) == 1
    hosts.set(gpu__test=["127.0.0.2"])
    wait_for(lambda: steelyard.metrics().value(
        "steelyard_dns_last_success_timestamp_seconds", host="gpu.test") > before, "a success")
    wait_for(lambda: len(steelyard.events("host name resolved")) == 2, "a word that it is back")


def test_a_name_without_an_address_is_waited_for(stage, hosts):
    farm = Farm(stage, "127.0.0.2")
    steelyard = start(stage, hosts, [f"later.test:{farm.port}"])
    assert steelyard.get("/").status == 503
    (event,) = steelyard.events("host name not resolved")
    assert event["level"] == "warning" and event["name"] == "later.test" and event["reason"]
    page = steelyard.metrics()
    assert page.series("steelyard_dns_last_success_timestamp_seconds") == []
    assert page.value("steelyard_dns_addresses", host="later.test") == 0
    hosts.set(later__test=["127.0.0.2"])
    wait_for(lambda: steelyard.get("/").status == 200, "the endpoint")


def test_addresses_and_names_of_one_endpoint_are_one(stage, hosts):
    farm = Farm(stage, "127.0.0.2", "127.0.0.3")
    hosts.set(a__test=["127.0.0.2", "127.0.0.3"], b__test=["127.0.0.3"])
    steelyard = start(stage, hosts, [
        f"a.test:{farm.port}", {"address": f"127.0.0.2:{farm.port}", "weight": 5},
        {"address": f"b.test:{farm.port}", "weight": 9}])
    # The address that is written down counts, then the names in their order.
    assert steelyard.metrics().by_endpoint("steelyard_endpoint_base_weight") == {
        f"127.0.0.2:{farm.port}": 5, f"127.0.0.3:{farm.port}": 1}
    # The first name loses it: the second still has it.
    hosts.set(a__test=["127.0.0.2"], b__test=["127.0.0.3"])
    wait_for(
        lambda: steelyard.metrics().by_endpoint("steelyard_endpoint_base_weight")
        == {f"127.0.0.2:{farm.port}": 5, f"127.0.0.3:{farm.port}": 9}, "the other name's weight")


def test_an_endpoint_that_comes_back_goes_on_with_its_counters(stage, hosts):
    farm = Farm(stage, "127.0.0.2", "127.0.0.3")
    hosts.set(a__test=["127.0.0.2", "127.0.0.3"])
    steelyard = start(stage, hosts, [f"a.test:{farm.port}"])
    answers(steelyard, 20)
    key = f"127.0.0.2:{farm.port}"
    hosts.set(a__test=["127.0.0.3"])
    wait_for(lambda: key not in endpoints_of(steelyard), "its end")
    hosts.set(a__test=["127.0.0.2", "127.0.0.3"])
    wait_for(lambda: key in endpoints_of(steelyard), "its return")
    assert steelyard.metrics().by_endpoint("steelyard_endpoint_attempts_total")[key] == 10
    assert answers(steelyard) == {"127.0.0.2", "127.0.0.3"}


def test_no_more_than_256_addresses_of_a_name(stage, hosts):
    farm = Farm(stage, "127.0.0.2")
    many = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(299)]
    hosts.set(a__test=many + ["127.0.0.2"])
    steelyard = start(stage, hosts, [f"a.test:{farm.port}"])
    assert steelyard.metrics().value("steelyard_dns_addresses", host="a.test") == 256
    assert len(endpoints_of(steelyard)) == 256
    (event,) = steelyard.events("host name resolved")
    assert (event["level"], event["left_out"]) == ("warning", "44")


def test_a_slow_resolver_holds_up_neither_requests_nor_other_names(stage, hosts):
    farm = Farm(stage, "127.0.0.2", "127.0.0.3")
    hosts.set(a__test=["127.0.0.2"])
    steelyard = start(
        stage, hosts, [f"a.test:{farm.port}", f"b.test:{farm.port}"], dns={"timeout": "500ms"})
    hosts.set(slow=4, a__test=["127.0.0.2", "127.0.0.3"])

    def late():
        return steelyard.metrics().value(
            "steelyard_dns_resolutions_total", host="a.test", result="timeout")

    wait_for(late, "a time-out")
    asked = steelyard.metrics().value(
        "steelyard_dns_resolutions_total", host="b.test", result="failed")
    assert answers(steelyard) == {"127.0.0.2"}
    wait_for(
        lambda: "0.5 s" in steelyard.events("host name not resolved")[-1]["reason"], "its reason")
    wait_for(
        lambda: steelyard.metrics().value(
            "steelyard_dns_resolutions_total", host="b.test", result="failed") > asked,
        "another name to be asked for")
    # What comes too late still counts.
    wait_for(lambda: answers(steelyard) == {"127.0.0.2", "127.0.0.3"}, "the late answer")


@pytest.mark.parametrize("family, expected", [
    ("any", {"127.0.0.2", "[0:0:0:0:0:0:0:1]"}), ("ipv4", {"127.0.0.2"}),
    ("ipv6", {"[0:0:0:0:0:0:0:1]"})])
def test_families_can_be_left_out(stage, hosts, family, expected):
    hosts.set(a__test=["::1", "127.0.0.2"])
    steelyard = start(stage, hosts, ["a.test:9"], dns={"family": family})
    assert endpoints_of(steelyard) == {f"{address}:9" for address in expected}


def shortages(steelyard):
    status = json.loads(steelyard.admin_get("/api/v1/status").content)
    return [one["alert"] for one in status["conditions"] if "LeftOut" in one["alert"]]


def left_out(steelyard):
    return steelyard.metrics().value("steelyard_pool_endpoints_left_out", pool="text")


def test_addresses_beyond_the_limit_are_left_out_and_the_others_are_used(stage, hosts):
    farm = Farm(stage, "127.0.0.2", "127.0.0.3")
    hosts.set(a__test=["127.0.0.2"])
    steelyard = start(stage, hosts, [f"a.test:{farm.port}"], limits={"endpoints": 16})
    assert steelyard.metrics().value("steelyard_endpoints_limit") == 16
    many = [f"127.0.0.{n}" for n in range(2, 42)]
    hosts.set(a__test=many)
    wait_for(lambda: len(endpoints_of(steelyard)) == 16, "as many as there is room for")
    assert left_out(steelyard) == 24
    assert {f"127.0.0.2:{farm.port}", f"127.0.0.3:{farm.port}"} <= endpoints_of(steelyard)
    (event,) = steelyard.events("endpoints are left out")
    assert (event["level"], event["pool"], event["left_out"], event["limit"]) == (
        "warning", "text", "24", "16")
    wait_for(lambda: shortages(steelyard) == ["SteelyardEndpointsLeftOut"], "the condition")
    # Those that go make room for those that were left out.
    hosts.set(a__test=many[:2] + many[-13:])
    wait_for(lambda: endpoints_of(steelyard) == {
        f"{address}:{farm.port}" for address in many[:2] + many[-13:]}, "the others")
    assert left_out(steelyard) == 0
    wait_for(lambda: steelyard.events("all endpoints are in use"), "a word that it is over")
    wait_for(lambda: not shortages(steelyard), "the condition's end")


def test_a_name_that_grows_from_1_to_81_addresses_is_used_whole(stage, hosts):
    hosts.set(a__test=["127.0.0.2"])
    steelyard = start(stage, hosts, ["a.test:9"])
    many = {f"127.1.0.{n + 1}" for n in range(81)}
    hosts.set(a__test=sorted(many))
    wait_for(lambda: endpoints_of(steelyard) == {f"{one}:9" for one in many}, "all addresses")
    assert left_out(steelyard) == 0


def test_requests_in_flight_keep_their_endpoints_while_others_come_and_go(stage, hosts):
    """Retries and sessions refer to endpoints of the pool that moves under them."""
    farm = Farm(stage, *(f"127.0.0.{n}" for n in range(2, 10)))
    addresses = [f"127.0.0.{n}" for n in range(2, 10)]
    hosts.set(a__test=addresses)
    steelyard = start(
        stage, hosts, [f"a.test:{farm.port}"], affinity={"cookie": "home"})
    with steelyard.connect() as connection:
        first = connection.exchange("GET", "/")
        home = first.content.decode()
        cookie = first.one("Set-Cookie").split(";")[0]
        others = [address for address in addresses if address != home]
        for gone in range(1, len(others)):
            kept = sorted(others[gone:] + [home])
            hosts.set(a__test=kept)
            wait_for(lambda: endpoints_of(steelyard) == {
                f"{address}:{farm.port}" for address in kept}, "the addresses that are left")
            answer = connection.exchange("GET", "/", fields=[("Cookie", cookie)])
            assert answer.content.decode() == home
    assert steelyard.metrics().sum("steelyard_local_responses_total") == 0


def test_a_reload_waits_for_the_names_it_brings(stage, hosts):
    farm = Farm(stage, "127.0.0.2", "127.0.0.3")
    hosts.set(a__test=["127.0.0.3"])
    steelyard = start(stage, hosts, [f"127.0.0.2:{farm.port}"])
    assert answers(steelyard) == {"127.0.0.2"}
    steelyard.write(minimal([f"a.test:{farm.port}"], balance="round_robin"))
    host, port = steelyard.admin
    done = run_steelyard("reload", "--admin", f"{host}:{port}")
    assert done.returncode == OK, done.stderr
    assert f"host name a.test:{farm.port} of pool text added" in done.stdout
    wait_for(lambda: answers(steelyard) == {"127.0.0.3"}, "the name's address")
    # Not one request met a pool without endpoints.
    assert steelyard.metrics().sum("steelyard_local_responses_total") == 0


def test_check_resolves_nothing_and_says_so(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(json.dumps(minimal(["no.such.host.invalid:80", "10.0.0.1:80"])))
    done = run_steelyard("check", file)
    assert done.returncode == OK
    assert "1 endpoint(s), 1 host name(s), not resolved here" in done.stdout
    printed = run_steelyard("check", file, "--print").stdout
    assert 'address: "no.such.host.invalid:80"' in printed


@pytest.mark.parametrize("address", [
    "a..b:80", "-a.b:80", "a-.b:80", "a.b:0", "a b:80", "10.0.0.256:80", "a.1:80", "ä.test:80",
    f"{'a' * 64}.b:80", f"{'a.' * 130}b:80", "a.b", ".:80"])
def test_what_is_no_host_name_is_an_error(tmp_path, address):
    file = tmp_path / "a.yaml"
    file.write_text(json.dumps(minimal([address])))
    assert run_steelyard("check", file).returncode == CONFIGURATION
