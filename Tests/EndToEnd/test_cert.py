"""`steelyard cert dev`: certificates that openssl and Python accept, and no file replaced by mistake."""

import json
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from certificates import openssl
from conftest import minimal
from endpoints import echo
from programs import find, free_port, run_steelyard

ROOT = Path(__file__).resolve().parents[2]
FILES = ["ca.pem", "client.key", "client.pem", "server.key", "server.pem"]
CANNOT_CREATE = 73
CONFIGURATION = 78
REFUSED = 65
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


# With a steelyard that uses them

def printed(told, address):
    """The curl commands of a trial, for this address instead of the port they are printed with."""
    words = [shlex.split(line) for line in told.splitlines() if line.startswith("  curl ")]
    assert len(words) == 2
    return [[find("curl"), "-sS", "-i", "-m", "30", *line[1:-1],
             line[-1].replace(":8443", f":{address[1]}")] for line in words]


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def trial(stage, made, is_mutual=False, hsts="none", plain=None, **listener):
    """A steelyard with the block that was printed. `plain`: a listener in the clear."""
    room, told = made
    block = re.search(r"^  - listen.*\n(?:    .*\n)+", told, re.M).group()
    if is_mutual:
        block = block.replace("# client_ca", "client_ca")
    (secure,) = yaml.safe_load(block)
    secure |= {"listen": "127.0.0.1:0", **listener}
    secure["tls"]["hsts"] = hsts
    configuration = minimal([stage.endpoint(echo).address], affinity={"cookie": "sid"})
    configuration["listeners"] = [secure, *([plain] if plain else [])]
    return stage.steelyard(configuration)


def test_a_newcomer_gets_an_answer_over_tls(stage, made):
    steelyard = trial(stage, made)
    for command in printed(made[1], steelyard.address):
        done = run(command)
        assert done.returncode == 0, done.stderr
        head, content = done.stdout.split("\n\n", 1)
        assert head.startswith("HTTP/2 200 ") and "; HttpOnly; Secure; SameSite=Lax" in head
        assert ["X-Forwarded-Proto", "https"] in json.loads(content)["fields"]
    # Who does not know the authority is warned.
    done = run([word for word in command if word != "--cacert" and not word.endswith("/ca.pem")])
    assert done.returncode == 60, done.stderr


def test_only_clients_with_a_certificate_where_it_is_asked_for(stage, made):
    steelyard = trial(stage, made, is_mutual=True, routes=[{
        "rate_limits": [{"key": {"client_certificate": "subject"}, "rate": "1000/s"}]}])
    without, with_pair = printed(made[1], steelyard.address)
    assert run(without).returncode != 0
    done = run(with_pair)
    assert done.returncode == 0 and done.stdout.startswith("HTTP/2 200 "), done.stderr


def test_the_plain_listener_sends_everybody_to_https(stage, made):
    port = free_port(("127.0.0.1",))
    steelyard = trial(stage, made, hsts="180d", listen=f"127.0.0.1:{port}", plain={
        "listen": "127.0.0.1:0",
        "routes": [{"redirect": {"location": f"https://{{host}}:{port}{{path}}"}}]})
    plain = steelyard.addresses[1]
    done = run([find("curl"), "-sS", "-i", "-L", "-m", "30", "--cacert", str(made[0] / "ca.pem"),
                f"http://localhost:{plain[1]}/a?b=c"])
    assert done.returncode == 0, done.stderr
    first, second, content = done.stdout.split("\n\n", 2)
    assert first.startswith("HTTP/1.1 308 ")
    assert f"Location: https://localhost:{port}/a?b=c" in first
    assert "strict-transport-security" not in first.lower()
    assert "strict-transport-security: max-age=15552000" in second
    assert json.loads(content)["target"] == "/a?b=c"


def test_a_reload_says_whose_tls_changed(stage, made):
    steelyard = trial(stage, made)
    configuration = json.loads(steelyard.file.read_text())
    # Chosen by the kernel, and the same listener as before.
    assert configuration["listeners"][0]["listen"] == "127.0.0.1:0"
    configuration["listeners"][0]["tls"]["min_version"] = "1.3"
    configuration["pools"]["text"]["tls"] = {"ca": str(made[0] / "ca.pem")}
    done = steelyard.reload(configuration)
    assert done.stdout.splitlines() == [
        "reloaded:", "listener 127.0.0.1:0: tls changed", "pool text: tls changed"], done.stderr
    # A pair that does not fit changes nothing.
    configuration["listeners"][0]["tls"]["key"] = str(made[0] / "client.key")
    done = steelyard.reload(configuration)
    assert done.returncode == REFUSED and "the key does not belong to the certificate" in done.stderr


def test_the_example_file_is_good_where_its_files_are(tmp_path, made):
    room, _ = made
    place = tmp_path / "etc"
    (place / "certificates").mkdir(parents=True)
    text = (ROOT / "config/tls.yaml").read_text().replace("/etc/steelyard", str(place))
    for file in set(re.findall(rf"{place}/([\w/-]+\.(?:pem|key))", text)):
        source = "ca.pem" if file.endswith("ca.pem") else "server" + Path(file).suffix
        shutil.copy(room / source, place / file)
    for name in ("server.pem", "server.key"):
        shutil.copy(room / name, place / "certificates" / name)
    file = tmp_path / "tls.yaml"
    file.write_text(text)
    done = run_steelyard("check", file)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (place / "site.key").unlink()
    done = run_steelyard("check", file)
    assert done.returncode == CONFIGURATION and f"{place}/site.key" in done.stderr
