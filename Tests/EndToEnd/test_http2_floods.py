"""Clients that cost more than they are worth: each attack meets its limit, ends its connection with
ENHANCE_YOUR_CALM, is counted, grows no memory, and leaves other clients alone."""

import struct
import threading

import pytest
from endpoints import echo
from frames import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, INITIAL_WINDOW_SIZE,
    PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, Client, Goaway, frame, settings, speaking)
from programs import wait_for

GROWTH_MAX = 16 << 20
BATCH, BATCHES_MAX = 500, 400


@pytest.fixture(scope="module")
def endpoint(module_stage):
    def answer(exchange):
        if exchange.request.target == "/large":
            exchange.read_content()
            exchange.answer(bytes(10 << 20))
        else:
            echo(exchange)
    return module_stage.endpoint(answer)


@pytest.fixture(scope="module")
def steelyard(module_stage, endpoint):
    return module_stage.steelyard(speaking([endpoint.address]))


class Other:
    """A client like any, beside the attack."""

    def __init__(self, steelyard):
        self.count, self.failure = 0, None
        self.is_over = threading.Event()
        self.client = Client(steelyard.address)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.is_over.is_set():
                assert self.client.exchange().status == 200
                self.count += 1
        except Exception as failure:  # noqa: BLE001: told by `stop`
            self.failure = failure

    def stop(self):
        self.is_over.set()
        self.thread.join(30)
        self.client.close()
        assert self.failure is None, self.failure
        assert self.count > 0


def resets(client):
    """CVE-2023-44487."""
    stream = client.next_stream()
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block(client.fields())) + frame(
        RST_STREAM, 0, stream, struct.pack(">I", 8))


def made_resets(client):
    """CVE-2025-8671: the server is made to reset its streams."""
    stream = client.next_stream()
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block(client.fields())) + frame(
        WINDOW_UPDATE, 0, stream, bytes(4))


def refusals(client):
    """More streams than may be, again and again."""
    stream = client.next_stream()
    return frame(HEADERS, END_HEADERS, stream, client.block(client.fields("POST")))


def malformed(client):
    """Heads that are no requests."""
    stream = client.next_stream()
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block([(":path", "/")]))


def on_one_stream(flags, *one):
    """An open stream, then frames that belong to it."""
    def make(client):
        if client.last < 0:
            client.headers(client.fields("POST"), ends=False, flags=flags)
        return frame(one[0], 0, 1, *one[1:])
    return make


def continuations(payload):
    def make(client):
        if client.last < 0:
            client.frame(HEADERS, END_STREAM, client.next_stream(), client.block(client.fields()))
        return frame(CONTINUATION, 0, 1, payload)
    return make


def padded(client):
    """A byte of padding's length, and no content."""
    if client.last < 0:
        client.headers(client.fields("POST"), ends=False)
    return frame(DATA, 0x8, 1, b"\0")


