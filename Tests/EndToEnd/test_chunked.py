"""Chunked content on its way through, byte for byte: what is left out, what is refused, and what
the other side then sees."""

import json

import pytest
from conftest import minimal
from endpoints import text
from programs import wait_for
from wire import Cut

pytestmark = pytest.mark.over_tls

HEAD = b"POST / HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# Sent, and what the other side has to see of it.
FULL = (b'5 ; a\t= "b;\\"" ;c\r\nhello\r\n0;d=e\r\nX-Before: 1\r\nContent-Type: a/b\r\n'
        b"set-cookie: c=d\r\nX-After: 2\r\n\r\n")
PASSED = b"5\r\nhello\r\n0\r\nX-Before: 1\r\nX-After: 2\r\n\r\n"
BAD_EXTENSIONS = [b'1;a="\r\nZ\r\n0\r\n\r\n', b"1;\r\nZ\r\n0\r\n\r\n", b"1;=\r\nZ\r\n0\r\n\r\n",
                  b"1;a=\xff\r\nZ\r\n0\r\n\r\n", b'1;a="x"y\r\nZ\r\n0\r\n\r\n']


class Raw:
    """An endpoint that keeps the bytes of chunked requests, and answers with the given ones."""

    def __init__(self, answer):
        self.answer = answer
        self.received = []

    def __call__(self, exchange):
        exchange.has_read_content = True
        if exchange.request.one("Transfer-Encoding"):
            self.received.append(exchange)
            while not exchange.buffer.endswith(b"\r\n\r\n"):
                exchange.receive()
            exchange.content, exchange.buffer = exchange.buffer, b""
        for part in self.answer:
            if isinstance(part, bytes):
                exchange.send(part)
            else:
                part.wait(30)


def raw_stage(stage, *answer, **pool):
    raw = Raw(answer)
    return raw, stage.steelyard(minimal([stage.endpoint(raw).address], **pool))


@pytest.mark.parametrize("cut", [0, 1, 9, 24, 47, 57, 62, 77, 98])
def test_extensions_and_fields_that_are_no_trailers_do_not_reach_the_endpoint(stage, cut):
    raw, steelyard = raw_stage(stage, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with steelyard.connect() as connection:
        connection.send(HEAD + FULL[:cut])
        wait_for(lambda: raw.received, "the head at the endpoint")
        connection.send(FULL[cut:])
        assert connection.read_response().status == 200
    assert raw.received[0].content == PASSED


def test_nor_do_they_reach_the_client(stage):
    _, steelyard = raw_stage(stage, CHUNKED + FULL)
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        connection.read_head()
        assert connection.take(len(PASSED)) == PASSED
        # The connection to the endpoint, and the client's, go on.
        assert connection.exchange("GET", "/").content == b"hello"


def test_an_old_client_gets_the_content_alone(stage):
    _, steelyard = raw_stage(stage, CHUNKED + FULL)
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/", version="1.0").content == b"hello"


@pytest.mark.parametrize("content", BAD_EXTENSIONS)
def test_a_bad_extension_of_an_endpoint_is_a_502_before_anything_was_passed_on(stage, content):
    _, steelyard = raw_stage(stage, CHUNKED + content)
    response = steelyard.get("/")
    assert response.status == 502
    assert json.loads(response.content)["error"]["type"] == "bad_response"


def test_bad_framing_of_one_endpoint_is_made_good_by_another(stage):
    bad = stage.endpoint(Raw([CHUNKED + b"zz\r\n"]))
    good = stage.endpoint(text(b"good"))
    steelyard = stage.steelyard(minimal([bad.address, good.address], balance="round_robin"))
    for _ in range(4):
        assert steelyard.get("/").content == b"good"


def test_bad_framing_after_something_was_passed_on_is_a_cut(stage):
    _, steelyard = raw_stage(stage, CHUNKED + b"5\r\nhello\r\n", b"1;\r\n!\r\n0\r\n\r\n")
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        with pytest.raises((Cut, ConnectionError)):
            # Both parts may come in one read: then nothing was passed on.
            assert connection.read_response().status == 502
            raise Cut("answered")
