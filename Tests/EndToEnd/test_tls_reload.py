"""Certificates that change while the program runs: by signal, by API, by their files alone."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import threading

import pytest
from certificates import Pair, openssl
from conftest import minimal
from endpoints import Held
from programs import BINARY, wait_for
from secure import client_context, connect, listening, presented
from wire import Connection, Cut


class Files:
    """The files that a listener names, filled with one pair after another."""

    def __init__(self, directory, pair):
        directory.mkdir(parents=True)
        self.pair = Pair(directory / "site.pem", directory / "site.key")
        self.set(pair)

    def set(self, pair):
        """Both at once for whoever opens them by name, the key first."""
        for old, new in ((self.pair.key, pair.key), (self.pair.certificate, pair.certificate)):
            beside = old.with_suffix(".new")
            shutil.copy(new, beside)
            os.replace(beside, old)


@pytest.fixture
def files(tmp_path, certificates):
    return Files(tmp_path / "live", certificates.local)


@pytest.fixture
def steelyard(stage, endpoint, files):
    return stage.steelyard(listening([endpoint.address], files.pair.files))


def serial(steelyard, context):
    with connect(steelyard.address, context) as connection:
        return connection.socket.tls.getpeercert()["serialNumber"]


@pytest.fixture
def shown(steelyard, certificates):
    context = client_context(certificates.ca)
    return lambda: serial(steelyard, context)


# How it is told


def by_signal(steelyard):
    steelyard.send_signal(signal.SIGHUP)


def by_command(steelyard):
    done = steelyard.reload()
    assert done.returncode == 0, done.stderr


def by_api(steelyard):
    with Connection(steelyard.admin) as connection:
        assert connection.exchange("POST", "/api/v1/reload").status == 200


def by_nothing(steelyard):
    """The files are watched."""


@pytest.mark.parametrize("told", [by_signal, by_command, by_api, by_nothing])
def test_new_handshakes_have_the_new_certificate_and_old_connections_go_on(
        steelyard, certificates, files, shown, told):
    before = shown()
    with connect(steelyard.address, client_context(certificates.ca)) as old:
        assert old.exchange("GET", "/").status == 200
        files.set(certificates.local_again)
        told(steelyard)
        wait_for(lambda: shown() != before, "the new certificate", deadline=30)
        assert old.exchange("GET", "/").status == 200
        assert old.socket.tls.getpeercert()["serialNumber"] == before
    after = shown()
    files.set(certificates.local)
    told(steelyard)
    wait_for(lambda: shown() == before, "the old certificate", deadline=30)
    assert after != before


def test_a_link_that_is_moved_is_seen(stage, endpoint, tmp_path, certificates):
    """As certbot and Kubernetes do it: the names are links, the directory behind them changes."""
    for name, pair in (("one", certificates.local), ("two", certificates.local_again)):
        (tmp_path / name).mkdir()
        shutil.copy(pair.certificate, tmp_path / name / "tls.crt")
        shutil.copy(pair.key, tmp_path / name / "tls.key")
    data = tmp_path / "data"
    data.symlink_to("one")
    (tmp_path / "tls.crt").symlink_to("data/tls.crt")
    (tmp_path / "tls.key").symlink_to("data/tls.key")
    steelyard = stage.steelyard(listening([endpoint.address], {
        "cert": str(tmp_path / "tls.crt"), "key": str(tmp_path / "tls.key")}))
    context = client_context(certificates.ca)
    before = serial(steelyard, context)
    new = tmp_path / "data.new"
    new.symlink_to("two")
    os.replace(new, data)
    wait_for(lambda: serial(steelyard, context) != before, "the new certificate", deadline=30)


def test_a_directory_gets_another_pair(stage, endpoint, tmp_path, certificates):
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    shutil.copy(certificates.wild.key, pairs / "wild.key")
    shutil.copy(certificates.wild.certificate, pairs / "wild.crt")
    steelyard = stage.steelyard(listening([endpoint.address], {
        "certificates": [certificates.local.files, {"directory": str(pairs)}]}))
    context = client_context()
    assert presented(steelyard.address, context, "a.test") == "localhost"
    shutil.copy(certificates.a.key, pairs / "a.key")
    shutil.copy(certificates.a.certificate, pairs / "a.crt")
    wait_for(lambda: presented(steelyard.address, context, "a.test") == "a.test",
             "the other pair", deadline=30)
    (pairs / "a.crt").unlink()
    (pairs / "a.key").unlink()
    wait_for(lambda: presented(steelyard.address, context, "a.test") == "localhost",
             "the pair to be gone", deadline=30)


# Pairs that are no good


def mismatched(files, certificates):
    shutil.copy(certificates.local_again.key, files.pair.key)


def rubbish(files, certificates):
    files.pair.certificate.write_text("no certificate\n")


def empty(files, certificates):
    files.pair.certificate.write_text("")


def half(files, certificates):
    text = files.pair.certificate.read_text()
    files.pair.certificate.write_text(text[:len(text) // 2])


def gone(files, certificates):
    files.pair.certificate.unlink()


def key_gone(files, certificates):
    files.pair.key.unlink()


BAD = [mismatched, rubbish, empty, half, gone, key_gone]


@pytest.mark.parametrize("spoil", BAD)
def test_a_bad_pair_changes_nothing_and_says_why(
        steelyard, certificates, files, shown, spoil):
    before = shown()
    spoil(files, certificates)
    done = steelyard.reload()
    assert done.returncode != 0
    assert "site." in done.stdout + done.stderr
    assert shown() == before
    with connect(steelyard.address, client_context(certificates.ca)) as connection:
        assert connection.exchange("GET", "/").status == 200
    files.set(certificates.local_again)
    assert steelyard.reload().returncode == 0
    assert shown() != before


def test_a_bad_pair_of_a_watched_file_is_told_and_mended(
        steelyard, certificates, files, shown):
    before = shown()
    mismatched(files, certificates)
    wait_for(lambda: "site." in steelyard.text(), "the log", deadline=30)
    assert shown() == before
    files.set(certificates.local_again)
    wait_for(lambda: shown() != before, "the new certificate", deadline=30)


@pytest.mark.parametrize("spoil", BAD)
def test_a_bad_pair_is_no_start(tmp_path, certificates, files, spoil):
    spoil(files, certificates)
    file = tmp_path / "steelyard.yaml"
    file.write_text(json.dumps(listening(["127.0.0.1:9"], files.pair.files)))
    for command in ("check", "serve"):
        done = subprocess.run(
            [BINARY, command, file], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0, command
        assert "site." in done.stdout + done.stderr, command
        assert "PRIVATE" not in done.stdout + done.stderr


# Under load


class Visitors:
    """Threads with a new connection for each request, and kept ones."""

    def __init__(self, steelyard, ca, count=4):
        self.address, self.context = steelyard.address, client_context(ca)
        self.is_over = threading.Event()
        self.done, self.failed, self.serials = [0] * count, [], set()
        self.threads = [
            threading.Thread(target=self._run, args=(place,), daemon=True)
            for place in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, place):
        exchanges = 50 if place == 0 else 1
        while not self.is_over.is_set():
            try:
                with connect(self.address, self.context) as connection:
                    self.serials.add(connection.socket.tls.getpeercert()["serialNumber"])
                    for _ in range(exchanges):
                        assert connection.exchange("GET", "/").status == 200
                        self.done[place] += 1
            except (ssl.SSLError, OSError, Cut, AssertionError) as failure:
                self.failed.append(repr(failure))

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(60)


def swap(steelyard, certificates, files, shown, count):
    visitors = Visitors(steelyard, certificates.ca)
    serials = {pair: openssl("x509", "-in", pair.certificate, "-noout", "-serial").split("=")[1]
               .strip() for pair in (certificates.local, certificates.local_again)}
    try:
        for number in range(count):
            pair = certificates.local_again if number % 2 == 0 else certificates.local
            files.set(pair)
            done = steelyard.reload()
            assert done.returncode == 0, done.stderr
            wait_for(lambda: shown() == serials[pair], "the new certificate")
    finally:
        visitors.stop()
    assert visitors.failed == []
    assert visitors.serials == set(serials.values()) and min(visitors.done) > 10


def test_certificates_change_under_load_and_nothing_fails(
        steelyard, certificates, files, shown):
    swap(steelyard, certificates, files, shown, 50)


@pytest.mark.long
def test_certificates_change_a_thousand_times_under_load(
        steelyard, certificates, files, shown):
    before = steelyard.rss_bytes()
    swap(steelyard, certificates, files, shown, 1000)
    assert steelyard.rss_bytes() < before + (48 << 20)


def test_a_stream_goes_on_while_certificates_change(stage, files, certificates):
    held = Held()
    endpoint = stage.endpoint(held)
    steelyard = stage.steelyard(listening([endpoint.address], files.pair.files))
    context = client_context(certificates.ca)
    with connect(steelyard.address, context) as connection:
        connection.send_request("GET", "/")
        assert held.begun.wait(30)
        before = serial(steelyard, context)
        for pair in (certificates.local_again, certificates.local, certificates.local_again):
            files.set(pair)
            assert steelyard.reload().returncode == 0
        assert serial(steelyard, context) != before
        held.release.set()
        assert connection.read_response().content == b"first second"


def test_the_certificate_for_endpoints_changes_too(stage, tmp_path, certificates):
    """Its endpoint lets only one of the two in."""
    live = Files(tmp_path / "client", certificates.unknown_client)
    nginx = stage.nginx(pair=certificates.local, clients=certificates.ca)
    steelyard = stage.steelyard(minimal([nginx.address], tls={
        "ca": certificates.ca, "server_name": "localhost", **live.pair.files},
        ejection={"max_fails": 0}))
    assert steelyard.get("/hello").status == 400
    live.set(certificates.client)
    assert steelyard.reload().returncode == 0
    assert steelyard.get("/hello").status == 200
