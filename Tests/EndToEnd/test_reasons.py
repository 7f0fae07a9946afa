"""Why a request failed: in the log, and as the label of a counter."""

import socket
import struct

import pytest
from conftest import minimal
from endpoints import text
from programs import free_port, wait_for

TWICE = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n"
         b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
MALFORMED = {
    "two transfer encodings": (
        TWICE, "several_transfer_encodings", "two Transfer-Encoding fields"),
    "line ends": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bare_lf", "line ends with LF only"),
    "line end of a field": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\n", "bare_lf", "line ends with LF only"),
    "empty line": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n", "bare_lf", "line ends with LF only"),
    "rubbish": (b"what is it?\r\n\r\n", "bad_status_line", "no status line"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;\r\n", "bad_chunk_extension",
               "bad chunk extension"),
    "unasked": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: Upgrade\r\n\r\n",
                "unexpected_upgrade", "101 that was not asked for"),
}


def cut(exchange):
    exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.keeps_alive = False


def sends(data, *, is_cut=False):
    def answer(exchange):
        exchange.read_content()
        if data:
            exchange.send(data)
        if is_cut:
            # Data that a reset overtakes is lost with it.
            exchange.socket.settimeout(0.1)
            try:
                exchange.receive()
            except TimeoutError:
                pass
            cut(exchange)
        exchange.keeps_alive = False
    return answer


def said(steelyard, message, **keys):
    """The lines of the message with these keys, once there is one."""
    def found():
        return [event for event in steelyard.events(message)
                if all(event.get(key) == value for key, value in keys.items())]
    return wait_for(found, f"a line {message} {keys}")


@pytest.mark.parametrize("answer, reason, detail", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_502_says_which_rule_the_answer_broke(stage, answer, reason, detail):
    endpoint = stage.endpoint(sends(answer))
    steelyard = stage.steelyard(minimal([endpoint.address]))
    with steelyard.connect() as connection:
        assert connection.exchange("POST", "/").status == 502
    line, = said(steelyard, "attempt failed", reason=reason)
    assert line["level"] == "warning"
    assert (line["pool"], line["endpoint"], line["detail"], line["client_got"], line["count"]) == (
        "text", endpoint.address, detail, "502", "1")
    assert steelyard.metrics().series("steelyard_malformed_messages_total", side="endpoint",
                                      reason=reason)[0][1] == 1


FAILURES = {
    "closed": (sends(b""), "closed_before_head", "502"),
    "reset": (sends(b"", is_cut=True), "reset_before_head", "502"),
    "closed in the head": (sends(b"HTTP/1.1 200 O"), "closed_in_head", "502"),
    "reset in the head": (sends(b"HTTP/1.1 200 O", is_cut=True), "reset_in_head", "502"),
    "closed in the content": (
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"), "closed_in_content",
        "a cut answer"),
    "reset in the content": (
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na", is_cut=True), "reset_in_content",
        "a cut answer"),
    "silent": (lambda exchange: exchange.receive(), "first_byte_timeout", "504"),
    "refused": (None, "refused", "502"),
}


@pytest.mark.parametrize("answer, reason, got", FAILURES.values(), ids=FAILURES.keys())
def test_a_connection_that_fails_says_how(stage, answer, reason, got):
    address = stage.endpoint(answer).address if answer else f"127.0.0.1:{free_port()}"
    steelyard = stage.steelyard(minimal([address], timeouts={"first_byte": "300ms"}))
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        data = connection.rest() if got == "a cut answer" else connection.line()
        assert got == "a cut answer" or got.encode() in data
    line, = said(steelyard, "attempt failed", reason=reason)
    assert (line["level"], line["endpoint"], line["client_got"]) == ("warning", address, got)
    assert steelyard.metrics().series(
        "steelyard_endpoint_connection_failures_total", endpoint=address,
        reason=reason)[0][1] >= 1


def test_a_bad_request_is_said_and_counted(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(text()).address]))
    for _ in range(3):
        with steelyard.connect() as connection:
            connection.send(b"GET / HTTP/1.1\r\n\r\n")
            assert connection.read_response().status == 400
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz")
        assert connection.read_response().status == 400
    first, = said(steelyard, "bad request", reason="missing_host")
    assert (first["client"], first["client_got"], first["detail"]) == (
        "127.0.0.1", "400", "no Host field")
    said(steelyard, "bad request", reason="bad_chunk_size")
    values = {labels["reason"]: value for labels, value in steelyard.metrics().series(
        "steelyard_malformed_messages_total", side="client") if value}
    assert values == {"missing_host": 3, "bad_chunk_size": 1}


def test_what_another_endpoint_made_good_is_said_at_debug_alone(stage):
    addresses = [f"127.0.0.1:{free_port()}", stage.endpoint(text()).address]
    configuration = minimal(addresses, balance="round_robin")
    quiet, loud = (stage.steelyard({**configuration, "log": {"level": level}})
                   for level in ("info", "debug"))
    for one in (quiet, loud):
        assert [one.get("/").status for _ in range(2)] == [200, 200]
    line = said(loud, "attempt failed", reason="refused")[0]
    assert (line["level"], line["client_got"]) == ("debug", "another attempt")
    wait_for(
        lambda: quiet.metrics().sum("steelyard_endpoint_connection_failures_total") >= 1,
        "the failure to be counted")
    assert quiet.events("attempt failed") == []
