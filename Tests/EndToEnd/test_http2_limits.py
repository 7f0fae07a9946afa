"""Limits of connections of HTTP/2 on both sides, and what their ends say: breakers, requests of a
connection, reasons of failures, late answers, endpoints that leave, peers that do not read."""

import socket
import subprocess
import threading
import time

import endpoints
import pytest
from endpoints import text
from frames import (
    DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, INTERNAL_ERROR,
    MAX_CONCURRENT_STREAMS, NO_ERROR, Client, Goaway, frame, speaking)
from multiplexed import echo
from programs import find, wait_for
from upstreams import Holding, ask, endpoint, secured, steelyard_of
from wire import Connection

assert ask  # a fixture

# Longer than frames for a closed stream are expected.
LATE_SECONDS = 6


# Connections to endpoints


def test_a_breaker_of_connections_counts_connections_and_not_requests(stage):
    holding = Holding()
    one = endpoint(stage, holding)
    steelyard = steelyard_of(stage, one, breakers={"max_connections": 1})
    with Client(steelyard.address) as client:
        streams = [client.request("GET", f"/{n}") for n in range(30)]
        wait_for(lambda: sum(holding.held.values()) == 30, "all to be asked")
        holding.release.set()
        assert {client.response(stream).status for stream in streams} == {200}
        assert client.exchange().status == 200
    assert one.connection_count == 1


def test_a_breaker_of_connections_opens_when_their_streams_are_used_up(stage):
    holding = Holding()
    one = endpoint(stage, holding)
    steelyard = steelyard_of(
        stage, one, breakers={"max_connections": 1}, keepalive={"streams": 5}, retries={"max": 0})
    with Client(steelyard.address) as client:
        streams = [client.request("GET", f"/{n}") for n in range(5)]
        wait_for(lambda: sum(holding.held.values()) == 5, "all to be asked")
        assert client.exchange("GET", "/more").status == 503
        holding.release.set()
        assert {client.response(stream).status for stream in streams} == {200}
        assert client.exchange().status == 200
    assert one.connection_count == 1


def test_a_connection_carries_so_many_requests_and_no_more(stage, ask):
    one = endpoint(stage, echo)
    steelyard = steelyard_of(stage, one, keepalive={"requests": 5})
    for _ in range(20):
        assert ask(steelyard).status == 200
    assert one.connection_count == 4


def test_one_stream_at_a_time_needs_no_more_than_two_connections(stage):
    one = endpoint(stage, echo, settings={MAX_CONCURRENT_STREAMS: 1})
    steelyard = steelyard_of(stage, one)
    with Client(steelyard.address) as client:
        for _ in range(30):
            assert client.exchange().status == 200
    assert one.connection_count <= 2


def test_a_connection_to_an_endpoint_that_leaves_is_ended(stage):
    holding = Holding()
    leaving, staying = endpoint(stage, holding), endpoint(stage, text(b"stays"))
    configuration = speaking(
        [leaving.address, staying.address], protocol="http2", weights={"law": "static"},
        balance="round_robin", keepalive={"idle": "60s"})
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address) as client:
        streams = [client.request("GET", f"/{n}") for n in range(4)]
        wait_for(lambda: sum(holding.held.values()) == 2, "two to be asked")
        configuration["pools"]["text"]["endpoints"] = [staying.address]
        steelyard.reload(configuration)
        for _ in range(5):
            assert client.exchange().content == b"stays"
        holding.release.set()
        assert {client.response(stream).status for stream in streams} == {200}
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_http2_connections_ended_total", side="endpoint", reason="shutdown") == 1,
        "the connection's end")


# Reasons


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_an_endpoint_of_http_1_fails_with_that_reason(stage, ask, certificates, is_secure):
    wrap = secured(certificates, ["http/1.1"]) if is_secure else None
    one = stage.keep(endpoints.Endpoint(endpoints.echo, wrap=wrap))
    tls = {"tls": {"ca": certificates.ca, "server_name": "localhost"}} if is_secure else {}
    steelyard = stage.steelyard(speaking(
        [one.address], protocol="http2", retries={"max": 0}, **tls))
    assert ask(steelyard).status == 502
    (event, *_) = wait_for(lambda: steelyard.events("attempt failed"), "the line")
    assert event["reason"] == "not_http2", event
    # It is a failure like a refused connection: the endpoint is given a rest.
    wait_for(lambda: ask(steelyard) and steelyard.events("endpoint ejected"), "its ejection")


def test_a_certificate_that_is_not_trusted_is_the_reason(stage, ask, certificates):
    one = endpoint(stage, echo, wrap=secured(certificates, ["h2"]))
    steelyard = steelyard_of(
        stage, one, tls={"ca": certificates.ca, "server_name": "other.test"},
        retries={"max": 0}, ejection={"max_fails": 0})
    for _ in range(3):
        assert ask(steelyard).status == 502
    (event, *_) = wait_for(lambda: steelyard.events("attempt failed"), "the line")
    assert event["reason"] == "tls_wrong_name", event


def test_short_memory_is_no_invitation_to_repeat(stage):
    """REFUSED_STREAM says that nobody has seen the request; these were answered."""
    configuration = speaking([stage.endpoint(text(bytes(1_000_000))).address])
    configuration["limits"] = {"buffered_bytes": "1MiB"}
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: 0}) as client:
        streams = [client.request("GET", f"/{n}") for n in range(100)]
        client.until(
            lambda: sum(client.streams[one].reset is not None for one in streams) >= 10)
        assert {client.streams[one].reset for one in streams} <= {None, INTERNAL_ERROR}
    assert steelyard.metrics().value("steelyard_buffer_cuts_total") > 0


