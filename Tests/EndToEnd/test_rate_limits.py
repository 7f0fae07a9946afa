"""Rate limits and connections per client over real sockets."""

import json
import signal
import socket
import struct
import threading
import time

import pytest
import wire
from conftest import minimal
from endpoints import text
from programs import wait_for


def limited(stage, *limits, **options):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard({
        **minimal([endpoint.address], rate_limits=list(limits)), **options})
    return steelyard, endpoint


def statuses(connection, count, target="/", fields=()):
    return [connection.exchange("GET", target, fields=fields).status for _ in range(count)]


def verdicts(steelyard, **labels):
    page = steelyard.metrics()
    return tuple(
        page.sum("steelyard_rate_limit_requests_total", outcome=outcome, **labels)
        for outcome in ("allowed", "limited"))


def test_a_burst_passes_and_the_rest_is_told_when_to_come_back(stage):
    steelyard, endpoint = limited(stage, {"key": "none", "rate": "60/h", "burst": 3})
    with steelyard.connect() as connection:
        assert statuses(connection, 3) == [200] * 3
        response = connection.exchange("POST", "/", content=b"some content")
        assert response.status == 429
        assert 1 <= int(response.one("Retry-After")) <= 60
        assert response.one("Content-Type") == "application/json"
        error = json.loads(response.content)["error"]
        assert (error["code"], error["type"]) == (429, "rate_limited")
        # The connection goes on.
        assert statuses(connection, 1) == [429]
        assert connection.exchange("HEAD", "/").content == b""
    assert len(endpoint.requests) == 3
    assert verdicts(steelyard) == (3, 3)
    assert steelyard.metrics().value(
        "steelyard_local_responses_total", status="429", reason="rate_limited") == 3


def test_the_rate_holds_over_time_and_over_workers(stage):
    steelyard, endpoint = limited(
        stage, {"key": "client_ip", "rate": "50/s", "burst": 10}, workers=2)
    allowed = []
    start = time.monotonic()
    end = start + 3

    def run():
        count = 0
        while time.monotonic() < end:
            with steelyard.connect() as connection:
                count += statuses(connection, 20).count(200)
        allowed.append(count)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    # Two workers may be one request apart.
    assert sum(allowed) <= 50 * seconds + 10 + 2
    assert sum(allowed) >= 50 * 3 * 0.8
    assert len(endpoint.requests) == sum(allowed)
    assert verdicts(steelyard)[0] == sum(allowed)


def test_whoever_waits_as_told_is_let_in(stage):
    steelyard, _ = limited(stage, {"key": "none", "rate": "1/s", "burst": 1})
    with steelyard.connect() as connection:
        assert statuses(connection, 1) == [200]
        response = connection.exchange("GET", "/")
        assert response.status == 429
        # To wait is what is tested: so long, and not a moment longer.
        time.sleep(int(response.one("Retry-After")))
        assert statuses(connection, 1) == [200]


def test_each_key_has_its_own_limit(stage):
    steelyard, _ = limited(
        stage, {"key": {"header": "Authorization"}, "rate": "1/h", "burst": 2})

    def ask(connection, *values, name="authorization"):
        return connection.exchange("GET", "/", fields=[(name, value) for value in values]).status

    with steelyard.connect() as connection:
        for key in ("Bearer one", "Bearer two", "bearer one"):
            assert [ask(connection, key, name=name) for name in
                    ("Authorization", "AUTHORIZATION", "authorization")] == [200, 200, 429]
        # Without the field, with an empty one, with two: all of them are one.
        assert [ask(connection), ask(connection, ""), ask(connection)] == [200, 200, 429]
        for n in range(5):
            assert ask(connection, "Bearer one", f"Bearer {n}") == 429
            assert ask(connection, f"Bearer {n}", "Bearer one") == 429


def test_paths_and_routes_have_limits(stage):
    endpoint = stage.endpoint(text())
    configuration = minimal(
        [endpoint.address], rate_limits=[{"key": "none", "rate": "1/h", "burst": 5}])
    configuration["listeners"][0] = {
        "listen": "127.0.0.1:0", "routes": [
            {"match": {"path_prefix": "/a"},
             "rate_limits": [{"key": "path", "rate": "1/h", "burst": 2}]},
            {}]}
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        assert statuses(connection, 3, "/a/1?x=1") == [200, 200, 429]
        assert statuses(connection, 1, "/a/1?x=2") == [429]
        assert statuses(connection, 1, "/a/2") == [200]
        # Those that the route refused cost the pool nothing: two are left of five.
        assert statuses(connection, 3, "/b") == [200, 200, 429]
        # What the pool refuses costs the route nothing.
        assert statuses(connection, 2, "/a/3") == [429, 429]
    page = steelyard.metrics()
    scopes = {labels["scope"]: labels for labels, _ in
              page.series("steelyard_rate_limit_requests_total", outcome="limited")}
    assert set(scopes) == {"pool text", "route 127.0.0.1:0 /a"}
    assert verdicts(steelyard, scope="route 127.0.0.1:0 /a", key="path", rate="1/h") == (3, 2)
    assert verdicts(steelyard, scope="pool text") == (5, 3)


def test_a_reload_gives_nobody_a_new_bucket(stage):
    steelyard, endpoint = limited(stage, {"key": "client_ip", "rate": "1/h", "burst": 2})
    with steelyard.connect() as connection:
        assert statuses(connection, 3) == [200, 200, 429]
    # A larger burst is one more at once, not a whole new one.
    steelyard.write(minimal(
        [endpoint.address],
        rate_limits=[{"key": "client_ip", "rate": "1/h", "burst": 3},
                     {"key": "none", "rate": "1000/s"}]))
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: len(steelyard.metrics().series(
        "steelyard_rate_limit_requests_total", outcome="limited")) == 2, "the reload")
    seen = []
    wait_for(lambda: seen.append(steelyard.get("/").status) or 200 in seen, "the new burst")
    assert [steelyard.get("/").status for _ in range(3)] == [429] * 3


