"""Checks by grpc.health.v1: real servers of grpcio and its health service, servers that are none,
and a server whose frames the test writes."""

import os
import socket
import ssl
import threading
from concurrent import futures

import pytest
from conftest import minimal
from programs import run_steelyard, wait_for
from secure import SecureSocket, server_context

import packages  # noqa: F401: grpcio is one of them

# Its handlers of fork would end the programs that tests start, before they run.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
import grpc  # noqa: E402
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # noqa: E402

QUICK = {"type": "grpc", "interval": "200ms", "timeout": "150ms"}
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Noting(health.HealthServicer):
    """The real service, which notes the calls and can be made to hang."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.hangs = False
        self.release = threading.Event()

    def Check(self, request, context):  # noqa: N802
        self.calls.append((request.service, dict(context.invocation_metadata()),
                           context.time_remaining()))
        if self.hangs:
            self.release.wait(60)
        return super().Check(request, context)


class Server:
    def __init__(self, has_health=True, credentials=None):
        self.server = grpc.server(futures.ThreadPoolExecutor(40))
        self.health = Noting()
        if has_health:
            health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        port = (self.server.add_secure_port("127.0.0.1:0", credentials) if credentials
                else self.server.add_insecure_port("127.0.0.1:0"))
        self.address = f"127.0.0.1:{port}"
        self.set(SERVING)
        self.server.start()

    def set(self, status, service=""):
        self.health.set(service, status)


@pytest.fixture
def serve():
    servers = []

    def start(**options):
        servers.append(Server(**options))
        return servers[-1]

    yield start
    for one in servers:
        one.health.release.set()
        one.server.stop(0).wait(30)


class Frames:
    """A server that takes a connection, waits for the preface, and sends what the test chose:
    `pieces` of bytes, each in a segment of its own; then it keeps the connection."""

    def __init__(self, pieces=(), wrap=None):
        self.pieces = list(pieces)
        self.wrap = wrap
        self.received = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.kept = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(accepted,), daemon=True).start()

    def _answer(self, accepted):
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.wrap:
                accepted = self.wrap(accepted)
            self.kept.append(accepted)
            self.received = accepted.recv(65536)
            for piece in self.pieces:
                accepted.sendall(piece)
            while accepted.recv(65536):
                pass
        except (OSError, ssl.SSLError):
            pass

    def stop(self):
        self.listener.close()
        for one in self.kept:
            one.close()


@pytest.fixture
def frames():
    servers = []

    def start(*arguments, **options):
        servers.append(Frames(*arguments, **options))
        return servers[-1]

    yield start
    for one in servers:
        one.stop()


def frame(kind, flags=0, stream=1, payload=b""):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            + payload)


def block(*fields):
    """Literal fields without indexing (RFC 7541 §6.2.2)."""
    return b"".join(bytes([0, len(name)]) + name + bytes([len(value)]) + value
                    for name, value in fields)


SETTINGS = frame(4, stream=0)
HEAD = block((b":status", b"200"), (b"content-type", b"application/grpc"))
END = frame(1, 5, payload=block((b"grpc-status", b"0")))
MESSAGE = b"\0\0\0\0\2\x08\1"


def start(stage, *addresses, tls=False, **check):
    return stage.steelyard(minimal(
        list(addresses), weights={"law": "static"}, watchdog="none", tls=tls, protocol="http2",
        health={**QUICK, **check}))


def state(steelyard, address):
    found = [labels["state"] for labels, value
             in steelyard.metrics().series("steelyard_endpoint_eligibility")
             if value == 1 and labels["endpoint"] == address]
    return found[0] if found else None


def wait_for_state(steelyard, address, wanted):
    wait_for(lambda: state(steelyard, address) == wanted, f"{address} {wanted}", deadline=60)


def failures(steelyard, address, reason):
    return steelyard.metrics().sum(
        "steelyard_health_failures_total", endpoint=address, reason=reason)


def told(steelyard):
    return run_steelyard(
        "explain", "text", "--verbose", "--admin", "%s:%s" % steelyard.admin).stdout


def wait_for_words(steelyard, words):
    wait_for(lambda: words in told(steelyard), f"{words}: {told(steelyard)}", deadline=60)


def test_a_server_is_ready_while_it_serves(stage, serve):
    server = serve()
    # A busy machine misses 150 ms now and then: `fall` forgives it.
    steelyard = start(stage, server.address, timeout="190ms", fall=50, rise=1)
    wait_for_state(steelyard, server.address, "ready")
    service, metadata, seconds = server.health.calls[0]
    assert service == "" and 0 < seconds < 0.2
    assert metadata["user-agent"].startswith("steelyard/")
    # One word of its own is enough, whatever `fall` says.
    server.set(NOT_SERVING)
    wait_for_state(steelyard, server.address, "unhealthy")
    assert failures(steelyard, server.address, "not_ready") >= 1
    wait_for_words(steelyard, "the server is NOT_SERVING")
    server.set(SERVING)
    wait_for_state(steelyard, server.address, "ready")


def test_a_service_of_several_is_asked_for_by_its_name(stage, serve):
    server = serve()
    server.set(NOT_SERVING)
    server.set(SERVING, "tensorflow.serving.PredictionService")
    steelyard = start(
        stage, server.address, service="tensorflow.serving.PredictionService",
        headers={"Authorization": "Bearer a b"}, timeout="190ms", fall=50)
    wait_for_state(steelyard, server.address, "ready")
    service, metadata, _ = server.health.calls[0]
    assert service == "tensorflow.serving.PredictionService"
    assert metadata["authorization"] == "Bearer a b"
    server.set(NOT_SERVING, service)
    wait_for_state(steelyard, server.address, "unhealthy")
    wait_for_words(steelyard, f"service `{service}` is NOT_SERVING")


def test_a_service_that_the_server_does_not_know_is_not_ready(stage, serve):
    server = serve()
    steelyard = start(stage, server.address, service="no.Such", fall=50)
    wait_for_state(steelyard, server.address, "unhealthy")
    wait_for_words(steelyard, "NOT_FOUND: the server knows no service `no.Such`")


def test_a_server_without_the_service_is_said_to_be_one(stage, serve):
    server = serve(has_health=False)
    steelyard = start(stage, server.address)
    wait_for_state(steelyard, server.address, "unhealthy")
    wait_for_words(steelyard, "UNIMPLEMENTED: the server has no grpc.health.v1")
    assert failures(steelyard, server.address, "status") >= 3


def test_a_server_that_hangs_is_unhealthy_until_it_does_no_more(stage, serve):
    server, other = serve(), serve()
    steelyard = start(stage, server.address, other.address, timeout="190ms")
    wait_for_state(steelyard, server.address, "ready")
    server.health.hangs = True
    wait_for_state(steelyard, server.address, "unhealthy")
    assert failures(steelyard, server.address, "timeout") >= 3
    server.health.hangs = False
    server.health.release.set()
    wait_for_state(steelyard, server.address, "ready")


def test_servers_of_other_protocols_are_told_apart(stage, frames):
    one, silent = stage.nginx(), frames([])
    steelyard = start(stage, one.address, silent.address)
    wait_for_state(steelyard, one.address, "unhealthy")
    wait_for_words(steelyard, "the server speaks HTTP/1, not HTTP/2")
    assert failures(steelyard, one.address, "bad_http") >= 3
    wait_for_state(steelyard, silent.address, "unhealthy")
    assert failures(steelyard, silent.address, "timeout") >= 3
    assert silent.received.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")


def test_a_check_of_http_says_that_a_server_speaks_http2(stage, serve):
    server = serve()
    steelyard = stage.steelyard(minimal(
        [server.address], weights={"law": "static"}, watchdog="none",
        health={"interval": "1s", "timeout": "900ms", "fall": 1}))
    wait_for_state(steelyard, server.address, "unhealthy")
    wait_for_words(steelyard, "no HTTP/1, perhaps HTTP/2")


def test_checks_go_over_tls_and_offer_http2(stage, serve, certificates):
    pair = certificates.local
    credentials = grpc.ssl_server_credentials(
        [(open(pair.key, "rb").read(), open(pair.certificate, "rb").read())])
    server = serve(credentials=credentials)
    steelyard = start(
        stage, server.address, tls={"ca": str(certificates.ca)}, interval="1s", timeout="900ms",
        fall=50, rise=1)
    wait_for_state(steelyard, server.address, "ready")
    assert failures(steelyard, server.address, "tls") == 0
    server.set(NOT_SERVING)
    wait_for_state(steelyard, server.address, "unhealthy")
    server.set(SERVING)
    wait_for_state(steelyard, server.address, "ready")
    assert server.health.calls


@pytest.mark.parametrize("alpn", [["http/1.1"], None], ids=["other", "none"])
def test_a_server_of_tls_without_http2_is_no_server_of_grpc(stage, frames, certificates, alpn):
    context = server_context(certificates.local, alpn=alpn)
    server = frames([], wrap=lambda raw: SecureSocket(raw, context, is_server=True))
    steelyard = start(
        stage, server.address, tls={"ca": str(certificates.ca)}, interval="1s", timeout="900ms",
        fall=1)
    wait_for_state(steelyard, server.address, "unhealthy")
    wait_for_words(steelyard, "no application protocol in common")
    assert failures(steelyard, server.address, "tls") >= 1


def test_a_server_of_tls_takes_no_check_in_the_clear(stage, serve, certificates):
    pair = certificates.local
    credentials = grpc.ssl_server_credentials(
        [(open(pair.key, "rb").read(), open(pair.certificate, "rb").read())])
    server = serve(credentials=credentials)
    steelyard = start(stage, server.address)
    wait_for_state(steelyard, server.address, "unhealthy")
    assert failures(steelyard, server.address, "cut") + failures(
        steelyard, server.address, "bad_http") >= 3


@pytest.mark.parametrize("pieces", [
    [SETTINGS + frame(1, 4, payload=HEAD) + frame(0, 0, payload=MESSAGE) + END],
    # Every byte in a segment of its own.
    [bytes([byte]) for byte in SETTINGS + frame(1, 4, payload=HEAD)
     + frame(0, 0, payload=MESSAGE) + END],
    # A head in three frames with padding; the message a byte each, padded, with pings between.
    [SETTINGS, frame(1, 8, payload=b"\3" + HEAD[:2] + b"\0\0\0"), frame(9, payload=HEAD[2:9]),
     frame(9, 4, payload=HEAD[9:]),
     *[frame(0, 8, payload=b"\5" + MESSAGE[at:at + 1] + b"\0" * 5)
       + frame(6, stream=0, payload=b"12345678") for at in range(len(MESSAGE))],
     frame(0), END],
    # GOAWAY and settings again before the answer, and an unknown frame.
    [SETTINGS + frame(7, stream=0, payload=b"\0\0\0\1\0\0\0\0") + frame(200, 9, 7, b"x" * 99)
     + frame(4, stream=0, payload=b"\0\4\0\0\0\0"), frame(1, 4, payload=HEAD),
     frame(0, payload=MESSAGE), END],
], ids=["plain", "bytes", "odd", "goaway"])
def test_odd_frames_are_an_answer_like_any_other(stage, frames, pieces):
    server = frames(pieces)
    steelyard = start(stage, server.address, interval="1s", timeout="900ms")
    wait_for_state(steelyard, server.address, "ready")
    assert steelyard.metrics().sum("steelyard_health_failures_total") == 0


@pytest.mark.parametrize("pieces, reason, words", [
    ([SETTINGS, frame(3, payload=b"\0\0\0\7")], "bad_http",
     "the server has reset the call: REFUSED_STREAM"),
    ([SETTINGS, frame(7, stream=0, payload=b"\0\0\0\0\0\0\0\0")], "bad_http",
     "the server takes no call: GOAWAY NO_ERROR"),
    ([SETTINGS, frame(1, 5, payload=block((b":status", b"503")))], "status",
     "503 without grpc-status"),
    ([SETTINGS, frame(1, 5, payload=HEAD + block(
        (b"grpc-status", b"14"), (b"grpc-message", b"going%20down")))], "status",
     "UNAVAILABLE: going down"),
    ([SETTINGS, frame(1, 4, payload=HEAD), frame(0, payload=MESSAGE * 2), END], "content",
     "the answer is not one message of gRPC"),
    ([SETTINGS, frame(1, 4, payload=HEAD)] + [frame(0, payload=b"x" * 16384)] * 5, "too_large",
     "more than 65536 bytes"),
    ([SETTINGS] + [frame(6, stream=0, payload=b"12345678") * 1000] * 20, "bad_http",
     "262144 bytes of frames beside the answer"),
    ([b"\xff" * 64], "bad_http", "a frame of 16777215 bytes"),
], ids=["reset", "goaway", "503", "unavailable", "two", "large", "flood", "garbage"])
def test_what_is_no_answer_is_named(stage, frames, pieces, reason, words):
    server = frames(pieces)
    steelyard = start(stage, server.address, interval="1s", timeout="900ms", fall=1)
    wait_for_state(steelyard, server.address, "unhealthy")
    wait_for_words(steelyard, words)
    assert failures(steelyard, server.address, reason) >= 1


def test_a_reload_changes_the_kind_of_the_check(stage, serve):
    server = serve()
    one = stage.nginx()
    plan = minimal(
        [one.address], weights={"law": "static"}, watchdog="none",
        health={"path": "/hello", "interval": "300ms", "timeout": "250ms", "fall": 2, "rise": 1})
    steelyard = stage.steelyard(plan)
    wait_for_state(steelyard, one.address, "ready")
    plan["pools"]["text"]["endpoints"].append(server.address)
    plan["pools"]["text"]["health"] = {**QUICK, "fall": 2, "rise": 1}
    steelyard.reload(plan)
    wait_for_state(steelyard, one.address, "unhealthy")
    wait_for_state(steelyard, server.address, "ready")
    plan["pools"]["text"]["health"] = {
        "path": "/hello", "interval": "300ms", "timeout": "250ms", "rise": 1}
    steelyard.reload(plan)
    wait_for_state(steelyard, one.address, "ready")
    wait_for_state(steelyard, server.address, "unhealthy")
