"""gRPC through steelyard: real clients and servers (grpcio, grpcurl), calls of all kinds, each call
balanced by itself, outcomes that are gRPC statuses."""

import json
import subprocess
import threading
import time
from collections import Counter
from urllib.parse import quote

import grpcs
import pytest
import wire
from frames import CANCEL, Client, speaking
from grpcs import Channel, Server, code_of, failure, grpc, metadata, serving
from multiplexed import Multiplexed
from packages import TOOLS
from programs import run_steelyard, wait_for

OK = 0
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def servers(module_stage):
    return [module_stage.keep(Server(name)) for name in grpcs.NAMES]


@pytest.fixture(scope="module")
def steelyard(module_stage, servers):
    return module_stage.steelyard(speaking(
        [one.address for one in servers], protocol="http2", weights={"law": "static"},
        balance="round_robin"))


@pytest.fixture
def channel(steelyard):
    with Channel(steelyard.address) as channel:
        yield channel


def calls_of(servers, name, value):
    """Those that have this metadata."""
    return [call for server in servers for call in server.calls if call.one(name) == value]


def counted(steelyard, **labels):
    return steelyard.metrics().sum("steelyard_grpc_calls_total", **labels)


# All four kinds


@pytest.mark.parametrize("size", [0, 1, 256, 16_384, 70_000, 4 << 20, 20 << 20])
def test_unary_calls_of_all_sizes(channel, size):
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert channel.echo(message, timeout=60) == message


def test_a_server_streams(channel):
    got = list(channel.down(500, 1000, timeout=60))
    assert [int(one.split()[0]) for one in got] == list(range(500))
    assert {len(one) for one in got} == {1000}


def test_a_client_streams(channel):
    got = json.loads(channel.up((b"x" * 10_000 for _ in range(500)), timeout=60))
    assert got == {"count": 500, "bytes": 5_000_000}


def test_both_stream_in_turn(channel):
    """Each message only after the answer to the one before: nothing is held back."""
    ready, messages = threading.Semaphore(1), iter(range(100))

    def send():
        for number in messages:
            assert ready.acquire(timeout=30)
            yield b"%d" % number

    answers = channel.both(send(), timeout=60)
    for number in range(100):
        assert next(answers) == b"%d" % number
        ready.release()
    assert list(answers) == []


def test_both_stream_at_once(channel):
    messages = [b"%d" % n * 2000 for n in range(300)]
    assert list(channel.both(iter(messages), timeout=60)) == messages


def test_messages_come_as_they_are_sent(channel):
    stream = channel.down(3, seconds=30)
    began = time.monotonic()
    assert next(stream) == b"0 "
    assert time.monotonic() - began < 10
    stream.cancel()


def test_metadata_and_trailers_pass(channel, servers):
    sent = [("x-mark", "passing"), ("x-two", "a"), ("x-two", "b"), ("x-data-bin", b"\0\1\xff")]
    answer, call = channel.echo.with_call(b"m", metadata=sent, timeout=30)
    assert answer == b"m"
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert first["x-server"] in grpcs.NAMES
    assert last["x-trailing"] == first["x-server"] and last["x-bytes-bin"] == b"\0\xff"
    (seen,) = calls_of(servers, "x-mark", "passing")
    got = [(name, value) for name, value in seen.metadata if name.startswith("x-")]
    assert ("x-data-bin", b"\0\1\xff") in got
    assert [value for name, value in got if name == "x-two"] in (["a", "b"], ["a, b"], ["a,b"])


@pytest.mark.parametrize("number", range(1, 17))
def test_statuses_of_servers_pass(stage, number):
    server = stage.keep(Server())
    steelyard = serving(stage, [server], retries={"max": 0}, ejection={"max_fails": 0})
    with Channel(steelyard.address) as channel:
        error = failure(channel.echo, b"", metadata=metadata(
            x_code=number, x_message=quote("the reason: ä %")))
        assert error.code() == code_of(number) and error.details() == "the reason: ä %"
        wait_for(lambda: counted(steelyard, grpc_status=code_of(number).name) == 1, "the count")


