"""Certificates of what steelyard asks and of its admin address: loaded, replaced, refused, told."""

import json
import re
import shutil
import socket
import subprocess
import time

import pytest
from certificates import DAYS, LOCAL, Authority
from conftest import minimal
from endpoints import Endpoint, Held, text
from programs import find, run_steelyard, wait_for
from secure import SecureAddress, SecureSocket, client_context, server_context
from wire import Connection

REFUSED, CONFIGURATION, UNAVAILABLE = 65, 78, 69
PAGE = b"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 1\n" \
    b"# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting 0\n"
QUICK = "200ms"


def secure_endpoint(stage, pair, answer=None, **options):
    context = server_context(pair, **options)
    return stage.keep(Endpoint(
        answer or text(PAGE, fields=[("Content-Type", "text/plain; version=0.0.4")]),
        wrap=lambda raw: SecureSocket(raw, context, is_server=True)))


def scraped(endpoint, tls):
    """A pool whose page is read over TLS; requests are not sent."""
    return minimal([endpoint.address], weights={
        "interval": QUICK, "scrape": [{"preset": "vllm", "tls": tls}]})


def explained(steelyard):
    with Connection(steelyard.admin) as connection:
        answer = connection.exchange("GET", "/api/v1/pools/text/explain")
        return answer.content.decode()


def conditions(steelyard):
    status = json.loads(steelyard.admin_get("/api/v1/status").content)
    return {one["alert"]: one["text"] for one in status["conditions"]}


def copied(pair, directory, name="site"):
    """The pair's files under other names, which a test may replace."""
    directory.mkdir(exist_ok=True)
    files = {"cert": directory / f"{name}.pem", "key": directory / f"{name}.key"}
    replace(pair, files)
    return files


def replace(pair, files):
    """As a rename does: never a half file."""
    for source, file in ((pair.certificate, files["cert"]), (pair.key, files["key"])):
        aside = file.with_name("." + file.name)
        shutil.copyfile(source, aside)
        aside.chmod(0o600)
        aside.rename(file)


def strings(files):
    return {key: str(value) for key, value in files.items()}


# What steelyard asks over TLS.


def test_a_page_is_read_over_tls(stage, certificates):
    endpoint = secure_endpoint(stage, certificates.local)
    steelyard = stage.steelyard(scraped(endpoint, {"ca": certificates.ca}))
    wait_for(lambda: len(endpoint.requests) > 2, "three pages")
    failures = steelyard.metrics().series("steelyard_scrape_failures_total")
    assert failures and not any(value for _, value in failures)
    assert endpoint.connection_count == 1, "the connection is kept"


REASONS = {
    "self_signed": ("the certificate is self-signed", "ca: FILE"),
    "unknown": ("the certificate's authority is unknown", "ca: FILE"),
    "wrong_name": ("the certificate is for another name", "server_name: NAME"),
    "expired": ("the certificate has expired", ""),
    "early": ("the certificate is not valid yet", "")}


@pytest.mark.parametrize("name", REASONS)
def test_a_bad_certificate_is_told_with_what_to_do(stage, certificates, name):
    words, advice = REASONS[name]
    endpoint = secure_endpoint(stage, getattr(certificates, name))
    steelyard = stage.steelyard(scraped(endpoint, {"ca": certificates.ca}))
    wait_for(lambda: words in explained(steelyard), "the reason in explain")
    assert advice in explained(steelyard)
    wait_for(lambda: words in conditions(steelyard).get("SteelyardScrapeFailing", ""),
             "the condition")
    assert steelyard.metrics().value("steelyard_scrape_failures_total", reason="tls") > 0
    assert endpoint.requests == []
    wait_for(lambda: words in steelyard.text(), "the log")


def test_a_self_signed_page_is_read_when_it_is_named_or_nothing_is_checked(stage, certificates):
    for tls in ({"ca": str(certificates.self_signed.certificate)}, {"insecure": True}):
        endpoint = secure_endpoint(stage, certificates.self_signed)
        stage.steelyard(scraped(endpoint, tls))
        wait_for(lambda: len(endpoint.requests) > 1, "two pages")


def test_a_page_that_speaks_no_tls_or_only_tls(stage, certificates):
    plain = stage.nginx()
    secure = secure_endpoint(stage, certificates.local)
    steelyard = stage.steelyard(scraped(plain, {"ca": certificates.ca}))
    wait_for(lambda: "the server wants no `tls`" in explained(steelyard), "the reason")
    other = stage.steelyard(minimal([secure.address], weights={
        "interval": QUICK, "scrape": [{"preset": "vllm"}]}))
    wait_for(lambda: "scrapes fail" in conditions(other).get("SteelyardScrapeFailing", ""),
             "the condition")


