"""gRPC calls that fail: what is repeated, what ejects a server, and what steelyard says itself."""

import subprocess
from pathlib import Path

import grpcs
import pytest
from frames import REFUSED_STREAM, Client, speaking
from grpcs import Channel, Server, code_of, failure, grpc, metadata, serving
from multiplexed import Multiplexed
from programs import wait_for

Code = grpc.StatusCode


@pytest.fixture(scope="module")
def servers(module_stage):
    return [module_stage.keep(Server(name)) for name in grpcs.NAMES]


def repeating(stage, servers):
    """Behind a route that says that its calls may be repeated."""
    configuration = speaking(
        [one.address for one in servers], protocol="http2", weights={"law": "static"},
        balance="round_robin", ejection={"max_fails": 0},
        retries={"budget": {"ratio": 1, "per_second": 100}})
    del configuration["listeners"][0]["pool"]
    configuration["listeners"][0]["routes"] = [
        {"match": {"path_prefix": "/"}, "pool": "text", "idempotent": True}]
    return stage.steelyard(configuration)


def test_unavailable_is_repeated_elsewhere(stage):
    servers = [stage.keep(Server(name)) for name in grpcs.NAMES[:2]]
    steelyard = repeating(stage, servers)
    with Channel(steelyard.address) as channel:
        for _ in range(10):
            servers[0].fails = [(14,)]
            assert channel.echo(b"m", timeout=30) == b"m"
        assert len(servers[1].calls) == 10
        again = [call for call in servers[1].calls if call.one("grpc-previous-rpc-attempts")]
        assert {call.one("grpc-previous-rpc-attempts") for call in again} == {"1"}


@pytest.mark.parametrize("number", [1, 4])
def test_what_must_not_be_repeated_is_not(stage, number):
    servers = [stage.keep(Server(name)) for name in grpcs.NAMES[:2]]
    steelyard = repeating(stage, servers)
    for server in servers:
        server.fails += [(number,)] * 2
    with Channel(steelyard.address) as channel:
        assert failure(channel.echo, b"").code() == code_of(number)
    assert sum(len(server.calls) for server in servers) == 1


def test_a_server_may_forbid_to_repeat(stage):
    servers = [stage.keep(Server(name)) for name in grpcs.NAMES[:2]]
    steelyard = repeating(stage, servers)
    for server in servers:
        server.fails += [(14, ("grpc-retry-pushback-ms", "-1"))] * 2
    with Channel(steelyard.address) as channel:
        assert failure(channel.echo, b"").code() == Code.UNAVAILABLE
    assert sum(len(server.calls) for server in servers) == 1


def test_a_server_that_fails_is_ejected(stage):
    servers = [stage.keep(Server(name)) for name in grpcs.NAMES]
    steelyard = serving(stage, servers, weights={"law": "static"}, retries={"max": 0})
    servers[0].fails += [(14,)] * 1000
    with Channel(steelyard.address) as channel:
        def ejected():
            try:
                channel.echo(b"", timeout=30)
            except grpc.RpcError as error:
                assert error.code() == Code.UNAVAILABLE
            return steelyard.metrics().sum("steelyard_endpoint_ejections_total")
        wait_for(ejected, "the ejection")
        for _ in range(10):
            assert channel.echo(b"m", timeout=30) == b"m"


def test_a_server_that_is_not_there_is_unavailable(stage):
    steelyard = stage.steelyard(speaking(
        ["127.0.0.1:1"], protocol="http2", retries={"max": 0}))
    with Channel(steelyard.address) as channel:
        for call in (channel.echo, lambda *a, **o: list(channel.down(1, **o)),
                     lambda *a, **o: channel.up(iter([b"x"]), **o)):
            error = failure(call, b"")
            assert error.code() == Code.UNAVAILABLE and error.details()


def test_steelyards_own_answers_are_statuses(stage, servers):
    """As gRPC's mapping of HTTP statuses has it, with a message that says why."""
    configuration = speaking([servers[0].address], protocol="http2")
    limit = {"key": {"header": "x-key"}, "rate": "1/m", "burst": 1}
    configuration["listeners"][0]["routes"] = [
        {"match": {"path": "/test.Test/Who"}, "pool": "text", "rate_limits": [limit]},
        {"match": {"path": "/test.Test/Up"}, "pool": "text", "body_bytes": 1000},
        {"match": {"path": "/test.Test/Echo"}, "pool": "text"}]
    del configuration["listeners"][0]["pool"]
    steelyard = stage.steelyard(configuration)
    with Channel(steelyard.address) as channel:
        key = metadata(x_key="one")
        assert channel.who(b"", metadata=key, timeout=30) == b"one"
        error = failure(channel.who, b"", metadata=key)
        assert error.code() in (Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE) and error.details()
        error = failure(lambda *a, **o: list(channel.down(1, **o)), b"")
        assert error.code() == Code.UNIMPLEMENTED and error.details()
        error = failure(channel.up, iter([bytes(5000)]))
        assert error.code() in (Code.RESOURCE_EXHAUSTED, Code.INTERNAL), error
        assert channel.echo(b"m", timeout=30) == b"m"
    with Client(steelyard.address) as client:
        stream = client.headers([
            *client.fields("POST", "/test.Test/Absent"), ("content-type", "application/grpc+proto"),
            ("te", "trailers")])
        got = client.finish(stream)
        assert got.status == 200 and dict(got.head)["grpc-status"] == "12"
        assert client.exchange("POST", "/test.Test/Absent").status == 404