def test_a_method_that_nobody_has(channel):
    error = failure(channel.channel.unary_unary("/test.Test/Absent"), b"")
    assert error.code() == Code.UNIMPLEMENTED


# Calls, not connections


def test_the_calls_of_one_channel_are_spread(channel, servers):
    seen = Counter(channel.who(b"", timeout=30) for _ in range(300))
    assert len(seen) == 3 and all(95 <= count <= 105 for count in seen.values())


def test_weights_move_the_calls_of_one_channel_within_a_second(stage):
    servers = [stage.keep(Server(name)) for name in grpcs.NAMES]
    steelyard = serving(stage, servers, weights={"law": "static"}, balance="round_robin")
    with Channel(steelyard.address) as channel:
        channel.who(b"", timeout=30)
        pin(steelyard, servers[0], 8)
        pin(steelyard, servers[1], 1)
        pin(steelyard, servers[2], 1)
        began = time.monotonic()
        while time.monotonic() < began + 1:
            channel.who(b"", timeout=30)
        seen = Counter(channel.who(b"", timeout=30) for _ in range(500))
        assert 370 <= seen[b"one"] <= 430 and 35 <= seen[b"two"] <= 65


def pin(steelyard, server, weight):
    with wire.Connection(steelyard.admin) as connection:
        answer = connection.exchange(
            "POST", f"/api/v1/pools/text/endpoints/{server.address}/pin?weight={weight}")
        assert answer.status == 200, answer.content


def test_ten_thousand_weights_under_two_hundred_streams(stage):
    servers = [stage.keep(Server(name)) for name in grpcs.NAMES]
    steelyard = serving(stage, servers, policy={"streams": 250}, weights={"law": "static"},
                        keepalive={"streams": 250})
    with Channel(steelyard.address) as channel:
        streams = [channel.both(Talk(), timeout=200) for _ in range(200)]
        talks = [Talk.made[-200 + n] for n in range(200)]
        for talk in talks:
            talk.say(b"first")
        assert [next(stream) for stream in streams] == [b"first"] * 200
        begun = sum(len(server.calls) for server in servers)
        memory = steelyard.rss_bytes()
        with wire.Connection(steelyard.admin) as connection:
            for number in range(10_000):
                server = servers[number % 3]
                answer = connection.exchange(
                    "POST", f"/api/v1/pools/text/endpoints/{server.address}/pin"
                    f"?weight={1 + number % 7}")
                assert answer.status == 200
                if number % 500 == 0:
                    talks[number % 200].say(b"within")
                    assert next(streams[number % 200]) == b"within"
        for talk in talks:
            talk.say(b"last")
            talk.say(None)
        assert [list(stream) for stream in streams] == [[b"last"]] * 200
        assert sum(len(server.calls) for server in servers) == begun
        assert steelyard.rss_bytes() < memory + (16 << 20)


class Talk:
    """Messages of a client's stream, as the test says them."""

    made = []

    def __init__(self):
        self.said = []
        self.changed = threading.Condition()
        Talk.made.append(self)

    def say(self, message):
        with self.changed:
            self.said.append(message)
            self.changed.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self.changed:
            while not self.said:
                self.changed.wait()
            message = self.said.pop(0)
        if message is None:
            raise StopIteration
        return message


def test_a_drained_server_keeps_its_streams_and_gets_no_calls(stage):
    servers = [stage.keep(Server(name)) for name in grpcs.NAMES[:2]]
    steelyard = serving(stage, servers, weights={"law": "static"})
    host, port = steelyard.admin
    with Channel(steelyard.address) as channel:
        talks = [Talk() for _ in range(10)]
        streams = [channel.both(talk, timeout=100) for talk in talks]
        for talk in talks:
            talk.say(b"first")
        assert [next(stream) for stream in streams] == [b"first"] * 10
        done = run_steelyard("drain", servers[0].address, "--admin", f"{host}:{port}")
        assert done.returncode == OK, done.stderr
        wait_for(lambda: steelyard.metrics().sum(
            "steelyard_endpoint_eligibility", state="draining") == 1, "it to be drained")
        assert {channel.who(b"", timeout=30) for _ in range(30)} == {b"two"}
        for talk in talks:
            talk.say(b"last")
            talk.say(None)
        assert [list(stream) for stream in streams] == [[b"last"]] * 10


