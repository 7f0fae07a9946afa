"""What RFC 9113 and RFC 7541 allow, frame by frame: the cases of h2spec and more."""

import json
import struct

import pytest
from breaches import answered, client, endpoint, held, is_served, plain, priority, steelyard
from frames import (
    ACK, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, FRAME_SIZE, GOAWAY,
    HAS_PRIORITY, HEADERS, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE, PADDED, PING, PREFACE, PRIORITY, SETTINGS, Client, frame, settings)

assert client and endpoint and steelyard  # fixtures


# What is allowed


def test_a_preface_is_answered_with_settings(steelyard):
    with Client(steelyard.address, greets=False) as client:
        client.send(PREFACE + settings())
        client.read()
        assert client.frames[0].type == SETTINGS and not client.frames[0].flags & ACK
        client.until(lambda: client.settings_acks == 1)


def test_settings_are_within_the_rfc(client):
    assert client.settings[MAX_CONCURRENT_STREAMS] == 100
    assert client.settings.get(HEADER_TABLE_SIZE, 4096) <= 4096
    assert client.settings.get(ENABLE_PUSH, 0) == 0
    assert FRAME_SIZE <= client.settings.get(MAX_FRAME_SIZE, FRAME_SIZE) < 1 << 24


def unknown_frame(client):
    client.frame(0xFF, 0xFF, 0, b"whatever")
    client.frame(0x16, 0, 1, b"")


def unknown_flags(client):
    client.frame(PING, 0x16, 0, bytes(8))
    client.until(lambda: client.pongs == [bytes(8)])


def reserved_bit(client):
    client.frame(PING, 0, 1 << 31, bytes(8))
    client.until(lambda: client.pongs == [bytes(8)])


ALLOWED = {
    "4.1 a frame of a type that nobody knows": unknown_frame,
    "4.1 flags that nobody knows": unknown_flags,
    "4.1 the reserved bit": reserved_bit,
    "5.1 PRIORITY on a stream that is idle": lambda client: client.frame(
        PRIORITY, 0, 99, priority(0)),
    "5.1 WINDOW_UPDATE on a stream that is half closed": lambda client: client.window_update(
        held(client), 100),
    "5.1 PRIORITY on a stream that is half closed": lambda client: client.frame(
        PRIORITY, 0, held(client), priority(0)),
    "5.1 RST_STREAM on a stream that is half closed": lambda client: client.reset(held(client)),
    "5.1 PRIORITY on a stream that is closed": lambda client: client.frame(
        PRIORITY, 0, answered(client), priority(0, 255)),
    "5.1 WINDOW_UPDATE on a stream that was just closed": lambda client: client.window_update(
        answered(client), 1),
    "5.1 RST_STREAM on a stream that was just closed": lambda client: client.reset(
        answered(client)),
    "5.3 exclusive PRIORITY": lambda client: client.frame(PRIORITY, 0, 7, priority(1 << 31 | 3)),
    "6.4 RST_STREAM with a code that nobody knows": lambda client: client.reset(
        held(client), 0xFF),
    "6.5 a setting that nobody knows": lambda client: client.send(settings({0xFF: 1})),
    "6.5 settings that are repeated": lambda client: client.send(frame(
        SETTINGS, 0, 0, struct.pack(
            ">HIHI", INITIAL_WINDOW_SIZE, 100, INITIAL_WINDOW_SIZE, 60_000))),
    "6.5 an empty table of fields": lambda client: client.send(settings({HEADER_TABLE_SIZE: 0})),
    "6.5 a table larger than anybody needs": lambda client: client.send(
        settings({HEADER_TABLE_SIZE: (1 << 32) - 1})),
    "6.5.2 the largest frames": lambda client: client.send(
        settings({MAX_FRAME_SIZE: (1 << 24) - 1})),
    "6.7 PING with ACK": lambda client: client.frame(PING, ACK, 0, bytes(8)),
    "6.9 WINDOW_UPDATE of the connection up to its most": lambda client: client.window_update(
        0, 1)}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_changes_nothing(steelyard, name):
    with Client(steelyard.address, credit=(1 << 30)) as client:
        ALLOWED[name](client)
        assert is_served(client)
        assert client.ping() and not client.goaways


