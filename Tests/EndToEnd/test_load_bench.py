"""The load generator: what it says of proxies has to be true, so it is measured itself."""

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import threading
from pathlib import Path

import programs
import pytest
import wire
from conftest import minimal

BINARY = Path(os.environ.get("LOAD_BENCH", programs.BINARY.parent / "load-bench")).resolve()
LIMIT = 60


class Child:
    """`load-bench` with pipes; every line that it prints is JSON."""

    def __init__(self, *arguments):
        if not BINARY.exists():
            pytest.skip(f"{BINARY} is missing: make test builds it")
        self.process = subprocess.Popen(
            [str(BINARY), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=programs._prepare_child)
        self.ready = self.line()

    def line(self):
        timer = threading.Timer(LIMIT, self.process.kill)
        timer.start()
        try:
            return json.loads(self.process.stdout.readline())
        finally:
            timer.cancel()

    def order(self, text):
        """The order's lines, the last one is the result."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        lines = [self.line()]
        while lines[-1] == {"measuring": True}:
            lines.append(self.line())
        return lines

    def stop(self):
        self.process.kill()
        self.process.wait(LIMIT)
        self.process.stdin.close()
        self.process.stdout.close()


def connect(address):
    host, port = address.split(":")
    return wire.Connection((host, int(port)), timeout=30)


@pytest.fixture
def load(stage):
    return stage.keep(Child("load", "--endpoints", "2"))


@pytest.fixture
def endpoint(load):
    return load.ready["endpoints"][0]


@pytest.mark.parametrize("size", [0, 1, 1024, 65536, 65537, 3_000_000])
def test_endpoints_answer_with_so_many_bytes(endpoint, size):
    with connect(endpoint) as connection:
        for _ in range(2):
            answer = connection.exchange("GET", f"/bytes/{size}")
            assert answer.status == 200 and answer.content == b"x" * size
        fields = connection.exchange("GET", f"/bytes/{size}?fields=1").fields
        assert len(fields) == 11 and dict(fields)["Vary"] == "Origin, Accept-Encoding"


def test_endpoints_read_content_however_it_is_framed(endpoint):
    with connect(endpoint) as connection:
        for options in [{"content": b"y" * 200_000}, {"chunks": [b"a" * 70_000, b"b"]}]:
            assert connection.exchange("POST", "/bytes/5", **options).content == b"xxxxx"
        assert connection.exchange("GET", "/nothing").status == 404
        assert connection.exchange("HEAD", "/bytes/5").one("Content-Length") == "5"
        for byte in b"GET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\n":
            connection.send(bytes([byte]))
        assert connection.read_response().content == b"xxx"
        last = connection.exchange("GET", "/bytes/3", fields=[("Connection", "close")])
        assert last.one("Connection") == "close" and connection.is_closed()


@pytest.mark.parametrize("text", [
    b"GET\r\n\r\n", b"\x16\x03\x01" + b"\0" * 40, b"GET /bytes/1 HTTP/1.1\r\n" + b"a: b\r\n" * 9000,
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"])
def test_endpoints_close_on_what_is_no_request(endpoint, text):
    with connect(endpoint) as connection:
        try:
            connection.send(text)
            assert connection.is_closed()
        except OSError:
            pass
    with connect(endpoint) as connection:
        assert connection.exchange("GET", "/bytes/1").status == 200


def test_the_metrics_page_feeds_the_capacity_law(stage, load):
    steelyard = stage.steelyard(minimal(load.ready["endpoints"], weights={
        "law": "capacity", "interval": "0.2s", "scrape": [{"preset": "vllm"}]}))

    def scraped():
        page = steelyard.admin_get("/metrics").content.decode()
        found = [line for line in page.splitlines() if line.startswith("steelyard_signal_value")
                 or line.startswith("steelyard_signal{") or "kv_cache" in line]
        return any(line.endswith(" 0.1") for line in found)

    programs.wait_for(scraped, "the endpoints' kv_cache of 0.1")


@pytest.mark.parametrize("options", [
    "connections=4", "connections=4 fields=1", "connections=3 upload=200000", "connections=4 fresh=1",
    "connections=4 rate=300", "connections=4 rate=200 fresh=1", "connections=2 path=/bytes/2000000"])
@pytest.mark.parametrize("through", ["endpoint", "relay", "steelyard"])
def test_requests_are_answered_without_errors(stage, load, options, through):
    to = load.ready["endpoints"][0]
    if through == "relay":
        relay = stage.keep(
            Child("relay", "--listen", "127.0.0.1:0", "--to", ",".join(load.ready["endpoints"])))
        to = relay.ready["listen"]
    elif through == "steelyard":
        steelyard = stage.steelyard(minimal(load.ready["endpoints"]))
        to = "%s:%d" % steelyard.address
    first, result = load.order(f"drive to={to} seconds=0.4 warmup=0.1 {options}")
    assert first == {"measuring": True}
    assert result["errors"] == 0 and result["error_kinds"] == {} and result["requests"] > 10
    assert result["requests_per_second"] == pytest.approx(result["requests"] / result["seconds"], 1e-3)
    latency = result["latency_us"]
    order = [latency[key] for key in ("p50", "p90", "p99", "p99.9", "max")]
    assert 0 < order[0] and order == sorted(order)
    assert result["outstanding"] <= 4


def test_an_open_loop_counts_the_wait_for_a_connection(stage, load):
    """Twice as many arrivals as one connection can take: the wait grows, and is not hidden."""
    slow = threading.Event()

    def answer(exchange):
        exchange.read_content()
        slow.wait(0.02)
        exchange.answer(b"ok")

    endpoint = stage.endpoint(answer)
    result = load.order(
        f"drive to={endpoint.address} connections=1 rate=100 seconds=1.5 warmup=0")[-1]
    assert result["errors"] == 0 and result["requests"] < 80
    assert result["latency_us"]["max"] > 300_000 and result["backlog_ms"] > 300


@pytest.mark.parametrize("kind", ["status_503", "cut", "malformed"])
def test_each_kind_of_error_is_counted(stage, load, kind):
    def answer(exchange):
        exchange.read_content()
        if kind == "status_503":
            exchange.answer(b"no", status=503)
        elif kind == "cut":
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            exchange.keeps_alive = False
        else:
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab")

    endpoint = stage.endpoint(answer)
    result = load.order(f"drive to={endpoint.address} connections=2 seconds=0.3 warmup=0")[-1]
    assert set(result["error_kinds"]) == {kind}
    assert result["errors"] == result["error_kinds"][kind] > 0 and result["requests"] == 0


def test_streams_are_whole(load, stage):
    steelyard = stage.steelyard(minimal(load.ready["endpoints"]))
    for to in (load.ready["endpoints"][1], "%s:%d" % steelyard.address):
        result = load.order(
            f"stream to={to} streams=40 tokens=30 interval_ms=20 ramp_seconds=0.1")[-1]
        assert result["errors"] == 0 and result["streams"] == 40
        assert result["tokens_all"] == result["tokens_expected"] == 1200
        assert 0 < result["tokens"] <= 1200 and result["delay_us"]["p50"] > 0


def test_idle_connections_stay_until_they_are_closed(load, stage):
    steelyard = stage.steelyard(minimal(load.ready["endpoints"]))
    to = "%s:%d" % steelyard.address
    assert load.order(f"idle to={to} connections=500") == [{"idle": 500, "lost": 0}]
    assert load.order(f"drive to={to} connections=2 seconds=0.2")[-1]["errors"] == 0
    assert load.order("close") == [{"closed": 500, "lost": 0}]


def test_a_wrong_order_is_said_and_the_next_one_runs(load, endpoint):
    assert "needs to=" in load.order("drive")[0]["error"]
    assert "no order" in load.order("dance")[0]["error"]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        refused = load.order(f"drive to=127.0.0.1:{port} connections=2")[0]["error"]
    assert refused == "0 of 2 connections came up in 10 s: Connection refused"
    assert load.order(f"drive to={endpoint} connections=1 seconds=0.1")[-1]["errors"] == 0
    load.process.stdin.close()
    assert load.process.wait(LIMIT) == 0


def test_the_relay_changes_nothing(stage):
    """Random bytes both ways, slowly taken, so that they wait at every place where they can."""
    content = random.Random(5).randbytes(9_000_000)

    def answer(exchange):
        got = exchange.read_content()
        exchange.answer(hashlib.sha256(got).hexdigest().encode() + content)

    endpoint = stage.endpoint(answer)
    relay = stage.keep(Child("relay", "--listen", "127.0.0.1:0", "--to", endpoint.address))
    with connect(relay.ready["listen"]) as connection:
        for part in (10, 70_000, 9_000_000):
            back = connection.exchange("POST", "/", content=content[:part]).content
            assert back[:64] == hashlib.sha256(content[:part]).hexdigest().encode()
            assert back[64:] == content
    relay.process.send_signal(signal.SIGTERM)
    assert relay.process.wait(LIMIT) == -signal.SIGTERM
