"""GET /api/v1/status and its events: what is told is true, comes every second, and ends for
nobody else when somebody does not read."""

import json
import signal
import socket
import time

import pytest
import wire
from loads import Load
from conftest import minimal
from endpoints import Held, text
from programs import run_steelyard, wait_for

PATH = "/api/v1/status"
EVENTS = "/api/v1/status/events"
STREAMS_MAX = 32


def status(steelyard):
    response = steelyard.admin_get(PATH)
    if response.status == 503:
        return None
    assert response.status == 200, response
    return json.loads(response.content)


def pool(steelyard, name="text"):
    now = status(steelyard)
    return now and next(one for one in now["pools"] if one["name"] == name)


def alerts(steelyard):
    return {one["alert"].removeprefix("Steelyard") for one in status(steelyard)["conditions"]}


class Stream:
    """A client of the events that reads by hand."""

    def __init__(self, steelyard, method="GET", fields=""):
        self.socket = socket.create_connection(steelyard.admin, 30)
        self.socket.sendall(
            f"{method} {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode())
        self.buffer = b""
        self.head = self.until(b"\r\n\r\n").decode()

    def until(self, end):
        while end not in self.buffer:
            data = self.socket.recv(65536)
            assert data, f"the stream ended: {self.buffer[-200:]}"
            self.buffer += data
        found, self.buffer = self.buffer.split(end, 1)
        return found

    def event(self):
        """The fields of the next event."""
        while True:
            lines = [line.split(b": ", 1) for line in self.until(b"\n\n").split(b"\n")]
            fields = {name.decode(): value for name, value in lines}
            if "data" in fields:
                fields["data"] = json.loads(fields["data"])
                return fields
            assert fields == {"retry": b"2000"}

    def stop(self):
        self.socket.close()


def test_the_numbers_are_those_of_the_traffic(stage):
    fast, slow = stage.endpoint(text(b"fast")), stage.endpoint(slowly(0.2))
    steelyard = stage.steelyard(minimal(
        [fast.address, {"address": slow.address, "weight": 3}], balance="round_robin",
        weights={"law": "static"}))
    stage.keep(Load(steelyard, 4, 0.02, "GET"))

    def is_settled():
        found = pool(steelyard)
        return found and found["endpoints"][1]["p50_seconds"] and (
            found["requests_per_second"] or 0) > 5 and found
    wait_for(is_settled, "traffic in the status")
    # A whole window: shares are those of the weights, quantiles those of the answers.
    found = wait_for(
        lambda: (p := pool(steelyard)) and abs(p["endpoints"][1]["traffic_share"] - 0.75) < 0.05
        and p, "the share of traffic to be that of the weight")
    one, other = found["endpoints"]
    assert (one["weight_share"], other["weight_share"]) == (0.25, 0.75)
    assert (one["state"], one["reason"], one["error_ratio"]) == ("ready", "base", 0)
    assert other["p50_seconds"] == pytest.approx(0.2, rel=0.4)
    assert one["p50_seconds"] < other["p50_seconds"] <= other["p99_seconds"]
    assert other["first_byte_p50_seconds"] == pytest.approx(0.2, rel=0.4)
    total = one["requests_per_second"] + other["requests_per_second"]
    assert found["requests_per_second"] == pytest.approx(total, rel=0.01)
    whole = status(steelyard)
    assert whole["ready"] and whole["write"] == "open" and whole["workers"] == 1
    assert whole["time"] == pytest.approx(time.time(), abs=10)
    # The counters of the metrics page say the same as what the status was made of.
    page = steelyard.metrics()
    assert page.value("steelyard_weight_table_revision") >= whole["revision"]


def slowly(seconds):
    def answer(exchange):
        exchange.read_content()
        time.sleep(seconds)
        exchange.answer(b"slow")

    return answer


def test_events_are_a_history_and_then_a_status_each_second(stage):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(minimal([endpoint.address]))
    wait_for(lambda: status(steelyard), "the first reading")
    stream = stage.keep(Stream(steelyard))
    assert stream.head.startswith("HTTP/1.1 200 ")
    assert "Content-Type: text/event-stream" in stream.head
    assert "Content-Length" not in stream.head and "Cache-Control: no-store" in stream.head
    first = stream.event()
    assert first["event"] == b"history"
    assert first["data"]["interval_seconds"] == 1
    (charts,) = first["data"]["pools"]
    assert charts["name"] == "text" and charts["endpoints"][0]["address"] == endpoint.address
    assert 1 <= len(charts["arrivals_per_second"]) <= 120
    events = [stream.event() for _ in range(4)]
    assert {event["event"] for event in events} == {b"status"}
    times = [event["data"]["time"] for event in events]
    gaps = [b - a for a, b in zip(times[1:], times[2:])]
    assert times == sorted(times) and all(0.5 < gap < 5 for gap in gaps), times
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    # The last of them is what a client without a stream is told.
    assert set(events[-1]["data"]) == set(status(steelyard))


def test_a_stream_that_nobody_reads_is_let_go_and_others_go_on(stage):
    # Many endpoints, so that what is not read grows fast.
    addresses = [f"127.0.0.{i // 250 + 2}:{2000 + i}" for i in range(2000)]
    steelyard = stage.steelyard(minimal(addresses))
    wait_for(lambda: status(steelyard), "the first reading")
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect(steelyard.admin)
    lazy.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    stage.keep(Closing(lazy))
    good = stage.keep(Stream(steelyard))
    good.event()
    before = steelyard.rss_bytes()
    ends = {lazy.getsockname()}

    def is_let_go():
        good.event()
        return not ends & connections(steelyard.admin)

    wait_for(is_let_go, "the stream to be let go")
    assert steelyard.rss_bytes() - before < 48 << 20
    assert good.event()["event"] == b"status"


class Closing:
    def __init__(self, one):
        self.stop = one.close


def connections(address):
    """Remote ends of the established connections to a local address, from the kernel."""
    found = set()
    for line in open("/proc/net/tcp").read().splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        if state == "01" and end(local) == tuple(address):
            found.add(end(remote))
    return found


def end(text):
    host, port = text.split(":")
    return socket.inet_ntoa(bytes.fromhex(host)[::-1]), int(port, 16)


def test_there_are_so_many_streams_and_no_more(stage):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    wait_for(lambda: status(steelyard), "the first reading")
    streams = [stage.keep(Stream(steelyard)) for _ in range(STREAMS_MAX)]
    refused = Stream(steelyard)
    assert refused.head.startswith("HTTP/1.1 503 "), refused.head
    refused.stop()
    # One that goes makes room for another.
    streams[0].stop()
    wait_for(lambda: Stream(steelyard).head.startswith("HTTP/1.1 200 "), "room for another")
    assert streams[-1].event()["event"] == b"history"


@pytest.mark.parametrize("method, path, code", [
    ("POST", PATH, 405), ("POST", EVENTS, 405), ("HEAD", EVENTS, 405), ("GET", PATH + "?x=1", 400),
    ("GET", PATH + "/nix", 404), ("GET", EVENTS + "/", 404)])
def test_what_is_no_request_for_it_is_refused(module_stage, method, path, code):
    if not module_stage.running:
        module_stage.steelyard(minimal(["127.0.0.1:9"]))
    (steelyard,) = module_stage.running
    with wire.Connection(steelyard.admin) as connection:
        assert connection.exchange(method, path).status == code


def test_conditions_come_with_faults_and_go_with_them(stage):
    failing = {"is": False}

    def moody(exchange):
        exchange.read_content()
        exchange.answer(b"", status=500 if failing["is"] else 200)

    endpoints = [stage.endpoint(moody), stage.endpoint(moody)]
    configuration = minimal(
        [one.address for one in endpoints], weights={"law": "static"}, retries={"max": 0},
        ejection={"max_fails": 0, "error_ratio": "none"}, watchdog="none")
    held = Held()
    slow = stage.endpoint(held)
    configuration["pools"]["queued"] = {
        "endpoints": [slow.address], "watchdog": "none",
        "queue": {"max_concurrent": 1, "max_length": 100, "timeout": "300s"}}
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/"}, "pool": "text"},
        {"match": {"path_prefix": "/queued/"}, "pool": "queued"}]}
    steelyard = stage.steelyard(configuration)
    load = stage.keep(Load(steelyard, 4, 0.02, "GET"))
    waiting = stage.keep(Load(steelyard, 14, 0.1, "GET", "/queued/"))
    failing["is"] = True
    host, port = steelyard.admin
    for one in endpoints:
        done = run_steelyard("drain", one.address, "--pool", "text", "--admin", f"{host}:{port}")
        assert done.returncode == 0, done.stderr
        if one is endpoints[0]:
            wait_for(lambda: {"ErrorRateHigh", "SuccessRateVeryLow", "SingleEndpointLeft",
                              "QueueLong"} <= alerts(steelyard), "errors, a queue, one left")
    wait_for(lambda: "NoEligibleEndpoint" in alerts(steelyard), "nobody left")
    first = status(steelyard)["conditions"][0]
    assert (first["severity"], first["pool"]) == ("disaster", "text")
    assert 0 <= status(steelyard)["time"] - first["since"] < 60
    kinds = {one["kind"] for one in status(steelyard)["decisions"]}
    assert "tuning" in kinds
    failing["is"] = False
    held.release.set()
    for one in endpoints:
        run_steelyard("drain", one.address, "--undo", "--pool", "text", "--admin",
                      f"{host}:{port}")
    waiting.stop()
    wait_for(lambda: not alerts(steelyard), "all to be well")
    load.stop()


