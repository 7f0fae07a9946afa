"""Clients and endpoints that misbehave at random, seeded: steelyard survives, leaks nothing and
still serves a good client."""

import random
import socket
import struct
import threading

import pytest
import wire
from conftest import minimal
from programs import wait_for

pytestmark = pytest.mark.over_tls

SEEDS = (1, 2)
CLIENTS = 8
TURNS = 120

PARTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"z" * 100000,
    b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"\r\n", b"\x16\x03\x01\x02\x00", b"\0" * 50,
]


def spoil(chance, data):
    """Some bytes changed, cut out or doubled."""
    data = bytearray(data)
    for _ in range(chance.choice((0, 0, 1, 3))):
        place = chance.randrange(len(data) or 1)
        kind = chance.randrange(3)
        if kind == 0 and data:
            data[place] = chance.randrange(256)
        elif kind == 1:
            del data[place:place + chance.randrange(1, 9)]
        else:
            data[place:place] = data[place:place + chance.randrange(1, 9)]
    return bytes(data)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def bad_client(address, seed):
    chance = random.Random(seed)
    for _ in range(TURNS):
        try:
            with wire.Connection(address, timeout=1) as client:
                connection = client.socket
                data = spoil(chance, b"".join(chance.choices(PARTS, k=chance.randrange(1, 4))))
                while data:
                    cut = chance.choice((1, 7, 500, len(data)))
                    connection.sendall(data[:cut])
                    data = data[cut:] if chance.random() < 0.98 else b""
                end = chance.randrange(4)
                if end == 0:
                    reset(connection)
                elif end == 1:
                    connection.shutdown(socket.SHUT_WR)
                if end > 0:
                    connection.settimeout(0.05)
                    connection.recv(chance.choice((1, 100, 100000)))
        except OSError:
            pass


def bad_endpoint(seed):
    chance = random.Random(seed)
    good = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"y" * 200000,
    ]

    def answer(exchange):
        kind = chance.randrange(12)
        if kind == 0:
            reset(exchange.socket)
            exchange.keeps_alive = False
            exchange.close()
            raise OSError("on purpose")
        if kind > 3:
            exchange.read_content()
        exchange.send(spoil(chance, chance.choice(good)))
        if kind in (1, 2, 4):
            exchange.keeps_alive = False
    return answer


@pytest.mark.parametrize("seed", SEEDS)
def test_it_survives_bad_clients_and_endpoints(stage, seed):
    bad = [stage.endpoint(bad_endpoint(seed * 10 + n)) for n in range(2)]
    timeouts = {"connect": "500ms", "first_byte": "500ms", "idle": "500ms"}
    configuration = minimal(
        [one.address for one in bad], timeouts=timeouts, ejection={"max_fails": 0})
    configuration["listeners"][0] |= {"head_timeout": "1s", "idle_timeout": "1s"}
    configuration["pools"]["good"] = {
        "endpoints": [stage.endpoint(lambda exchange: exchange.answer(b"fine")).address]}
    configuration["listeners"][0].pop("pool")
    configuration["listeners"][0]["routes"] = [
        {"match": {"path_prefix": "/"}, "pool": "text"},
        {"match": {"path_prefix": "/good"}, "pool": "good"}]
    steelyard = stage.steelyard(configuration)
    threads = [
        threading.Thread(target=bad_client, args=(steelyard.address, seed * 100 + n))
        for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    served = 0
    while any(thread.is_alive() for thread in threads):
        with steelyard.connect() as connection:
            response = connection.exchange("GET", "/good")
            assert (response.status, response.content) == (200, b"fine")
            served += 1
    assert served > 0
    assert steelyard.is_running()

    def is_quiet():
        page = steelyard.metrics()
        in_flight = sum(value for _, value in page.series("steelyard_endpoint_in_flight"))
        return in_flight == 0 and page.value("steelyard_connections_open") == 0

    wait_for(is_quiet, "nothing in flight and no connection left")
    assert steelyard.rss_max_bytes() < 64 << 20


def test_a_port_scan_of_half_open_connections_is_cleaned_up(stage):
    good = stage.endpoint(lambda exchange: exchange.answer(b"fine"))
    configuration = minimal([good.address])
    configuration["listeners"][0] |= {"head_timeout": "300ms", "idle_timeout": "300ms"}
    configuration["limits"] = {"connections": 64}
    steelyard = stage.steelyard(configuration)
    # More than there is room for: the rest waits in the kernel's queue.
    crowd = [wire.Connection(steelyard.address) for _ in range(100)]
    for one in crowd[::2]:
        one.send(b"GET / HT")
    wait_for(lambda: steelyard.get("/").status == 200, "a good client's turn")
    for one in crowd:
        one.close()
