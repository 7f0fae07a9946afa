"""Sessions of HTTP/2 with changed, lost, doubled and reordered frames, from clients and from
endpoints: whatever they are, steelyard runs on, serves others, and keeps nothing."""

import random
import struct
import threading

import pytest
from endpoints import echo
from frames import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, Client, frame, settings, speaking)
from hpack import Encoder
from multiplexed import Gone, Multiplexed
from multiplexed import echo as echo_multiplexed
from programs import wait_for

SEED = 20261129
SESSIONS = 300
GROWTH_MAX = 16 << 20
METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS"]


class Chance(random.Random):
    """Frames that might be sent, most of them good ones."""

    def __init__(self, seed):
        super().__init__(seed)
        self.encoder = Encoder()
        self.last = -1

    def number(self):
        """Of a stream: mostly one that is open."""
        return self.choice([max(self.last, 0), self.choice(range(0, max(self.last, 1) + 4))])

    def head(self):
        self.last += 2
        fields = [(":method", self.choice(METHODS)), (":scheme", "http"), (":path", "/x"),
                  (":authority", "a"), *[(f"x-{n}", "v" * n) for n in range(self.randrange(20))]]
        block = self.encoder.encode(fields)
        ends = self.choice([0, END_STREAM])
        if self.random() < 0.3:
            at = self.randrange(len(block) + 1)
            return frame(HEADERS, ends, self.last, block[:at]) + frame(
                CONTINUATION, END_HEADERS, self.last, block[at:])
        return frame(HEADERS, END_HEADERS | ends, self.last, block)

    def other(self):
        kind = self.choice([DATA, DATA, DATA, WINDOW_UPDATE, RST_STREAM, PING, SETTINGS, PRIORITY,
                            GOAWAY, 0x20])
        flags = self.choice([0, 0, END_STREAM, 0x8, self.randrange(256)])
        if kind == DATA:
            return frame(kind, flags, self.number(), self.randbytes(self.choice([0, 1, 300, 9000])))
        if kind == SETTINGS:
            return settings({self.randrange(8): self.choice([0, 1, 100, 16_384, 65_535])})
        size = {WINDOW_UPDATE: 4, RST_STREAM: 4, PING: 8, PRIORITY: 5, GOAWAY: 8}.get(kind, 3)
        payload = struct.pack(">I", self.choice([0, 1, 8, 1000])) * 2 + b"x"
        on_stream = kind in (WINDOW_UPDATE, RST_STREAM, PRIORITY)
        return frame(kind, 0, self.number() if on_stream else 0, payload[:size])

    def session(self):
        frames = [PREFACE + settings()] + [
            self.head() if self.random() < 0.5 else self.other()
            for _ in range(self.randrange(1, 40))]
        return self.changed(frames)

    def changed(self, frames):
        """In one of several ways, or not at all. The first frame is left as it is, mostly."""
        frames = list(frames)
        way = self.randrange(6)
        if way == 0 and len(frames) > 2:
            del frames[self.randrange(1, len(frames))]
        elif way == 1:
            frames.insert(self.randrange(1, len(frames) + 1), self.choice(frames))
        elif way == 2:
            head, *rest = frames
            self.shuffle(rest)
            frames = [head, *rest]
        data = bytearray(b"".join(frames))
        if way in (3, 4):
            for _ in range(self.choice([1, 1, 3, 20])):
                data[self.randrange(min(24, len(data) - 1), len(data))] = self.randrange(256)
        elif way == 5:
            del data[self.randrange(len(data)):]
        return bytes(data)


@pytest.fixture(scope="module")
def endpoint(module_stage):
    return module_stage.endpoint(echo)


@pytest.fixture(scope="module", params=["http1", "http2"])
def steelyard(request, module_stage, endpoint):
    """In front of endpoints of both versions."""
    if request.param == "http1":
        return module_stage.steelyard(speaking([endpoint.address]))
    multiplexed = module_stage.keep(Multiplexed(echo_multiplexed))
    return module_stage.steelyard(speaking([multiplexed.address], protocol="http2"))


def is_well(steelyard):
    assert steelyard.is_running()
    with Client(steelyard.address) as client:
        assert client.exchange("POST", "/", [], b"x" * 100_000).status == 200
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_http2_connections_open", side="client") == 0, "no client left")


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
def test_whatever_clients_send_ends_well(steelyard, seed):
    memory = steelyard.rss_bytes()
    for number in range(SESSIONS):
        chance = Chance(f"{seed} {number}")
        with Client(steelyard.address, greets=False) as client:
            client.wire.socket.settimeout(5)
            data = chance.session()
            try:
                for at in range(0, len(data), size := chance.choice([7, 1000, 1 << 20])):
                    client.send(data[at:at + size])
                if chance.random() < 0.7:
                    client.wire.socket.shutdown(1)
                    client.wire.rest()
            except OSError:
                pass
    is_well(steelyard)
    assert steelyard.rss_bytes() < memory + GROWTH_MAX


@pytest.mark.parametrize("seed", range(SEED, SEED + 2))
def test_whatever_endpoints_send_ends_well(stage, seed):
    """Their answers are followed by frames of all kinds, changed or not."""
    counts = iter(range(1 << 30))
    lock = threading.Lock()

    def answer(exchange):
        if exchange.request.target == "/":
            echo_multiplexed(exchange)
            return
        with lock:
            chance = Chance(f"{seed} {next(counts)}")
        chance.last = exchange.stream - 2
        frames = [frame(HEADERS, END_HEADERS, exchange.stream, b"\x88")] + [
            chance.other() for _ in range(chance.randrange(1, 20))]
        try:
            exchange.link.raw(chance.changed(frames))
        except (Gone, OSError):
            pass

    one = stage.keep(Multiplexed(answer))
    steelyard = stage.steelyard(speaking(
        [one.address], protocol="http2", retries={"max": 0}, ejection={"max_fails": 0},
        timeouts={"first_byte": "200ms", "idle": "200ms"}, watchdog="none"))
    memory = steelyard.rss_bytes()
    for _ in range(20):
        with Client(steelyard.address) as client:
            for stream in [client.request("GET", "/odd") for _ in range(5)]:
                client.finish(stream)
    is_well(steelyard)
    assert steelyard.rss_bytes() < memory + GROWTH_MAX
