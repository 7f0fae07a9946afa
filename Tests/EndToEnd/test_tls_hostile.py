"""Clients that break TLS: handshakes cut, changed, flooded, renegotiated. Others are still served."""

import random
import signal
import site
import socket
import ssl
import struct
import subprocess
import threading
import time

import programs
import pytest
from endpoints import echo
from programs import find, wait_for
from secure import client_context, connect, failures, listening
from wire import Connection

_packages = list((programs.ROOT / ".build/test-venv/lib").glob("python3*/site-packages"))
assert _packages, "tlslite-ng is missing: run scripts/setup test"
site.addsitedir(str(_packages[0]))

from tlslite.api import HandshakeSettings, TLSConnection  # noqa: E402
from tlslite.constants import ContentType, KeyUpdateMessageType  # noqa: E402
from tlslite.errors import TLSError  # noqa: E402

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
CUT = struct.pack("ii", 1, 0)
SEED = 20261129


@pytest.fixture(scope="module")
def steelyard(module_stage, endpoint, certificates):
    return module_stage.steelyard(listening([endpoint.address], certificates.local.files))


@pytest.fixture(autouse=True)
def others_are_served(steelyard, certificates):
    yield
    assert steelyard.is_running()
    with connect(steelyard.address, client_context(certificates.ca)) as connection:
        assert connection.exchange("GET", "/").status == 200
    wait_for(lambda: steelyard.metrics().value("steelyard_connections_open") <= 1,
             "no connection left")


class Hand:
    """A client's handshake whose bytes the test carries."""

    def __init__(self, version):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = client_context(version=version).wrap_bio(
            self.incoming, self.outgoing, server_hostname="localhost")

    def step(self):
        """What it wants to send now."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def is_over(self):
        return self.tls.version() is not None and self.tls.cipher() is not None


def flights(steelyard, version):
    """The client's flights of one good handshake, by their lengths."""
    hand, sent = Hand(version), []
    with Connection(steelyard.address) as connection:
        while True:
            flight = hand.step()
            if not flight:
                return sent
            sent.append(len(flight))
            connection.send(flight)
            if version == ssl.TLSVersion.TLSv1_3 and len(sent) == 2:
                return sent
            hand.incoming.write(connection.socket.recv(65536))


def cut_at(steelyard, version, flight, place, is_reset):
    """Sends whole flights before `flight` and `place` bytes of that."""
    hand = Hand(version)
    with Connection(steelyard.address) as connection:
        for _ in range(flight):
            connection.send(hand.step())
            hand.incoming.write(connection.socket.recv(65536))
        connection.send(hand.step()[:place])
        if is_reset:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CUT)


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_handshake_may_end_at_every_byte(steelyard, version, is_reset):
    before = steelyard.rss_bytes()
    lengths = flights(steelyard, version)
    assert len(lengths) == 2
    for flight, length in enumerate(lengths):
        for place in range(length):
            cut_at(steelyard, version, flight, place, is_reset)
    assert steelyard.rss_bytes() < before + (8 << 20)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_handshake_may_come_byte_by_byte(steelyard, version):
    hand = Hand(version)
    with Connection(steelyard.address) as connection:
        while True:
            flight = hand.step()
            for place in range(len(flight)):
                connection.send(flight[place:place + 1])
            try:
                hand.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                hand.incoming.write(connection.socket.recv(65536))
        hand.tls.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        request = hand.outgoing.read()
        for place in range(len(request)):
            connection.send(request[place:place + 1])
        answer = b""
        while b"200" not in answer:
            try:
                answer += hand.tls.read(65536)
            except ssl.SSLWantReadError:
                hand.incoming.write(connection.socket.recv(65536))


