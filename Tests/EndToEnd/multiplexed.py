"""Endpoints written by a test that speak HTTP/2, by the package h2: what endpoints.py is for HTTP/1.

An answer is a Python function that runs in a thread of its stream."""

import hashlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field

import endpoints
import packages  # noqa: F401: h2 is one of them
from endpoints import Request
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated, DataReceived, PingReceived, RequestReceived, StreamEnded, StreamReset,
    TrailersReceived)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

MAX_CONCURRENT_STREAMS = SettingCodes.MAX_CONCURRENT_STREAMS
CUT = struct.pack("ii", 1, 0)


class Gone(Exception):
    """The stream or its connection ended before the answer did."""


class Exchange:
    """The endpoint's side of one stream; `request` has a content when read_content returned."""

    def __init__(self, link, stream, fields):
        self.link = link
        self.stream = stream
        pseudo = {name: value for name, value in fields if name.startswith(":")}
        self.pseudo = pseudo
        self.request = Request(
            pseudo.get(":method"), pseudo.get(":path"), "HTTP/2",
            [one for one in fields if not one[0].startswith(":")])
        self.request.trailers = None
        # Whether content that came gives its windows back.
        self.is_read = True
        self.waiting = 0
        self.is_whole = False
        self.reset = None

    @property
    def endpoint(self):
        return self.link.endpoint

    def read_content(self):
        """The request's content; Gone where the peer gave up."""
        self.link.wait(lambda: self.is_whole or self.reset is not None)
        if not self.is_whole:
            raise Gone(f"reset with {self.reset}")
        return self.request.content

    def take(self, count):
        """Waits until so much of the content is there."""
        self.link.wait(lambda: len(self.request.content) >= count or self.is_whole)

    def give_back(self):
        """The windows of what was not read until now, and from now on."""
        with self.link.lock:
            self.is_read = True
            if self.waiting:
                self.link.h2.acknowledge_received_data(self.waiting, self.stream)
                self.waiting = 0
            self.link.flush()

    def interim(self, status=103, fields=()):
        self.link.send(lambda h2: h2.send_headers(
            self.stream, [(":status", str(status)), *fields]))

    def begin(self, status=200, fields=(), ends=False):
        self.link.send(lambda h2: h2.send_headers(
            self.stream, [(":status", str(status)), *fields], end_stream=ends))

    def chunk(self, data, ends=False):
        """Content, as the windows allow."""
        left = memoryview(data)
        while left or ends:
            with self.link.lock:
                self.link.wait(self._has_room if left else lambda: True)
                self._check()
                count = min(len(left), self._room(), self.link.h2.max_outbound_frame_size)
                is_last = count == len(left)
                self.link.h2.send_data(
                    self.stream, bytes(left[:count]), end_stream=ends and is_last)
                self.link.flush()
            left = left[count:]
            if is_last:
                return

    def end(self, trailers=None):
        if trailers is None:
            self.link.send(lambda h2: h2.end_stream(self.stream))
        else:
            self.link.send(lambda h2: h2.send_headers(self.stream, trailers, end_stream=True))

    def answer(self, content=b"", status=200, fields=(), trailers=None):
        """A whole response with a content-length."""
        self.begin(status, [("content-length", str(len(content))), *fields])
        body = b"" if self.request.method == "HEAD" else content
        if body or trailers is None:
            self.chunk(body, ends=trailers is None)
        if trailers is not None:
            self.end(trailers)

    def reset_stream(self, code=ErrorCodes.INTERNAL_ERROR):
        self.link.send(lambda h2: h2.reset_stream(self.stream, code))

    def goaway(self, code=ErrorCodes.NO_ERROR, last=None):
        """Says so, and goes on with this stream; `last`: the last one that will be answered."""
        self.link.raw(b"\0\0\x08\x07\0\0\0\0\0" + struct.pack(
            ">II", self.stream if last is None else last, code))

    def cut(self):
        """Resets the connection; the thread that reads it closes it."""
        self.link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CUT)
        self.link.socket.shutdown(socket.SHUT_RD)

    def _room(self):
        try:
            return self.link.h2.local_flow_control_window(self.stream)
        except ProtocolError:
            return 0

    def _has_room(self):
        return self.reset is not None or self._room() > 0

    def _check(self):
        if self.reset is not None:
            raise Gone(f"reset with {self.reset}")


