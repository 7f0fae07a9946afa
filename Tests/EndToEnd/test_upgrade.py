"""Upgrades (RFC 9110 §7.8): a WebSocket through steelyard, as long as it lives and as it ends."""

import base64
import hashlib
import os
import signal
import socket
import struct
import threading

import pytest
import wire
from conftest import minimal
from endpoints import echo, text
from programs import wait_for
from tunnels import open_raw, pipe_endpoint, switch

pytestmark = pytest.mark.over_tls

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FIELDS = [("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket"),
          ("Sec-WebSocket-Version", "13")]


def accept(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def write_frame(connection, payload, opcode=1, mask=b""):
    """RFC 6455 §5.2; clients mask."""
    size = len(payload)
    head = bytes([0x80 | opcode])
    bit = 0x80 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if mask:
        payload = bytes(b ^ mask[n % 4] for n, b in enumerate(payload))
    connection.send(head + mask + payload)


def read_frame(connection):
    first, second = connection.take(2)
    size = second & 0x7F
    if size == 126:
        size = struct.unpack(">H", connection.take(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", connection.take(8))[0]
    mask = connection.take(4) if second & 0x80 else b""
    payload = connection.take(size)
    if mask:
        payload = bytes(b ^ mask[n % 4] for n, b in enumerate(payload))
    return first & 15, payload


def websocket_echo(exchange):
    """An endpoint that speaks RFC 6455, and answers other requests as usual."""
    request = exchange.request
    if "upgrade" not in (request.one("Connection") or "").lower():
        echo(exchange)
        return
    assert request.one("Upgrade").lower() == "websocket"
    switch(exchange, "websocket",
           [("Sec-WebSocket-Accept", accept(request.one("Sec-WebSocket-Key")))])
    while True:
        opcode, payload = read_frame(exchange)
        write_frame(exchange, payload, opcode)
        if opcode == 8:
            return


def open_websocket(steelyard, **options):
    connection = steelyard.connect(**options)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.send_request("GET", "/chat", fields=[*FIELDS, ("Sec-WebSocket-Key", key)])
    response = connection.read_head()
    assert response.status == 101
    assert response.one("Sec-WebSocket-Accept") == accept(key)
    assert response.one("Upgrade") == "websocket"
    assert response.one("Connection").lower() == "upgrade"
    return connection


def says(connection, message):
    write_frame(connection, message, mask=b"abcd")
    return read_frame(connection) == (1, message)


def tunnels(steelyard):
    return steelyard.metrics().sum("steelyard_endpoint_tunnels_open")


def test_a_websocket_passes(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(websocket_echo).address]))
    with open_websocket(steelyard) as connection:
        for size in (0, 1, 125, 126, 65535, 65536, 300000):
            assert says(connection, b"x" * size)
        metrics = steelyard.metrics()
        assert metrics.sum("steelyard_endpoint_in_flight") == 1
        assert metrics.sum("steelyard_endpoint_tunnels_open") == 1
        assert metrics.sum("steelyard_endpoint_tunnels_total") == 1
        assert metrics.sum("steelyard_requests_total", code="1xx") == 1
        assert metrics.sum("steelyard_endpoint_tunnel_bytes_total", to="endpoint") > 431000
        write_frame(connection, b"", opcode=8, mask=b"abcd")
        assert read_frame(connection)[0] == 8
        # The endpoint closes behind its answer; so do we, once the client has closed too.
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.is_closed()
    wait_for(lambda: tunnels(steelyard) == 0, "the tunnel to end")
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "its lease")
    assert steelyard.metrics().sum("steelyard_request_duration_seconds_count") == 1
    assert steelyard.get("/").status == 200


