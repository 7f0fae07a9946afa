"""Plain proxying through three real nginx: what goes in comes out, whatever the framing."""

import os
import random
from pathlib import Path

import pytest
from conftest import minimal
from programs import wait_for
from wire import Cut

TEN = random.Random(1).randbytes(10 << 20)
LABELS = {"n1", "n2", "n3"}


@pytest.fixture(scope="module")
def fleet(module_stage):
    return [module_stage.nginx(f"127.0.0.{n}", label=f"n{n}") for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def steelyard(module_stage, fleet):
    for nginx in fleet:
        contents = {"ten.bin": TEN, "page.html": b'<!--#echo var="request_method" -->' * 500}
        contents |= {f"{n}.txt": b"%d" % n * n for n in range(1, 41)}
        for name, content in contents.items():
            file = nginx.files / name
            file.write_bytes(content)
            os.utime(file, (1_700_000_000, 1_700_000_000))
    return module_stage.steelyard(minimal([nginx.address for nginx in fleet]))


def test_every_endpoint_answers_and_says_so(steelyard):
    seen = set()
    for _ in range(60):
        response = steelyard.get("/hello")
        assert response.status == 200
        seen.add(response.one("X-Endpoint"))
        assert response.content == b"hello from %b\n" % response.one("X-Endpoint").encode()
    assert seen == LABELS


def test_a_connection_serves_a_hundred_exchanges(steelyard):
    with steelyard.connect() as connection:
        for n in range(100):
            response = connection.exchange("GET", f"/{n % 40 + 1}.txt")
            assert response.content == b"%d" % (n % 40 + 1) * (n % 40 + 1)


def test_close_is_honoured(steelyard):
    with steelyard.connect() as connection:
        response = connection.exchange("GET", "/hello", fields=[("Connection", "close")])
        assert response.status == 200 and response.one("Connection") == "close"
        assert connection.is_closed()


def test_head_has_the_length_and_no_content(steelyard):
    with steelyard.connect() as connection:
        response = connection.exchange("HEAD", "/ten.bin")
        assert response.status == 200 and response.one("Content-Length") == str(len(TEN))
        assert connection.exchange("GET", "/1.txt").content == b"1"


@pytest.mark.parametrize("target, status", [
    ("/nothing", 204), ("/moved", 301), ("/absent", 404), ("/teapot", 418)])
def test_statuses_of_endpoints_pass(steelyard, target, status):
    with steelyard.connect() as connection:
        response = connection.exchange("GET", target)
        assert response.status == status and response.one("X-Endpoint") in LABELS
        assert connection.exchange("GET", "/2.txt").content == b"22"


def test_not_modified_ends_at_its_head(steelyard):
    with steelyard.connect() as connection:
        tag = connection.exchange("GET", "/ten.bin").one("ETag")
        response = connection.exchange("GET", "/ten.bin", fields=[("If-None-Match", tag)])
        assert response.status == 304 and response.one("ETag") == tag
        assert connection.exchange("GET", "/3.txt").content == b"333"


def test_a_range_passes(steelyard):
    response = steelyard.get("/ten.bin", fields=[("Range", "bytes=1000000-1000999")])
    assert response.status == 206
    assert response.content == TEN[1_000_000:1_001_000]


def test_ten_megabytes_down_are_the_same_bytes(steelyard):
    assert steelyard.get("/ten.bin").content == TEN


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_ten_megabytes_up_are_the_same_bytes(steelyard, fleet, framing):
    target = f"/uploads/{framing}.bin"
    with steelyard.connect() as connection:
        if framing == "length":
            response = connection.exchange("PUT", target, content=TEN)
        else:
            sizes = [1, 15, 16, 17, 4095, 65536, 100_000]
            chunks, offset, n = [], 0, 0
            while offset < len(TEN):
                chunks.append(TEN[offset:offset + sizes[n % len(sizes)]])
                offset, n = offset + len(chunks[-1]), n + 1
            response = connection.exchange("PUT", target, chunks=chunks)
        assert response.status == 201
        assert connection.exchange("GET", "/1.txt").status == 200
    files = [Path(nginx.files) / target[1:] for nginx in fleet]
    stored = [file.read_bytes() for file in files if file.exists()]
    assert len(stored) == 1 and stored[0] == TEN


def test_a_chunked_response_keeps_its_content(steelyard):
    response = steelyard.get("/page.html")
    assert response.one("Transfer-Encoding") == "chunked"
    assert response.content == b"GET" * 500


def test_http_1_0_gets_no_chunks_and_a_closed_connection(steelyard):
    for host in ("test.example", None):
        with steelyard.connect() as connection:
            connection.send_request("GET", "/page.html", version="1.0", host=host)
            response = connection.read_response()
            assert response.status == 200 and response.one("Transfer-Encoding") is None
            assert response.content == b"GET" * 500
            assert connection.is_closed()


def test_http_1_0_may_ask_for_keep_alive(steelyard):
    with steelyard.connect() as connection:
        for n in (4, 5):
            connection.send_request(
                "GET", f"/{n}.txt", version="1.0", fields=[("Connection", "keep-alive")])
            response = connection.read_response()
            assert response.content == b"%d" % n * n
            assert response.one("Connection").lower() == "keep-alive"


def test_pipelined_requests_are_answered_in_order(steelyard):
    order = list(range(1, 41))
    random.Random(2).shuffle(order)
    with steelyard.connect() as connection:
        connection.send(b"".join(
            b"GET /%d.txt HTTP/1.1\r\nHost: test.example\r\n\r\n" % n for n in order))
        for n in order:
            assert connection.read_response().content == b"%d" % n * n


def test_a_head_may_come_byte_by_byte(steelyard):
    with steelyard.connect() as connection:
        for byte in b"GET /6.txt HTTP/1.1\r\nHost: test.example\r\nX-Pad: abc\r\n\r\n":
            connection.send(bytes([byte]))
        assert connection.read_response().content == b"6" * 6


def test_a_client_that_leaves_takes_its_exchange_along(steelyard):
    connection = steelyard.connect()
    connection.send_request("GET", "/ten.bin")
    connection.receive()
    connection.close()
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0,
        "the lease to end with its client")
    assert steelyard.get("/1.txt").status == 200


