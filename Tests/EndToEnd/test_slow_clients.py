"""Clients that send as slowly as they can (slowloris, R.U.D.Y.): cut in time, in nobody's way."""

import threading
import time

import pytest
from conftest import minimal
from endpoints import echo, text
from programs import wait_for

pytestmark = pytest.mark.over_tls

HEAD = b"GET / HTTP/1.1\r\nHost: test.example\r\nX-A: "
POST = b"POST / HTTP/1.1\r\nHost: test.example\r\n"
_pause = threading.Event()


def configured(addresses, **listener):
    configuration = minimal(addresses)
    configuration["listeners"][0] |= listener
    return configuration


def drip(connection, head, interval=0.05):
    """Sends `head`, then a byte each `interval` until there is an answer; it, and how long it took."""
    begun = time.monotonic()
    connection.send(head)
    stop = threading.Event()

    def send():
        try:
            while not stop.wait(interval):
                connection.send(b"x")
        except OSError:
            pass

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        response = connection.read_response("POST")
    finally:
        stop.set()
        sender.join(10)
    return response, time.monotonic() - begun


def test_a_head_has_one_deadline_however_its_bytes_come(stage):
    steelyard = stage.steelyard(configured([stage.endpoint(echo).address], head_timeout="1s"))
    with steelyard.connect() as connection:
        response, seconds = drip(connection, HEAD)
    assert response.status == 408 and b"head_timeout" in response.content
    assert 0.9 < seconds < 15


def test_the_deadline_of_a_second_head_is_its_own(stage):
    steelyard = stage.steelyard(configured([stage.endpoint(echo).address], head_timeout="1s"))
    with steelyard.connect() as connection:
        _pause.wait(0.7)
        assert connection.exchange("GET", "/").status == 200
        _pause.wait(0.7)
        assert connection.exchange("GET", "/").status == 200
        response, seconds = drip(connection, HEAD)
    assert response.status == 408 and seconds > 0.9


def test_content_below_the_least_rate_is_cut(stage):
    """Twenty bytes a second where a thousand are asked for: cut after the ten seconds of grace."""
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(configured([endpoint.address], body_rate_min=1000))
    with steelyard.connect(timeout=60) as connection:
        response, seconds = drip(connection, POST + b"Content-Length: 100000\r\n\r\nx")
    assert response.status == 408 and b"content_timeout" in response.content
    assert 9.5 < seconds < 40
    assert endpoint.requests == []
    wait_for(lambda: steelyard.metrics().sum("steelyard_endpoint_in_flight") == 0, "the lease")
    assert steelyard.metrics().sum("steelyard_endpoint_failures_total") == 0


def test_content_above_the_least_rate_is_not_cut(stage):
    """Fifteen seconds of content at twice the rate; and one that waits for its endpoint instead."""
    steelyard = stage.steelyard(configured([stage.endpoint(echo).address], body_rate_min=100))
    results = []

    def upload():
        with steelyard.connect(timeout=60) as connection:
            connection.send(POST + b"Content-Length: 3000\r\n\r\n")
            for _ in range(150):
                connection.send(b"x" * 20)
                _pause.wait(0.1)
            results.append(connection.read_response("POST").status)

    def held():
        release = threading.Event()

        def answer(exchange):
            release.wait(60)
            exchange.answer(b"%d" % len(exchange.read_content()))

        total = 16 << 20
        slow = stage.steelyard(configured([stage.endpoint(answer).address], body_rate_min=4 << 20))
        with slow.connect(timeout=60) as connection:
            threading.Timer(13, release.set).start()
            connection.send(POST + b"Content-Length: %d\r\n\r\n" % total + bytes(total))
            results.append(connection.read_response("POST").content)

    threads = [threading.Thread(target=one, daemon=True) for one in (upload, held)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert sorted(map(str, results)) == sorted(map(str, [200, b"%d" % (16 << 20)]))


def test_without_a_least_rate_the_time_between_bytes_counts(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(configured([endpoint.address], body_timeout="1s"))
    with steelyard.connect() as connection:
        connection.send(POST + b"Content-Length: 30\r\n\r\n")
        for _ in range(30):
            _pause.wait(0.1)
            connection.send(b"x")
        assert connection.read_response("POST").status == 200
        connection.send(POST + b"Content-Length: 30\r\n\r\nx")
        assert connection.read_response("POST").status == 408


def test_many_slow_clients_keep_nobody_out(stage):
    """Three hundred of them, each with a byte now and then, on one worker."""
    endpoint = stage.endpoint(text(b"fine"))
    steelyard = stage.steelyard(configured([endpoint.address], head_timeout="5s"))
    before = steelyard.rss_bytes()
    crowd = [steelyard.connect(timeout=60) for _ in range(300)]
    for one in crowd:
        one.send(HEAD)
    slowest = 0.0
    for turn in range(10):
        for one in crowd:
            one.send(b"x")
        begun = time.monotonic()
        for _ in range(5):
            assert steelyard.get("/").content == b"fine"
        slowest = max(slowest, time.monotonic() - begun)
    assert slowest < 3
    # A head in the making holds a block of 36 KB, no more.
    assert steelyard.rss_bytes() < before + 300 * 40_000 + (4 << 20)
    assert all(one.read_response().status == 408 for one in crowd)
    for one in crowd:
        one.close()
    wait_for(
        lambda: steelyard.metrics().value("steelyard_connections_open") < 20, "them to be gone")
