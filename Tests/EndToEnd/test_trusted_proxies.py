"""Who is believed about the client: nobody, or the proxies that the operator names."""

import json

import pytest
from conftest import minimal
from endpoints import text
from tunnels import open_raw, pipe_endpoint


def listening(endpoint, **listener):
    configuration = minimal([endpoint.address])
    configuration["listeners"][0] |= listener
    return configuration


def start(stage, endpoint, *networks):
    return stage.steelyard(listening(endpoint, trusted_proxies=list(networks)))


@pytest.fixture(scope="module")
def trusting(module_stage, endpoint):
    return start(module_stage, endpoint, "127.0.0.0/8", "10.0.0.0/8", "fd00::/8")


@pytest.fixture(scope="module")
def distrusting(module_stage, endpoint):
    return start(module_stage, endpoint, "10.0.0.0/8")


class Seen:
    """What the endpoint saw of a request."""

    def __init__(self, steelyard, *fields, connection=None):
        with connection or steelyard.connect() as open_one:
            response = open_one.exchange("GET", "/", fields=fields)
        assert response.status == 200
        self.fields = json.loads(response.content)["fields"]

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def one(self, name):
        found = self.all(name)
        assert len(found) == 1, f"{name}: {found}"
        return found[0]


# X-Forwarded-For as it comes; who the client is then.
CLIENTS = [
    (["203.0.113.7"], "203.0.113.7"),
    (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
    (["203.0.113.7, 10.1.2.3"], "203.0.113.7"),
    (["6.6.6.6, 203.0.113.7, 10.1.2.3, 10.1.2.4"], "203.0.113.7"),
    (["203.0.113.7", "10.1.2.3"], "203.0.113.7"),
    (["203.0.113.7 ,\t10.1.2.3 ,, "], "203.0.113.7"),
    (["203.0.113.7:4711"], "203.0.113.7"),
    (["2001:DB8::0:1, fd00::1"], "2001:db8::1"),
    (["[2001:db8::1]:443, [fd00::1]"], "2001:db8::1"),
    (["::ffff:203.0.113.7"], "203.0.113.7"),
    # All of them are trusted: the left-most.
    (["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
    # What counts is no address: the peer is all that is known.
    (["203.0.113.7, unknown"], "127.0.0.1"),
    (["203.0.113.7, 10.1.2.256"], "127.0.0.1"),
    (["203.0.113.7, 010.1.2.3"], "127.0.0.1"),
    (["203.0.113.7, 10.1.2.3:"], "127.0.0.1"),
    (["203.0.113.7, 10.1.2.3:99999"], "127.0.0.1"),
    (["203.0.113.7, _hidden"], "127.0.0.1"),
    ([""], "127.0.0.1"),
    # Rubbish to the left of the client is hearsay and does not matter.
    (["unknown, 203.0.113.7"], "203.0.113.7"),
    # More trusted entries than are looked at.
    (["203.0.113.7, " + ", ".join(["10.1.2.3"] * 31)], "203.0.113.7"),
    (["203.0.113.7, " + ", ".join(["10.1.2.3"] * 32)], "127.0.0.1"),
]


@pytest.mark.parametrize("given, client", CLIENTS, ids=[",".join(row[0])[:40] for row in CLIENTS])
def test_a_trusted_proxy_says_who_the_client_is(trusting, given, client):
    seen = Seen(trusting, *[("X-Forwarded-For", value) for value in given])
    assert seen.one("X-Real-IP") == client
    # What came is kept, and who told us is added.
    kept = ", ".join(value.strip(" \t") for value in given if value.strip(" \t"))
    assert seen.one("X-Forwarded-For") == (kept + ", " if kept else "") + "127.0.0.1"


def test_a_trusted_proxys_other_words_stand(trusting):
    seen = Seen(
        trusting, ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "public.example"),
        ("X-Forwarded-Port", "443"), ("Forwarded", "for=203.0.113.7"))
    assert seen.one("X-Forwarded-Proto") == "https"
    assert seen.one("X-Forwarded-Host") == "public.example"
    assert seen.one("X-Forwarded-Port") == "443"
    assert seen.one("Forwarded") == "for=203.0.113.7"


def test_what_is_said_twice_is_not_believed(trusting):
    seen = Seen(trusting, ("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "ftp"),
                ("X-Forwarded-Host", "a.example"), ("X-Forwarded-Host", "b.example"))
    assert seen.one("X-Forwarded-Proto") == "http"
    assert seen.one("X-Forwarded-Host") == "test.example"


def test_a_trusted_proxy_that_says_nothing_is_the_client(trusting):
    seen = Seen(trusting)
    assert seen.one("X-Real-IP") == seen.one("X-Forwarded-For") == "127.0.0.1"
    assert seen.one("X-Forwarded-Proto") == "http"


def test_nobody_elses_words_arrive(distrusting):
    seen = Seen(
        distrusting, ("X-Forwarded-For", "10.0.0.1"), ("X-Real-IP", "10.0.0.1"),
        ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "443"), ("X-Forwarded-Prefix", "/admin"), ("Forwarded", "for=10.0.0.1"))
    assert seen.one("X-Forwarded-For") == seen.one("X-Real-IP") == "127.0.0.1"
    assert seen.one("X-Forwarded-Proto") == "http"
    assert seen.one("X-Forwarded-Host") == "test.example"
    for name in ("X-Forwarded-Port", "X-Forwarded-Prefix", "Forwarded"):
        assert seen.all(name) == [], name


@pytest.mark.parametrize("name", [
    "X_Forwarded_For", "X-Forwarded_For", "x_real_ip", "X_Forwarded-Proto", "X_REQUEST_ID"])
def test_a_name_with_underscores_is_no_way_round(trusting, distrusting, name):
    """CGI, WSGI and PHP applications cannot tell the two names apart."""
    for steelyard in (trusting, distrusting):
        assert Seen(steelyard, (name, "10.0.0.1")).all(name) == []


def test_each_request_of_a_connection_has_its_own_client(trusting):
    with trusting.connect() as connection:
        for client in ("203.0.113.7", None, "203.0.113.8"):
            fields = [("X-Forwarded-For", client)] if client else []
            response = connection.exchange("GET", "/", fields=fields)
            seen = dict((name.lower(), value)
                        for name, value in json.loads(response.content)["fields"])
            assert seen["x-real-ip"] == (client or "127.0.0.1")


@pytest.mark.parametrize("networks, message", [
    (["10.0.0.1/8"], "has bits set behind its prefix"), (["10.0.0.0/33"], "a network or an address"),
    (["proxy.example"], "a network or an address"), (["10.0.0.0/8/8"], "a network or an address"),
    (["fd00::/129"], "a network or an address"), ([""], "a network or an address")])
def test_a_network_that_is_none_is_an_error(stage, tmp_path, endpoint, networks, message):
    from programs import run_steelyard
    file = tmp_path / "bad.yaml"
    file.write_text(json.dumps(listening(endpoint, trusted_proxies=networks)))
    result = run_steelyard("check", file)
    assert result.returncode == 78 and message in result.stdout + result.stderr


def test_rate_limits_go_by_the_client_behind_the_proxy(stage, endpoint):
    configuration = listening(endpoint, trusted_proxies=["127.0.0.1"])
    configuration["pools"]["text"]["rate_limits"] = [
        {"key": "client_ip", "rate": "1/h", "burst": 2}]
    steelyard = stage.steelyard(configuration)

    def statuses(client):
        fields = [("X-Forwarded-For", client)]
        return [steelyard.get("/", fields=fields).status for _ in range(3)]

    assert statuses("203.0.113.7") == [200, 200, 429]
    assert statuses("203.0.113.8") == [200, 200, 429]
    # What is to the left of the client is hearsay: no way to a bucket of one's own.
    assert statuses("6.6.6.6, 203.0.113.8") == [429, 429, 429]


def test_connections_per_client_do_not_count_a_trusted_proxys(stage, endpoint):
    limits = {"limits": {"connections_per_client": 2}}
    for trusted, allowed in (["127.0.0.1"], 5), (["10.0.0.0/8"], 2):
        steelyard = stage.steelyard(listening(endpoint, trusted_proxies=trusted) | limits)
        connections = [steelyard.connect() for _ in range(5)]
        answers = []
        for connection in connections:
            connection.send_request("GET", "/")
            answers.append(connection.read_response().status)
        assert answers.count(200) == allowed, answers
        for connection in connections:
            connection.close()


def test_connections_per_client_go_by_the_proxy_header(stage, endpoint):
    limits = {"limits": {"connections_per_client": 1}}
    steelyard = stage.steelyard(
        listening(endpoint, trusted_proxies=["127.0.0.1"], proxy_protocol=True) | limits)
    connections = [steelyard.connect() for _ in range(4)]
    statuses = []
    for connection, client in zip(connections, [b"203.0.113.7", b"203.0.113.8"] * 2):
        request = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"
        connection.send(b"PROXY TCP4 %b 198.51.100.1 1 2\r\n%b" % (client, request))
        statuses.append(connection.read_response().status)
    assert statuses == [200, 200, 429, 429]
    for connection in connections:
        connection.close()


@pytest.mark.alone
def test_a_warm_worker_allocates_nothing(stage, allocations):
    """Requests with everything on that tells of clients and traces, upgrades, PROXY headers."""

    def answers(exchange):
        if exchange.request.one("Upgrade"):
            pipe_endpoint(lambda one: one.send(one.take(5)))(exchange)
        else:
            text(b"ok")(exchange)

    configuration = listening(
        stage.endpoint(answers), trusted_proxies=["127.0.0.1", "10.0.0.0/8"], body_rate_min=1)
    configuration |= {"tracing": {"traceparent": "make", "served_by": True},
                      "hints": {"trusted": ["0.0.0.0/0"]}}
    steelyard = stage.steelyard(
        configuration, environment=allocations.environment)
    fields = [
        ("X-Forwarded-For", "2001:db8::1, 203.0.113.7, 10.0.0.1"), ("X-Request-Id", "abc"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("X-Steelyard-Endpoint", "10.0.0.9:1"), ("X-Forwarded-Proto", "https")]

    def exchanges(count):
        with steelyard.connect() as connection:
            for n in range(count):
                given = fields if n % 2 else []
                assert connection.exchange("POST", "/", fields=given, content=b"x").status == 200
        for _ in range(count // 20):
            with open_raw(steelyard) as connection:
                connection.send(b"hello")
                assert connection.take(5) == b"hello"

    exchanges(300)
    before = allocations.of_worker()
    exchanges(600)
    assert allocations.of_worker() - before == 0
