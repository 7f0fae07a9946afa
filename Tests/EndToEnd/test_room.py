"""Connections and descriptors that are short: idle clients make room, whoever was let in is served,
and the admin address answers whatever the clients do."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import wire
from conftest import minimal
from endpoints import Held, text
from programs import wait_for

LIMIT = 200
REQUESTS = 100


def limited(endpoint, connections=LIMIT):
    return {**minimal([endpoint.address]), "limits": {"connections": connections}}


def flood(address, count):
    """So many connections that say nothing."""
    return [socket.create_connection(address, timeout=30) for _ in range(count)]


def close_all(connections):
    for connection in connections:
        connection.close()


def answered(steelyard, count=REQUESTS):
    """How many of so many requests, ten at a time and each on a connection of its own, are good."""
    def one(_):
        try:
            with steelyard.connect(timeout=10) as connection:
                return connection.exchange("GET", "/").status == 200
        except (OSError, wire.Cut):
            return False

    with ThreadPoolExecutor(10) as pool:
        return sum(pool.map(one, range(count)))


@pytest.mark.over_tls
@pytest.mark.parametrize("count", [LIMIT - 10, LIMIT + 50])
def test_clients_that_say_nothing_do_not_keep_others_out(stage, count):
    steelyard = stage.steelyard(limited(stage.endpoint(text())))
    silent = flood(steelyard.address, count)
    assert answered(steelyard) == REQUESTS
    metrics = steelyard.metrics()
    assert metrics.value("steelyard_connections_limit") == LIMIT
    assert metrics.value("steelyard_connections_closed_total", state="silent") > 0
    assert metrics.value("steelyard_connections_closed_total", state="idle") == 0
    assert metrics.sum("steelyard_local_responses_total") == 0
    begun = wait_for(
        lambda: steelyard.events("connections are short"),
        "the line")
    assert len(begun) == 1 and begun[0]["limit"] == str(LIMIT)
    close_all(silent)


def test_the_longest_idle_client_makes_room(stage):
    """Clients kept alive go first, the oldest of them before the others; one that asked again is
    young, one with an exchange in progress stays."""
    held = Held()

    def answer(exchange):
        held(exchange) if exchange.request.target == "/held" else text()(exchange)

    steelyard = stage.steelyard(limited(stage.endpoint(answer), connections=32))
    running = steelyard.connect()
    running.send_request("GET", "/held")
    assert held.begun.wait(30)
    kept = []
    for _ in range(20):
        # At once: one that has said nothing for a while would make room itself.
        kept.append(steelyard.connect())
        assert kept[-1].exchange("GET", "/").status == 200
    assert kept[0].exchange("GET", "/").status == 200
    later = []
    while not wire_closed(kept[1]):
        assert len(later) < 40
        later.append(steelyard.connect())
        assert later[-1].exchange("GET", "/").status == 200
        threading.Event().wait(0.02)
    assert not wire_closed(kept[0])
    assert kept[0].exchange("GET", "/").status == 200
    held.release.set()
    assert running.read_response().content == b"first second"
    close_all([running, *kept, *later])


def wire_closed(connection):
    """Whether the peer has closed the connection, on which nothing else is expected."""
    connection.socket.setblocking(False)
    try:
        return connection.socket.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    finally:
        connection.socket.settimeout(30)


def test_clients_beyond_all_connections_wait_and_are_served(stage):
    """Twenty clients that all ask, where eight can be served at once: nobody gets an error."""
    release = threading.Event()

    def answer(exchange):
        release.wait(60)
        exchange.answer(b"ok")

    steelyard = stage.steelyard(limited(stage.endpoint(answer), connections=16))
    clients = [steelyard.connect() for _ in range(20)]
    for client in clients:
        client.send_request("GET", "/", fields=[("Connection", "close")])
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 8, "eight in flight")
    wait_for(
        lambda: steelyard.metrics().value(
            "steelyard_accept_pauses_total", reason="connections") > 0, "a pause")
    release.set()
    assert [client.read_response().status for client in clients] == [200] * 20
    assert steelyard.metrics().sum("steelyard_local_responses_total") == 0
    wait_for(
        lambda: steelyard.events("clients wait to be accepted"),
        "the line")
    close_all(clients)


def test_the_admin_address_answers_when_descriptors_are_used_up(stage):
    steelyard = stage.steelyard(
        minimal([stage.endpoint(text()).address]), under=["prlimit", "--nofile=64:64"])
    warning, = steelyard.events("limits.connections is more than the limit of open files allows")
    assert warning["configured"] == "20000" and warning["open_files_max"] == "64"
    in_force = int(warning["in_force"])
    assert 4 <= in_force <= 64
    clients = flood(steelyard.address, 1000)
    metrics = steelyard.metrics()
    assert metrics.value("steelyard_connections_limit") == in_force
    assert metrics.value("process_open_fds") < metrics.value("process_max_fds") == 64
    assert steelyard.admin_status("/readyz") == 200
    # Connections to the admin address itself do not close it either.
    visitors = flood(steelyard.admin, 100)
    assert steelyard.admin_status("/readyz") == 200
    assert answered(steelyard, 20) == 20
    close_all(clients + visitors)
