"""Requests and answers that mean something special on the way through a proxy (RFC 9110)."""

import email.utils
import json
import time

import pytest
from conftest import minimal
from endpoints import echo, text
from programs import wait_for


def seen(steelyard, method, target, **options):
    with steelyard.connect() as connection:
        response = connection.exchange(method, target, **options)
        assert response.status == 200
        return json.loads(response.content)


def test_options_of_the_whole_server_are_forwarded(steelyard, stage):
    assert seen(steelyard, "OPTIONS", "*")["target"] == "*"
    endpoint = stage.endpoint(echo)
    configuration = minimal([endpoint.address])
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/api/"}, "pool": "text"},
        {"match": {"host": "moved.example"}, "redirect": {"location": "https://new.example"}},
        {"match": {"host": "all.example"}, "pool": "text", "rewrite": "/below/"}]}
    routed = stage.steelyard(configuration)
    with routed.connect() as connection:
        # Routes that serve a part, or no pool, do not speak for the server.
        assert connection.exchange("OPTIONS", "*").status == 404
        assert connection.exchange("OPTIONS", "*", host="moved.example").status == 404
        assert connection.exchange("OPTIONS", "*", host="all.example").status == 200
        assert connection.exchange("GET", "/a", host="all.example").status == 200
    assert [request.target for request in endpoint.requests] == ["*", "/below/a"]


def test_max_forwards_are_counted_down_and_the_last_hop_answers(steelyard, endpoint):
    def fields(*values):
        return [("Max-Forwards", value) for value in values]

    def passed(*values, method="OPTIONS"):
        request = seen(steelyard, method, "/x", fields=fields(*values))
        return [value for name, value in request["fields"] if name == "Max-Forwards"]

    assert passed("7") == ["6"]
    assert passed("1") == ["0"]
    assert passed("99999999999999999999") == ["999999998"]
    # Only OPTIONS and TRACE know it.
    assert passed("0", method="GET") == ["0"]
    before = endpoint.received_byte_count
    with steelyard.connect() as connection:
        for target in ("/x", "*"):
            response = connection.exchange("OPTIONS", target, fields=fields("0"))
            assert (response.status, response.content) == (200, b"")
        assert response.one("Content-Length") == "0"
        assert connection.exchange("OPTIONS", "/", fields=fields("-1")).status == 400
    for values in ([""], ["1", "2"], ["1, 2"]):
        with steelyard.connect() as connection:
            assert connection.exchange("OPTIONS", "/", fields=fields(*values)).status == 400
    with steelyard.connect() as connection:
        assert connection.exchange("TRACE", "/", fields=fields("0")).status == 501
    assert endpoint.received_byte_count == before


@pytest.mark.parametrize("host", [
    "]:[", "a:99999", "a:65536", "[::1", "::1", "a:b", ":80", "[]", "[1.2.3.4]", "[::1]x", "[::g]",
    "[fe80::1%25eth0]", "a%zz", "a%1", "a:8:0", "[v1.]", "[v.a]", "a[b]"])
def test_a_host_that_is_none_is_refused(steelyard, endpoint, host):
    before = endpoint.received_byte_count
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/", host=host).status == 400
    with steelyard.connect() as connection:
        assert connection.exchange("GET", f"http://{host}/x").status == 400
    assert endpoint.received_byte_count == before


def test_a_host_that_is_one_is_passed_on(steelyard):
    for host in ("a", "a:80", "a:", "a:65535", "a:00080", "[::1]", "[::1]:8080", "[::ffff:1.2.3.4]",
                 "1.2.3.4:1", "a_b.c-d.", "a%2Fb", "[v1.a:b]", "!$&'()*+;=~"):
        for request in (seen(steelyard, "GET", "/", host=host),
                        seen(steelyard, "GET", f"http://{host}/x")):
            assert dict(request["fields"])["Host"] == host
    assert dict(seen(steelyard, "GET", "/", host="")["fields"])["Host"] in ("", "localhost")


def test_an_answer_without_a_date_is_given_one(stage):
    def answer(exchange):
        dated = exchange.request.target == "/dated"
        fields = [("Date", "Sun, 06 Nov 1994 08:49:37 GMT")] if dated else []
        exchange.answer(b"", status=int(exchange.request.one("X-Status") or 200), fields=fields)

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    for status in ("200", "204", "404", "503"):
        response = steelyard.get("/", fields=[("X-Status", status)])
        date = email.utils.parsedate_to_datetime(response.one("Date"))
        assert abs(date.timestamp() - time.time()) < 60
    assert steelyard.get("/dated").one("Date") == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_an_answer_that_has_no_content_has_no_length(stage):
    def answer(exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\nLink: </a>\r\n\r\n"
                      b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nX-Kept: 1\r\n\r\n")

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    with steelyard.connect() as connection:
        for _ in range(2):
            connection.send_request("GET", "/")
            hints, final = connection.read_head(), connection.read_head()
            assert (hints.status, hints.one("Link"), hints.one("Content-Length")) == (
                103, "</a>", None)
            assert (final.status, final.one("X-Kept"), final.one("Content-Length")) == (
                204, "1", None)


def test_a_426_says_to_which_protocol(stage):
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
    steelyard = stage.steelyard(minimal([
        stage.endpoint(text(b"no", status=426, fields=fields)).address]))
    with steelyard.connect() as connection:
        response = connection.exchange("GET", "/")
        assert (response.status, response.one("Upgrade"), response.one("Connection")) == (
            426, "websocket", "Upgrade")
        response = connection.exchange("GET", "/", fields=[("Connection", "close")])
        assert ", ".join(response.all("Connection")) == "Upgrade, close"
        assert connection.is_closed()


def test_a_client_that_goes_on_sending_after_an_early_answer_gets_it(stage, endpoint):
    """The connection is not reset under a client that is still busy with its request."""
    configuration = minimal([endpoint.address])
    configuration["limits"] = {"body_bytes": 1000}
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(14):
            time.sleep(0.3)
            connection.send(bytes(1000))
        assert connection.read_response("POST").status == 413
    wait_for(lambda: steelyard.metrics().sum("steelyard_connections_open") == 0, "its end")


def test_a_client_that_is_silent_after_an_early_answer_is_let_go(stage, endpoint):
    configuration = minimal([endpoint.address])
    configuration["limits"] = {"body_bytes": 1000}
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        assert connection.read_response("POST").status == 413
        wait_for(lambda: steelyard.metrics().sum("steelyard_connections_open") == 0, "its end")