# What is sent again and again, and the reason that is counted.
FLOODS = {
    "resets by the client": (resets, "reset_flood"),
    "resets that the server is made to send": (made_resets, "reset_flood"),
    "streams above the limit": (refusals, "reset_flood"),
    "heads that are no requests": (malformed, "reset_flood"),
    "empty CONTINUATION": (continuations(b""), "continuation_flood"),
    "small CONTINUATION": (continuations(b"\x00\x01a\x01b"), "continuation_flood"),
    "large CONTINUATION": (
        continuations(b"\x00\x01a\x7e\x81\x7e" + b"v" * 16_254), "continuation_flood"),
    "SETTINGS": (lambda client: settings({INITIAL_WINDOW_SIZE: 5000}), "settings_flood"),
    "empty SETTINGS": (lambda client: frame(SETTINGS), "settings_flood"),
    "PING": (lambda client: frame(PING, 0, 0, bytes(8)), "ping_flood"),
    "empty DATA": (on_one_stream(END_HEADERS, DATA), "empty_frame_flood"),
    "DATA without content but padding": (padded, "empty_frame_flood"),
    "WINDOW_UPDATE of the connection": (
        lambda client: frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"), "window_flood"),
    "WINDOW_UPDATE of a stream": (
        on_one_stream(END_HEADERS, WINDOW_UPDATE, b"\0\0\0\1"), "window_flood"),
    "PRIORITY": (lambda client: frame(PRIORITY, 0, 3, bytes(5)), "priority_flood"),
    "PRIORITY_UPDATE": (lambda client: frame(0x10, 0, 0, bytes(4) + b"u=1"), "priority_flood"),
    "frames that nobody knows": (lambda client: frame(0xF0, 0, 0, b""), "priority_flood")}

def counted(steelyard, reason):
    return steelyard.metrics().sum(
        "steelyard_http2_connections_ended_total", side="client", reason=reason)


def flood(client, make):
    """Sends that until the connection ends; how many it took, and the code."""
    sent = 0
    try:
        for _ in range(BATCHES_MAX):
            batch = []
            for _ in range(BATCH):
                batch.append(make(client))
                if client.last > 0:
                    client.open(client.last)
            try:
                client.send(b"".join(batch))
            except ConnectionError:
                client.code_of_end()
                raise Goaway(client.goaways[-1].code if client.goaways else None) from None
            sent += BATCH
            client.read_ready()
    except Goaway as end:
        return sent, end.code
    return sent, "nothing happened"


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_its_connection(steelyard, endpoint, name):
    make, reason = FLOODS[name]
    before, memory = counted(steelyard, reason), steelyard.rss_bytes()
    asked = len(endpoint.requests)
    other = Other(steelyard)
    with Client(steelyard.address, credit=0) as client:
        sent, code = flood(client, make)
    other.stop()
    print(f"{name}: ended within {sent + BATCH} frames, code {code}, "
          f"{(steelyard.rss_bytes() - memory) >> 10} KB more")
    assert code == ENHANCE_YOUR_CALM
    wait_for(lambda: counted(steelyard, reason) == before + 1, f"the reason {reason}")
    assert steelyard.rss_bytes() < memory + GROWTH_MAX
    assert len(endpoint.requests) - asked < other.count + 5_000
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")
    wait_for(lambda: steelyard.metrics().value("steelyard_connections_open") <= 2, "no client left")


@pytest.mark.parametrize("name", ["PING", "SETTINGS", "resets by the client"])
def test_a_flood_of_who_reads_nothing_is_bounded(steelyard, name):
    """Nothing of what it would have to read is kept without end."""
    make, _ = FLOODS[name]
    memory = steelyard.rss_bytes()
    with Client(steelyard.address) as client:
        client.wire.socket.settimeout(3)
        try:
            for _ in range(BATCHES_MAX):
                client.send(b"".join(make(client) for _ in range(BATCH)))
        except OSError:
            pass
        assert steelyard.rss_bytes() < memory + GROWTH_MAX
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")


# Heads


def table_bomb(count):
    """RFC 7541: a name and value of 4 KB, put into the table once and named `count` times."""
    value = b"v" * 4000
    put = b"\x40\x01b" + b"\x7f" + encoded(len(value) - 127) + value
    return b"\x82\x86\x84\x41\x01a" + put + b"\xbe" * count


def encoded(number):
    """RFC 7541 5.1: the rest of a number after its prefix."""
    out = b""
    while number >= 128:
        out += bytes([number % 128 + 128])
        number //= 128
    return out + bytes([number])


def test_a_bomb_of_fields_ends_its_connection(steelyard):
    before, memory = counted(steelyard, "header_bomb"), steelyard.rss_bytes()
    other = Other(steelyard)
    with Client(steelyard.address) as client:
        block = table_bomb(12_000)  # 48 MB
        assert len(block) <= 16_384
        client.frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
        assert client.code_of_end() == ENHANCE_YOUR_CALM
    other.stop()
    wait_for(lambda: counted(steelyard, "header_bomb") == before + 1, "the reason")
    assert steelyard.rss_bytes() < memory + GROWTH_MAX


@pytest.mark.parametrize("count", [10, 30, 60])
def test_a_head_that_is_too_large_ends_its_stream(steelyard, count):
    """Above what a head may have, below what is a bomb."""
    memory = steelyard.rss_bytes()
    with Client(steelyard.address) as client:
        client.open(1)
        client.last = 1
        client.frame(HEADERS, END_HEADERS | END_STREAM, 1, table_bomb(count))
        fault = client.fault_of(1)
        assert fault in {("answer", 431), ("answer", 400), ("stream", ENHANCE_YOUR_CALM)} or (
            count == 10 and fault == ("answer", 200))
        client.encoder.header_table_size = 0
        assert client.exchange().status == 200
    assert steelyard.rss_bytes() < memory + GROWTH_MAX


def test_many_fields_are_too_many(steelyard):
    with Client(steelyard.address) as client:
        stream = client.request("GET", "/", [(f"x-{n}", "v") for n in range(1000)])
        assert client.fault_of(stream) in {
            ("answer", 431), ("answer", 400), ("stream", ENHANCE_YOUR_CALM)}
        assert client.exchange().status == 200


def test_who_never_opens_the_window_is_kept_as_long_as_an_exchange_may_take(stage):
    """CVE-2019-9511, 9517: answers that are asked for and never read."""
    endpoint = stage.endpoint(lambda exchange: exchange.answer(bytes(10 << 20)))
    steelyard = stage.steelyard(speaking([endpoint.address], timeouts={"exchange": "1s"}))
    memory = steelyard.rss_bytes()
    clients = [Client(steelyard.address, {INITIAL_WINDOW_SIZE: 0}) for _ in range(5)]
    for client in clients:
        for _ in range(100):
            client.request("GET", "/large")
    for client in clients:
        # Steelyard's own answer waits for the window too, but the exchange is over.
        client.until(lambda: all(
            one.is_over or one.status == 504 for one in client.streams.values()))
    assert steelyard.rss_max_bytes() < memory + 64 * (1 << 20)
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")
    for client in clients:
        client.close()


def test_a_hundred_connections_that_flood_grow_no_memory(steelyard):
    """What one leaves behind is used again by the next."""
    def once():
        with Client(steelyard.address) as client:
            flood(client, FLOODS["PING"][0])
    once()
    memory = steelyard.rss_bytes()
    for _ in range(100):
        once()
    assert steelyard.rss_bytes() < memory + (4 << 20)