def test_settings_are_acknowledged_at_once(client):
    client.send(settings({INITIAL_WINDOW_SIZE: 70_000}))
    client.until(lambda: client.settings_acks == 2)


def test_a_ping_comes_back_and_its_answer_does_not(client):
    assert client.ping(b"payload!") == b"payload!"
    client.frame(PING, ACK, 0, b"no reply")
    client.ping(b"next one")
    assert client.pongs == [b"payload!", b"next one"]


def test_after_a_goaway_of_the_client_its_streams_are_answered(client):
    stream = client.headers(client.fields("POST"), ends=False)
    client.frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0xFF))
    client.data(stream, b"content")
    assert json.loads(client.response(stream).content)["count"] == 7


# Requests in every dress


@pytest.mark.parametrize("sizes", [[100], [1, 10, 0, 1000], [16_384], [0, 0, 5]])
@pytest.mark.parametrize("padding", [None, 0, 1, 255])
def test_content_is_what_was_sent_whatever_its_frames(client, sizes, padding):
    stream = client.headers(client.fields("POST"), ends=False)
    for place, size in enumerate(sizes):
        flags = END_STREAM if place == len(sizes) - 1 else 0
        payload = b"x" * size
        if padding is not None:
            payload = bytes([padding]) + payload[:16_384 - 1 - padding] + bytes(padding)
            flags |= PADDED
        client.frame(DATA, flags, stream, payload)
    answer = json.loads(client.response(stream).content)
    assert answer["count"] == sum(
        min(size, 16_384 - 1 - padding) if padding is not None else size for size in sizes)


def test_padding_counts_and_is_given_back(client):
    """As many windows of padding as it takes to notice that one was not given back."""
    stream = client.headers(client.fields("POST"), ends=False)
    for _ in range(3 * 65_535 // 256):
        while min(client.window, client.streams[stream].window) < 257:
            client.read()
        client.frame(DATA, PADDED, stream, bytes([255]) + b"x" + bytes(255))
        client.window -= 257
        client.streams[stream].window -= 257
    client.data(stream, b"", ends=True)
    assert json.loads(client.response(stream).content)["count"] == 3 * 65_535 // 256


@pytest.mark.parametrize("flags, before, after", [
    (PADDED, b"\x04", bytes(4)), (PADDED, b"\x00", b""), (HAS_PRIORITY, priority(0), b""),
    (HAS_PRIORITY, priority(99, 255), b""),
    (PADDED | HAS_PRIORITY, b"\xff" + priority(0), bytes(255))])
def test_headers_may_have_padding_and_priority(client, flags, before, after):
    stream = client.next_stream()
    client.open(stream)
    block = client.block(client.fields())
    client.frame(HEADERS, END_HEADERS | END_STREAM | flags, stream, before + block + after)
    assert client.response(stream).status == 200


@pytest.mark.parametrize("size", [4, 7, 20])
def test_a_head_may_come_in_many_continuations(client, size):
    stream = client.headers(client.fields("GET", "/cut", [("x-name", "v" * 30)]), size=size)
    got = json.loads(client.response(stream).content)
    assert got["target"] == "/cut" and ["x-name", "v" * 30] in got["fields"]


def test_a_continuation_may_be_empty(client):
    stream = client.next_stream()
    client.open(stream)
    block = client.block(client.fields())
    client.frame(HEADERS, END_STREAM, stream, block)
    client.frame(CONTINUATION, 0, stream)
    client.frame(CONTINUATION, END_HEADERS, stream)
    assert client.response(stream).status == 200


def test_it_may_all_come_byte_by_byte(steelyard):
    with Client(steelyard.address, greets=False) as client:
        client.open(1)
        sent = PREFACE + settings() + frame(
            HEADERS, END_HEADERS, 1, client.block(client.fields("POST")))
        sent += frame(DATA, END_STREAM, 1, b"content")
        for place in range(len(sent)):
            client.send(sent[place:place + 1])
        assert json.loads(client.response(1).content)["count"] == 7


def test_it_may_all_come_at_once(steelyard):
    with Client(steelyard.address, greets=False) as client:
        sent = PREFACE + settings()
        for stream in range(1, 41, 2):
            client.open(stream)
            sent += frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block(client.fields()))
        client.send(sent)
        for stream in range(1, 41, 2):
            assert client.response(stream).status == 200