class Link:
    """One connection of an endpoint."""

    def __init__(self, endpoint, accepted):
        self.endpoint = endpoint
        accepted.settimeout(60)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = endpoint.wrap(accepted) if endpoint.wrap else accepted
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.exchanges = {}
        self.is_over = False
        self.pings = 0
        self.code = None
        self.h2 = H2Connection(H2Configuration(
            client_side=False, header_encoding="latin-1", validate_outbound_headers=False,
            normalize_outbound_headers=False))
        self.h2.initiate_connection()
        # In force when the peer has acknowledged them.
        self.h2.update_settings({MAX_CONCURRENT_STREAMS: 100, **endpoint.settings})
        if endpoint.credit:
            self.h2.increment_flow_control_window(endpoint.credit)
        self.flush()

    def flush(self):
        try:
            self.socket.sendall(self.h2.data_to_send())
        except OSError:
            self.is_over = True

    def raw(self, data):
        with self.lock:
            self.socket.sendall(data)

    def send(self, what):
        with self.lock:
            if self.is_over:
                raise Gone("the connection ended")
            try:
                what(self.h2)
            except ProtocolError as error:
                raise Gone(str(error)) from error
            self.flush()

    def wait(self, condition):
        with self.lock:
            while not condition():
                if self.is_over:
                    raise Gone("the connection ended")
                if not self.changed.wait(60):
                    raise TimeoutError("an endpoint waited for 60 s")

    def serve(self):
        try:
            while data := self.socket.recv(65536):
                with self.lock:
                    for event in self.h2.receive_data(data):
                        self._take(event)
                    self.flush()
                    self.changed.notify_all()
        except (OSError, ProtocolError) as failure:
            self.endpoint.failures.append(failure)
            with self.lock:
                self.flush()
        finally:
            with self.lock:
                self.is_over = True
                for exchange in self.exchanges.values():
                    if not exchange.is_whole and exchange.reset is None:
                        exchange.reset = -1
                self.changed.notify_all()
            self.socket.close()

    def _take(self, event):
        if isinstance(event, RequestReceived):
            exchange = Exchange(self, event.stream_id, event.headers)
            self.exchanges[event.stream_id] = exchange
            self.endpoint.begun.append(exchange)
            threading.Thread(target=self._answer, args=(exchange,), daemon=True).start()
        elif isinstance(event, ConnectionTerminated):
            self.code = event.error_code
        elif isinstance(event, PingReceived):
            self.pings += 1
        exchange = self.exchanges.get(getattr(event, "stream_id", 0))
        if exchange is None:
            return
        if isinstance(event, DataReceived):
            exchange.request.content += event.data
            if exchange.is_read:
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id)
            else:
                exchange.waiting += event.flow_controlled_length
        elif isinstance(event, TrailersReceived):
            exchange.request.trailers = event.headers
        elif isinstance(event, StreamReset):
            exchange.reset = int(event.error_code)
            self.endpoint.resets.append(exchange.reset)
        elif isinstance(event, StreamEnded):
            exchange.is_whole = True
            self.endpoint.requests.append(exchange.request)

    def _answer(self, exchange):
        try:
            self.endpoint.answer(exchange)
        except (Gone, OSError, ProtocolError) as failure:
            self.endpoint.failures.append(failure)


@dataclass
class Multiplexed(endpoints.Endpoint):
    """Listens at once; `answer(exchange)` is called for every stream. `requests` holds those that
    are whole, `begun` the exchanges of all, `resets` the codes of those that the peer reset."""

    settings: dict = field(default_factory=dict)
    credit: int = 1 << 20
    begun: list = field(default_factory=list)
    resets: list = field(default_factory=list)
    links: list = field(default_factory=list)

    def _serve(self, accepted):
        try:
            link = Link(self, accepted)
        except OSError as failure:
            self.failures.append(failure)
            return
        self.links.append(link)
        link.serve()


def echo(exchange):
    """Answers with what arrived, as JSON."""
    content = exchange.read_content()
    request = exchange.request
    exchange.answer(json.dumps({
        "method": request.method, "target": request.target, "version": request.version,
        "pseudo": exchange.pseudo, "fields": request.fields, "count": len(content),
        "trailers": request.trailers,
        "sha256": hashlib.sha256(content).hexdigest()}).encode())
