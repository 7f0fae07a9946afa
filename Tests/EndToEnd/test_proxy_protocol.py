"""The PROXY protocol, versions 1 and 2: from real proxies and from liars, and to endpoints."""

import json
import os
import random
import shutil
import socket
import struct
import subprocess

import programs
import pytest
import wire
from conftest import minimal
from endpoints import Endpoint, Exchange, text
from programs import find, free_port, wait_for

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1 = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n"


def v2(command=1, family=0x11, addresses=None, tlvs=b""):
    if addresses is None:
        addresses = socket.inet_aton("203.0.113.7") + socket.inet_aton("198.51.100.1")
        addresses += struct.pack(">HH", 4711, 443)
    body = addresses + tlvs
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(body)) + body


def six(address):
    return socket.inet_pton(socket.AF_INET6, address)


ACCEPTED = [
    ("v1", V1, "203.0.113.7"),
    ("v1 for IPv6", b"PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n", "2001:db8::1"),
    ("v1 unknown", b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ("v1 unknown with the rest", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "127.0.0.1"),
    ("v2", v2(), "203.0.113.7"),
    ("v2 for IPv6", v2(family=0x21, addresses=six("2001:db8::1") + six("::1") + bytes(4)),
     "2001:db8::1"),
    ("v2 with TLVs", v2(tlvs=b"\x03\x00\x04\x00\x00\x00\x00" * 100), "203.0.113.7"),
    ("v2 with 4 KB", v2(tlvs=bytes(4096 - 12)), "203.0.113.7"),
    ("v2 local", v2(command=0), "127.0.0.1"),
    ("v2 local and empty", v2(command=0, family=0, addresses=b""), "127.0.0.1"),
    ("v2 unspecified", v2(family=0, addresses=b"whatever"), "127.0.0.1"),
    ("v2 UNIX", v2(family=0x31, addresses=bytes(216)), "127.0.0.1"),
    ("v2 UDP", v2(family=0x12), "127.0.0.1"),
]
REJECTED = [
    ("no header", REQUEST), ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("v1 in lower case", V1.lower()), ("v1 with LF alone", V1.replace(b"\r\n", b"\n")),
    ("v1 with two spaces", V1.replace(b" 4711", b"  4711")),
    ("v1 without a port", b"PROXY TCP4 203.0.113.7 198.51.100.1 4711\r\n"),
    ("v1 with a further word", V1.replace(b"443", b"443 x")),
    ("v1 with a space at its end", V1.replace(b"443", b"443 ")),
    ("v1 with a port past 16 bits", V1.replace(b"4711", b"65536")),
    ("v1 with leading zeros", V1.replace(b"4711", b"04711")),
    ("v1 with IPv6 in TCP4", b"PROXY TCP4 ::1 ::1 1 2\r\n"),
    ("v1 with IPv4 in TCP6", b"PROXY TCP6 10.0.0.1 10.0.0.1 1 2\r\n"),
    ("v1 with a name", V1.replace(b"203.0.113.7", b"localhost")),
    ("v1 of UDP", V1.replace(b"TCP4", b"UDP4")),
    ("v1 too long", b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n"),
    ("v1 with a control byte", b"PROXY UNKNOWN \x01\r\n"),
    ("v2 with a wrong signature", SIGNATURE[:-1] + b"\r" + v2()[12:]),
    ("v2 of version 1", SIGNATURE + b"\x11" + v2()[13:]),
    ("v2 with another command", v2(command=2)),
    ("v2 with another family", v2(family=0x41)), ("v2 with another protocol", v2(family=0x13)),
    ("v2 too short for its addresses", v2(addresses=bytes(11))),
    ("v2 too short for IPv6", v2(family=0x21)),
    ("v2 with more than 4 KB", v2(tlvs=bytes(4096 - 11))),
]


def configured(endpoint, trusted=("127.0.0.0/8",), **listener):
    configuration = minimal([endpoint.address])
    configuration["listeners"][0] |= {
        "proxy_protocol": True, "trusted_proxies": list(trusted), **listener}
    return configuration


@pytest.fixture(scope="module")
def steelyard(module_stage, endpoint):
    return module_stage.steelyard(configured(endpoint))


def failures(steelyard):
    return steelyard.metrics().value("steelyard_proxy_header_failures_total")


def client_seen(response):
    assert response.status == 200
    return dict((name.lower(), value) for name, value in json.loads(response.content)["fields"])


@pytest.mark.parametrize("header, client", [r[1:] for r in ACCEPTED], ids=[r[0] for r in ACCEPTED])
def test_a_header_says_who_the_client_is(steelyard, header, client):
    """At once, and in as many pieces as chance has it; twice on one connection."""
    for seed in range(3):
        with steelyard.connect() as connection:
            data = header + REQUEST
            chance = random.Random(seed)
            while data:
                cut = len(data) if seed == 0 else chance.choice([1, 5, 40, 1000])
                connection.send(data[:cut])
                data = data[cut:]
            seen = client_seen(connection.read_response())
            assert seen["x-real-ip"] == seen["x-forwarded-for"] == client
            assert client_seen(connection.exchange("GET", "/"))["x-real-ip"] == client


@pytest.mark.parametrize("data", [row[1] for row in REJECTED], ids=[row[0] for row in REJECTED])
def test_without_a_good_header_there_is_no_answer(steelyard, endpoint, data):
    before, reached = failures(steelyard), endpoint.received_byte_count
    with steelyard.connect() as connection:
        connection.send(data + REQUEST)
        assert connection.is_closed()
    assert failures(steelyard) == before + 1
    assert endpoint.received_byte_count == reached


def test_a_header_that_does_not_come_is_not_waited_for(stage, endpoint):
    steelyard = stage.steelyard(configured(endpoint, head_timeout="300ms"))
    with steelyard.connect() as silent, steelyard.connect() as slow:
        slow.send(V1[:20])
        assert silent.is_closed() and slow.is_closed()
    assert failures(steelyard) == 2


def test_only_trusted_proxies_may_connect(stage, endpoint):
    steelyard = stage.steelyard(configured(endpoint, trusted=["10.0.0.0/8"]))
    with steelyard.connect() as connection:
        assert connection.is_closed()
    assert failures(steelyard) == 1
    anybody = stage.steelyard(configured(endpoint, trusted=[]))
    with anybody.connect() as connection:
        connection.send(V1 + REQUEST)
        assert client_seen(connection.read_response())["x-real-ip"] == "203.0.113.7"


def test_fields_are_believed_of_whom_the_header_names(steelyard):
    """The client behind the header is no proxy of ours; a proxy behind it is."""
    fields = b"GET / HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n"
    with steelyard.connect() as connection:
        connection.send(V1 + fields)
        seen = client_seen(connection.read_response())
        assert seen["x-real-ip"] == seen["x-forwarded-for"] == "203.0.113.7"
    with steelyard.connect() as connection:
        connection.send(V1.replace(b"203.0.113.7", b"127.9.9.9") + fields)
        seen = client_seen(connection.read_response())
        assert seen["x-real-ip"] == "192.0.2.9"
        assert seen["x-forwarded-for"] == "192.0.2.9, 127.9.9.9"


# To endpoints.


class HeaderEndpoint(Endpoint):
    """Takes a header off every connection; `headers` has them."""

    def __post_init__(self):
        self.headers = []
        super().__post_init__()

    def _serve(self, accepted):
        with Exchange(self, accepted) as exchange:
            try:
                if exchange.take(1) == b"P":
                    self.headers.append(b"P" + exchange.line() + b"\r\n")
                else:
                    head = b"\r" + exchange.take(15)
                    size = struct.unpack(">H", head[14:])[0]
                    self.headers.append(head + exchange.take(size))
            except wire.Cut:
                return
            while exchange.keeps_alive and exchange.read_request():
                self.answer(exchange)
                exchange.read_content()


def local_port(connection):
    return connection.socket.getsockname()[1]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_endpoint_is_told_who_the_client_is(stage, version):
    endpoint = stage.keep(HeaderEndpoint(text()))
    steelyard = stage.steelyard(minimal([endpoint.address], proxy_protocol=version))
    ports = []
    for _ in range(3):
        with steelyard.connect() as connection:
            ports.append(local_port(connection))
            for _ in range(2):
                assert connection.exchange("POST", "/", content=b"x" * 100).status == 200
    # A connection carries one request: it is nobody else's.
    assert len(endpoint.headers) == endpoint.connection_count == 6
    there = steelyard.address[1]
    expected = []
    for port in ports:
        if version == "v1":
            header = b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (port, there)
        else:
            addresses = socket.inet_aton("127.0.0.1") * 2 + struct.pack(">HH", port, there)
            header = v2(addresses=addresses)
        expected += [header] * 2
    assert endpoint.headers == expected


@pytest.mark.parametrize("header, version, passed", [
    (V1, "v1", V1), (V1, "v2", v2()), (v2(tlvs=b"\x03\x00\x00"), "v1", V1),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 65535 443\r\n", "v2",
     v2(family=0x21, addresses=six("2001:db8::1") + six("2001:db8::2") + b"\xff\xff\x01\xbb")),
    (b"PROXY TCP6 2001:DB8::1 ::ffff:198.51.100.1 1 2\r\n", "v1",
     b"PROXY TCP6 2001:db8::1 ::ffff:198.51.100.1 1 2\r\n"),
])
def test_what_came_in_goes_out(stage, header, version, passed):
    endpoint = stage.keep(HeaderEndpoint(text()))
    configuration = configured(endpoint)
    configuration["pools"]["text"]["proxy_protocol"] = version
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        connection.send(header + REQUEST)
        assert connection.read_response().status == 200
    assert endpoint.headers == [passed]


def test_a_forwarded_client_goes_out_without_a_port(stage):
    """The port is that of the proxy's connection, so it says nothing of the client."""
    endpoint = stage.keep(HeaderEndpoint(text()))
    configuration = minimal([endpoint.address], proxy_protocol="v1")
    configuration["listeners"][0]["trusted_proxies"] = ["127.0.0.1"]
    steelyard = stage.steelyard(configuration)
    assert steelyard.get("/", fields=[("X-Forwarded-For", "203.0.113.7")]).status == 200
    port = steelyard.address[1]
    assert endpoint.headers == [b"PROXY TCP4 203.0.113.7 127.0.0.1 0 %d\r\n" % port]


def test_a_retry_has_its_own_header(stage):
    refused = f"127.0.0.1:{free_port()}"
    endpoint = stage.keep(HeaderEndpoint(text()))
    steelyard = stage.steelyard(minimal([refused, endpoint.address], proxy_protocol="v2"))
    for _ in range(5):
        assert steelyard.get("/").status == 200
    assert len(endpoint.headers) == 5 and len(set(map(len, endpoint.headers))) == 1


@pytest.mark.parametrize("version, header", [
    ("v1", b"PROXY UNKNOWN\r\n"), ("v2", v2(command=0, family=0, addresses=b""))])
def test_probes_and_scrapes_speak_for_themselves(stage, version, header):
    """An endpoint that takes nothing without a header is healthy all the same."""
    endpoint = stage.keep(HeaderEndpoint(text(b'{"load": 0.5}')))
    steelyard = stage.steelyard(minimal(
        [endpoint.address], proxy_protocol=version, health={"interval": "1s", "timeout": "900ms"},
        weights={"scrape": [{"path": "/page", "format": "json", "signals": [
            {"name": "load", "metric": "load", "kind": "gauge"}]}]}))
    wait_for(lambda: steelyard.get("/").status == 200, "the endpoint to be ready")
    wait_for(
        lambda: {"/health", "/page", "/"} <= {request.target for request in endpoint.requests},
        "a probe, a scrape and a request")
    assert header in endpoint.headers
    assert len(set(endpoint.headers)) > 1


# Real programs.


def test_nginx_understands_what_goes_out(stage, tmp_path):
    port = free_port()
    file = tmp_path / "nginx.conf"
    file.write_text(f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off; pid {tmp_path}/nginx.pid; events {{}}
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{port} proxy_protocol;
    location / {{ return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port"; }}
  }}
}}
""")
    nginx = stage.keep(programs.Program("nginx", tmp_path / "room", [
        find("nginx"), "-p", tmp_path, "-c", file, "-e", tmp_path / "error.log"]))
    nginx.wait_for_port("127.0.0.1", port)
    for version in ("v1", "v2"):
        steelyard = stage.steelyard(minimal([f"127.0.0.1:{port}"], proxy_protocol=version))
        with steelyard.connect() as connection:
            expected = f"127.0.0.1 {local_port(connection)} {steelyard.address[1]}"
            assert connection.exchange("GET", "/").content.decode() == expected


@pytest.mark.skipif(not shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"]),
                    reason="HAProxy is installed with the bench tools only")
@pytest.mark.parametrize("keyword", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy_is_understood(stage, tmp_path, endpoint, steelyard, keyword):
    port = free_port()
    file = tmp_path / "haproxy.cfg"
    file.write_text(f"""
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  unique-id-format %ci:%cp
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s {steelyard.address[0]}:{steelyard.address[1]} {keyword}
""")
    haproxy = find("haproxy")
    subprocess.run([haproxy, "-c", "-f", file], check=True, capture_output=True, timeout=30)
    running = stage.keep(programs.Program("haproxy", tmp_path / "room", [haproxy, "-db", "-f", file]))
    running.wait_for_port("127.0.0.1", port)
    before = failures(steelyard)
    client = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.77", 0))
    client.sendall(REQUEST)
    connection = wire.Connection.__new__(wire.Connection)
    connection.socket, connection.buffer = client, b""
    assert client_seen(connection.read_response())["x-real-ip"] == "127.0.0.77"
    client.close()
    assert failures(steelyard) == before
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the end")