# Deadlines and cancellation


def test_a_deadline_is_passed_on_reduced(channel, servers):
    channel.echo(b"", timeout=20, metadata=metadata(x_mark="deadline"))
    (call,) = calls_of(servers, "x-mark", "deadline")
    # grpcio rounds it up a little.
    assert 15 < call.seconds_left <= 20.5
    channel.echo(b"", metadata=metadata(x_mark="none"))
    (call,) = calls_of(servers, "x-mark", "none")
    assert call.seconds_left is None or call.seconds_left > 1e6


def test_time_in_the_queue_reduces_it(stage):
    server = stage.keep(Server())
    steelyard = stage.steelyard(speaking(
        [{"address": server.address, "concurrency": 1}], protocol="http2",
        queue={"max_concurrent": "slots"}))
    with Channel(steelyard.address) as channel:
        first = channel.echo.future(b"", metadata=metadata(x_wait=1), timeout=60)
        wait_for(lambda: server.calls, "the first call")
        second = channel.echo.future(b"", metadata=metadata(x_mark="second"), timeout=30)
        wait_for(lambda: steelyard.metrics().value(
            "steelyard_queue_length", pool="text") == 1, "it to wait")
        threading.Event().wait(1)
        server.release.set()
        assert first.result() == second.result() == b""
        (call,) = calls_of([server], "x-mark", "second")
        assert 20 < call.seconds_left < 29.2


def test_steelyard_keeps_the_deadline_itself(stage):
    """An endpoint that hangs: the answer is steelyard's."""
    release = threading.Event()
    hanging = stage.keep(Multiplexed(lambda exchange: release.wait(60)))
    steelyard = serving(stage, [hanging], watchdog="none")
    with Client(steelyard.address) as client:
        stream = client.headers([
            *client.fields("POST", "/test.Test/Echo"), ("content-type", "application/grpc"),
            ("te", "trailers"), ("grpc-timeout", "300m")], ends=False)
        client.data(stream, bytes(5))
        got = client.finish(stream)
        assert got.status == 200 and dict(got.head)["grpc-status"] == "4"
        assert dict(got.head)["content-type"].startswith("application/grpc")
        assert got.trailers is None and not got.content
    wait_for(lambda: hanging.resets == [CANCEL], "the call to be cancelled")
    release.set()


@pytest.mark.parametrize("text", ["", "1", "m", "-1S", "1x", "123456789S", " 1S", "1 S", "0x1S"])
def test_a_time_that_is_none_is_refused_or_ignored(stage, text):
    server = stage.keep(Server())
    steelyard = serving(stage, [server])
    with Client(steelyard.address) as client:
        stream = client.headers([
            *client.fields("POST", "/test.Test/Echo"), ("content-type", "application/grpc"),
            ("te", "trailers"), ("grpc-timeout", text)], ends=False)
        client.data(stream, bytes(5))
        got = client.finish(stream)
        assert got.status in (200, 400) or got.reset is not None
        client.ping()


@pytest.mark.parametrize("unit", ["H", "M", "S", "m", "u", "n"])
def test_all_units_of_time_are_read(stage, unit):
    server = stage.keep(Server())
    steelyard = serving(stage, [server])
    with Client(steelyard.address) as client:
        for number in ("0", "1", "99999999"):
            stream = client.headers([
                *client.fields("POST", "/test.Test/Echo"), ("content-type", "application/grpc"),
                ("te", "trailers"), ("grpc-timeout", number + unit)], ends=False)
            client.data(stream, bytes(5))
            got = client.finish(stream)
            fields = dict([*got.head, *(got.trailers or [])])
            if number == "99999999" and unit not in "n":
                assert fields["grpc-status"] == "0", fields
            else:
                # The server resets what is over before it has begun.
                assert got.reset is not None or fields["grpc-status"] in ("0", "4"), fields


