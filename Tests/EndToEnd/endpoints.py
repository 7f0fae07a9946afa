"""Endpoints written by a test: a small HTTP/1 server whose answers are Python functions.

For what a real server cannot be made to do: stop in the middle, answer rubbish, wait for the test.
"""

import hashlib
import json
import socket
import threading
from dataclasses import dataclass, field

import wire


@dataclass
class Request:
    method: str
    target: str
    version: str
    fields: list
    content: bytes = b""

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def one(self, name):
        found = self.all(name)
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None


class Exchange(wire.Connection):
    """The endpoint's side of one connection; `request` is the one that is being answered."""

    def __init__(self, endpoint, accepted):
        accepted.settimeout(60)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.endpoint = endpoint
        self.socket = accepted
        if endpoint.wrap:
            self.wrap(endpoint.wrap)
        self.buffer = b""
        self.request = None
        self.has_read_content = False
        self.keeps_alive = True

    def receive(self):
        before = len(self.buffer)
        super().receive()
        self.endpoint.received_byte_count += len(self.buffer) - before

    def read_request(self):
        """The next request's head, None where the connection ended."""
        try:
            method, target, version = self.line().decode("latin-1").split(" ")
            fields = []
            while line := self.line().decode("latin-1"):
                name, value = line.split(":", 1)
                fields.append((name, value.strip()))
        except (wire.Cut, OSError):
            return None
        self.request = Request(method, target, version, fields)
        self.has_read_content = False
        if self.request.one("Transfer-Encoding") is None and not int(
                self.request.one("Content-Length") or 0):
            # Before the answer, so that whoever has it finds the request.
            self.read_content()
        return self.request

    def read_content(self):
        """The request's content; Cut where the peer gave up."""
        if not self.has_read_content:
            if (self.request.one("Transfer-Encoding") or "").lower() == "chunked":
                self.request.content = b"".join(self.chunks())
            else:
                self.request.content = self.take(int(self.request.one("Content-Length") or 0))
            self.has_read_content = True
            self.endpoint.requests.append(self.request)
        return self.request.content

    def answer(self, content=b"", status=200, fields=()):
        """A whole response with a Content-Length."""
        head = [f"HTTP/1.1 {status} Because", f"Content-Length: {len(content)}"]
        head += [f"{name}: {value}" for name, value in fields]
        body = b"" if self.request.method == "HEAD" else content
        self.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def begin_chunked(self, fields=()):
        head = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"]
        head += [f"{name}: {value}" for name, value in fields]
        self.send("\r\n".join(head).encode() + b"\r\n\r\n")

    def chunk(self, data):
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end_chunked(self):
        self.send(b"0\r\n\r\n")


@dataclass
class Endpoint:
    """Listens at once; `answer(exchange)` is called for every request head, in a thread of its
    connection. `requests` holds those whose content was read to its end. `wrap` makes TLS of what
    was accepted (secure.py)."""

    answer: object
    host: str = "127.0.0.1"
    port: int = 0
    wrap: object = None
    requests: list = field(default_factory=list)
    connection_count: int = 0
    received_byte_count: int = 0
    failures: list = field(default_factory=list)

    def __post_init__(self):
        is_v6 = ":" in self.host
        self.listening = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET)
        self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listening.bind((self.host, self.port))
        self.listening.listen(512)
        self.port = self.listening.getsockname()[1]
        self.accepted = []
        self.lock = threading.Lock()
        self.is_stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def stop(self):
        try:
            self.listening.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listening.close()
        with self.lock:
            self.is_stopped = True
        for accepted in self.accepted:
            try:
                accepted.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            accepted.close()

    def _accept(self):
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            with self.lock:
                if self.is_stopped:
                    accepted.close()
                    return
                self.accepted.append(accepted)
                self.connection_count += 1
            threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted):
        try:
            exchange = Exchange(self, accepted)
        except OSError as failure:
            # Closed by `stop` before it began, or no handshake.
            self.failures.append(failure)
            return
        with exchange:
            while exchange.keeps_alive and exchange.read_request():
                try:
                    self.answer(exchange)
                    exchange.read_content()
                except (wire.Cut, ValueError, OSError) as failure:
                    self.failures.append(failure)
                    return


def echo(exchange):
    """Answers with what arrived, as JSON."""
    content = exchange.read_content()
    request = exchange.request
    exchange.answer(json.dumps({
        "method": request.method, "target": request.target, "version": request.version,
        "fields": request.fields, "count": len(content),
        "sha256": hashlib.sha256(content).hexdigest()}).encode())


def text(content=b"ok", **options):
    """An answer function that always says the same."""

    def answer(exchange):
        exchange.read_content()
        exchange.answer(content, **options)

    return answer


def pages(page):
    """An answer function for a metrics page: `page()` gives its text anew each time."""

    def answer(exchange):
        exchange.answer(page().encode(), fields=[("Content-Type", "text/plain; version=0.0.4")])

    return answer


class Held:
    """An answer in two halves; the test says when the second may go."""

    def __init__(self):
        self.begun = threading.Event()
        self.release = threading.Event()

    def __call__(self, exchange):
        exchange.begin_chunked()
        exchange.chunk(b"first ")
        self.begun.set()
        self.release.wait(60)
        exchange.chunk(b"second")
        exchange.end_chunked()