def test_a_full_queue_is_a_status(stage):
    server = stage.keep(Server())
    steelyard = stage.steelyard(speaking(
        [{"address": server.address, "concurrency": 1}], protocol="http2",
        queue={"max_concurrent": "slots", "max_length": 1}))
    with Channel(steelyard.address) as channel:
        waiting = [channel.echo.future(b"", metadata=metadata(x_wait=1)) for _ in range(2)]
        wait_for(lambda: server.calls and steelyard.metrics().value(
            "steelyard_queue_length", pool="text") == 1, "one to wait")
        error = failure(channel.echo, b"")
        assert error.code() in (Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE) and error.details()
        server.release.set()
        assert [one.result() for one in waiting] == [b"", b""]


def test_a_server_that_dies_in_mid_stream_is_unavailable(stage):
    """A process of its own, killed."""
    child = stage.keep(Process())
    steelyard = stage.steelyard(speaking(
        [child.address], protocol="http2", retries={"max": 0}))
    with Channel(steelyard.address) as channel:
        streams = [channel.down(100_000, seconds=0.01, timeout=100) for _ in range(20)]
        for stream in streams:
            next(stream)
        child.process.kill()
        for stream in streams:
            with pytest.raises(grpc.RpcError) as error:
                list(stream)
            assert error.value.code() in (Code.UNAVAILABLE, Code.INTERNAL, Code.CANCELLED)
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the leases")


class Process:
    """A server in a process of its own."""

    def __init__(self):
        text = ("import sys, time; sys.path.insert(0, sys.argv[1])\n"
                "from grpcs import Server\nprint(Server().port, flush=True)\ntime.sleep(300)")
        here = str(Path(__file__).parent)
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", text, here], stdout=subprocess.PIPE, text=True)
        self.address = f"127.0.0.1:{int(self.process.stdout.readline())}"

    def stop(self):
        self.process.kill()
        self.process.wait(30)


def calls_of(stage, answer, **pool):
    """Behind a server that is made of frames, on a route that repeats."""
    one = stage.keep(Multiplexed(answer))
    configuration = speaking(
        [one.address], protocol="http2", weights={"law": "static"}, ejection={"max_fails": 0},
        retries={"budget": {"ratio": 1, "per_second": 100}}, **pool)
    del configuration["listeners"][0]["pool"]
    configuration["listeners"][0]["routes"] = [
        {"match": {"path_prefix": "/"}, "pool": "text", "idempotent": True}]
    return one, stage.steelyard(configuration)


def call(client, *fields):
    stream = client.request("POST", "/test.Test/Echo", [
        ("content-type", "application/grpc"), ("te", "trailers"), *fields], bytes(5))
    return client.finish(stream)


def test_a_whole_answer_without_a_status_is_unknown(stage):
    def answer(exchange):
        exchange.read_content()
        exchange.begin(fields=[("content-type", "application/grpc")])
        exchange.chunk(bytes(5), ends=True)

    _, steelyard = calls_of(stage, answer)
    with Client(steelyard.address) as client:
        for _ in range(3):
            assert call(client).status == 200
    metrics = steelyard.metrics()
    assert metrics.sum("steelyard_grpc_calls_total", grpc_status="UNKNOWN") == 3
    assert metrics.sum("steelyard_grpc_calls_total", grpc_status="OK") == 0


@pytest.mark.parametrize("given, told", [
    ((), [None, "1", "2"]), ((("grpc-previous-rpc-attempts", "12"),), ["12", "12", "12"])])
def test_attempts_are_counted_unless_the_client_counts_them(stage, given, told):
    """The content has the name of the field too: it is not touched."""
    content = b"\0\0\0\0\x24\r\ngrpc-previous-rpc-attempts: 5\r\n..."
    seen = []

    def answer(exchange):
        got = exchange.read_content()
        seen.append((exchange.request.one("grpc-previous-rpc-attempts"), got))
        if len(seen) < 3:
            exchange.reset_stream(REFUSED_STREAM)
            return
        exchange.begin(fields=[("content-type", "application/grpc")])
        exchange.end([("grpc-status", "0")])

    _, steelyard = calls_of(stage, answer)
    with Client(steelyard.address) as client:
        stream = client.request("POST", "/test.Test/Echo", [
            ("content-type", "application/grpc"), ("te", "trailers"), *given], content)
        assert client.response(stream).trailers
    assert seen == [(one, content) for one in told]