def test_cancellation_reaches_the_server(channel, servers):
    stream = channel.down(10_000, seconds=0.01, metadata=metadata(x_mark="cancelled"))
    next(stream)
    (call,) = calls_of(servers, "x-mark", "cancelled")
    stream.cancel()
    assert call.is_over.wait(30)
    unary = channel.echo.future(b"", metadata=metadata(x_wait=1, x_mark="unary"))
    wait_for(lambda: calls_of(servers, "x-mark", "unary"), "the call")
    unary.cancel()
    (call,) = calls_of(servers, "x-mark", "unary")
    assert call.is_over.wait(30)


def test_a_client_that_is_killed_cancels_its_calls(steelyard, servers):
    channel = Channel(steelyard.address)
    streams = [channel.down(100_000, seconds=0.01, metadata=metadata(x_mark="killed"))
               for _ in range(20)]
    for stream in streams:
        next(stream)
    channel.stop()
    for call in calls_of(servers, "x-mark", "killed"):
        assert call.is_over.wait(30)
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")


# Beside grpcio


def test_grpcurl_asks_for_health(stage, servers):
    proto = stage.directory / "health.proto"
    proto.write_text("""
        syntax = "proto3"; package grpc.health.v1;
        message HealthCheckRequest { string service = 1; }
        message HealthCheckResponse { int32 status = 1; }
        service Health {
          rpc Check(HealthCheckRequest) returns (HealthCheckResponse);
          rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);
        }""")
    steelyard = serving(stage, servers)
    host, port = steelyard.address
    done = subprocess.run(
        [TOOLS / "grpcurl", "-plaintext", "-import-path", stage.directory, "-proto", proto.name,
         "-max-time", "30", f"{host}:{port}", "grpc.health.v1.Health/Check"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout) == {"status": 1}, done.stderr


def test_calls_over_tls(stage, servers, certificates):
    configuration = speaking([one.address for one in servers], protocol="http2")
    configuration["listeners"][0]["tls"] = certificates.local.files
    steelyard = stage.steelyard(configuration)
    with open(certificates.ca, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    with Channel("localhost:%d" % steelyard.address[1], credentials) as channel:
        assert {channel.who(b"", timeout=30) for _ in range(60)} == {b"one", b"two", b"three"}
        assert channel.echo(bytes(5 << 20), timeout=60) == bytes(5 << 20)


def test_outcomes_are_counted_by_status(stage):
    server = stage.keep(Server())
    steelyard = serving(stage, [server], retries={"max": 0}, ejection={"max_fails": 0})
    with Channel(steelyard.address) as channel:
        for _ in range(3):
            channel.echo(b"", timeout=30)
        for number in (5, 5, 13):
            failure(channel.echo, b"", metadata=metadata(x_code=number))
    for name, count in {"OK": 3, "NOT_FOUND": 2, "INTERNAL": 1}.items():
        wait_for(lambda: counted(steelyard, grpc_status=name) == count, name)


def test_health_is_asked_by_grpc(stage):
    servers = [stage.keep(Server(name)) for name in grpcs.NAMES[:2]]
    steelyard = serving(stage, servers, balance="round_robin", health={
        "type": "grpc", "interval": "500ms", "timeout": "400ms"})
    with Channel(steelyard.address) as channel:
        assert {channel.who(b"", timeout=30) for _ in range(20)} == {b"one", b"two"}
        servers[0].serving(False)
        wait_for(lambda: steelyard.metrics().sum(
            "steelyard_endpoint_eligibility", state="unhealthy") == 1, "it to be unhealthy")
        assert {channel.who(b"", timeout=30) for _ in range(20)} == {b"two"}
        servers[0].serving(True)
        wait_for(lambda: channel.who(b"", timeout=30) == b"one", "it to be asked again")