def test_a_page_that_wants_a_certificate_gets_it(stage, certificates):
    endpoint = secure_endpoint(stage, certificates.local, clients=certificates.ca)
    tls = {"ca": certificates.ca, **certificates.client.files}
    steelyard = stage.steelyard(scraped(endpoint, tls))
    wait_for(lambda: len(endpoint.requests) > 1, "two pages")
    page = steelyard.metrics()
    left = page.value(
        "steelyard_tls_certificate_not_after_timestamp_seconds",
        file=str(certificates.client.certificate), use="client") - time.time()
    assert (DAYS - 2) * 86400 < left < (DAYS + 1) * 86400


def test_checks_and_hooks_speak_tls(stage, certificates):
    endpoint = secure_endpoint(stage, certificates.local, text(b"fine"))
    target = secure_endpoint(stage, certificates.local, text(b""))
    tls = {"ca": certificates.ca}
    configuration = minimal(
        [endpoint.address], tls=tls, health={"path": "/health", "interval": QUICK, "timeout": "150ms", "fall": 1})
    configuration["hooks"] = [{
        "on": ["endpoint_unhealthy"], "post": f"https://{target.address}/told", "tls": tls}]
    stage.steelyard(configuration)
    wait_for(lambda: len(endpoint.requests) > 1, "two checks")
    assert {one.target for one in endpoint.requests} == {"/health"}
    endpoint.stop()
    wait_for(lambda: target.requests, "the hook")
    assert target.requests[0].target == "/told"


def test_a_new_connection_resumes_the_session(stage, certificates):
    seen = []

    def answer(exchange):
        seen.append(exchange.socket.tls.session_reused)
        exchange.answer(b"fine", fields=[("Connection", "close")])
        exchange.keeps_alive = False

    endpoint = secure_endpoint(stage, certificates.local, answer)
    stage.steelyard(minimal(
        [endpoint.address], tls={"ca": certificates.ca},
        health={"path": "/health", "interval": QUICK, "timeout": "150ms"}))
    wait_for(lambda: len(seen) > 3, "four checks")
    assert seen[0] is False and all(seen[1:4]), seen


# The files.


def test_a_bad_file_ends_the_start_with_its_name(tmp_path, certificates):
    files = copied(certificates.local, tmp_path)
    configuration = minimal(["127.0.0.1:9"])
    configuration["listeners"][0]["tls"] = strings(files)
    file = tmp_path / "steelyard.yaml"
    file.write_text(json.dumps(configuration))
    assert run_steelyard("check", file).returncode == 0
    shutil.copyfile(certificates.a.key, files["key"])
    for command in ("check", "serve"):
        done = run_steelyard(command, file)
        assert done.returncode == CONFIGURATION, done.stderr
        assert f"{files['cert']}: the key does not belong to the certificate" in done.stderr
        assert "listener 127.0.0.1:0" in done.stderr
        assert "PRIVATE" not in done.stderr
    files["key"].unlink()
    done = run_steelyard("serve", file)
    assert done.returncode == CONFIGURATION
    assert f"the key file {files['key']} cannot be read: No such file" in done.stderr


def test_a_key_that_everybody_may_read_is_warned_of_once(stage, tmp_path, certificates):
    files = copied(certificates.local, tmp_path / "pair")
    files["key"].chmod(0o644)
    configuration = minimal(["127.0.0.1:9"])
    configuration["listeners"][0]["tls"] = strings(files)
    steelyard = stage.steelyard(configuration)
    message = "everybody on this machine may read the key file"
    assert [one["file"] for one in steelyard.events(message)] == [str(files["key"])]
    steelyard.reload()
    assert len(steelyard.events(message)) == 1
    assert message in run_steelyard("check", steelyard.file).stderr


def test_a_reload_with_a_bad_file_changes_nothing(stage, certificates):
    configuration = minimal(["127.0.0.1:9"])
    steelyard = stage.steelyard(configuration)
    changed = minimal(["127.0.0.1:10"], tls={"ca": "/no/such/file.pem"})
    done = steelyard.reload(changed)
    assert done.returncode == REFUSED
    assert "pool text: the authority file /no/such/file.pem cannot be read" in done.stderr
    assert "127.0.0.1:10" not in explained(steelyard)
    wait_for(lambda: "SteelyardReloadFailed" in conditions(steelyard), "the condition")
    assert steelyard.reload(configuration).returncode == 0


