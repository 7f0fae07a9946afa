"""Clients that do not read their answers: what waits for them is bounded, and who reads is served."""

import socket
import threading

from conftest import minimal
from programs import wait_for
from wire import Connection, Cut

# Every client that reads nothing holds a block of 16 KiB at least: more than this together.
LIMIT = 1 << 20
CLIENTS = 100
ANSWER = b"x" * 65_536


def endless(exchange):
    """Chunks, so that content is copied; until nobody takes them."""
    exchange.begin_chunked()
    while True:
        exchange.chunk(ANSWER)


def deaf(address):
    """A client that asks and reads nothing, with the smallest buffer there is."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.settimeout(30)
    client.connect(address)
    client.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
    return client


def test_what_waits_for_clients_is_bounded(stage):
    def answer(exchange):
        if exchange.request.target == "/endless":
            endless(exchange)
        exchange.answer(b"y" * 3_000_000)

    configuration = minimal([stage.endpoint(answer).address])
    configuration["limits"] = {"buffered_bytes": LIMIT}
    steelyard = stage.steelyard(configuration)
    assert steelyard.get("/").status == 200
    before = steelyard.rss_bytes()
    clients = []
    stop = threading.Event()

    def flood():
        while len(clients) < CLIENTS and not stop.is_set():
            clients.append(deaf(steelyard.address))

    flooding = threading.Thread(target=flood, daemon=True)
    flooding.start()
    # The kernel's buffers have to be full first, which takes an endpoint in Python its time.
    wait_for(
        lambda: steelyard.metrics().value("steelyard_buffer_cuts_total") > 20,
        "clients to be cut", deadline=60)
    # Who reads is not the one that is cut, but on a busy machine a reader may stand still too.
    served = 0
    for _ in range(20):
        try:
            with Connection(steelyard.address) as connection:
                response = connection.exchange("GET", "/")
        except (Cut, OSError):
            continue
        assert response.status == 200 and len(response.content) == 3_000_000
        served += 1
        if served == 5:
            break
    assert served == 5
    stop.set()
    flooding.join(30)
    metrics = steelyard.metrics()
    # Within a turn of the loop there may be a few reads more.
    assert metrics.value("steelyard_buffered_bytes") <= LIMIT + (256 << 10)
    assert metrics.value("steelyard_buffered_bytes_limit") == LIMIT
    assert steelyard.rss_bytes() - before < LIMIT + (6 << 20)
    line, *_ = wait_for(
        lambda: steelyard.events("buffers are full: the clients that hold most are cut"), "the line")
    assert line["limit_bytes"] == str(LIMIT)
    for client in clients:
        client.close()