def test_a_declined_upgrade_is_an_ordinary_answer(stage):
    """The endpoint ignores the offer; what the client sent after it is its next request."""
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([endpoint.address]))
    with steelyard.connect() as connection:
        connection.send(
            b"GET /one HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            b"GET /two HTTP/1.1\r\nHost: t\r\n\r\n")
        assert connection.read_response().status == 200
        assert connection.read_response().status == 200
    assert [request.target for request in endpoint.requests] == ["/one", "/two"]
    assert endpoint.requests[0].one("Upgrade") == "websocket"
    assert endpoint.requests[0].one("Connection").lower() == "upgrade"
    assert endpoint.requests[1].one("Upgrade") is None


def test_upgrade_required_is_passed_on(stage):
    endpoint = stage.endpoint(text(b"no", status=426, fields=[("Upgrade", "websocket")]))
    steelyard = stage.steelyard(minimal([endpoint.address]))
    assert steelyard.get("/").status == 426


REFUSED = [
    ("h2c", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
             ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")]),
    ("h2c beside websocket", [("Connection", "Upgrade"), ("Upgrade", "websocket, h2c")]),
    ("h2c in a second line", [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                              ("Upgrade", "H2C")]),
    ("HTTP/2.0", [("Connection", "Upgrade"), ("Upgrade", "HTTP/2.0")]),
    ("TLS", [("Connection", "Upgrade"), ("Upgrade", "TLS/1.2")]),
    ("not named by Connection", [("Upgrade", "websocket")]),
    ("no protocol", [("Connection", "Upgrade")]),
    ("an empty list", [("Connection", "Upgrade"), ("Upgrade", ", ,")]),
    ("no list of protocols", [("Connection", "Upgrade"), ("Upgrade", "web socket")]),
    ("a protocol without a version", [("Connection", "Upgrade"), ("Upgrade", "websocket/")]),
]


@pytest.fixture(scope="module")
def eager(module_stage):
    """An endpoint that says 101 to everything."""

    def answer(exchange):
        switch(exchange, "websocket")

    endpoint = module_stage.endpoint(answer)
    configuration = minimal([endpoint.address], ejection={"max_fails": 0})
    return endpoint, module_stage.steelyard(configuration)


@pytest.mark.parametrize("fields", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_an_offer_that_may_not_be_passed_on_is_dropped(eager, fields):
    """The endpoint says 101 all the same: a bad answer, because nothing was offered."""
    endpoint, steelyard = eager
    with steelyard.connect() as connection:
        response = connection.exchange("GET", "/", fields=fields)
    assert response.status == 502 and b"bad_response" in response.content
    seen = endpoint.requests[-1]
    assert seen.all("Upgrade") == [] and seen.all("Connection") == []
    assert seen.all("HTTP2-Settings") == []


@pytest.mark.parametrize("options", [
    {"version": "1.0"}, {"method": "POST", "content": b"hello"},
    {"method": "POST", "chunks": [b"hello"]}], ids=["HTTP/1.0", "a length", "chunks"])
def test_an_offer_with_content_or_from_http_1_0_is_dropped(eager, options):
    endpoint, steelyard = eager
    method = options.pop("method", "GET")
    with steelyard.connect() as connection:
        assert connection.exchange(method, "/", fields=FIELDS, **options).status == 502
    assert endpoint.requests[-1].all("Upgrade") == []


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
], ids=["no protocol", "not named by Connection", "h2c"])
def test_a_101_that_is_none_is_a_bad_answer(stage, head):
    def answer(exchange):
        exchange.send(head)
        exchange.has_read_content = True

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/", fields=FIELDS).status == 502


def test_what_is_said_early_on_either_side_arrives(stage):
    """The client speaks before it knows of the 101; the endpoint in the same bytes as the 101."""
    got = []
    ready = threading.Event()

    def answer(exchange):
        # The bytes after the head are held back until we have answered.
        exchange.socket.settimeout(0.3)
        try:
            exchange.receive()
        except TimeoutError:
            got.append("nothing early")
        exchange.socket.settimeout(60)
        switch(exchange, "raw/1", first=b"hello from the endpoint")
        got.append(exchange.take(5))
        ready.set()
        exchange.rest()

    steelyard = stage.steelyard(minimal([stage.endpoint(answer).address]))
    with steelyard.connect() as connection:
        connection.send(
            b"GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: raw/1\r\n\r\nearly")
        assert connection.read_head().status == 101
        assert connection.take(23) == b"hello from the endpoint"
        assert ready.wait(30)
    assert got == ["nothing early", b"early"]


def test_each_side_may_end_before_the_other(stage):
    """Half-closed: the endpoint reads to the end, then still answers; and the other way round."""
    got = []

    def sums_up(exchange):
        data = exchange.rest()
        exchange.send(hashlib.sha256(data).digest())

    def ends_first(exchange):
        exchange.socket.shutdown(socket.SHUT_WR)
        got.append(exchange.rest())

    first = stage.endpoint(pipe_endpoint(sums_up))
    steelyard = stage.steelyard(minimal([first.address]))
    data = os.urandom(3_000_000)
    with open_raw(steelyard) as connection:
        connection.send(data)
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.rest() == hashlib.sha256(data).digest()
    second = stage.endpoint(pipe_endpoint(ends_first))
    steelyard = stage.steelyard(minimal([second.address]))
    with open_raw(steelyard) as connection:
        assert connection.rest() == b""
        connection.send(data)
    wait_for(lambda: got, "the endpoint to read to the end")
    assert got == [data]
    wait_for(lambda: tunnels(steelyard) == 0, "the tunnel to end")


def test_a_cut_is_passed_on(stage):
    """A reset on one side is no regular end on the other."""

    def resets(exchange):
        exchange.take(1)
        exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    steelyard = stage.steelyard(minimal([stage.endpoint(pipe_endpoint(resets)).address]))
    connection = open_raw(steelyard)
    connection.send(b"x")
    with pytest.raises(ConnectionResetError):
        connection.socket.recv(1)
    wait_for(lambda: tunnels(steelyard) == 0, "the tunnel to end")


@pytest.mark.parametrize("side", ["client", "endpoint"])
def test_a_slow_side_holds_the_other_back(stage, side):
    """128 MiB through a tunnel whose one end reads nothing at first."""
    total, block = 128 << 20, bytes(range(256)) * 256
    sent, release, received = [0], threading.Event(), hashlib.sha256()

    def write(connection):
        while sent[0] < total:
            connection.send(block)
            sent[0] += len(block)

    def read(connection):
        left = total
        while left > 0:
            data = connection.take(min(left, len(block)))
            received.update(data)
            left -= len(data)

    def endpoint(exchange):
        if side == "client":
            write(exchange)
        else:
            release.wait(120)
            read(exchange)
            exchange.send(b"!")

    steelyard = stage.steelyard(minimal([stage.endpoint(pipe_endpoint(endpoint)).address]))
    start = steelyard.rss_bytes()
    with open_raw(steelyard, timeout=120) as connection:
        if side == "endpoint":
            threading.Thread(target=write, args=(connection,), daemon=True).start()
        seen = [-1]

        def stands_still():
            before, seen[0] = seen[0], sent[0]
            threading.Event().wait(1)
            return 0 < before == sent[0]

        wait_for(stands_still, "the writer to be held back", deadline=60)
        assert sent[0] < total / 2
        assert steelyard.rss_bytes() < start + (8 << 20)
        release.set()
        if side == "client":
            read(connection)
        else:
            assert connection.take(1) == b"!"
    expected = hashlib.sha256()
    for _ in range(total // len(block)):
        expected.update(block)
    assert received.digest() == expected.digest()
    assert steelyard.rss_max_bytes() < start + (8 << 20)


def test_silence_ends_a_tunnel_and_any_byte_keeps_it(stage):
    """One second of silence; the tunnel that talks outlives the one that does not."""

    def chatty(exchange):
        while data := exchange.socket.recv(100):
            exchange.send(data)

    steelyard = stage.steelyard(minimal(
        [stage.endpoint(pipe_endpoint(chatty)).address], timeouts={"tunnel": "1s"}))
    silent, talking = open_raw(steelyard), open_raw(steelyard)
    ended = []

    def waits():
        try:
            ended.append(silent.socket.recv(1))
        except ConnectionResetError:
            ended.append("reset")

    waiter = threading.Thread(target=waits, daemon=True)
    waiter.start()
    count = 0
    while not ended or count < 30:
        talking.send(b"x")
        assert talking.take(1) == b"x"
        count += 1
        threading.Event().wait(0.1)
    waiter.join(30)
    assert ended == ["reset"]
    assert tunnels(steelyard) == 1


def test_reloads_do_not_touch_a_tunnel(stage):
    """The endpoint is removed from the configuration and comes back, and the socket lives on."""
    one, two = stage.endpoint(websocket_echo), stage.endpoint(websocket_echo)
    steelyard = stage.steelyard(minimal([one.address]))
    with open_websocket(steelyard) as connection:
        assert says(connection, b"before")
        for addresses in ([two.address], [one.address, two.address], [two.address]):
            steelyard.write(minimal(addresses))
            steelyard.send_signal(signal.SIGHUP)
            wait_for(
                lambda: set(steelyard.metrics().by_endpoint("steelyard_endpoint_weight"))
                == set(addresses), "the new fleet")
            assert says(connection, b"after the reload")
        with open_websocket(steelyard) as other:
            assert says(other, b"new ones go to the other")
        assert (one.connection_count, two.connection_count) == (1, 1)
        assert says(connection, b"still there")


def test_a_graceful_end_waits_for_tunnels_until_its_deadline(stage):
    configuration = minimal([stage.endpoint(websocket_echo).address])
    steelyard = stage.steelyard(configuration | {"shutdown_timeout": "2s"})
    with open_websocket(steelyard) as connection:
        steelyard.send_signal(signal.SIGTERM)
        wait_for(lambda: steelyard.events("ending"), "the end to begin")
        said = 0
        with pytest.raises((ConnectionError, wire.Cut)):
            while True:
                assert says(connection, b"until the deadline")
                said += 1
                threading.Event().wait(0.05)
    assert said > 3
    assert steelyard.wait(30) == 0


def test_a_graceful_end_need_not_wait_for_tunnels_that_end(stage):
    configuration = minimal([stage.endpoint(websocket_echo).address])
    steelyard = stage.steelyard(configuration | {"shutdown_timeout": "10m"})
    with open_websocket(steelyard):
        steelyard.send_signal(signal.SIGTERM)
        wait_for(lambda: steelyard.events("ending"), "the end to begin")
    assert steelyard.wait(60) == 0