def shown(address, name="localhost"):
    """The certificate that an address shows, by its fingerprint."""
    done = subprocess.run(
        [find("openssl"), "s_client", "-connect", "%s:%d" % tuple(address), "-servername", name],
        input="", capture_output=True, text=True, timeout=30)
    found = re.search(r"-----BEGIN.*?-----END CERTIFICATE-----", done.stdout, re.S)
    assert found, done.stderr
    return subprocess.run(
        [find("openssl"), "x509", "-noout", "-fingerprint"], input=found.group(),
        capture_output=True, text=True, timeout=30, check=True).stdout


def test_replaced_files_are_used_without_a_restart(stage, tmp_path, certificates):
    """Of the admin address, whose kept connections go on."""
    files = copied(certificates.local, tmp_path / "pair")
    configuration = minimal(["127.0.0.1:9"])
    configuration["admin"]["tls"] = strings(files)
    trusted = client_context(certificates.ca)

    def wrap(raw):
        return SecureSocket(raw, trusted, "localhost")

    steelyard = stage.steelyard(configuration, admin_wrap=wrap)
    before = shown(steelyard.admin)
    with Connection(steelyard.admin) as kept:
        assert kept.exchange("GET", "/readyz").status == 200
        replace(certificates.local_again, files)
        wait_for(lambda: shown(steelyard.admin) != before, "the new certificate")
        assert kept.exchange("GET", "/readyz").status == 200
    assert len(steelyard.events("certificates replaced")) == 1
    metrics = steelyard.metrics()
    assert metrics.value("steelyard_tls_certificate_reloads_total", result="taken") == 1

    now = shown(steelyard.admin)
    shutil.copyfile(certificates.a.key, files["key"])
    refused = "SteelyardCertificateFilesRefused"
    wait_for(lambda: refused in conditions(steelyard), "the condition")
    assert "the key does not belong to the certificate" in conditions(steelyard)[refused]
    assert shown(steelyard.admin) == now
    metrics = steelyard.metrics()
    assert metrics.value("steelyard_tls_certificate_reloads_total", result="refused") == 1
    assert metrics.value("steelyard_tls_certificate_files_refused") == 1
    (event,) = steelyard.events(
        "changed certificate files cannot be used, those before stay in use")
    assert event["place"] == "the admin address"
    replace(certificates.local, files)
    wait_for(lambda: refused not in conditions(steelyard), "the end of the condition")
    assert shown(steelyard.admin) == before


def test_a_listeners_files_are_replaced_while_requests_run(stage, tmp_path, certificates):
    files = copied(certificates.local, tmp_path / "pair")
    held = Held()
    configuration = minimal([stage.endpoint(held).address])
    configuration["listeners"][0]["tls"] = strings(files)
    steelyard = stage.steelyard(configuration)
    trusted = client_context(certificates.ca)
    address = SecureAddress(
        steelyard.address, lambda raw: SecureSocket(raw, trusted, "localhost"))
    with Connection(address) as running:
        running.send_request("GET", "/")
        assert held.begun.wait(30)
        before = shown(steelyard.address)
        replace(certificates.local_again, files)
        done = steelyard.reload()
        assert "certificate files changed" in done.stdout, done.stdout + done.stderr
        assert shown(steelyard.address) != before
        held.release.set()
        assert running.read_response("GET").status == 200
        assert running.exchange("GET", "/").status == 200
    assert len(steelyard.events("certificates replaced")) == 1


@pytest.mark.parametrize("days, alert, words", [
    (10, "SteelyardCertificateExpiresSoon", "expires in 9 days"),
    (1, "SteelyardCertificateExpiresVerySoon", "expires in 23 hours"),
    (30, None, "")])
def test_a_certificate_that_ends_soon_is_a_condition(
        stage, tmp_path, certificates, days, alert, words):
    pair = Authority(tmp_path / "authority").issue("short", LOCAL, end=days)
    configuration = minimal(["127.0.0.1:9"])
    configuration["listeners"][0]["tls"] = pair.files
    steelyard = stage.steelyard(configuration)
    if alert is None:
        wait_for(lambda: "SteelyardNoEligibleEndpoint" not in conditions(steelyard), "a reading")
        assert not any("Certificate" in one for one in conditions(steelyard))
        return
    wait_for(lambda: alert in conditions(steelyard), "the condition")
    assert conditions(steelyard)[alert] == f"the certificate {pair.certificate} {words}"
    (event,) = steelyard.events("certificate expires")
    assert event["expiry"] == words


# The admin address, and commands.