# Frames that come late


def test_a_late_answer_to_a_request_that_was_given_up_harms_no_other(stage):
    """An endpoint that stood still and answers six seconds after it was told not to."""
    slow = threading.Event()

    def answer(exchange):
        if exchange.request.target == "/hang":
            exchange.link.wait(lambda: exchange.reset is not None)
            time.sleep(LATE_SECONDS)
            # The h2 package knows that the stream was reset, and would not send on it.
            exchange.link.raw(
                frame(HEADERS, END_HEADERS, exchange.stream, b"\x88")
                + frame(DATA, END_STREAM, exchange.stream, b"late"))
            late.set()
            return
        if exchange.request.target == "/slow":
            slow.wait(60)
        echo(exchange)

    late = threading.Event()
    one = endpoint(stage, answer)
    steelyard = steelyard_of(stage, one, watchdog="none")
    with Client(steelyard.address) as client, Client(steelyard.address) as hasty:
        hanging = hasty.request("GET", "/hang")
        wait_for(lambda: one.connection_count == 1, "the connection")
        running = client.request("GET", "/slow")
        hasty.reset(hanging)
        hasty.ping()
        assert late.wait(60)
        assert client.exchange().status == 200
        slow.set()
        assert client.response(running).status == 200
    assert one.connection_count == 1


# Clients


@pytest.mark.parametrize("target, status", [("/absent", 404), ("/small", 413), ("/dead", 502)])
def test_an_early_answer_reaches_a_client_that_is_still_sending(stage, tmp_path, target, status):
    file = tmp_path / "content"
    file.write_bytes(bytes(20_000_000))
    one = stage.endpoint(endpoints.echo)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        dead = f"127.0.0.1:{unused.getsockname()[1]}"
    configuration = speaking([one.address])
    configuration["pools"]["dead"] = {"endpoints": [dead]}
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "http2": True, "routes": [
        {"match": {"path": "/small"}, "pool": "text", "body_bytes": 1000},
        {"match": {"path": "/dead"}, "pool": "dead"}]}
    steelyard = stage.steelyard(configuration)
    for _ in range(5):
        done = subprocess.run(
            [find("curl"), "-sS", "--http2-prior-knowledge", "-H", "Expect:", "-m", "30",
             "--data-binary", f"@{file}", "-o", "/dev/null", "-w", "%{http_code}",
             steelyard.url + target], capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.returncode) == (str(status), 0), done.stderr


def test_a_client_that_never_ends_its_content_is_ended(stage):
    configuration = speaking([stage.endpoint(endpoints.echo).address])
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "http2": True, "routes": [
        {"match": {"path": "/there"}, "pool": "text"}]}
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address) as client:
        stream = client.headers(client.fields("POST", "/absent"), ends=False)
        client.until(lambda: client.streams[stream].reset is not None)
        assert client.streams[stream].status == 404
        assert client.streams[stream].reset == NO_ERROR
        assert client.exchange("GET", "/there").status == 200


def test_a_frame_that_never_comes_whole_ends_the_connection_whatever_else_runs(stage):
    """Streams that begin and end meanwhile give it no more time."""
    holding = Holding()
    configuration = speaking([endpoint(stage, holding).address], protocol="http2")
    configuration["listeners"][0]["head_timeout"] = "1s"
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address) as client:
        client.request()
        wait_for(lambda: sum(holding.held.values()) == 1, "the request")
        # The head of a frame of an unknown type. What the client sends later is its payload.
        client.send(b"\0\x3e\x80\xff\0\0\0\0\0")
        holding.release.set()
        with pytest.raises(Goaway) as end:
            while True:
                client.read()
        assert end.value.code == NO_ERROR
    wait_for(lambda: steelyard.metrics().sum(
        "steelyard_http2_connections_ended_total", side="client", reason="head_timeout") == 1,
        "the count")


def test_who_asks_and_never_reads_is_ended(stage):
    """CVE-2019-9517 without content: heads alone fill the buffers."""
    configuration = speaking([stage.endpoint(endpoints.echo).address])
    configuration["listeners"][0]["send_timeout"] = "1s"
    configuration["listeners"][0]["routes"] = [
        {"match": {"path": "/fixed"}, "respond": {"status": 200, "body": "x"}}]
    del configuration["listeners"][0]["pool"]
    steelyard = stage.steelyard(configuration)
    memory = steelyard.rss_bytes()
    with Client(steelyard.address) as client:
        client.wire.socket.settimeout(5)
        block = client.block(client.fields("HEAD", "/fixed"))
        again = client.block(client.fields("HEAD", "/fixed"))
        requests = b""
        for number in range(1, 400_000, 2):
            requests += frame(
                HEADERS, END_HEADERS | END_STREAM, number, block if number == 1 else again)
            if len(requests) > 60_000:
                try:
                    client.wire.socket.sendall(requests)
                except OSError:
                    break
                requests = b""
        wait_for(lambda: steelyard.metrics().sum(
            "steelyard_http2_connections_ended_total", side="client",
            reason="unread_flood") == 1, "the connection's end")
    assert steelyard.rss_max_bytes() < memory + (16 << 20)
    with Client(steelyard.address) as client:
        assert client.exchange("GET", "/fixed").status == 200
