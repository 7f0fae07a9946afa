"""What an endpoint and a client see of each other's header fields."""

import json

import pytest
from conftest import minimal
from endpoints import echo


@pytest.fixture
def seen(stage):
    """Sends a request and returns what the endpoint saw of it."""
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([endpoint.address]))

    class Seen:
        def __init__(self, method="GET", target="/", **options):
            with steelyard.connect() as connection:
                response = connection.exchange(method, target, **options)
            assert response.status == 200
            self.__dict__.update(json.loads(response.content))
            self.fields = [(name.lower(), value) for name, value in self.fields]
            self.response = response

        def all(self, name):
            return [value for key, value in self.fields if key == name.lower()]

    return Seen


def test_forwarded_fields_are_set(seen):
    request = seen(host="api.example:8080")
    assert request.version == "HTTP/1.1"
    assert request.all("Host") == ["api.example:8080"]
    assert request.all("X-Forwarded-For") == ["127.0.0.1"]
    assert request.all("X-Real-IP") == ["127.0.0.1"]
    assert request.all("X-Forwarded-Proto") == ["http"]
    assert request.all("X-Forwarded-Host") == ["api.example:8080"]
    assert request.all("Via") == ["1.1 steelyard"]
    assert request.response.one("Via") == "1.1 steelyard"


def test_what_a_client_says_of_itself_is_replaced(seen):
    request = seen(fields=[
        ("X-Forwarded-For", "203.0.113.7"), ("X-Real-IP", "198.51.100.1"),
        ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"),
        ("Via", "1.0 edge")])
    assert request.all("X-Forwarded-For") == ["127.0.0.1"]
    assert request.all("X-Real-IP") == ["127.0.0.1"]
    assert request.all("X-Forwarded-Proto") == ["http"]
    assert request.all("X-Forwarded-Host") == ["test.example"]
    assert ", ".join(request.all("Via")) == "1.0 edge, 1.1 steelyard"


def test_hop_by_hop_fields_of_a_request_stay_here(seen):
    request = seen(fields=[
        ("Connection", "X-Secret, keep-alive"), ("X-Secret", "1"), ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"), ("Proxy-Connection", "keep-alive"), ("Upgrade", "websocket"),
        ("X-Kept", "yes")])
    for name in ("X-Secret", "Keep-Alive", "TE", "Proxy-Connection", "Upgrade"):
        assert request.all(name) == [], name
    assert "x-secret" not in ",".join(request.all("Connection")).lower()
    assert request.all("X-Kept") == ["yes"]


def test_hop_by_hop_fields_of_a_response_stay_here(stage):
    fields = [
        ("Connection", "X-Internal"), ("X-Internal", "1"), ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"), ("X-Kept", "yes"), ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2")]
    endpoint = stage.endpoint(lambda exchange: exchange.answer(b"ok", fields=fields))
    response = stage.steelyard(minimal([endpoint.address])).get("/")
    for name in ("X-Internal", "Keep-Alive", "Proxy-Connection"):
        assert response.all(name) == [], name
    assert response.one("X-Kept") == "yes"
    assert response.all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("target", [
    "/", "/a%2Fb//c/../d;p=1?x=%20&y=a+b&empty=", "/?", "/" + "long/" * 200])
def test_a_target_passes_untouched(seen, target):
    assert seen(target=target).target == target


def test_absolute_form_becomes_origin_form(seen):
    request = seen(target="http://other.example:81/path?q=1")
    assert request.target == "/path?q=1"
    assert request.all("Host") == ["other.example:81"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"])
def test_methods_pass(seen, method):
    assert seen(method=method).method == method


def test_repeated_and_odd_fields_keep_value_and_order(seen):
    odd = [("X-A", "1"), ("X-B", ""), ("X-A", "2"), ("X-C", '"q\\"uoted", and, commas'),
           ("X-A", "3"), ("X-Long", "v" * 4000)]
    request = seen(fields=odd)
    assert request.all("X-A") == ["1", "2", "3"]
    assert request.all("X-B") == [""]
    assert request.all("X-C") == ['"q\\"uoted", and, commas']
    assert request.all("X-Long") == ["v" * 4000]


def test_expectation_is_answered_by_the_endpoint(stage):
    """The client sends its content only after the 100 that came from the endpoint."""

    def answer(exchange):
        assert exchange.request.one("Expect") == "100-continue"
        exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        echo(exchange)

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    with steelyard.connect() as connection:
        connection.send(
            b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 5\r\n"
            b"Expect: 100-continue\r\n\r\n")
        assert connection.read_head().status == 100
        connection.send(b"hello")
        response = connection.read_response("POST")
    assert json.loads(response.content)["count"] == 5


def test_an_expectation_may_be_refused_by_the_endpoint(stage):
    def answer(exchange):
        exchange.answer(b"too big for me", status=413, fields=[("Connection", "close")])
        exchange.has_read_content = True
        exchange.keeps_alive = False

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    with steelyard.connect() as connection:
        connection.send(
            b"POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 500000\r\n"
            b"Expect: 100-continue\r\n\r\n")
        response = connection.read_response("POST")
        assert response.status == 413 and response.content == b"too big for me"


def test_upstream_connections_are_reused(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([endpoint.address]))
    for _ in range(50):
        assert steelyard.get("/").status == 200
    assert len(endpoint.requests) == 50
    assert endpoint.connection_count <= 2
