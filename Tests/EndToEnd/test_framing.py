"""Malformed requests over a real socket: refused with the right status, closed, never passed on."""

import pytest
from conftest import minimal
from endpoints import echo
from programs import wait_for

HOST = b"Host: test.example\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: test.example\r\n\r\n"


def get(fields=HOST, line=b"GET / HTTP/1.1\r\n"):
    return line + fields + b"\r\n"


def post(fields, content=b""):
    return b"POST / HTTP/1.1\r\n" + HOST + fields + b"\r\n" + content


def chunked(content):
    return post(b"Transfer-Encoding: chunked\r\n", content)


# What is wrong, the bytes, the status.
HEADS = [
    ("length and chunked", post(
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("chunked and length", post(
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"), 400),
    ("two lengths", post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello"), 400),
    ("two lengths in a list", post(b"Content-Length: 5, 6\r\n", b"hello"), 400),
    ("negative length", post(b"Content-Length: -5\r\n", b"hello"), 400),
    ("signed length", post(b"Content-Length: +5\r\n", b"hello"), 400),
    ("hexadecimal length", post(b"Content-Length: 0x5\r\n", b"hello"), 400),
    ("empty length", post(b"Content-Length: \r\n", b"hello"), 400),
    ("length past 64 bits", post(b"Content-Length: 18446744073709551621\r\n", b"hello"), 400),
    ("length with a space inside", post(b"Content-Length: 1 5\r\n", b"hello"), 400),
    ("chunked twice", post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("chunked, chunked", post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), 400),
    ("unknown transfer coding", post(b"Transfer-Encoding: gzip\r\n", b"0\r\n\r\n"), 501),
    ("unknown coding before chunked", post(
        b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 501),
    ("chunked is not last", post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
     (400, 501)),
    ("almost chunked", post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), 501),
    ("chunked in HTTP/1.0", b"POST / HTTP/1.0\r\n" + HOST
     + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("space before the colon", post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), 400),
    ("tab before the colon", get(HOST + b"X-A\t: 1\r\n"), 400),
    ("folded line", get(HOST + b"X-A: 1\r\n two\r\n"), 400),
    ("folded line with a tab", get(HOST + b"X-A: 1\r\n\ttwo\r\n"), 400),
    ("space before the first field", get(b" " + HOST), 400),
    ("bare CR in a value", get(HOST + b"X-A: 1\r2\r\n"), 400),
    ("bare CR as a line end", get(HOST + b"X-A: 1\rX-B: 2\r\n"), 400),
    ("bare LF as line ends", b"GET / HTTP/1.1\nHost: test.example\n\n", 400),
    ("bare LF after a field", b"GET / HTTP/1.1\r\nHost: test.example\n\r\n", 400),
    ("NUL in a value", get(HOST + b"X-A: 1\x002\r\n"), 400),
    ("NUL in a name", get(HOST + b"X\x00A: 1\r\n"), 400),
    ("DEL in a value", get(HOST + b"X-A: \x7f\r\n"), 400),
    ("field without a colon", get(HOST + b"X-A\r\n"), 400),
    ("field without a name", get(HOST + b": 1\r\n"), 400),
    ("parenthesis in a name", get(HOST + b"X(A): 1\r\n"), 400),
    ("non-ASCII in a name", get(HOST + b"X-\xc3\xa4: 1\r\n"), 400),
    ("no Host", get(b""), 400),
    ("two Hosts", get(HOST + b"Host: other.example\r\n"), 400),
    ("space in Host", get(b"Host: a b\r\n"), 400),
    ("user information in Host", get(b"Host: a@b\r\n"), 400),
    ("no version", get(line=b"GET /\r\n"), 400),
    ("lower-case version", get(line=b"GET / http/1.1\r\n"), 400),
    ("two spaces", get(line=b"GET  / HTTP/1.1\r\n"), 400),
    ("space in the target", get(line=b"GET /a b HTTP/1.1\r\n"), 400),
    ("fragment in the target", get(line=b"GET /a#b HTTP/1.1\r\n"), 400),
    ("target without a slash", get(line=b"GET a HTTP/1.1\r\n"), 400),
    ("control byte in the target", get(line=b"GET /\x01 HTTP/1.1\r\n"), 400),
    ("space behind the version", get(line=b"GET / HTTP/1.1 \r\n"), 400),
    ("bad byte in the method", get(line=b"G@T / HTTP/1.1\r\n"), 400),
    ("very long method", get(line=b"G" * 100 + b" / HTTP/1.1\r\n"), 400),
    ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    ("HTTP/2.0", get(line=b"GET / HTTP/2.0\r\n"), 505),
    ("HTTP/3.1", get(line=b"GET / HTTP/3.1\r\n"), 505),
    ("CONNECT", get(line=b"CONNECT test.example:443 HTTP/1.1\r\n"), (400, 501)),
    ("TRACE", get(line=b"TRACE / HTTP/1.1\r\n"), 501),
    ("Connection names Host", get(HOST + b"Connection: Host\r\n"), 400),
    ("Connection names Content-Length", post(
        b"Connection: Content-Length\r\nContent-Length: 5\r\n", b"hello"), 400),
    ("unknown expectation", post(b"Expect: magic\r\nContent-Length: 5\r\n", b"hello"), 417),
    ("target too long", get(line=b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n"), 414),
    ("head too large", get(HOST + b"X-A: " + b"a" * 20000 + b"\r\n"), 431),
    ("too many fields", get(HOST + b"".join(b"X-%d: 1\r\n" % n for n in range(150))), 431),
]

# The head is well, the content is not; its first bytes may or may not have been passed on.
CONTENTS = [
    ("size is not a number", chunked(b"xyz\r\nhello\r\n0\r\n\r\n")),
    ("size is empty", chunked(b"\r\nhello\r\n0\r\n\r\n")),
    ("size is negative", chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
    ("size has a prefix", chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    ("size has an underscore", chunked(b"0_5\r\nhello\r\n0\r\n\r\n")),
    ("size begins with a space", chunked(b" 5\r\nhello\r\n0\r\n\r\n")),
    ("size ends with a space", chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    ("size past 64 bits", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    ("size line ends with LF", chunked(b"5\nhello\r\n0\r\n\r\n")),
    ("bare CR in the size line", chunked(b"5\rX\r\nhello\r\n0\r\n\r\n")),
    ("LF in an extension", chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    ("extension too long", chunked(b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n")),
    ("chunk is longer than its size", chunked(b"3\r\nhello\r\n0\r\n\r\n")),
    ("chunk ends with LF", chunked(b"5\r\nhello\n0\r\n\r\n")),
    ("second size is bad", chunked(b"5\r\nhello\r\nzz\r\n\r\n")),
    ("space before a trailer's colon", chunked(b"0\r\nX-A : 1\r\n\r\n")),
    ("folded trailer", chunked(b"0\r\nX-A: 1\r\n two\r\n\r\n")),
    ("NUL in a trailer", chunked(b"0\r\nX-A: \x00\r\n\r\n")),
    ("trailers end with LF", chunked(b"0\r\n\n")),
]


@pytest.fixture(scope="module")
def endpoint(module_stage):
    return module_stage.endpoint(echo)


@pytest.fixture(scope="module")
def steelyard(module_stage, endpoint):
    return module_stage.steelyard(minimal([endpoint.address]))


def refused(steelyard, data):
    """Sends the bytes and a further request behind them; the status of the one answer."""
    with steelyard.connect() as connection:
        connection.send(data + SMUGGLED)
        response = connection.read_response()
        assert response.one("Connection") == "close"
        assert connection.is_closed()
        return response.status


@pytest.mark.parametrize("data, status", [row[1:] for row in HEADS], ids=[r[0] for r in HEADS])
def test_malformed_head_reaches_no_endpoint(steelyard, endpoint, data, status):
    before = endpoint.received_byte_count
    assert refused(steelyard, data) in (status if isinstance(status, tuple) else (status,))
    assert endpoint.received_byte_count == before


@pytest.mark.parametrize("data", [row[1] for row in CONTENTS], ids=[r[0] for r in CONTENTS])
def test_malformed_content_completes_at_no_endpoint(steelyard, endpoint, data):
    before = len(endpoint.requests)
    assert refused(steelyard, data) == 400
    assert len(endpoint.requests) == before


@pytest.mark.parametrize("data", [row[1] for row in CONTENTS], ids=[r[0] for r in CONTENTS])
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


def test_the_endpoint_is_reached_by_what_is_well_formed(steelyard, endpoint):
    """Without this, all the above would hold of a proxy that passes nothing on."""
    valid = chunked(b"5;name=value\r\nhello\r\n0005\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n")
    before = len(endpoint.requests)
    with steelyard.connect() as connection:
        connection.send(valid + get(HOST + b"X-Odd: \xc3\xa4\t!\r\n") + b"\r\n" + get())
        assert [connection.read_response().status for _ in range(3)] == [200, 200, 200]
    passed = [request.content for request in endpoint.requests[before:]]
    assert passed == [b"helloworld", b"", b""]