# Windows


@pytest.mark.parametrize("window", [0, 1, 3])
def test_an_answer_keeps_to_the_window_of_its_stream(steelyard, window):
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: window}) as client:
        stream = client.request()
        client.streams[stream].is_read = False
        client.until(lambda: client.streams[stream].head)
        client.until(lambda: len(client.streams[stream].content) == window)
        client.ping()
        assert len(client.streams[stream].content) == window
        assert not client.streams[stream].is_over
        client.streams[stream].is_read = True
        client.window_update(stream, 60_000)
        assert client.response(stream).status == 200


def test_a_window_may_change_after_the_request(steelyard):
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: 0}) as client:
        stream = client.request()
        client.until(lambda: client.streams[stream].head)
        client.streams[stream].is_read = False
        client.send(settings({INITIAL_WINDOW_SIZE: 5}))
        client.until(lambda: len(client.streams[stream].content) == 5)
        client.send(settings({INITIAL_WINDOW_SIZE: 60_000}))
        assert client.response(stream).status == 200


def test_a_window_may_be_negative(steelyard):
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: 1000}) as client:
        stream = client.request("GET", "/" + "x" * 3000)
        client.streams[stream].is_read = False
        client.until(lambda: len(client.streams[stream].content) == 1000)
        client.send(settings({INITIAL_WINDOW_SIZE: 400}))
        client.window_update(stream, 600)
        client.ping()
        client.ping()
        assert len(client.streams[stream].content) == 1000
        client.window_update(stream, 300)
        client.until(lambda: len(client.streams[stream].content) == 1300)


def test_an_answer_keeps_to_the_window_of_the_connection(steelyard):
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: 1 << 20}, credit=0) as client:
        streams = [client.request("GET", "/" + "x" * 3000) for _ in range(30)]
        for stream in streams:
            client.streams[stream].is_read = False

        def byte_count():
            return sum(len(client.streams[stream].content) for stream in streams)

        # What is left of a window may be too little for a frame.
        client.until(lambda: byte_count() > 65_535 - 256)
        client.ping()
        client.ping()
        assert byte_count() <= 65_535
        client.window_update(0, 1 << 20)
        for stream in streams:
            assert client.response(stream).status == 200


# Names and values that are as odd as they may be


def test_fields_pass_whatever_their_dress(client):
    fields = [("x-a", "1"), ("x-a", "2"), ("x-empty", ""), ("x-long", "v" * 5000),
              ("x-octets", b"\x80\xff caf\xc3\xa9"), ("cookie", "a=1"), ("cookie", "b=2"),
              ("te", "trailers")]
    got = json.loads(client.exchange("GET", "/", fields).content)["fields"]
    lower = [(name.lower(), value) for name, value in got]
    assert [value for name, value in lower if name == "x-a"] in (["1", "2"], ["1, 2"])
    assert ("x-empty", "") in lower and ("x-long", "v" * 5000) in lower
    assert ("x-octets", b"\x80\xff caf\xc3\xa9".decode("latin-1")) in lower
    assert [value for name, value in lower if name == "cookie"] == ["a=1; b=2"]
    assert [value for name, value in lower if name == "host"] == ["test.example"]
    assert not [name for name, _ in lower if name.startswith(":")]


def test_a_host_may_stand_for_the_authority(client):
    stream = client.headers([*plain(authority=None, path="/"), ("host", "other.example")])
    got = json.loads(client.response(stream).content)["fields"]
    assert ["other.example"] == [value for name, value in got if name.lower() == "host"]


def test_the_table_may_shrink_and_grow_within_a_connection(client):
    for size in (0, 100, 4096, 4096, 0, 4096):
        client.encoder.header_table_size = size
        for _ in range(3):
            got = client.exchange("GET", "/", [("x-table", "value"), ("x-size", str(size))])
            assert ["x-size", str(size)] in json.loads(got.content)["fields"]
    client.send(settings({HEADER_TABLE_SIZE: 0}))
    client.decoder.max_allowed_table_size = 4096
    for _ in range(3):
        assert is_served(client)
    client.send(settings({HEADER_TABLE_SIZE: 4096}))
    assert is_served(client)
