"""HTTP/2 over a socket, frame by frame: nothing is sent that a test did not ask for, nothing that
came is put right. The numbers are those of RFC 9113."""

import select
import socket
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import packages  # noqa: F401: hpack is one of them
from hpack import Decoder, Encoder
from secure import SecureAddress, SecureSocket
from wire import Connection, Cut, Response

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Types of frames.
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, \
    CONTINUATION = range(10)
# Flags.
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, HAS_PRIORITY = 0x4, 0x8, 0x20
# Settings.
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, \
    MAX_HEADER_LIST_SIZE = range(1, 7)
# Error codes.
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, \
    FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, \
    ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED = range(14)
WINDOW = 65_535
FRAME_SIZE = 16_384
WINDOW_MAX = (1 << 31) - 1


class Frame(NamedTuple):
    type: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self):
        """The error code of RST_STREAM or GOAWAY."""
        at = 4 if self.type == GOAWAY else 0
        return struct.unpack_from(">I", self.payload, at)[0]


def frame(type, flags=0, stream=0, payload=b"", length=None):
    """A frame's bytes; `length`: what its header says of the payload, where that is a lie."""
    length = len(payload) if length is None else length
    return struct.pack(">IBBI", length, type, flags, stream)[1:] + payload


def settings(values=(), flags=0):
    payload = b"".join(struct.pack(">HI", key, value) for key, value in dict(values).items())
    return frame(SETTINGS, flags, 0, payload)


class Goaway(ConnectionError):
    """The connection ended; `code` is that of the last GOAWAY, None without one."""

    def __init__(self, code):
        super().__init__(f"the connection ended, code {code}")
        self.code = code


class Reset(ConnectionError):
    """The peer reset a stream."""

    def __init__(self, code):
        super().__init__(f"the stream was reset, code {code}")
        self.code = code


@dataclass
class Stream:
    """What is known of a stream. `window`: what may still be sent on it."""

    window: int
    head: list = None
    interim: list = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    trailers: list = None
    is_over: bool = False
    reset: int = None
    # Whether its window is given back as content comes.
    is_read: bool = True

    @property
    def status(self):
        return int(dict(self.head)[":status"]) if self.head else None