@pytest.fixture
def guarded(stage, certificates):
    """A steelyard whose admin address asks for a certificate."""
    configuration = minimal(["127.0.0.1:9"])
    configuration["admin"]["tls"] = {**certificates.local.files, "client_ca": certificates.ca}
    context = client_context(certificates.ca, certificates.client)
    return stage.steelyard(
        configuration, admin_wrap=lambda raw: SecureSocket(raw, context, "localhost"))


def test_commands_speak_tls_with_a_certificate(guarded, certificates):
    host, port = guarded.admin
    pair = ["--cert", certificates.client.certificate, "--key", certificates.client.key]
    for admin in (f"https://localhost:{port}", f"https://{host}:{port}/", f"{host}:{port}"):
        ask = ["--admin", admin, "--ca", certificates.ca, *pair]
        for words in (["top", "--once"], ["weights"], ["explain"], ["reload"]):
            done = run_steelyard(*words, *ask)
            assert done.returncode == 0, (words, admin, done.stderr)
    done = run_steelyard("drain", "127.0.0.1:9", *ask)
    assert done.returncode == 0, done.stderr


def test_commands_say_what_is_wrong_with_tls(guarded, stage, certificates):
    _, port = guarded.admin
    pair = ["--cert", certificates.client.certificate, "--key", certificates.client.key]

    def said(*words):
        done = run_steelyard("weights", *words)
        assert done.returncode == UNAVAILABLE, done.stderr
        return done.stderr

    address = f"https://localhost:{port}"
    assert "--cert FILE" in said("--admin", address, "--ca", certificates.ca)
    other = str(certificates.other_authority.file)
    assert "--ca FILE" in said("--admin", address, "--ca", other, *pair)
    plain = stage.steelyard(minimal(["127.0.0.1:9"]))
    assert "leave https:// and --ca out" in said(
        "--admin", "https://127.0.0.1:%d" % plain.admin[1], "--ca", certificates.ca)


def test_plain_http_at_the_admin_address_gets_a_readable_answer(guarded):
    host, port = guarded.admin
    with socket.create_connection((host, port), timeout=30) as raw:
        raw.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"this address speaks TLS: use https://" in answer
    done = run_steelyard("weights", "--admin", f"{host}:{port}")
    assert "this address speaks TLS" in done.stderr


def test_long_answers_and_streams_come_over_tls(stage, certificates):
    count = 2_000
    configuration = minimal([f"10.{n >> 8}.{n & 255}.1:9" for n in range(count)], weights={
        "law": "static"})
    configuration["admin"]["tls"] = certificates.local.files
    trusted = client_context(certificates.ca)
    steelyard = stage.steelyard(
        configuration, admin_wrap=lambda raw: SecureSocket(raw, trusted, "localhost"))
    page = steelyard.admin_get("/metrics")
    assert len(page.content) > 1 << 20
    assert page.content.count(b"steelyard_endpoint_weight{") == count
    with Connection(steelyard.admin) as stream:
        stream.send_request("GET", "/api/v1/status/events")
        assert stream.read_head().status == 200
        while stream.buffer.count(b"\n\n") < 2:
            stream.receive()


def test_without_its_certificate_nobody_gets_anything(guarded, certificates):
    for pair in (None, certificates.unknown_client, certificates.expired_client):
        context = client_context(certificates.ca, pair)
        raw = socket.create_connection(tuple(guarded.admin), timeout=30)
        with pytest.raises(OSError), SecureConnection(raw, context) as secure:
            secure.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            data = secure.recv(65536)
            assert not data, data
            raise ConnectionError("closed without an answer")


class SecureConnection:
    """A SecureSocket that is closed at the end, whatever became of its handshake."""

    def __init__(self, raw, context):
        self.raw, self.context = raw, context

    def __enter__(self):
        return SecureSocket(self.raw, self.context, "localhost")

    def __exit__(self, *_):
        self.raw.close()


def test_probe_reads_a_page_over_tls(stage, certificates):
    endpoint = secure_endpoint(stage, certificates.local)
    url = f"https://localhost:{endpoint.port}/metrics"
    done = run_steelyard("probe", url, "--interval", "100ms", "--ca", certificates.ca)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'tls: {{ca: "{certificates.ca}"}}' in done.stdout
    stranger = secure_endpoint(stage, certificates.self_signed)
    done = run_steelyard("probe", f"https://localhost:{stranger.port}/metrics")
    assert done.returncode == UNAVAILABLE
    assert "the certificate is self-signed: name it as `ca: FILE`" in done.stdout
    done = run_steelyard("probe", f"http://localhost:{endpoint.port}/metrics")
    assert done.returncode == UNAVAILABLE
