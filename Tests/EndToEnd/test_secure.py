"""The tests' own TLS: certificates that fail for one reason each, sockets, nginx as an endpoint."""

import hashlib
import ssl
import threading

import pytest
from endpoints import Endpoint, text
from programs import Nginx
from secure import SecureSocket, Truncated, client_context, connect, server_context

REASONS = {
    "local": None, "local_rsa": None, "chained": None,
    "expired": "certificate has expired", "early": "certificate is not yet valid",
    "wrong_name": "Hostname mismatch", "unknown": "unable to get local issuer certificate",
    "self_signed": "self-signed certificate", "revoked": "certificate revoked"}


def secure_endpoint(stage, answer, pair, **options):
    context = server_context(pair, **options)
    return stage.keep(Endpoint(
        answer, wrap=lambda raw: SecureSocket(raw, context, is_server=True)))


@pytest.mark.parametrize("name", REASONS)
def test_each_certificate_fails_for_its_reason_alone(stage, certificates, name):
    endpoint = secure_endpoint(stage, text(b"fine"), getattr(certificates, name))
    context = client_context(certificates.ca)
    if name == "revoked":
        context.load_verify_locations(certificates.revocations)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if REASONS[name] is None:
        with connect(("127.0.0.1", endpoint.port), context) as connection:
            assert connection.exchange("GET", "/").content == b"fine"
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match=REASONS[name]):
            connect(("127.0.0.1", endpoint.port), context)


def test_nginx_asks_for_a_certificate(tmp_path, stage, certificates):
    nginx = stage.keep(Nginx(
        tmp_path / "one", pair=certificates.local, clients=certificates.ca))
    for pair, status in [(None, 400), (certificates.client, 200), (certificates.unknown_client, 400)]:
        context = client_context(certificates.ca, pair)
        with connect(("127.0.0.1", nginx.port), context) as connection:
            assert connection.exchange("GET", "/hello").status == status


def test_long_content_goes_both_ways_at_once(stage, certificates):
    """The endpoint sends back what it gets while it gets it."""
    total, block = 16 << 20, bytes(range(256)) * 1024

    def returns(exchange):
        while exchange.received_count < total:
            data = exchange.socket.recv(1 << 16)
            exchange.received_count += len(data)
            exchange.send(data)
        exchange.keeps_alive = False

    def answer(exchange):
        exchange.received_count = 0
        returns(exchange)

    endpoint = secure_endpoint(stage, answer, certificates.local)
    with connect(("127.0.0.1", endpoint.port), client_context(certificates.ca)) as connection:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")

        def write():
            for _ in range(total // len(block)):
                connection.send(block)

        threading.Thread(target=write, daemon=True).start()
        got = connection.take(total)
        assert connection.is_closed()
    assert hashlib.sha256(got).digest() == hashlib.sha256(block * (total // len(block))).digest()


def test_an_end_without_goodbye_is_told(stage, certificates):
    def cut(exchange):
        exchange.send(b"half")
        exchange.socket.raw.close()
        exchange.keeps_alive = False

    endpoint = secure_endpoint(stage, cut, certificates.local)
    with connect(("127.0.0.1", endpoint.port), client_context(certificates.ca)) as connection:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.take(4) == b"half"
        with pytest.raises((Truncated, ConnectionResetError)):
            connection.receive()
