"""What breaks RFC 9113 and RFC 7541, frame by frame: the cases of h2spec and more. It ends its stream
or the connection with the code that the RFC names, and endpoints see none of it."""

import json

import pytest
from breaches import (
    answered, client, endpoint, held, is_served, plain, priority, steelyard, was_reset)
from frames import (
    ACK, COMPRESSION_ERROR, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM,
    FLOW_CONTROL_ERROR, FRAME_SIZE, FRAME_SIZE_ERROR, GOAWAY, HAS_PRIORITY, HEADERS,
    INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, NO_ERROR, PADDED, PING, PREFACE,
    PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS, STREAM_CLOSED,
    WINDOW_MAX, WINDOW_UPDATE, Client, Goaway, frame, settings)
from programs import wait_for

assert client and endpoint and steelyard  # fixtures


@pytest.fixture(autouse=True)
def nothing_broken_goes_on(steelyard, endpoint):
    before = len(endpoint.requests)
    yield
    assert steelyard.is_running()
    assert not [one for one in endpoint.requests[before:] if one.target == "/broken"]


# What ends the connection


def bad_settings(key, value):
    return lambda client: client.send(settings({key: value}))


def on_stream(make, type, flags=0, payload=b""):
    """A frame on a stream that `make` has brought into a state."""
    return lambda client: client.frame(type, flags, make(client), payload)


def within_a_head(*frames, stream=1, flags=END_STREAM):
    """Frames between HEADERS without END_HEADERS and its rest."""
    def send(client):
        block = client.block(client.fields("GET", "/broken"))
        client.open(stream)
        client.frame(HEADERS, flags, stream, block[:5])
        for one in frames:
            client.frame(*one)
        client.frame(CONTINUATION, END_HEADERS, stream, block[5:])
    return send


def head(payload, flags=END_HEADERS | END_STREAM, stream=1, **options):
    def send(client):
        client.open(stream)
        client.frame(HEADERS, flags, stream, payload, **options)
    return send


def idle(client):
    return 51


def with_a_head_at(stream):
    def send(client):
        answered(client)
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream,
                          client.block(client.fields("GET", "/broken"))))
    return send


def lower_stream(client):
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 5, client.block(client.fields())))
    client.open(5)
    client.response(5)
    client.send(frame(
        HEADERS, END_HEADERS | END_STREAM, 3, client.block(client.fields("GET", "/broken"))))


def continuation_after(flags, then=b""):
    def send(client):
        stream = held(client, ends=bool(flags & END_STREAM))
        if then:
            client.frame(DATA, 0, stream, then)
        client.frame(CONTINUATION, END_HEADERS, stream, b"")
    return send


