"""How connections and streams of HTTP/2 end: in good order when steelyard stops, is reloaded, or has
had enough of a connection; at once when a client or an endpoint leaves."""

import json
import signal
import socket
import threading

import pytest
from endpoints import Held, echo, text
from frames import (
    CANCEL, INTERNAL_ERROR, NO_ERROR, PREFACE, REFUSED_STREAM, Client, Goaway, frame,
    settings, speaking)
from programs import run_steelyard, wait_for
from waiters import Gate
from wire import accepts

OK = 0
LAST = b"\x7f\xff\xff\xff"


def ended(steelyard, reason):
    return steelyard.metrics().sum(
        "steelyard_http2_connections_ended_total", side="client", reason=reason)


def leaves_in_order(client, streams, let_go):
    """Reads the two GOAWAY, lets the endpoints go on, and reads the answers and the end."""
    client.until(lambda: client.goaways)
    first = client.goaways[0]
    assert first.code == NO_ERROR and first.payload[:4] == LAST
    # The answer to the PING that came along has been sent by now.
    client.until(lambda: len(client.goaways) == 2)
    assert client.goaways[1].code == NO_ERROR
    assert int.from_bytes(client.goaways[1].payload[:4], "big") == max(streams)
    assert not [one for one in streams if client.streams[one].is_over]
    let_go()
    answers = [client.response(one) for one in streams]
    assert client.code_of_end() == NO_ERROR
    return answers


# In good order


