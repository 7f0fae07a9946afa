"""What tests of HTTP/2's rules share: an endpoint that holds requests, and streams in all states."""

import struct
import threading

import pytest
from endpoints import echo
from frames import Client, speaking


class Holding:
    """Answers with what arrived; /hold only when the module is over."""

    def __init__(self):
        self.is_over = threading.Event()

    def __call__(self, exchange):
        if exchange.request.target == "/hold":
            self.is_over.wait(200)
        echo(exchange)


@pytest.fixture(scope="module")
def endpoint(module_stage):
    holding = Holding()
    yield module_stage.endpoint(holding)
    holding.is_over.set()


@pytest.fixture(scope="module")
def steelyard(module_stage, endpoint):
    return module_stage.steelyard(speaking([endpoint.address]))


@pytest.fixture
def client(steelyard):
    with Client(steelyard.address) as client:
        yield client


def is_served(client):
    """Whether the connection still answers."""
    return client.exchange().status == 200


def held(client, ends=True):
    """A request that is not answered; `ends`: it is whole."""
    return client.headers(client.fields("GET" if ends else "POST", "/hold"), ends=ends)


def answered(client):
    """A stream that is over on both sides."""
    stream = client.request()
    client.response(stream)
    return stream


def was_reset(client):
    """A stream that the client has reset."""
    stream = held(client, ends=False)
    client.reset(stream)
    return stream


def priority(depends_on, weight=15):
    return struct.pack(">IB", depends_on, weight)


def plain(**changed):
    """The pseudo-fields of a request, some changed; None leaves one out."""
    whole = {"method": "GET", "scheme": "http", "authority": "test.example", "path": "/broken"}
    return [(f":{name}", value) for name, value in {**whole, **changed}.items()
            if value is not None]
