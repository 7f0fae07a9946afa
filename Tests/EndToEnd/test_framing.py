"""Malformed requests over a real socket: refused with the right status, closed, never passed on."""

import json
from pathlib import Path

import pytest
from conftest import minimal
from programs import wait_for

pytestmark = pytest.mark.over_tls

HOST = b"Host: test.example\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: test.example\r\n\r\n"
# The same rows go through the parser at every split point (Tests/HTTPTests). In `bytes` a character
# is a byte, `[text, count]` is a run.
TABLE = json.loads((Path(__file__).parents[1] / "corpus" / "framing.json").read_text())


@pytest.fixture(scope="module")
def steelyard(module_stage, endpoint):
    """It speaks HTTP/1 alone: the preface of HTTP/2 is a request head like others."""
    configuration = minimal([endpoint.address])
    configuration["listeners"][0]["http2"] = False
    return module_stage.steelyard(configuration)


def get(fields=HOST, line=b"GET / HTTP/1.1\r\n"):
    return line + fields + b"\r\n"


def chunked(content):
    return b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + content


def data_of(row):
    parts = [part if isinstance(part, str) else part[0] * part[1] for part in row["bytes"]]
    return "".join(parts).encode("latin-1")


def rows(kind, *keys):
    """A parametrisation with the rows of one kind: their bytes and these keys."""
    chosen = [row for row in TABLE if row["kind"] == kind]
    return pytest.mark.parametrize(
        ["data", *keys], [[data_of(row), *(row[key] for key in keys)] for row in chosen],
        ids=[row["name"] for row in chosen])


def refused(steelyard, data):
    """Sends the bytes and a further request behind them; the status of the one answer."""
    with steelyard.connect() as connection:
        connection.send(data + SMUGGLED)
        response = connection.read_response()
        assert response.one("Connection") == "close"
        assert connection.is_closed()
        return response.status


@rows("head", "status")
def test_malformed_head_reaches_no_endpoint(steelyard, endpoint, data, status):
    before = endpoint.received_byte_count
    assert refused(steelyard, data) in status
    assert endpoint.received_byte_count == before


@rows("content")
def test_malformed_content_completes_at_no_endpoint(steelyard, endpoint, data):
    before = len(endpoint.requests)
    assert refused(steelyard, data) == 400
    assert len(endpoint.requests) == before


@rows("content")
def test_malformed_content_after_its_head_is_cut(steelyard, endpoint, data):
    """The same, with the head on its way to the endpoint before the content is seen."""
    head, content = data.split(b"\r\n\r\n", 1)
    before = len(endpoint.requests)
    with steelyard.connect() as connection:
        connection.send(head + b"\r\n\r\n")
        wait_for(
            lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") > 0,
            "the head to be on its way")
        connection.send(content + SMUGGLED)
        assert connection.read_response().status == 400
        assert connection.is_closed()
    assert len(endpoint.requests) == before


@rows("accept", "content")
def test_what_is_odd_but_clear_is_one_request(steelyard, endpoint, data, content):
    """The endpoint sees the request and the one behind it, with nothing left to be read twice."""
    before = len(endpoint.requests)
    with steelyard.connect() as connection:
        connection.send(data + get(line=b"GET /next HTTP/1.1\r\n"))
        assert [connection.read_response().status for _ in range(2)] == [200, 200]
    first, second = endpoint.requests[before:]
    assert first.content == content.encode("latin-1")
    assert (second.target, second.content) == ("/next", b"")
    framing = [name.lower() for name, _ in first.fields
               if name.lower().replace("_", "-") in ("content-length", "transfer-encoding")]
    assert len(framing) <= 1 and "_" not in "".join(framing)
    assert first.all("Upgrade") == []


def test_the_endpoint_is_reached_by_what_is_well_formed(steelyard, endpoint):
    """Without this, all the above would hold of a proxy that passes nothing on."""
    valid = chunked(b"5;name=value\r\nhello\r\n0005\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n")
    before = len(endpoint.requests)
    with steelyard.connect() as connection:
        connection.send(valid + get(HOST + b"X-Odd: \xc3\xa4\t!\r\n") + b"\r\n" + get())
        assert [connection.read_response().status for _ in range(3)] == [200, 200, 200]
    passed = [request.content for request in endpoint.requests[before:]]
    assert passed == [b"helloworld", b"", b""]