P, F, S, W = {PROTOCOL_ERROR}, {FRAME_SIZE_ERROR}, {STREAM_CLOSED}, {FLOW_CONTROL_ERROR}
C = {COMPRESSION_ERROR}
LARGE = bytes(FRAME_SIZE + 1)
BROKEN = {
    "4.2 HEADERS above the largest size": (head(LARGE), F),
    "4.2 SETTINGS above the largest size": (
        lambda client: client.frame(SETTINGS, 0, 0, bytes(16_386)), F),
    "4.3 PRIORITY within a head": (within_a_head((PRIORITY, 0, 1, priority(0))), P),
    "4.3 PING within a head": (within_a_head((PING, 0, 0, bytes(8))), P),
    "4.3 SETTINGS within a head": (within_a_head((SETTINGS, 0, 0)), P),
    "4.3 another stream's HEADERS within a head": (
        within_a_head((HEADERS, END_HEADERS | END_STREAM, 3, b"\x82")), P),
    "4.3 another stream's CONTINUATION within a head": (
        within_a_head((CONTINUATION, END_HEADERS, 3, b"\x82")), P),
    "4.3 DATA within a head": (within_a_head((DATA, 0, 1, b"x"), flags=0), P),
    "4.3 RST_STREAM within a head": (within_a_head((RST_STREAM, 0, 1, bytes(4))), P),
    "5.5 an unknown frame within a head": (within_a_head((0xFF, 0, 0, b"x")), P),
    "5.1 DATA on an idle stream": (on_stream(idle, DATA, END_STREAM, b"x"), P),
    "5.1 RST_STREAM on an idle stream": (on_stream(idle, RST_STREAM, 0, bytes(4)), P),
    "5.1 WINDOW_UPDATE on an idle stream": (on_stream(idle, WINDOW_UPDATE, 0, b"\0\0\0\x64"), P),
    "5.1 CONTINUATION on an idle stream": (on_stream(idle, CONTINUATION, END_HEADERS, b"\x82"), P),
    "5.1 CONTINUATION after a whole head": (continuation_after(0), P | S),
    "5.1 CONTINUATION on a half-closed stream": (continuation_after(END_STREAM), P | S),
    "5.1 CONTINUATION after DATA": (continuation_after(0, b"x"), P | S),
    "5.1 CONTINUATION on a closed stream": (on_stream(answered, CONTINUATION, END_HEADERS), P | S),
    "5.1 CONTINUATION on a stream that was reset": (
        on_stream(was_reset, CONTINUATION, END_HEADERS), P | S),
    "5.1 HEADERS on a closed stream": (with_a_head_at(1), P | S),
    "5.1.1 a stream with an even number": (with_a_head_at(2), P),
    "5.1.1 a stream with a lower number": (lower_stream, P | S),
    "5.4.1 PING with a wrong length": (lambda client: client.frame(PING, 0, 0, bytes(7)), F),
    "6.1 DATA on the connection": (lambda client: client.frame(DATA, 0, 0, b"x"), P),
    "6.1 DATA with more padding than it has": (
        on_stream(lambda client: held(client, False), DATA, PADDED | END_STREAM, b"\x05abcd"), P),
    "6.1 DATA with padding and nothing": (
        on_stream(lambda client: held(client, False), DATA, PADDED | END_STREAM, b""), P | F),
    "6.2 HEADERS on the connection": (head(b"\x82", stream=0), P),
    "6.2 HEADERS with more padding than it has": (
        head(b"\x05\x82", END_HEADERS | END_STREAM | PADDED), P),
    "6.2 HEADERS without their priority": (
        head(b"\0\0", END_HEADERS | END_STREAM | HAS_PRIORITY), P | F),
    "6.3 PRIORITY on the connection": (
        lambda client: client.frame(PRIORITY, 0, 0, priority(1)), P),
    "6.4 RST_STREAM on the connection": (
        lambda client: client.frame(RST_STREAM, 0, 0, bytes(4)), P),
    "6.4 RST_STREAM with a wrong length": (on_stream(held, RST_STREAM, 0, bytes(3)), F),
    "6.5 SETTINGS with ACK and values": (
        lambda client: client.frame(SETTINGS, ACK, 0, bytes(6)), F),
    "6.5 SETTINGS on a stream": (lambda client: client.frame(SETTINGS, 0, 1), P),
    "6.5 SETTINGS of a wrong length": (lambda client: client.frame(SETTINGS, 0, 0, bytes(3)), F),
    "6.5.2 ENABLE_PUSH of 2": (bad_settings(ENABLE_PUSH, 2), P),
    "6.5.2 INITIAL_WINDOW_SIZE of 2^31": (bad_settings(INITIAL_WINDOW_SIZE, 1 << 31), W),
    "6.5.2 MAX_FRAME_SIZE below its least": (bad_settings(MAX_FRAME_SIZE, FRAME_SIZE - 1), P),
    "6.5.2 MAX_FRAME_SIZE above its most": (bad_settings(MAX_FRAME_SIZE, 1 << 24), P),
    "6.7 PING on a stream": (lambda client: client.frame(PING, 0, 1, bytes(8)), P),
    "6.8 GOAWAY on a stream": (lambda client: client.frame(GOAWAY, 0, 1, bytes(8)), P),
    "6.8 GOAWAY with a wrong length": (lambda client: client.frame(GOAWAY, 0, 0, bytes(7)), F),
    "6.9 WINDOW_UPDATE of 0 on the connection": (lambda client: client.window_update(0, 0), P),
    "6.9 WINDOW_UPDATE with a wrong length": (
        lambda client: client.frame(WINDOW_UPDATE, 0, 0, bytes(3)), F),
    "6.9.1 the connection's window above its most": (
        lambda client: client.window_update(0, WINDOW_MAX), W),
    "6.10 CONTINUATION on the connection": (
        lambda client: client.frame(CONTINUATION, END_HEADERS, 0, b"\x82"), P),
    "8.4 PUSH_PROMISE": (
        on_stream(held, PUSH_PROMISE, END_HEADERS, b"\0\0\0\x02\x82"), P),
    "RFC 7541 2.3.3 an index that is not there": (head(b"\x82\xff\xff\x7f"), C),
    "RFC 7541 2.3.3 a name that is not there": (head(b"\x82\x7f\xff\x7f\x01a"), C),
    "RFC 7541 4.2 a change of the table's size after a field": (head(b"\x82\x20"), C),
    "RFC 7541 5.1 a number without an end": (head(b"\x82\x7f" + b"\xff" * 12), C),
    "RFC 7541 5.2 text that is longer than the block": (head(b"\x40\x7f\x01a"), C),
    "RFC 7541 5.2 Huffman's padding of more than 7 bits": (
        head(b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"), C),
    "RFC 7541 5.2 Huffman's padding of zeros": (
        head(b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"), C),
    "RFC 7541 5.2 Huffman's end of text": (
        head(b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"), C),
    "RFC 7541 6.1 the index 0": (head(b"\x80"), C),
    "RFC 7541 6.3 a table above what was allowed": (head(b"\x3f\xe2\x1f\x82"), C),
    "RFC 7541 a block that ends within a field": (head(b"\x82\x40"), C)}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_connection_ends_with_the_right_code(client, name):
    do, codes = BROKEN[name]
    do(client)
    assert client.code_of_end() in codes


@pytest.mark.parametrize("text", [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\n\r" + settings(), b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    b"PRI * HTTP/1.1\r\nHost: a\r\n\r\n", PREFACE + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    PREFACE + frame(PING, 0, 0, bytes(8)),
    PREFACE + frame(SETTINGS, ACK, 0), PREFACE + frame(HEADERS, END_HEADERS, 1, b"\x82")])
def test_a_broken_preface_ends_the_connection(steelyard, text):
    with Client(steelyard.address, greets=False) as client:
        client.send(text)
        rest = client.wire.rest()
        assert b"HTTP/1.1 2" not in rest and len(rest) < 1000


# What ends a stream


def malformed(fields, **options):
    def send(client):
        return client.headers([one for one in fields if one], **options)
    return send


def with_content(length, *parts, trailers=None):
    def send(client):
        stream = client.headers(
            [*plain(method="POST"), ("content-length", str(length))], ends=False)
        for place, part in enumerate(parts):
            is_last = place == len(parts) - 1 and trailers is None
            client.frame(DATA, END_STREAM if is_last else 0, stream, part)
        if trailers is not None:
            client.headers(trailers, stream)
        return stream
    return send


def then(make, type, flags=0, payload=b""):
    """A frame on a stream that `make` has brought into a state; the stream."""
    def send(client):
        stream = make(client)
        client.streams[stream].is_over = False
        client.frame(type, flags, stream, payload)
        return stream
    return send


def second_head(ends, fields=(("x-more", "y"),)):
    def send(client):
        stream = client.headers(plain(method="POST"), ends=False)
        client.headers(fields, stream, ends=ends)
        return stream
    return send


def overflow(client):
    stream = held(client)
    client.window_update(stream, WINDOW_MAX)
    return stream


def both(code):
    return {("stream", code), ("connection", code)}


BAD = {("stream", PROTOCOL_ERROR), ("answer", 400)}
FAULTS = {
    "4.2 DATA above the largest size": (
        then(lambda client: held(client, False), DATA, END_STREAM, LARGE), both(FRAME_SIZE_ERROR)),
    "5.1 DATA on a half-closed stream": (
        then(held, DATA, END_STREAM, b"x"), both(STREAM_CLOSED)),
    "5.1 DATA on a closed stream": (then(answered, DATA, END_STREAM, b"x"), both(STREAM_CLOSED)),
    "5.1 HEADERS on a half-closed stream": (
        then(held, HEADERS, END_STREAM | END_HEADERS, b"\x00\x01a\x01b"), both(STREAM_CLOSED)),
    "6.3 PRIORITY with a wrong length": (
        then(held, PRIORITY, 0, bytes(4)), both(FRAME_SIZE_ERROR)),
    "6.9 WINDOW_UPDATE of 0 on a stream": (
        then(held, WINDOW_UPDATE, 0, bytes(4)), both(PROTOCOL_ERROR)),
    "6.9.1 a stream's window above its most": (overflow, both(FLOW_CONTROL_ERROR)),
    "8.1 a second head that does not end the stream": (second_head(False), BAD),
    "8.1 trailers with a pseudo-field": (second_head(True, [(":method", "GET")]), BAD),
    "8.1 trailers with an upper-case name": (second_head(True, [("X-More", "y")]), BAD),
    "8.2.1 an upper-case name": (malformed([*plain(), ("X-Test", "ok")]), BAD),
    **{f"8.2.1 the name {name!r}": (malformed([*plain(), (name, "ok")]), BAD)
       for name in (b"", b"a b", b"a\tb", b"a:b", b"a\x00", b"a\r\nb", b"\x80", b"a\x7f", b"a ")},
    **{f"8.2.1 the value {value!r}": (malformed([*plain(), ("x-test", value)]), BAD)
       for value in (b"a\x00b", b"a\rb", b"a\nb", b"a\r\nX-Evil: 1", b" a", b"a ", b"\ta", b"\n")},
    **{f"8.2.2 the field {name}: {value}": (malformed([*plain(), (name, value)]), BAD)
       for name, value in {
           "connection": "keep-alive", "keep-alive": "timeout=5", "proxy-connection": "close",
           "transfer-encoding": "chunked", "upgrade": "websocket", "te": "gzip"}.items()},
    "8.3 a pseudo-field that nobody knows": (malformed([*plain(), (":test", "ok")]), BAD),
    "8.3 a pseudo-field of answers": (malformed([*plain(), (":status", "200")]), BAD),
    "8.3 a pseudo-field after a field": (
        malformed([("x-test", "ok"), *plain()]), BAD),
    **{f"8.3.1 no :{name}": (malformed(plain(**{name: None})), BAD)
       for name in ("method", "scheme", "path")},
    **{f"8.3.1 two :{name}": (malformed([*plain(), (f":{name}", plain_value)]), BAD)
       for name, plain_value in {
           "method": "GET", "scheme": "http", "path": "/broken", "authority": "a"}.items()},
    **{f"8.3.1 {changed}": (malformed(plain(**changed)), BAD) for changed in (
        {"path": ""}, {"path": "broken"}, {"path": "*"}, {"path": "/a b"}, {"path": "/a\r\nb"},
        {"path": "/\x00"}, {"method": ""}, {"method": "GET /x"}, {"method": "G\r\nT"},
        {"authority": "a\r\nb"}, {"authority": "a b"}, {"authority": "u@a"},
        {"authority": "a/b"}, {"authority": ""}, {"authority": None})},
    "8.3.1 another Host": (malformed([*plain(), ("host", "other.example")]), BAD),
    "8.1.1 less content than its length": (with_content(2, b"x"), BAD),
    "8.1.1 no content and a length": (
        malformed([*plain(method="POST"), ("content-length", "1")]), BAD),
    "8.1.1 more content than its length": (with_content(1, b"test"), BAD),
    "8.1.1 less content than its length, then trailers": (
        with_content(5, b"t", trailers=[("x-more", "y")]), BAD),
    **{f"8.1.1 the length {length!r}": (with_content(length, b""), BAD)
       for length in ("x", "-1", "+0", "0x0", "1, 1", "", "99999999999999999999")}}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_stream_ends_with_the_right_code(steelyard, client, name):
    make, expected = FAULTS[name]
    stream = make(client)
    fault = client.fault_of(stream)
    assert fault in expected
    if fault[0] != "connection":
        assert is_served(client)


def test_content_after_its_length_goes_nowhere(client, endpoint):
    """The request was whole before it came: an answer may come first."""
    stream = client.headers(
        client.fields("POST", "/excess", [("content-length", "1")]), ends=False)
    client.frame(DATA, 0, stream, b"t")
    client.ping()
    client.frame(DATA, END_STREAM, stream, b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.fault_of(stream) in {*BAD, ("answer", 200), ("stream", NO_ERROR)}
    assert is_served(client)
    assert {one.content for one in endpoint.requests if one.target == "/excess"} <= {b"t"}


def test_what_follows_a_reset_is_no_fault_of_the_connection_or_closes_it(client):
    """RFC 9113 5.1: what was on its way may come, and is decoded and counted."""
    stream = was_reset(client)
    client.send(frame(DATA, END_STREAM, stream, b"x"))
    try:
        assert is_served(client)
    except Goaway as end:
        assert end.code == STREAM_CLOSED


def test_a_stream_too_many_is_refused(client):
    most = client.settings[MAX_CONCURRENT_STREAMS]
    streams = [held(client) for _ in range(most)]
    client.ping()
    more = held(client)
    assert client.fault_of(more) in {
        ("stream", REFUSED_STREAM), ("stream", PROTOCOL_ERROR), ("connection", PROTOCOL_ERROR)}
    for stream in streams:
        assert client.streams[stream].reset is None
        client.reset(stream)
    client.ping()
    assert is_served(client)


def test_a_refused_head_leaves_the_table_right(client):
    """The block of a stream that is refused changes the table of fields as any other."""
    most = client.settings[MAX_CONCURRENT_STREAMS]
    streams = [held(client) for _ in range(most)]
    refused = client.headers(client.fields("GET", "/hold", [("x-table", "one"), ("x-two", "2")]))
    assert client.fault_of(refused) == ("stream", REFUSED_STREAM)
    client.reset(streams[0])
    client.ping()
    got = client.exchange("GET", "/", [("x-table", "one"), ("x-two", "2")])
    assert ["x-table", "one"] in json.loads(got.content)["fields"]


def test_nothing_is_left_of_all_that(steelyard):
    wait_for(lambda: steelyard.metrics().value("steelyard_connections_open") == 0, "no connection")
