"""HTTP/1 over a plain socket: what is sent and what comes back, byte for byte."""

import socket
from dataclasses import dataclass, field

DEFAULT = object()


@dataclass
class Response:
    version: str
    status: int
    fields: list
    content: bytes = b""
    interim: list = field(default_factory=list)

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def one(self, name):
        found = self.all(name)
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None


class Cut(Exception):
    """The peer closed before the message was complete."""


class Connection:
    """A client's connection. Every read has the connection's time-out."""

    # What stands in Host unless a request says otherwise.
    host = "test.example"

    def __init__(self, address, timeout=30, source=None):
        """`source` is the client's own IP address, where it is not the kernel's choice."""
        self.socket = socket.create_connection(
            address, timeout=timeout, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.host = getattr(address, "host", self.host)
        if wrap := getattr(address, "wrap", None):
            self.wrap(wrap)

    def wrap(self, wrap):
        """What `wrap` makes of the socket takes its place, unless that fails."""
        try:
            self.socket = wrap(self.socket)
        except Exception:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_request(self, method, target, fields=(), content=b"", chunks=None, version="1.1",
                     host=DEFAULT):
        lines = [f"{method} {target} HTTP/{version}"]
        host = self.host if host is DEFAULT else host
        if host is not None:
            lines.append(f"Host: {host}")
        lines += [f"{name}: {value}" for name, value in fields]
        if chunks is not None:
            lines.append("Transfer-Encoding: chunked")
            content = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
            content += b"0\r\n\r\n"
        elif content or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(content)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    def exchange(self, method, target, **options):
        self.send_request(method, target, **options)
        return self.read_response(method)

    def receive(self):
        """More bytes into the buffer; Cut at the end."""
        data = self.socket.recv(262144)
        if not data:
            raise Cut(f"closed with {len(self.buffer)} bytes unread: {self.buffer[:200]!r}")
        self.buffer += data

    def take(self, count):
        parts = [self.buffer[:count]]
        self.buffer = self.buffer[count:]
        missing = count - len(parts[0])
        while missing > 0:
            data = self.socket.recv(min(missing, 1 << 20))
            if not data:
                raise Cut(f"{missing} of {count} bytes missing")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def line(self):
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def read_head(self):
        version, status, *_ = self.line().decode("latin-1").split(" ", 2)
        fields = []
        while True:
            line = self.line().decode("latin-1")
            if not line:
                return Response(version, int(status), fields)
            name, value = line.split(":", 1)
            fields.append((name, value.strip()))

    def read_response(self, method="GET"):
        interim = []
        while True:
            response = self.read_head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response.status)
        response.interim = interim
        if method != "HEAD" and response.status not in (204, 304):
            response.content = self._content(response)
        return response

    def _content(self, response):
        if (response.one("Transfer-Encoding") or "").lower() == "chunked":
            assert response.one("Content-Length") is None
            return b"".join(self.chunks())
        length = response.one("Content-Length")
        if length is not None:
            return self.take(int(length))
        return self.rest()

    def chunks(self):
        """The chunks of a response, each as soon as it is there; ends after the trailers."""
        while True:
            size = int(self.line().split(b";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return
            yield self.take(size)
            assert self.take(2) == b"\r\n"

    def rest(self):
        """Everything up to the end of the connection; a reset counts as the end."""
        while True:
            try:
                self.receive()
            except (Cut, ConnectionError):
                data, self.buffer = self.buffer, b""
                return data

    def has_answer(self):
        """Whether bytes of it are there, or come within a moment."""
        before = self.socket.gettimeout()
        self.socket.settimeout(0.05)
        try:
            return bool(self.buffer or self.socket.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(before)

    def is_closed(self):
        """Waits for the peer to close; any byte before that is a failure."""
        data = self.rest()
        assert data == b"", f"unexpected bytes: {data[:200]!r}"
        return True


def accepts(address):
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(address) == 0