def test_sigterm_finishes_the_streams_that_run(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(speaking([gate.endpoint.address]))
    with Client(steelyard.address) as client, Client(steelyard.address) as idle:
        streams = [client.request("GET", f"/{n}") for n in range(20)]
        wait_for(lambda: gate.running == 20, "all to be asked")
        steelyard.send_signal(signal.SIGTERM)
        answers = leaves_in_order(client, streams, gate.open)
        assert [one.content for one in answers] == [b"/%d" % n for n in range(20)]
        assert idle.code_of_end() == NO_ERROR
    assert steelyard.wait() == OK


def test_what_comes_between_the_two_goaways_is_answered(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(speaking([gate.endpoint.address]))
    with Client(steelyard.address) as client:
        first = client.request("GET", "/first")
        wait_for(lambda: gate.running == 1, "it to be asked")
        steelyard.send_signal(signal.SIGTERM)
        wait_for(lambda: not accepts(steelyard.address), "the listener to close")
        # Sent before the client reads of the end.
        second = client.request("GET", "/second")
        gate.open()
        assert client.response(first).content == b"/first"
        assert client.response(second).content == b"/second"
        assert client.code_of_end() == NO_ERROR
    assert steelyard.wait() == OK


def test_what_comes_after_the_last_goaway_is_refused(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(speaking([gate.endpoint.address]))
    with Client(steelyard.address) as client:
        first = client.request("GET", "/first")
        wait_for(lambda: gate.running == 1, "it to be asked")
        steelyard.send_signal(signal.SIGTERM)
        client.until(lambda: len(client.goaways) == 2)
        late = client.request("GET", "/late")
        client.ping()
        gate.open()
        assert client.response(first).content == b"/first"
        try:
            client.code_of_end()
        except Goaway:
            pass
        # It is reset, or never answered: its number is above the last.
        assert client.streams[late].head is None
        assert client.streams[late].reset in (None, REFUSED_STREAM)
    assert gate.order == ["/first"]


def test_sigterm_cuts_what_does_not_end_in_time(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(
        speaking([gate.endpoint.address]) | {"shutdown_timeout": "500ms"})
    with Client(steelyard.address) as client:
        client.request()
        wait_for(lambda: gate.running == 1, "it to be asked")
        steelyard.send_signal(signal.SIGTERM)
        assert steelyard.wait(20) == OK
        assert client.code_of_end() is not None
    gate.open()


def test_a_reload_that_takes_the_listener_finishes_its_streams(stage):
    gate = Gate(stage)
    configuration = speaking([gate.endpoint.address])
    second = {**configuration["listeners"][0], "listen": "127.0.0.2:0"}
    steelyard = stage.steelyard({
        **configuration, "listeners": [*configuration["listeners"], second]})
    address = steelyard.addresses[0]
    with Client(address) as client:
        streams = [client.request("GET", f"/{n}") for n in range(5)]
        wait_for(lambda: gate.running == 5, "all to be asked")
        steelyard.write({**configuration, "listeners": [second]})
        assert steelyard.reload().returncode == OK
        answers = leaves_in_order(client, streams, gate.open)
        assert [one.status for one in answers] == [200] * 5
    wait_for(lambda: not accepts(address), "the listener to close")
    with Client(steelyard.addresses[1]) as client:
        assert client.exchange().status == 200


def test_a_reload_that_keeps_the_listener_keeps_its_connections(stage):
    held = Held()
    first, second = stage.endpoint(held), stage.endpoint(text(b"second"))
    configuration = speaking([first.address])
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address) as client:
        stream = client.request()
        assert held.begun.wait(30)
        assert steelyard.reload(speaking([second.address])).returncode == OK
        assert client.exchange().content == b"second"
        held.release.set()
        assert client.response(stream).content == b"first second"
        assert not client.goaways


def test_a_connection_is_renewed_after_its_requests(stage, endpoint):
    steelyard = stage.steelyard(speaking([endpoint.address], {"max_requests": 10}))
    with Client(steelyard.address) as client:
        count = 0
        with pytest.raises(Goaway) as end:
            for _ in range(100):
                assert client.exchange().status == 200
                count += 1
        assert end.value.code == NO_ERROR and 10 <= count < 100
    wait_for(lambda: ended(steelyard, "max_requests") == 1, "the reason")


def test_a_connection_is_renewed_when_it_is_old(stage, endpoint):
    steelyard = stage.steelyard(speaking([endpoint.address], {"max_age": "1s"}))
    with Client(steelyard.address) as client:
        with pytest.raises(Goaway) as end:
            while True:
                assert client.exchange().status == 200
        assert end.value.code == NO_ERROR
    wait_for(lambda: ended(steelyard, "max_age") == 1, "the reason")


def test_an_idle_connection_is_ended(stage, endpoint):
    configuration = speaking([endpoint.address])
    configuration["listeners"][0]["idle_timeout"] = "300ms"
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address) as silent, Client(steelyard.address) as client:
        assert client.exchange().status == 200
        assert silent.code_of_end() == NO_ERROR
        assert client.code_of_end() == NO_ERROR
    wait_for(lambda: ended(steelyard, "idle") == 2, "the reason")


def test_a_connection_with_a_stream_is_not_idle(stage):
    gate = Gate(stage)
    configuration = speaking([gate.endpoint.address])
    configuration["listeners"][0]["idle_timeout"] = "200ms"
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address) as client, Client(steelyard.address) as silent:
        stream = client.request()
        # Twice as long as it could be idle.
        assert silent.code_of_end() == NO_ERROR
        with Client(steelyard.address) as another:
            another.code_of_end()
        assert not client.goaways
        gate.open()
        assert client.response(stream).status == 200


PARTS = {
    "half a preface": PREFACE[:10], "no settings": PREFACE,
    "half a frame": PREFACE + settings() + b"\0\0\x10\x01",
    "half a head": PREFACE + settings() + frame(1, 0, 1, b"\x82"),
    "half a frame of settings": PREFACE + frame(4, 0, 0, b"\0\x03\0\0", length=6)}


@pytest.mark.parametrize("name", PARTS)
def test_who_begins_and_does_not_go_on_is_not_kept(stage, endpoint, name):
    configuration = speaking([endpoint.address])
    configuration["listeners"][0] |= {"head_timeout": "300ms", "idle_timeout": "60s"}
    steelyard = stage.steelyard(configuration)
    with Client(steelyard.address, greets=False) as client:
        client.send(PARTS[name])
        client.code_of_end()
    wait_for(lambda: steelyard.metrics().value("steelyard_connections_open") == 0, "no connection")


# At once


def test_a_reset_by_the_client_ends_the_exchange(stage):
    gone = threading.Event()

    def answer(exchange):
        exchange.read_content()
        if exchange.request.target == "/held":
            exchange.begin_chunked()
            # The end of the connection, which is how HTTP/1 cancels.
            exchange.socket.settimeout(30)
            assert exchange.socket.recv(1) == b""
            gone.set()
        else:
            exchange.answer(b"ok")

    steelyard = stage.steelyard(speaking([stage.endpoint(answer).address]))
    with Client(steelyard.address) as client:
        stream = client.request("GET", "/held")
        client.until(lambda: client.streams[stream].head)
        client.reset(stream, CANCEL)
        assert gone.wait(30)
        assert client.exchange().content == b"ok"
        wait_for(lambda: steelyard.metrics().sum(
            "steelyard_requests_total", code="canceled") == 1, "the count")
        wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the lease")
        resets = steelyard.metrics().value(
            "steelyard_http2_stream_resets_total", side="client", reason="peer")
        assert resets == 1


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nrubbish\r\n"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_an_endpoint_that_breaks_off_resets_the_stream(stage, head, is_cut):
    def answer(exchange):
        exchange.read_content()
        if exchange.request.target != "/broken":
            echo(exchange)
            return
        exchange.send(head)
        if is_cut:
            exchange.socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        exchange.keeps_alive = False

    steelyard = stage.steelyard(speaking([stage.endpoint(answer).address]))
    with Client(steelyard.address) as client:
        for _ in range(10):
            stream = client.finish(client.request("GET", "/broken"))
            # A reset may overtake what came before it.
            assert stream.reset == INTERNAL_ERROR or stream.status == 502 and stream.reset is None
            assert client.exchange().status == 200
        assert not client.goaways


def test_an_endpoint_that_dies_is_repeated_elsewhere(stage):
    def cut(exchange):
        exchange.read_content()
        exchange.keeps_alive = False

    bad, good = stage.endpoint(cut), stage.endpoint(text(b"good"))
    steelyard = stage.steelyard(speaking(
        [bad.address, good.address], ejection={"max_fails": 0},
        retries={"budget": {"ratio": 1, "per_second": 100}}))
    with Client(steelyard.address) as client:
        for _ in range(20):
            assert client.exchange().content == b"good"


def test_time_outs_are_answers(stage):
    gate = Gate(stage)
    steelyard = stage.steelyard(speaking(
        [gate.endpoint.address], timeouts={"first_byte": "300ms"}, retries={"max": 0},
        watchdog="none"))
    with Client(steelyard.address) as client:
        assert client.exchange().status == 504
        assert not client.goaways
    gate.open()


def test_weights_and_drain_change_while_streams_run(stage):
    gates = [Gate(stage) for _ in range(3)]
    addresses = [one.endpoint.address for one in gates]
    steelyard = stage.steelyard(speaking(addresses, weights={"law": "static"}))
    host, port = steelyard.admin

    def command(*words):
        done = run_steelyard(*words, "--admin", f"{host}:{port}")
        assert done.returncode == OK, done.stderr

    with Client(steelyard.address) as client:
        streams = [client.request("GET", f"/{n}") for n in range(60)]
        wait_for(lambda: sum(one.running for one in gates) == 60, "all to be asked")
        assert [one.running for one in gates] == [20, 20, 20]
        command("drain", addresses[0])
        wait_for(lambda: steelyard.metrics().sum(
            "steelyard_endpoint_eligibility", state="draining") == 1, "it to be drained")
        more = [client.request("GET", f"/{n}") for n in range(60, 90)]
        wait_for(lambda: sum(one.running for one in gates) == 90, "more to be asked")
        assert [one.running for one in gates] == [20, 35, 35]
        for one in gates:
            one.open()
        for number, stream in enumerate([*streams, *more]):
            assert client.response(stream).content == b"/%d" % number
        assert not client.goaways


def test_a_client_may_close_at_any_byte(stage, endpoint):
    steelyard = stage.steelyard(speaking([endpoint.address]))
    with Client(steelyard.address, greets=False) as client:
        sent = PREFACE + settings({3: 5}) + frame(8, 0, 0, b"\0\1\0\0")
        sent += frame(1, 4, 1, client.block(client.fields("POST"))) + frame(0, 1, 1, b"content")
    for place in range(len(sent)):
        with Client(steelyard.address, greets=False) as client:
            client.send(sent[:place])
            if place % 2:
                client.wire.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    wait_for(lambda: steelyard.metrics().value("steelyard_connections_open") <= 1, "no client")
    with Client(steelyard.address) as client:
        assert json.loads(client.exchange().content)["target"] == "/"