def test_a_flood_of_keys_is_bounded_and_frees_nobody(stage):
    steelyard, _ = limited(
        stage, {"key": {"header": "x-api-key"}, "rate": "1/h", "burst": 2, "max_keys": 256})
    with steelyard.connect() as connection:
        limited_keys = [("X-API-Key", "at-its-limit")]
        assert statuses(connection, 3, fields=limited_keys) == [200, 200, 429]
        before = steelyard.rss_bytes()
        for batch in range(30):
            requests = b"".join(
                b"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: flood-%d-%d\r\n\r\n" % (batch, n)
                for n in range(100))
            connection.send(requests)
            assert {connection.read_response().status for _ in range(100)} == {200}
        assert statuses(connection, 1, fields=limited_keys) == [429]
        assert steelyard.rss_bytes() - before < 8 << 20
    page = steelyard.metrics()
    assert page.sum("steelyard_rate_limit_forgotten_keys_total") > 2000
    assert len(page.series("steelyard_rate_limit_requests_total")) == 2


def test_keys_are_neither_in_the_metrics_nor_in_the_log(stage):
    secret = "Bearer sk-very-secret-0123456789"
    steelyard, _ = limited(
        stage, {"key": {"header": "authorization"}, "rate": "1/h", "burst": 1},
        {"key": "path", "rate": "1000/s"})
    with steelyard.connect() as connection:
        assert statuses(connection, 3, "/secret-path", [("Authorization", secret)]) \
            == [200, 429, 429]
    page = steelyard.admin_get("/metrics").content.decode()
    assert 'key="header authorization"' in page
    for pages in (page, steelyard.text(), steelyard.output.read_text(),
                  steelyard.admin_get("/").content.decode()):
        assert "sk-very-secret" not in pages and "secret-path" not in pages


# Connections per client.

def crowded(stage, limit, **options):
    endpoint = stage.endpoint(text())
    configuration = {**minimal([endpoint.address]), "limits": {"connections_per_client": limit},
                     **options}
    return stage.steelyard(configuration)


def refused(steelyard):
    return steelyard.metrics().value(
        "steelyard_local_responses_total", reason="too_many_connections")


def served(steelyard, host="127.0.0.1"):
    """A connection that was let in, None where it was refused."""
    connection = wire.Connection.__new__(wire.Connection)
    connection.socket = socket.create_connection(
        steelyard.address, timeout=30, source_address=(host, 0))
    connection.buffer = b""
    try:
        connection.send_request("GET", "/")
        response = connection.read_response()
    except (wire.Cut, OSError):
        connection.close()
        return None
    if response.status == 200:
        return connection
    assert response.status == 429
    connection.close()
    return None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_client_has_only_so_many_connections(stage, workers):
    steelyard = crowded(stage, 5, workers=workers)
    mine = [served(steelyard) for _ in range(5)]
    assert all(mine)
    with steelyard.connect() as connection:
        # It is answered before it asks, and closed.
        response = connection.read_response()
        assert response.status == 429
        assert response.one("Connection") == "close"
        assert int(response.one("Retry-After")) >= 1
        assert json.loads(response.content)["error"]["type"] == "too_many_connections"
        assert connection.socket.recv(1) == b""
    assert [served(steelyard) for _ in range(3)] == [None] * 3
    # Another client is not meant.
    other = [served(steelyard, "127.0.0.2") for _ in range(5)]
    assert all(other)
    assert served(steelyard, "127.0.0.2") is None
    assert refused(steelyard) == 5
    mine.pop().close()
    wait_for(lambda: (found := served(steelyard)) and (mine.append(found) or True), "a place")
    for connection in mine + other:
        assert connection.exchange("GET", "/").status == 200
        connection.close()


def test_every_way_in_which_a_connection_ends_gives_its_place_back(stage):
    steelyard = crowded(stage, 2)

    def reset(connection):
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def half_close(connection):
        connection.socket.shutdown(socket.SHUT_WR)

    def ask_and_leave(connection):
        connection.send_request("GET", "/")

    def be_wrong(connection):
        connection.send(b"NOT HTTP\r\n\r\n")
        assert connection.read_response().status == 400

    def send_half_a_head(connection):
        connection.send(b"GET / HTTP/1.1\r\nHost:")

    def ask_to_close(connection):
        assert connection.exchange("GET", "/", fields=[("Connection", "close")]).status == 200

    ways = [reset, half_close, ask_and_leave, be_wrong, send_half_a_head, ask_to_close]
    for way in ways * 3:
        connection = wait_for(lambda: served(steelyard), f"a place before {way.__name__}")
        way(connection)
        connection.close()
    both = [wait_for(lambda: served(steelyard), "a place") for _ in range(2)]
    assert served(steelyard) is None
    for connection in both:
        connection.close()


def test_a_storm_of_connections_leaves_no_count_behind(stage):
    steelyard = crowded(stage, 8, workers=2)

    def run():
        for _ in range(60):
            connection = served(steelyard)
            if connection:
                connection.close()

    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mine = [wait_for(lambda: served(steelyard), "a place") for _ in range(8)]
    assert served(steelyard) is None
    for connection in mine:
        connection.close()
