"""TLS to endpoints: whom steelyard trusts, what it says of others, and what it takes for an attack."""

import json
import socket
import ssl
import subprocess
import threading

import pytest
from conftest import minimal
from endpoints import echo, pages, text
from programs import BINARY, free_port, wait_for
from secure import SecureSocket, failures, server_context
from wire import Connection, Cut

# The words of the log and the label of the metric, by what is wrong with the certificate.
REFUSED = {
    "expired": ("the certificate has expired", "expired"),
    "early": ("the certificate is not valid yet", "not_yet_valid"),
    "wrong_name": ("the certificate is for another name", "wrong_name"),
    "unknown": ("the certificate's authority is unknown", "unknown_authority"),
    "self_signed": ("the certificate is self-signed", "self_signed"),
    "revoked": ("the certificate was revoked", "revoked")}


def wrapping(pair, **options):
    """What makes an endpoint speak TLS, and notes the name that it is called by."""
    context = server_context(pair, **options)
    names = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    def wrap(raw):
        return SecureSocket(raw, context, is_server=True)

    wrap.names = names
    return wrap


def pool(addresses, tls, **options):
    return minimal(addresses, **{
        "tls": tls, "weights": {"law": "static"}, "ejection": {"max_fails": 0}, **options})


def trusting(certificates, **more):
    return {"ca": certificates.ca, "server_name": "localhost", **more}


# Who is trusted


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["local", "local_rsa", "chained"])
def test_an_endpoint_of_a_known_authority_is_reached(stage, certificates, name, version):
    endpoint = stage.endpoint(echo, wrap=wrapping(getattr(certificates, name), version=version))
    steelyard = stage.steelyard(pool([endpoint.address], trusting(certificates)))
    with steelyard.connect() as connection:
        for size in (0, 1, 16_384, 16_385, 1_000_000):
            answer = connection.exchange("POST", "/", content=b"x" * size)
            assert json.loads(answer.content)["count"] == size
    assert endpoint.connection_count == 1


def test_nobody_is_trusted_who_is_unknown_to_the_system(stage, certificates):
    endpoint = stage.endpoint(text(), wrap=wrapping(certificates.local))
    steelyard = stage.steelyard(pool([endpoint.address], True))
    assert steelyard.get().status == 502
    wait_for(lambda: "the certificate's authority is unknown" in steelyard.text(), "the reason")


@pytest.mark.parametrize("name", REFUSED)
def test_each_bad_certificate_is_refused_with_its_reason(stage, certificates, name):
    words, label = REFUSED[name]
    endpoint = stage.endpoint(text(), wrap=wrapping(getattr(certificates, name)))
    steelyard = stage.steelyard(pool(
        [endpoint.address], trusting(certificates, crl=certificates.revocations)))
    with steelyard.connect() as connection:
        answer = connection.exchange("GET", "/")
        assert answer.status == 502
        # The client is not told how the inside looks.
        assert endpoint.address.encode() not in answer.content
    assert endpoint.requests == []
    wait_for(lambda: words in steelyard.text(), "the reason in the log")
    assert failures(steelyard, label) >= 1


