"""What tests of endpoints that speak HTTP/2 share: endpoints, steelyards in front of them, and
clients of both versions."""

import random
import threading
from collections import Counter

import pytest
from frames import Client, speaking
from multiplexed import Multiplexed
from programs import Program, find, free_port
from secure import SecureSocket, server_context
from wire import Connection

BLOCK = random.Random(5).randbytes(1 << 20)
OK = 0
# Of retries, so that their budget is not what a test meets.
PLENTY = {"budget": {"ratio": 1, "per_second": 100}}


def endpoint(stage, answer, **options):
    return stage.keep(Multiplexed(answer, **options))


def steelyard_of(stage, *endpoints, **pool):
    return stage.steelyard(speaking(
        [one.address for one in endpoints], protocol="http2", weights={"law": "static"},
        balance="round_robin", **pool))


def secured(certificates, alpn):
    """What makes TLS of a socket that an endpoint has accepted."""
    context = server_context(certificates.local, alpn=alpn)
    return lambda raw: SecureSocket(raw, context, is_server=True)


@pytest.fixture(params=["http1", "http2"])
def ask(request):
    """Asks a steelyard once, over a connection of its own; the answer with its trailers."""
    def once(steelyard, method="GET", target="/", fields=(), content=b"", timeout=30):
        if request.param == "http2":
            with Client(steelyard.address, timeout=timeout) as client:
                length = [("content-length", str(len(content)))] if content else []
                return client.exchange(method, target, [*fields, *length], content or None)
        with Connection(steelyard.address, timeout) as connection:
            return connection.exchange(method, target, fields=fields, content=content)
    once.version = request.param
    return once


class Nghttpd(Program):
    """nghttpd that serves `files`."""

    def __init__(self, directory):
        self.port = free_port()
        self.files = directory / "files"
        self.files.mkdir(parents=True)
        (self.files / "one.bin").write_bytes(BLOCK)
        super().__init__("nghttpd", directory, [
            find("nghttpd"), "--no-tls", "-a", "127.0.0.1", "-d", self.files, self.port])
        self.wait_for_port("127.0.0.1", self.port)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


class Holding:
    """Answers when the test says so; knows how many are held on each connection."""

    def __init__(self):
        self.release = threading.Event()
        self.lock = threading.Lock()
        self.held = Counter()
        self.most = Counter()

    def __call__(self, exchange):
        exchange.read_content()
        with self.lock:
            self.held[exchange.link] += 1
            self.most[exchange.link] = max(
                self.most[exchange.link], self.held[exchange.link])
        self.release.wait(60)
        with self.lock:
            self.held[exchange.link] -= 1
        exchange.answer(exchange.request.target.encode())
