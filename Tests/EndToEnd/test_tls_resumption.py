"""Sessions that are resumed: by tickets, at every worker, at every steelyard with the same keys; and
those that steelyard resumes at its endpoints."""

import base64
import os
import ssl
import subprocess

import pytest
from conftest import minimal
from programs import find, wait_for
from secure import SecureSocket, client_context, connect, listening, server_context

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def key_line():
    return base64.b64encode(os.urandom(80)).decode() + "\n"


def made(stage, endpoint, certificates, workers=1, **tls):
    configuration = listening([endpoint.address], {**certificates.local.files, **tls})
    configuration["workers"] = workers
    return stage.steelyard(configuration)


def visit(steelyard, context, session=None):
    """(whether the session was resumed, the session to resume next)."""
    with connect(steelyard.address, context, session=session) as connection:
        assert connection.exchange("GET", "/").status == 200
        return connection.socket.tls.session_reused, connection.socket.tls.session


@pytest.mark.parametrize("version", VERSIONS)
def test_every_worker_resumes(stage, endpoint, certificates, version):
    steelyard = made(stage, endpoint, certificates, workers=4)
    context = client_context(certificates.ca, version=version)
    is_reused, session = visit(steelyard, context)
    assert not is_reused
    for _ in range(24):
        # The old ticket each time: any worker may have it.
        is_reused, _ = visit(steelyard, context, session)
        assert is_reused
    assert steelyard.metrics().sum("steelyard_tls_handshakes_total", kind="resumed") == 24


@pytest.mark.parametrize("version", VERSIONS)
def test_steelyards_with_the_same_key_file_resume_each_others_sessions(
        stage, endpoint, certificates, tmp_path, version):
    keys, others = tmp_path / "tickets", tmp_path / "others"
    keys.write_text(key_line())
    others.write_text(key_line())
    one, two, other = [
        made(stage, endpoint, certificates, tickets={"file": str(file)})
        for file in (keys, keys, others)]
    context = client_context(certificates.ca, version=version)
    _, session = visit(one, context)
    assert visit(two, context, session)[0]
    assert not visit(other, context, session)[0]


def test_old_keys_still_decrypt(stage, endpoint, certificates, tmp_path):
    keys = tmp_path / "tickets"
    first, second = key_line(), key_line()
    keys.write_text(first)
    steelyard = made(stage, endpoint, certificates, tickets={"file": str(keys)})
    context = client_context(certificates.ca)
    _, session = visit(steelyard, context)
    keys.write_text(second + first)
    assert steelyard.reload().returncode == 0
    is_reused, newer = visit(steelyard, context, session)
    assert is_reused
    keys.write_text(second)
    assert steelyard.reload().returncode == 0
    assert not visit(steelyard, context, session)[0]
    # What came with the second key in force was encrypted with it.
    assert visit(steelyard, context, newer)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_without_tickets_nothing_is_resumed(stage, endpoint, certificates, version):
    steelyard = made(stage, endpoint, certificates, workers=1, tickets="none")
    context = client_context(certificates.ca, version=version)
    with connect(steelyard.address, context) as connection:
        assert connection.exchange("GET", "/").status == 200
        session = connection.socket.tls.session
    assert not session.has_ticket
    if version == ssl.TLSVersion.TLSv1_2:
        assert not visit(steelyard, context, session)[0]


def test_early_data_is_not_offered(stage, endpoint, certificates, tmp_path):
    steelyard = made(stage, endpoint, certificates)
    host, port = steelyard.address
    done = subprocess.run(
        [find("openssl"), "s_client", "-connect", f"{host}:{port}", "-tls1_3", "-ign_eof"],
        input="GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        capture_output=True, text=True, timeout=60)
    assert "Post-Handshake New Session Ticket" in done.stdout
    assert "Max Early Data: 0" in done.stdout


def test_a_reload_keeps_the_keys_that_were_made(stage, endpoint, certificates):
    steelyard = made(stage, endpoint, certificates)
    context = client_context(certificates.ca)
    _, session = visit(steelyard, context)
    assert steelyard.reload().returncode == 0
    assert visit(steelyard, context, session)[0]


@pytest.mark.parametrize("bad", ["", "short\n", "!" * 108 + "\n"])
def test_a_bad_key_file_changes_nothing(stage, endpoint, certificates, tmp_path, bad):
    keys = tmp_path / "tickets"
    keys.write_text(key_line())
    steelyard = made(stage, endpoint, certificates, tickets={"file": str(keys)})
    context = client_context(certificates.ca)
    _, session = visit(steelyard, context)
    keys.write_text(bad)
    done = steelyard.reload()
    assert done.returncode != 0 and str(keys) in done.stdout + done.stderr
    assert visit(steelyard, context, session)[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_with_endpoints_are_resumed(stage, certificates, version):
    """Each answer ends its connection; tickets come after the handshake."""
    seen = []

    def answer(exchange):
        exchange.read_content()
        seen.append(exchange.socket.tls.session_reused)
        exchange.answer(b"ok", fields=[("Connection", "close")])
        exchange.keeps_alive = False

    context = server_context(certificates.local, version=version)
    endpoint = stage.endpoint(
        answer, wrap=lambda raw: SecureSocket(raw, context, is_server=True))
    steelyard = stage.steelyard(minimal(
        [endpoint.address], tls={"ca": certificates.ca, "server_name": "localhost"},
        weights={"law": "static"}))
    for _ in range(6):
        assert steelyard.get().status == 200
    assert seen == [False] + [True] * 5


def test_an_endpoint_that_forgets_its_keys_is_still_reached(stage, certificates):
    """What cannot be resumed begins anew, without a failed request."""
    nginx = stage.nginx(pair=certificates.local)
    steelyard = stage.steelyard(minimal(
        [nginx.address], tls={"ca": certificates.ca, "server_name": "localhost"},
        keepalive={"idle": "1s"}))
    port = nginx.port
    for _ in range(3):
        assert steelyard.get("/hello").status == 200
        nginx.stop()
        nginx = stage.nginx(port=port, pair=certificates.local)
        wait_for(lambda: steelyard.get("/hello").status == 200, "the endpoint")