def test_tokens_are_asked_for_as_anywhere(stage):
    configuration = minimal(["127.0.0.1:9"])
    configuration["admin"].update(read_token={"env": "READ"}, write_token={"env": "WRITE"})
    tokens = {"READ": "read-token-0123456789", "WRITE": "write-token-0123456789"}
    steelyard = stage.steelyard(configuration, environment=tokens)
    assert steelyard.admin_status(PATH) == 401
    assert Stream(steelyard).head.startswith("HTTP/1.1 401 ")
    for token in tokens.values():
        stream = stage.keep(Stream(steelyard, fields=f"Authorization: Bearer {token}\r\n"))
        assert stream.head.startswith("HTTP/1.1 200 ")
        events = [stream.event() for _ in range(2)]
        assert events[1]["data"]["write"] == "token"


def test_a_change_of_tokens_ends_the_streams(stage, tmp_path):
    file = tmp_path / "read.token"
    file.write_text("read-token-0123456789")
    configuration = minimal(["127.0.0.1:9"])
    configuration["admin"]["read_token"] = {"file": str(file)}
    steelyard = stage.steelyard(configuration)

    def stream_of(token):
        stream = stage.keep(Stream(steelyard, fields=f"Authorization: Bearer {token}\r\n"))
        assert stream.head.startswith("HTTP/1.1 200 ")
        return stream

    stream = stream_of("read-token-0123456789")

    def reload():
        before = len(steelyard.events("configuration reloaded"))
        steelyard.send_signal(signal.SIGHUP)
        wait_for(lambda: len(steelyard.events("configuration reloaded")) > before, "the reload")

    reload()
    for _ in range(3):
        stream.event()
    file.write_text("another-token-0123456789")
    reload()
    while stream.socket.recv(65536):
        pass
    assert stream_of("another-token-0123456789").event()