class Client:
    """A client's connection. It acknowledges settings and pings, gives windows back, and sends
    within those that it has; whatever else is in frames that the test makes."""

    def __init__(self, address, values=(), context=None, timeout=30, greets=True,
                 credit=WINDOW_MAX - WINDOW):
        """`values`: of its SETTINGS; `context`: for TLS, with h2 among its protocols; `credit`:
        what the connection's window grows by at once. `greets`: sends a preface and waits for the
        peer's settings."""
        if context:
            address = SecureAddress(
                address[:2], lambda raw: SecureSocket(raw, context, "localhost"))
        self.wire = Connection(address, timeout)
        self.encoder, self.decoder = Encoder(), Decoder()
        # Values of fields longer than that are refused by hpack otherwise.
        self.decoder.max_header_list_size = 1 << 24
        self.streams = {}
        self.frames = []
        self.settings = {}
        self.settings_acks = 0
        self.has_settings = False
        self.goaways = []
        self.pongs = []
        self.window = WINDOW
        self.initial_window = WINDOW
        self.own_window = dict(values).get(INITIAL_WINDOW_SIZE, WINDOW)
        self.last = -1
        self._block = None
        if greets:
            self.greet(values, credit)

    def greet(self, values=(), credit=0):
        self.send(PREFACE + settings(values))
        if credit:
            self.window_update(0, credit)
        self.until(lambda: self.settings_acks and self.has_settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.wire.close()

    # What is sent

    def send(self, data):
        self.wire.send(data)

    def frame(self, type, flags=0, stream=0, payload=b"", **options):
        self.send(frame(type, flags, stream, payload, **options))

    def next_stream(self):
        self.last += 2
        return self.last

    def fields(self, method="GET", target="/", fields=(), scheme="http", authority="test.example"):
        """A request's list of fields, pseudo-fields first."""
        return [(":method", method), (":scheme", scheme), (":authority", authority),
                (":path", target), *fields]

    def block(self, fields):
        return self.encoder.encode([(name, value) for name, value in fields])

    def headers(self, fields, stream=None, ends=True, flags=END_HEADERS, size=FRAME_SIZE):
        """Sends HEADERS, and CONTINUATION where the block is longer than a frame; the stream."""
        stream = stream or self.next_stream()
        block = self.block(fields)
        parts = [block[at:at + size] for at in range(0, len(block), size)] or [b""]
        sent = b""
        for place, part in enumerate(parts):
            flag = END_HEADERS & flags if place == len(parts) - 1 else 0
            if place == 0:
                flag |= (END_STREAM if ends else 0) | (flags & ~END_HEADERS)
            sent += frame(CONTINUATION if place else HEADERS, flag, stream, part)
        self.open(stream)
        self.send(sent)
        return stream

    def open(self, stream):
        """What is known of this stream from now on."""
        return self.streams.setdefault(stream, Stream(self.initial_window))

    def request(self, method="GET", target="/", fields=(), content=None, trailers=None, **pseudo):
        """Sends a whole request, within the windows; the stream."""
        ends = content is None and trailers is None
        stream = self.headers(self.fields(method, target, fields, **pseudo), ends=ends)
        if content is not None:
            self.data(stream, content, ends=trailers is None)
        if trailers is not None:
            self.headers(trailers, stream)
        return stream

    def data(self, stream, content, ends=True, size=FRAME_SIZE):
        """Sends content as the windows allow; ends early where the stream was reset."""
        left = memoryview(content)
        while True:
            count = min(len(left), size)
            while count > min(self.window, self.streams[stream].window):
                room = min(self.window, self.streams[stream].window)
                if room > 0:
                    count = room
                    break
                if self.streams[stream].reset is not None:
                    return
                self.read()
            is_last = ends and count == len(left)
            self.frame(DATA, END_STREAM if is_last else 0, stream, bytes(left[:count]))
            self.window -= count
            self.streams[stream].window -= count
            left = left[count:]
            if not left:
                return

    def window_update(self, stream, count):
        self.frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", count))

    def reset(self, stream, code=CANCEL):
        self.frame(RST_STREAM, 0, stream, struct.pack(">I", code))

    def ping(self, data=b"\1\2\3\4\5\6\7\x08"):
        """Sends a ping and waits for its answer: what was sent before has been read."""
        count = len(self.pongs)
        self.frame(PING, 0, 0, data)
        self.until(lambda: len(self.pongs) > count)
        return self.pongs[-1]

    # What comes

    def read(self):
        """The next frame, after its effect; Goaway at the end of the connection."""
        try:
            head = self.wire.take(9)
            length = int.from_bytes(head[:3], "big")
            got = Frame(head[3], head[4], int.from_bytes(head[5:], "big"), self.wire.take(length))
        except (Cut, ConnectionError) as end:
            if isinstance(end, TimeoutError):
                raise
            raise Goaway(self.goaways[-1].code if self.goaways else None) from end
        self.frames.append(got)
        self._take(got)
        return got

    def _take(self, got):
        if got.type == SETTINGS:
            self._take_settings(got)
        elif got.type == PING:
            if got.flags & ACK:
                self.pongs.append(got.payload)
            else:
                self.frame(PING, ACK, 0, got.payload)
        elif got.type == WINDOW_UPDATE:
            count, = struct.unpack(">I", got.payload)
            if got.stream == 0:
                self.window += count
            elif got.stream in self.streams:
                self.streams[got.stream].window += count
        elif got.type == GOAWAY:
            self.goaways.append(got)
        elif got.type == RST_STREAM:
            stream = self.open(got.stream)
            stream.reset, stream.is_over = got.code, True
        elif got.type == DATA:
            self._take_data(got)
        elif got.type in (HEADERS, CONTINUATION):
            self._take_block(got)

    def _take_settings(self, got):
        if got.flags & ACK:
            self.settings_acks += 1
            return
        for key, value in struct.iter_unpack(">HI", got.payload):
            if key == INITIAL_WINDOW_SIZE:
                for stream in self.streams.values():
                    stream.window += value - self.initial_window
                self.initial_window = value
            elif key == HEADER_TABLE_SIZE:
                self.encoder.header_table_size = min(value, 4096)
            self.settings[key] = value
        self.has_settings = True
        self.send(settings(flags=ACK))

    def _take_data(self, got):
        stream = self.streams[got.stream]
        assert stream.head and not stream.is_over, f"DATA where none may be: {stream}"
        content = got.payload
        if got.flags & PADDED:
            content = content[1:len(content) - content[0]]
        stream.content += content
        stream.is_over = bool(got.flags & END_STREAM)
        if got.payload and stream.is_read:
            self.window_update(0, len(got.payload))
            if not stream.is_over:
                self.window_update(got.stream, len(got.payload))

    def _take_block(self, got):
        payload = got.payload
        if got.type == HEADERS:
            assert self._block is None
            if got.flags & PADDED:
                payload = payload[1:len(payload) - payload[0]]
            if got.flags & HAS_PRIORITY:
                payload = payload[5:]
            self._block, self._ends = b"", got.flags & END_STREAM
        self._block += payload
        if not got.flags & END_HEADERS:
            return
        fields = self.decoder.decode(self._block)
        self._block = None
        stream = self.streams[got.stream]
        assert not stream.is_over, "HEADERS after the end"
        if stream.head is not None:
            assert self._ends, "trailers that do not end their stream"
            stream.trailers = fields
        elif dict(fields)[":status"][0] == "1":
            assert not self._ends
            stream.interim.append(fields)
        else:
            stream.head = fields
        stream.is_over = bool(self._ends)

    def read_ready(self):
        """Reads the frames that have begun to come."""
        while self.wire.buffer or select.select([self.wire.socket], [], [], 0)[0]:
            self.read()

    def until(self, condition):
        """Reads frames until the condition holds; its value."""
        while not (value := condition()):
            self.read()
        return value

    def finish(self, stream):
        """The stream when it is over, whether answered or reset."""
        self.until(lambda: self.streams[stream].is_over)
        return self.streams[stream]

    def response(self, stream):
        """The whole answer; Reset where there is none."""
        got = self.finish(stream)
        if got.reset is not None:
            raise Reset(got.reset)
        answer = Response(
            "2", got.status, [one for one in got.head if one[0] != ":status"], bytes(got.content),
            [int(dict(fields)[":status"]) for fields in got.interim])
        answer.trailers = got.trailers
        return answer

    def exchange(self, *arguments, **options):
        return self.response(self.request(*arguments, **options))

    def code_of_end(self):
        """The code of the GOAWAY with which the connection ends, None where it has none."""
        try:
            while True:
                self.read()
        except Goaway as end:
            return end.code

    def fault_of(self, stream):
        """How the peer takes a fault on this stream: ("stream", code), ("answer", status) or
        ("connection", code)."""
        try:
            got = self.finish(stream)
        except Goaway as end:
            return "connection", end.code
        return ("answer", got.status) if got.reset is None else ("stream", got.reset)


def speaking(addresses, policy=True, **pool):
    """The smallest configuration with a listener that speaks HTTP/2."""
    # Not at the top: conftest imports what imports this.
    from conftest import minimal
    configuration = minimal(addresses, **pool)
    configuration["listeners"][0]["http2"] = policy
    return configuration


def h2_context(certificates, pair=None):
    """A client's TLS that offers HTTP/2 alone."""
    # Not at the top: secure.py has no need of this.
    from secure import client_context
    return client_context(certificates.ca, pair, alpn=["h2"])


def cut(client):
    """Ends the connection with a reset."""
    client.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
