"""`steelyard cert dev`: certificates that openssl and Python accept, and no file replaced by mistake."""

import re
import socket
import ssl
import threading
from pathlib import Path

import pytest
import yaml

from certificates import openssl
from programs import run_steelyard

FILES = ["ca.pem", "client.key", "client.pem", "server.key", "server.pem"]
CANNOT_CREATE = 73
USAGE = 64


@pytest.fixture
def made(tmp_path):
    room = tmp_path / "made"
    done = run_steelyard("cert", "dev", "--directory", room, "--name", "lb.test", "--name=*.w.test",
                         "--name", "10.0.0.9", "--days", "3")
    assert (done.returncode, done.stderr) == (0, "")
    return room, done.stdout


def test_openssl_verifies_both_chains(made):
    room, _ = made
    assert sorted(file.name for file in room.iterdir()) == FILES
    for file in room.iterdir():
        assert file.stat().st_mode & 0o777 == (0o600 if file.suffix == ".key" else 0o644), file
    server, client = room / "server.pem", room / "client.pem"
    for name in ("localhost", "lb.test", "a.w.test"):
        openssl("verify", "-x509_strict", "-CAfile", room / "ca.pem", "-purpose", "sslserver",
                "-verify_hostname", name, server)
    for address in ("127.0.0.1", "::1", "10.0.0.9"):
        openssl("verify", "-CAfile", room / "ca.pem", "-verify_ip", address, server)
    openssl("verify", "-x509_strict", "-CAfile", room / "ca.pem", "-purpose", "sslclient", client)
    for file, other in ((server, "sslclient"), (client, "sslserver")):
        with pytest.raises(AssertionError, match="purpose"):
            openssl("verify", "-CAfile", room / "ca.pem", "-purpose", other, file)
    with pytest.raises(AssertionError, match="ostname mismatch"):
        openssl("verify", "-CAfile", room / "ca.pem", "-verify_hostname", "other.test", server)
    # Valid for three days, not for four.
    openssl("x509", "-in", server, "-noout", "-checkend", 2 * 86_400)
    with pytest.raises(AssertionError):
        openssl("x509", "-in", server, "-noout", "-checkend", 4 * 86_400)


def test_each_side_of_a_handshake_believes_the_other(made):
    room, _ = made
    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    accepting.load_cert_chain(room / "server.pem", room / "server.key")
    accepting.load_verify_locations(room / "ca.pem")
    accepting.verify_mode = ssl.CERT_REQUIRED
    opening = ssl.create_default_context(cafile=room / "ca.pem")
    opening.load_cert_chain(room / "client.pem", room / "client.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen = []

        def serve():
            connection, _ = listener.accept()
            with accepting.wrap_socket(connection, server_side=True) as secure:
                seen.append(secure.getpeercert()["subject"])
                secure.sendall(b"hello")

        server = threading.Thread(target=serve)
        server.start()
        with socket.create_connection(listener.getsockname(), timeout=30) as plain:
            with opening.wrap_socket(plain, server_hostname="localhost") as secure:
                assert secure.recv(5) == b"hello"
        server.join(30)
    assert seen == [((("commonName", "development client"),),)]


def test_what_it_prints_is_a_listener_and_a_command(made):
    room, told = made
    block = re.search(r"^  - listen.*\n(?:    .*\n)+", told, re.M).group()
    (listener,) = yaml.safe_load(block)
    assert listener["tls"] == {"cert": f"{room}/server.pem", "key": f"{room}/server.key"}
    file = room.parent / "steelyard.yaml"
    text = 'listeners:\n' + block + 'pools: {a: {endpoints: ["127.0.0.1:9"]}}\n'
    for form in (text, text.replace("# client_ca", "client_ca")):
        file.write_text(form)
        done = run_steelyard("check", file)
        assert done.returncode == 0, done.stderr
    assert f"curl --cacert {room}/ca.pem https://localhost:8443/\n" in told
    assert "localhost, 127.0.0.1, ::1, lb.test, *.w.test, 10.0.0.9" in told


def test_nothing_is_replaced_unless_told(made):
    room, _ = made
    before = {name: (room / name).read_bytes() for name in FILES}
    done = run_steelyard("cert", "dev", "--directory", room)
    assert done.returncode == CANNOT_CREATE
    assert done.stderr == (
        f"steelyard: {room}/ca.pem is there already: --directory DIR writes elsewhere, "
        "--force replaces it\n")
    assert before == {name: (room / name).read_bytes() for name in FILES}
    # One that is in the way is enough, and the others are not made.
    for name in FILES[:-1]:
        (room / name).unlink()
    assert run_steelyard("cert", "dev", "--directory", room).returncode == CANNOT_CREATE
    assert [file.name for file in room.iterdir()] == ["server.pem"]
    # A link is replaced, not followed.
    elsewhere = room.parent / "elsewhere"
    elsewhere.write_text("kept")
    (room / "server.key").symlink_to(elsewhere)
    assert run_steelyard("cert", "dev", "--directory", room, "--force").returncode == 0
    assert elsewhere.read_text() == "kept" and not (room / "server.key").is_symlink()
    assert all((room / name).read_bytes() != before[name] for name in FILES)


@pytest.mark.parametrize("words, part", [
    (["--name", "a,b"], "--name takes a host name or an IP address, not a,b"),
    (["--name", "a..b"], "--name takes"), (["--name", "DNS:x"], "--name takes"),
    (["--name", "1.2.3"], "--name takes"), (["--name", "a." * 150 + "test"], "--name takes"),
    (["--days", "0"], "--days takes 1 to 3650, not 0"), (["--days", "3651"], "--days takes"),
    (["--days", "soon"], "--days takes a whole number"),
    ([word for index in range(101) for word in ("--name", f"n{index}")], "100 times at most")])
def test_wrong_words_are_refused(tmp_path, words, part):
    done = run_steelyard("cert", "dev", "--directory", tmp_path / "none", *words)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert part in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_directory_that_cannot_be_made_is_said(tmp_path):
    done = run_steelyard("cert", "dev", "--directory", tmp_path / "a" / "b")
    assert done.returncode == CANNOT_CREATE
    assert done.stderr == (
        f"steelyard: cannot write {tmp_path}/a/b: No such file or directory\n")
    assert not Path(tmp_path / "a").exists()