def records(fragment, size):
    """A handshake message in records of `size` bytes."""
    return b"".join(
        b"\x16\x03\x01" + len(fragment[at:at + size]).to_bytes(2, "big") + fragment[at:at + size]
        for at in range(0, len(fragment), size))


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_hello_in_small_records_is_a_hello_or_an_error(steelyard, size):
    hand = Hand(ssl.TLSVersion.TLSv1_3)
    with Connection(steelyard.address) as connection:
        connection.send(records(hand.step()[5:], size))
        connection.socket.shutdown(socket.SHUT_WR)
        answer = connection.rest()
    # A server's hello or an alert.
    assert answer[:1] in (b"\x16", b"\x15")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_hello_with_changed_bytes_ends_well(steelyard, version):
    chance = random.Random(SEED)
    for _ in range(300):
        hello = bytearray(Hand(version).step())
        for _ in range(chance.choice([1, 1, 2, 8, 40])):
            # The record's length stays, or it would wait for more.
            place = chance.randrange(5, len(hello))
            hello[place] = chance.randrange(256)
        with Connection(steelyard.address) as connection:
            connection.send(hello)
            connection.socket.shutdown(socket.SHUT_WR)
            assert connection.rest()[:1] in (b"\x16", b"\x15", b"")


@pytest.mark.parametrize("data", [
    # A heartbeat that claims more than it has, records without content, warnings, an end of data.
    b"\x18\x03\x02\x00\x03\x01\x40\x00", b"\x16\x03\x01\x00\x00" * 5000,
    b"\x15\x03\x01\x00\x02\x01\x5a" * 5000, b"\x17\x03\x03\x00\x00" * 5000,
    b"\x14\x03\x03\x00\x01\x01" * 5000, b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" * 4096])
def test_floods_before_a_hello_end_the_connection(steelyard, data):
    with Connection(steelyard.address) as connection:
        try:
            connection.send(data)
        except ConnectionError:
            pass
        assert len(connection.rest()) < 1000


def test_clients_that_say_nothing_are_not_kept(stage, endpoint, certificates):
    configuration = listening([endpoint.address], certificates.local.files)
    configuration["listeners"][0]["head_timeout"] = "300ms"
    steelyard = stage.steelyard(configuration)
    hello = Hand(ssl.TLSVersion.TLSv1_3).step()
    silent = [Connection(steelyard.address) for _ in range(3)]
    silent[1].send(hello[:50])
    silent[2].send(hello)
    for connection in silent:
        with connection:
            connection.rest()
    wait_for(lambda: steelyard.metrics().value("steelyard_connections_open") == 0, "no connection")


def test_a_slow_handshake_is_as_slow_as_it_may_be(stage, endpoint, certificates):
    """A byte now and then does not keep the connection."""
    configuration = listening([endpoint.address], certificates.local.files)
    configuration["listeners"][0]["head_timeout"] = "500ms"
    steelyard = stage.steelyard(configuration)
    hello = Hand(ssl.TLSVersion.TLSv1_3).step()
    pause = threading.Event()
    with Connection(steelyard.address) as connection:
        count = 0
        with pytest.raises(ConnectionError):
            for place in range(len(hello) - 1):
                connection.send(hello[place:place + 1])
                count += 1
                pause.wait(0.05)
        assert count < 100


def test_connections_that_say_nothing_make_room_for_clients_that_shook_hands(
        stage, endpoint, certificates):
    configuration = listening([endpoint.address], certificates.local.files)
    configuration["limits"] = {"connections": 64}
    steelyard = stage.steelyard(configuration)
    context = client_context(certificates.ca)
    clients = [connect(steelyard.address, context) for _ in range(8)]
    flood = [socket.create_connection(steelyard.address, 30) for _ in range(200)]
    wait_for(lambda: steelyard.metrics().value(
        "steelyard_connections_accepted_total") == 208, "all of them")
    for one in clients:
        assert one.exchange("GET", "/").status == 200
        one.close()
    assert steelyard.metrics().value("steelyard_connections_closed_total", state="silent") > 100
    for one in flood:
        one.close()


# Renegotiation and new keys


def test_renegotiation_is_refused(steelyard, certificates):
    host, port = steelyard.address
    child = subprocess.Popen(
        [find("openssl"), "s_client", "-connect", f"{host}:{port}", "-tls1_2", "-msg"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        seen = b""
        while b"Verify return code" not in seen:
            piece = child.stdout.read1(65536)
            assert piece, seen
            seen += piece
        child.stdin.write(b"R\n")
        child.stdin.flush()
        rest, _ = child.communicate(timeout=30)
    finally:
        child.kill()
    assert b"RENEGOTIATING" in rest
    assert b"no_renegotiation" in rest or b"no renegotiation" in rest
    assert b"ServerHello" not in rest


def tlslite(steelyard, settings=None):
    raw = socket.create_connection(steelyard.address, 30)
    connection = TLSConnection(raw)
    connection.closeSocket = True
    connection.handshakeClientCert(settings=settings, serverName="localhost")
    return connection


def ask(connection):
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = bytearray()
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")


def update_keys(connection, message=KeyUpdateMessageType.update_requested):
    for _ in connection.send_keyupdate_request(message):
        pass


@pytest.mark.parametrize("message", [
    KeyUpdateMessageType.update_requested, KeyUpdateMessageType.update_not_requested])
def test_new_keys_now_and_then_are_fine(steelyard, message):
    connection = tlslite(steelyard)
    assert connection.version == (3, 4)
    for _ in range(5):
        update_keys(connection, message)
        ask(connection)
    connection.close()


@pytest.mark.parametrize("message", [
    KeyUpdateMessageType.update_requested, KeyUpdateMessageType.update_not_requested])
def test_a_flood_of_new_keys_ends_the_connection(steelyard, message):
    connection = tlslite(steelyard)
    with pytest.raises((TLSError, ConnectionError)):
        for _ in range(20_000):
            update_keys(connection, message)
        ask(connection)
    wait_for(lambda: failures(steelyard, "key_updates") >= 1, "the reason")


def test_streams_keep_their_pace_beside_a_flood_of_handshakes(stage, certificates):
    """The work of handshakes is bounded in each turn: tokens leave between the first and the last of
    a few hundred that came at once."""
    interval, tokens = 0.02, 150

    def stream(exchange):
        exchange.read_content()
        exchange.begin_chunked()
        pause = threading.Event()
        for _ in range(tokens):
            exchange.chunk(b"token")
            pause.wait(interval)
        exchange.end_chunked()

    def answer(exchange):
        stream(exchange) if exchange.request.target == "/stream" else echo(exchange)

    steelyard = stage.steelyard(listening(
        [stage.endpoint(answer).address], certificates.local_rsa.files))
    hello = Hand(ssl.TLSVersion.TLSv1_3).step()
    seen = []

    def read():
        for _ in chunks:
            seen.append(time.monotonic())

    with connect(steelyard.address, client_context()) as connection:
        connection.send_request("GET", "/stream")
        connection.read_head()
        chunks = connection.chunks()
        next(chunks)
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        # The work of a third of a second; nothing of it begins before all are there.
        flood = [socket.create_connection(steelyard.address, 30) for _ in range(400)]
        wait_for(lambda: steelyard.metrics().value("steelyard_connections_open") > 400, "all")
        steelyard.send_signal(signal.SIGSTOP)
        for one in flood:
            one.sendall(hello)
        steelyard.send_signal(signal.SIGCONT)
        answered = []
        for one in flood:
            assert one.recv(1) == b"\x16"
            answered.append(time.monotonic())
            one.close()
        reader.join(60)
    assert len(seen) == tokens - 1
    between = [at for at in seen if answered[0] < at < answered[-1]]
    assert len(between) >= 3


# Changed records of a running connection


@pytest.mark.parametrize("kind", [
    ContentType.handshake, ContentType.alert, ContentType.change_cipher_spec, 99])
@pytest.mark.parametrize("version", [(3, 3), (3, 4)])
def test_odd_records_within_a_connection_end_it_or_are_ignored(steelyard, kind, version):
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = version
    chance = random.Random(SEED)
    for length in (1, 2, 4, 100, 16_000):
        connection = tlslite(steelyard, settings)
        content = chance.randbytes(length)
        raw = connection.sock.socket if hasattr(connection.sock, "socket") else connection.sock
        raw.sendall(bytes([kind, 3, 3]) + len(content).to_bytes(2, "big") + content)
        try:
            ask(connection)
        except (TLSError, OSError):
            pass
        finally:
            raw.close()


def test_an_oversized_record_ends_the_connection(steelyard):
    connection = tlslite(steelyard)
    connection.sock.sendall(b"\x17\x03\x03\xff\xff" + b"x" * 65_535)
    with pytest.raises((TLSError, OSError)):
        ask(connection)