@pytest.mark.parametrize("name", ["unknown", "expired", "wrong_name", "self_signed"])
def test_insecure_trusts_everybody_and_says_so(stage, tmp_path, certificates, name):
    endpoint = stage.endpoint(text(b"fine"), wrap=wrapping(getattr(certificates, name)))
    configuration = pool([endpoint.address], {"insecure": True})
    file = tmp_path / "insecure.yaml"
    file.write_text(json.dumps(configuration))
    done = subprocess.run([BINARY, "check", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "warning" in done.stdout + done.stderr
    assert stage.steelyard(configuration).get().content == b"fine"


def test_a_kept_connection_is_not_used_after_a_reload_that_wants_another_name(stage, certificates):
    endpoint = stage.endpoint(text(), wrap=wrapping(certificates.local))
    configuration = pool([endpoint.address], {"insecure": True}, keepalive={"idle": "60s"})
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        assert [connection.exchange("GET", "/").status for _ in range(3)] == [200, 200, 200]
        assert endpoint.connection_count == 1
        next(iter(configuration["pools"].values()))["tls"] = {
            "ca": certificates.ca, "server_name": "other.test"}
        assert steelyard.reload(configuration).returncode == 0
        assert connection.exchange("GET", "/").status == 502


def test_a_certificate_is_good_for_the_address_it_names(stage, certificates):
    """Without `server_name`: the address is verified and not sent as SNI."""
    good, bad = wrapping(certificates.local), wrapping(certificates.a)
    one, two = stage.endpoint(text(), wrap=good), stage.endpoint(text(), wrap=bad)
    tls = {"ca": certificates.ca}
    assert stage.steelyard(pool([one.address], tls)).get().status == 200
    assert stage.steelyard(pool([two.address], tls)).get().status == 502
    assert good.names == [None]


def test_a_certificate_is_good_for_the_host_name(stage, hosts, certificates):
    wrap = wrapping(certificates.a)
    endpoint = stage.endpoint(text(), wrap=wrap)
    hosts.set(a__test=["127.0.0.1"], b__test=["127.0.0.1"])
    for name, status in (("a.test", 200), ("b.test", 502)):
        steelyard = stage.steelyard(
            pool([f"{name}:{endpoint.port}"], {"ca": certificates.ca}),
            environment=hosts.environment)
        assert steelyard.get().status == status
        assert wrap.names[-1] == name


def test_server_name_is_sent_and_verified(stage, certificates):
    wrap = wrapping(certificates.wild)
    endpoint = stage.endpoint(text(), wrap=wrap)
    for name, status in (("one.wild.test", 200), ("wild.test", 502), ("a.b.wild.test", 502)):
        tls = {"ca": certificates.ca, "server_name": name}
        assert stage.steelyard(pool([endpoint.address], tls)).get().status == status
        assert wrap.names[-1] == name


@pytest.mark.parametrize("name, status", [("client", 200), (None, 502), ("unknown_client", 502)])
def test_an_endpoint_may_ask_for_a_certificate(stage, certificates, name, status):
    endpoint = stage.endpoint(
        text(), wrap=wrapping(certificates.local, clients=certificates.ca))
    tls = trusting(certificates, **(getattr(certificates, name).files if name else {}))
    assert stage.steelyard(pool([endpoint.address], tls)).get().status == status


def test_an_endpoint_in_the_clear_is_no_endpoint(stage, certificates):
    nginx = stage.nginx()
    steelyard = stage.steelyard(pool([nginx.address], trusting(certificates)))
    assert steelyard.get("/hello").status == 502
    assert failures(steelyard, "plain_http") + failures(steelyard, "not_tls") >= 1


def test_the_oldest_version_is_the_operators(stage, certificates):
    endpoint = stage.endpoint(
        text(), wrap=wrapping(certificates.local, version=ssl.TLSVersion.TLSv1_2))
    for least, status in (("1.2", 200), ("1.3", 502)):
        steelyard = stage.steelyard(pool(
            [endpoint.address], trusting(certificates, min_version=least)))
        assert steelyard.get().status == status


def test_a_request_is_repeated_where_the_certificate_is_good(stage, certificates):
    """A handshake that fails has sent nothing of it."""
    bad = stage.endpoint(text(b"bad"), wrap=wrapping(certificates.expired))
    good = stage.endpoint(text(b"good"), wrap=wrapping(certificates.local))
    steelyard = stage.steelyard(pool([bad.address, good.address], trusting(certificates)))
    with steelyard.connect() as connection:
        for _ in range(10):
            assert connection.exchange("POST", "/", content=b"once").content == b"good"
    assert bad.requests == [] and bad.connection_count > 0


# Pages and checks


def test_pages_and_checks_go_the_same_way(stage, certificates):
    page = pages(lambda: "vllm:num_requests_running 1\nvllm:num_requests_waiting 0\n"
                         "vllm:kv_cache_usage_perc 0.5\n")

    def answer(exchange):
        if exchange.request.target == "/metrics":
            page(exchange)
        else:
            exchange.read_content()
            exchange.answer(b"ok")

    endpoint = stage.endpoint(answer, wrap=wrapping(certificates.local))
    steelyard = stage.steelyard(minimal(
        [endpoint.address], tls=trusting(certificates),
        weights={"scrape": [{"preset": "vllm"}]},
        health={"path": "/health", "interval": "300ms", "timeout": "250ms"}))
    wait_for(lambda: {"/metrics", "/health"} <= {one.target for one in endpoint.requests},
             "a page and a check")
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_scrape_last_success_timestamp_seconds") > 0, "a good page")
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_health_last_success_timestamp_seconds") > 0, "a good check")
    groups = json.loads(steelyard.admin_get("/sd/prometheus").content)
    assert {group["labels"].get("__scheme__") for group in groups} == {"https"}
    assert steelyard.get().status == 200


@pytest.mark.parametrize("name", ["unknown", "expired"])
def test_a_check_fails_where_a_request_would(stage, certificates, name):
    endpoint = stage.endpoint(text(), wrap=wrapping(getattr(certificates, name)))
    steelyard = stage.steelyard(pool(
        [endpoint.address], trusting(certificates),
        health={"path": "/health", "interval": "200ms", "timeout": "150ms"}))
    wait_for(lambda: steelyard.metrics().sum("steelyard_health_failures_total") > 0, "a check")
    assert steelyard.metrics().sum("steelyard_health_last_success_timestamp_seconds") == 0
    assert endpoint.requests == []


# What comes over the wire and must not be believed


PLANTED = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted"


class Scripted:
    """Accepts connections and hands each to `script(socket, number)`, counting from 0."""

    def __init__(self, script):
        self.script = script
        self.count = 0
        self.listening = socket.create_server(("127.0.0.1", free_port()))
        self.address = "%s:%d" % self.listening.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            accepted.settimeout(30)
            number, self.count = self.count, self.count + 1
            threading.Thread(target=self._run, args=(accepted, number), daemon=True).start()

    def _run(self, accepted, number):
        with accepted:
            try:
                self.script(accepted, number)
            except OSError:
                pass

    def stop(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


class Recorder:
    """A server's side of a handshake, bytes in and bytes out."""

    def __init__(self, context):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def answer(self, hello):
        """The flight that answers the client's first."""
        self.incoming.write(hello)
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def finish(self, raw):
        while True:
            try:
                self.tls.do_handshake()
                raw.sendall(self.outgoing.read())
                return
            except ssl.SSLWantReadError:
                raw.sendall(self.outgoing.read())
                data = raw.recv(65536)
                if not data:
                    raise ConnectionError("cut") from None
                self.incoming.write(data)

    def read_head(self, raw):
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                data += self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.incoming.write(raw.recv(65536))


def at_once(raw, context):
    """Before anything was read (CVE-2026-1642)."""
    raw.sendall(PLANTED)
    raw.recv(65536)


def after_the_hello(raw, context):
    raw.recv(65536)
    raw.sendall(PLANTED)


def before_the_flight(raw, context):
    recorder = Recorder(context)
    flight = recorder.answer(raw.recv(65536))
    raw.sendall(PLANTED + flight)
    raw.recv(65536)


def behind_the_flight(raw, context):
    recorder = Recorder(context)
    raw.sendall(recorder.answer(raw.recv(65536)) + PLANTED)
    raw.recv(65536)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("script", [
    at_once, after_the_hello, before_the_flight, behind_the_flight])
def test_bytes_that_come_before_the_handshake_is_over_are_nobodys_answer(
        stage, certificates, script, version):
    context = server_context(certificates.local, version=version)
    attacker = stage.keep(Scripted(lambda raw, number: script(raw, context)))
    steelyard = stage.steelyard(pool([attacker.address], trusting(certificates)))
    for _ in range(3):
        with steelyard.connect() as connection:
            answer = connection.exchange("POST", "/", content=b"secret")
            assert answer.status == 502 and b"planted" not in answer.content
    assert failures(steelyard) >= 3


def until_closed(is_said):
    def script(raw, number, context):
        with_tls = SecureSocket(raw, context, is_server=True)
        while b"\r\n\r\n" not in with_tls.recv(65536):
            pass
        with_tls.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"half of it")
        if is_said:
            with_tls.close()
        else:
            raw.shutdown(socket.SHUT_WR)
            raw.recv(1)
    return script


@pytest.mark.parametrize("is_said", [True, False])
def test_content_that_ends_with_the_connection_ends_with_a_goodbye(
        stage, certificates, is_said):
    context = server_context(certificates.local)
    script = until_closed(is_said)
    endpoint = stage.keep(Scripted(lambda raw, number: script(raw, number, context)))
    steelyard = stage.steelyard(pool([endpoint.address], trusting(certificates)))
    for version in ("1.1", "1.0"):
        with steelyard.connect() as connection:
            connection.send_request("GET", "/", version=version)
            if is_said:
                assert connection.read_response().content == b"half of it"
                continue
            answer = connection.read_head()
            assert answer.status == 200
            if answer.one("Transfer-Encoding"):
                with pytest.raises((Cut, ConnectionError)):
                    b"".join(connection.chunks())
            else:
                # A client of HTTP/1.0 sees a reset, or it could not know.
                with pytest.raises(ConnectionError):
                    while True:
                        connection.receive()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("is_reset", [False, True])
def test_a_handshake_may_end_at_every_byte(stage, certificates, version, is_reset):
    context = server_context(certificates.local, version=version)
    length = len(Recorder(context).answer(_hello(certificates)))
    cuts = [*range(0, min(length, 200)), *range(200, length, 7), length - 1]

    def script(raw, number):
        flight = Recorder(context).answer(raw.recv(65536))
        raw.sendall(flight[:cuts[number % len(cuts)]])
        if is_reset:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    endpoint = stage.keep(Scripted(script))
    steelyard = stage.steelyard(pool(
        [endpoint.address], trusting(certificates), retries={"max": 0}))
    with steelyard.connect() as connection:
        for _ in cuts:
            assert connection.exchange("GET", "/").status == 502
    assert endpoint.count == len(cuts)
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "no leases")


def _hello(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def test_a_handshake_may_come_byte_by_byte(stage, certificates):
    context = server_context(certificates.local)

    def script(raw, number):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        recorder = Recorder(context)
        flight = recorder.answer(raw.recv(65536))
        for place in range(len(flight)):
            raw.sendall(flight[place:place + 1])
        recorder.finish(raw)
        recorder.read_head(raw)
        recorder.tls.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
        answer = recorder.outgoing.read()
        for place in range(len(answer)):
            raw.sendall(answer[place:place + 1])
        raw.recv(65536)

    endpoint = stage.keep(Scripted(script))
    steelyard = stage.steelyard(pool([endpoint.address], trusting(certificates)))
    for _ in range(3):
        assert steelyard.get().content == b"fine"


def test_a_handshake_that_takes_too_long_is_a_connect_time_out(stage, certificates):
    release = threading.Event()
    endpoint = stage.keep(Scripted(lambda raw, number: release.wait(60)))
    steelyard = stage.steelyard(pool(
        [endpoint.address], trusting(certificates), timeouts={"connect": "200ms"}))
    assert steelyard.get().status in (502, 504)
    release.set()


def test_a_record_that_was_changed_ends_the_answer(stage, certificates):
    """A byte of it is flipped on the way."""
    context = server_context(certificates.local)

    def script(raw, number):
        recorder = Recorder(context)
        raw.sendall(recorder.answer(raw.recv(65536)))
        recorder.finish(raw)
        recorder.read_head(raw)
        recorder.tls.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
        answer = bytearray(recorder.outgoing.read())
        answer[len(answer) // 2] ^= 1
        raw.sendall(answer)
        raw.recv(65536)

    endpoint = stage.keep(Scripted(script))
    steelyard = stage.steelyard(pool(
        [endpoint.address], trusting(certificates), retries={"max": 0}))
    answer = steelyard.get()
    assert answer.status == 502
    assert failures(steelyard, "bad_record") == 1


def test_a_connection_in_the_clear_is_not_a_listeners_business(stage, certificates):
    """An endpoint over TLS behind a plain listener: the client is told http."""
    endpoint = stage.endpoint(echo, wrap=wrapping(certificates.local))
    steelyard = stage.steelyard(pool([endpoint.address], trusting(certificates)))
    with Connection(steelyard.address) as connection:
        fields = dict(json.loads(connection.exchange("GET", "/").content)["fields"])
    assert fields["X-Forwarded-Proto"] == "http"
