"""A warm worker asks for no memory for streams of HTTP/2, whatever the shape of the exchanges."""

import json

import pytest
from endpoints import echo
from frames import INITIAL_WINDOW_SIZE, Client, speaking
from grpcs import Channel, Server
from multiplexed import Multiplexed
from multiplexed import echo as echo_multiplexed

pytestmark = pytest.mark.alone

LARGE = b"x" * 65_536
TURNS, STREAMS = 30, 20


def answers(exchange):
    """What the target asks for."""
    if exchange.request.target == "/chunked":
        exchange.read_content()
        exchange.begin_chunked()
        for _ in range(8):
            exchange.chunk(b"data: token\n\n")
        exchange.end_chunked()
    elif exchange.request.target == "/large":
        exchange.read_content()
        exchange.answer(LARGE)
    else:
        echo(exchange)


def ask(client, *arguments, count=STREAMS):
    """So many at once."""
    for stream in [client.request(*arguments) for _ in range(count)]:
        assert client.response(stream).status == 200


def get(client):
    ask(client)


def fields(client):
    ask(client, "GET", "/", [(f"x-field-{n}", "value") for n in range(20)])


def upload(client):
    ask(client, "POST", "/", [("content-length", "300")], b"x" * 300)


def upload_of_unknown_length(client):
    ask(client, "POST", "/", [], b"x" * 3000)


def large_upload(client):
    ask(client, "POST", "/", [], LARGE, count=4)


def trailers(client):
    ask(client, "POST", "/", [], b"abc", [("x-sum", "1")])


def chunked(client):
    ask(client, "GET", "/chunked")


def large(client):
    ask(client, "GET", "/large", count=4)


def resets(client):
    for stream in [client.request("GET", "/large") for _ in range(5)]:
        client.reset(stream)
    client.ping()
    ask(client)


def malformed(client):
    stream = client.headers([(":method", "GET"), (":path", "/")])
    assert client.fault_of(stream)[0] in ("stream", "answer")
    ask(client)


SHAPES = [get, fields, upload, upload_of_unknown_length, large_upload, trailers, chunked, large,
          resets, malformed]


def measured(allocations, client, shape):
    """What the last turns ask for; the pool of blocks may grow to a new height before."""
    for _ in range(10):
        shape(client)
    for _ in range(6):
        before = allocations.of_worker()
        for _ in range(TURNS):
            shape(client)
        count = allocations.of_worker() - before
        if count == 0:
            break
    return count


@pytest.mark.parametrize("shape", SHAPES, ids=lambda one: one.__name__)
def test_no_stream_of_a_client_allocates(stage, allocations, shape):
    endpoint = stage.endpoint(answers)
    steelyard = stage.steelyard(
        speaking([endpoint.address]), environment=allocations.environment)
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: 1 << 20}) as client:
        assert measured(allocations, client, shape) == 0


@pytest.mark.parametrize("shape", [get, fields, upload, upload_of_unknown_length, trailers],
                         ids=lambda one: one.__name__)
def test_no_stream_to_an_endpoint_allocates(stage, allocations, shape):
    endpoint = stage.keep(Multiplexed(echo_multiplexed))
    steelyard = stage.steelyard(
        speaking([endpoint.address], protocol="http2"), environment=allocations.environment)
    with Client(steelyard.address, {INITIAL_WINDOW_SIZE: 1 << 20}) as client:
        assert measured(allocations, client, shape) == 0
        assert json.loads(client.exchange().content)["version"] == "HTTP/2"


def test_no_call_allocates(stage, allocations):
    server = stage.keep(Server())
    steelyard = stage.steelyard(
        speaking([server.address], protocol="http2"), environment=allocations.environment)
    with Channel(steelyard.address) as channel:
        def call(_):
            assert channel.echo(b"x" * 256, timeout=30)
            assert len(list(channel.down(10, 100))) == 10

        assert measured(allocations, None, call) == 0


def test_no_connection_allocates(stage, allocations):
    endpoint = stage.endpoint(answers)
    steelyard = stage.steelyard(
        speaking([endpoint.address]), environment=allocations.environment)

    def connect(_):
        with Client(steelyard.address) as client:
            ask(client, count=3)

    assert measured(allocations, None, connect) == 0