def test_a_request_cut_in_the_middle_is_not_answered_as_whole(steelyard, fleet):
    with steelyard.connect() as connection:
        connection.send(
            b"PUT /uploads/cut.bin HTTP/1.1\r\nHost: test.example\r\n"
            b"Content-Length: 1000\r\n\r\n" + b"x" * 500)
        connection.socket.shutdown(1)
        try:
            assert connection.read_response().status >= 400
        except (Cut, ConnectionError):
            pass
    assert not any((nginx.files / "uploads/cut.bin").exists() for nginx in fleet)


def test_requests_are_counted_by_endpoint_code_and_method(steelyard):
    def count(**labels):
        return steelyard.metrics().sum("steelyard_requests_total", pool="text", **labels)

    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "silence")
    before = {code: count(code=code, method="GET") for code in ("2xx", "3xx", "4xx")}
    observed = steelyard.metrics().sum("steelyard_request_duration_seconds_count", pool="text")
    for target in ["/hello"] * 7 + ["/moved"] * 3 + ["/absent"] * 2:
        steelyard.get(target)
    # A client may have its answer a moment before the worker has counted it.
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_request_duration_seconds_count", pool="text") == observed + 12, "the last one")
    assert count(code="2xx", method="GET") == before["2xx"] + 7
    assert count(code="3xx", method="GET") == before["3xx"] + 3
    assert count(code="4xx", method="GET") == before["4xx"] + 2
    assert len(steelyard.metrics().by_endpoint("steelyard_endpoint_weight")) == 3
