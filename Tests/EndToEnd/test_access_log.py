"""The access log: every exchange once, whatever bytes it holds, and never in a worker's way."""

import json
import os
import re
import signal
import threading

import pytest
from conftest import minimal
from endpoints import text
from programs import logfmt, run_steelyard, wait_for

OK, CANNOT_CREATE, CONFIGURATION = 0, 73, 78
# nginx's combined format, as log analysers read it.
COMBINED = re.compile(
    r'^(\S+) - (\S+) \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] '
    r'"([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)"$')


def configuration(addresses, path, **log):
    return minimal(addresses) | {"access_log": {"path": str(path), **log}}


def lines(path, count):
    """The file's lines once there are at least so many."""
    wait_for(
        lambda: path.exists() and path.read_bytes().count(b"\n") >= count, f"{count} lines")
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return content.decode("utf-8").splitlines()


def records(path, count):
    return [json.loads(line) for line in lines(path, count)]


def send_many(steelyard, count, target, fields=()):
    """So many exchanges on one connection, fifty requests at a time."""
    with steelyard.connect() as connection:
        for start in range(0, count, 50):
            batch = range(start, min(start + 50, count))
            for n in batch:
                connection.send_request("GET", target(n), fields=fields)
            for _ in batch:
                assert connection.read_response().status == 200


def test_a_line_says_what_happened(stage, tmp_path):
    file = tmp_path / "access.log"
    endpoint = stage.endpoint(text(b"x" * 1000))
    steelyard = stage.steelyard(configuration([endpoint.address], file, format="json"))
    with steelyard.connect() as connection:
        fields = [
            ("User-Agent", 'curl/8 "quoted"'), ("Referer", "http://a/b?c=d"),
            ("X-Request-ID", "id-1")]
        connection.exchange("POST", "/v1/a%20b?key=secret", fields=fields, content=b"z" * 300)
        client = connection.socket.getsockname()[0]
    (record,) = records(file, 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert 0 <= record["first_byte_seconds"] <= record["duration_seconds"] < 30
    del record["first_byte_seconds"], record["duration_seconds"]
    assert 1000 < record.pop("sent_bytes") < 1500
    assert 300 < record.pop("received_bytes") < 700
    assert record == {
        "client": client, "method": "POST", "target": "/v1/a%20b?key=secret",
        "protocol": "HTTP/1.1", "status": 200, "pool": "text", "endpoint": endpoint.address, "attempts": 1, "request_id": "id-1",
        "user_agent": 'curl/8 "quoted"', "referer": "http://a/b?c=d", "termination": "completed"}


def test_combined_is_what_log_analysers_read(stage, tmp_path):
    file = tmp_path / "access.log"
    endpoint = stage.endpoint(text(b"x" * 1000))
    steelyard = stage.steelyard(
        configuration([endpoint.address], file, format="combined", query=False))
    with steelyard.connect() as connection:
        connection.exchange("GET", "/a?key=secret", fields=[("User-Agent", 'a"b\\c\xe9')])
    (line,) = lines(file, 1)
    found = COMBINED.match(line)
    assert found, line
    assert found[1] == "127.0.0.1" and found[4] == "GET /a HTTP/1.1"
    assert (found[5], found[6], found[7]) == ("200", "1000", "-")
    # UTF-8 of é, and nginx's escapes.
    assert found[8] == r"a\x22b\x5Cc\xC3\xA9"


def test_every_exchange_has_one_line(stage, tmp_path):
    file = tmp_path / "access.log"
    steelyard = stage.steelyard(
        configuration([stage.endpoint(text()).address], file) | {"workers": 2})
    total, threads = 4000, 8

    def client(number):
        send_many(steelyard, total // threads, lambda n: f"/{number}/{n}")

    running = [threading.Thread(target=client, args=(number,)) for number in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    # A graceful end writes what is still in memory.
    steelyard.send_signal(signal.SIGTERM)
    assert steelyard.wait() == OK
    found = [logfmt(line)["target"] for line in file.read_text().splitlines()]
    assert len(found) == total
    assert set(found) == {f"/{a}/{b}" for a in range(threads) for b in range(total // threads)}


HOSTILE = [
    b'"', b"\\", b'\\"', b"a b", b"=", b"\t", b"\x80\xff", b"\xe2\x80\xa8", b"\xc3\xa9",
    b"\xc2\x85", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x8e\x88", b"\xe2\x82",
    b"status=200", b"'; DROP TABLE", b"%0a%0d", b'","status":200,"x":"', b"A" * 5000,
    bytes(byte for byte in range(0x20, 0x100) if byte != 0x7F)]


@pytest.mark.parametrize("form", ["json", "logfmt", "combined"])
def test_no_bytes_of_a_client_break_a_line(stage, tmp_path, form):
    file = tmp_path / "access.log"
    steelyard = stage.steelyard(
        configuration([stage.endpoint(text()).address], file, format=form))
    for value in HOSTILE:
        with steelyard.connect() as connection:
            connection.send(
                b"GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: " + value + b"\r\n\r\n")
            assert connection.read_response().status == 200
    found = lines(file, len(HOSTILE))
    assert len(found) == len(HOSTILE)
    for line, value in zip(found, HOSTILE):
        assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in line)
        # What a field is cut to, and surrounding blanks do not belong to it (RFC 9110 §5.5).
        expected = value.strip(b" \t")[:256]
        if form == "json":
            record = json.loads(line)
            assert (record["status"], record["target"]) == (200, "/x")
            assert record["user_agent"] == (decoded(expected) or None)
        elif form == "logfmt":
            assert logfmt(line)["status"] == "200"
            assert logfmt(line).get("user_agent", "") == decoded(expected)
        else:
            agent = re.sub(
                rb"\\x([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]),
                COMBINED.match(line)[8].encode())
            assert agent == (expected or b"-")


def decoded(value):
    """UTF-8, with U+FFFD for every byte that is none of it."""
    result = ""
    while value:
        for length in (1, 2, 3, 4):
            try:
                result += value[:length].decode("utf-8")
                break
            except UnicodeDecodeError:
                continue
        else:
            length = 1
            result += "\ufffd"
        value = value[length:]
    return result


def test_long_targets_are_cut(stage, tmp_path):
    file = tmp_path / "access.log"
    steelyard = stage.steelyard(
        configuration([stage.endpoint(text()).address], file, format="json"))
    assert steelyard.get("/" + "a" * 5000).status == 200
    (record,) = records(file, 1)
    assert record["target"] == "/" + "a" * 1023


def test_exchanges_that_do_not_end_well_say_how(stage, tmp_path):
    file = tmp_path / "access.log"
    begun = threading.Event()

    def answer(exchange):
        if exchange.request.target == "/cut":
            exchange.begin_chunked()
            exchange.chunk(b"half")
            exchange.keeps_alive = False
            exchange.socket.close()
        elif exchange.request.target == "/hang":
            begun.set()
            exchange.receive()
        elif exchange.request.target == "/stream":
            exchange.begin_chunked()
            exchange.chunk(b"token")
            exchange.receive()
        else:
            exchange.answer(b"no", status=503)

    endpoint = stage.endpoint(answer)
    log = configuration([endpoint.address], file, format="json")
    log["listeners"] = [{"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/api"}}, {"match": {"path_prefix": "/cut"}},
        {"match": {"path_prefix": "/hang"}}, {"match": {"path_prefix": "/stream"}}]}]
    steelyard = stage.steelyard(log)
    with steelyard.connect() as connection:
        connection.send_request("GET", "/cut")
        connection.rest()
    with steelyard.connect() as connection:
        connection.send_request("GET", "/hang")
        assert begun.wait(30)
    lines(file, 2)
    with steelyard.connect() as connection:
        connection.send_request("GET", "/stream")
        assert connection.read_head().status == 200
    lines(file, 3)
    assert steelyard.get("/nowhere").status == 404
    assert steelyard.get("/api").status == 503
    with steelyard.connect() as connection:
        connection.send(b"no request at all\r\n\r\n")
        connection.rest()
    found = records(file, 6)
    rows = [(r["target"], r["status"], r["termination"], r["attempts"]) for r in found]
    assert rows == [
        ("/cut", 200, "truncated", 1), ("/hang", 499, "canceled", 1),
        ("/stream", 200, "canceled", 1), ("/nowhere", 404, "no_route", 0),
        ("/api", 503, "completed", 1), (None, 400, "malformed_request", 0)]
    assert found[1]["first_byte_seconds"] is None and found[2]["first_byte_seconds"] is not None
    assert found[3]["pool"] is None and found[3]["sent_bytes"] > 100


def test_a_route_can_be_left_out(stage, tmp_path):
    file = tmp_path / "access.log"
    log = configuration([stage.endpoint(text()).address], file)
    log["listeners"] = [{"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/"}},
        {"match": {"path_prefix": "/health"}, "access_log": False}]}]
    steelyard = stage.steelyard(log)
    with steelyard.connect() as connection:
        for target in ["/health", "/a", "/health", "/b"]:
            assert connection.exchange("GET", target).status == 200
    assert [logfmt(line)["target"] for line in lines(file, 2)] == ["/a", "/b"]


def test_answers_of_routes_are_logged(stage, tmp_path):
    file = tmp_path / "access.log"
    log = configuration([stage.endpoint(text()).address], file, format="json")
    log["listeners"] = [{"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/"}},
        {"match": {"path_prefix": "/old"}, "redirect": {"location": "/new"}},
        {"match": {"path_prefix": "/fixed"}, "respond": {"status": 200, "body": "five5"}}]}]
    steelyard = stage.steelyard(log)
    assert steelyard.get("/old").status == 308
    assert steelyard.get("/fixed").content == b"five5"
    rows = [
        (r["target"], r["status"], r["termination"], r["pool"], r["attempts"])
        for r in records(file, 2)]
    assert rows == [
        ("/old", 308, "redirect", None, 0), ("/fixed", 200, "respond", None, 0)]


def test_a_full_disk_costs_lines_not_requests(stage):
    steelyard = stage.steelyard(
        configuration([stage.endpoint(text()).address], "/dev/full", format="json"))
    send_many(steelyard, 1500, lambda n: "/" + "a" * 1000)
    # A worker holds 1 MiB of lines, these are at least 1 KB each.
    wait_for(lambda: (page := steelyard.metrics()).value("steelyard_access_log_write_errors_total")
             and page.value("steelyard_access_log_dropped_total", reason="failing") > 400,
             "lines that fail")
    assert steelyard.get("/").status == 200
    (event,) = wait_for(
        lambda: steelyard.events("access log cannot be written"), "a word in the log")
    assert event["level"] == "error" and "space" in event["reason"]
    steelyard.send_signal(signal.SIGTERM)
    assert steelyard.wait(20) == OK


def test_a_fifo_that_nobody_reads_blocks_nothing(stage, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    steelyard = stage.steelyard(configuration([stage.endpoint(text()).address], fifo))
    send_many(steelyard, 1500, lambda n: "/" + "a" * 1000)
    page = steelyard.metrics()
    assert page.sum("steelyard_access_log_dropped_total") > 100
    # Once somebody reads, what was kept comes, whole lines in order, and then what is new.
    with open(fifo, "rb") as reading:
        first = logfmt(reading.readline().decode())
        assert first["target"] == "/" + "a" * 1000
        found = threading.Event()

        def read():
            for line in reading:
                if logfmt(line.decode())["target"] == "/new":
                    found.set()
                    return

        thread = threading.Thread(target=read, daemon=True)
        thread.start()

        def is_found():
            assert steelyard.get("/new").status == 200
            return found.is_set()

        wait_for(is_found, "the newest line", interval=0.2)
        thread.join(30)
    assert steelyard.get("/").status == 200


@pytest.mark.parametrize("how", [signal.SIGUSR1, signal.SIGHUP])
def test_a_rotated_file_is_opened_anew(stage, tmp_path, how):
    file = tmp_path / "access.log"
    steelyard = stage.steelyard(configuration([stage.endpoint(text()).address], file))
    assert steelyard.get("/old").status == 200
    lines(file, 1)
    file.rename(tmp_path / "access.log.1")
    steelyard.send_signal(how)
    wait_for(file.exists, "the new file")
    assert steelyard.get("/new").status == 200
    assert logfmt(lines(file, 1)[0])["target"] == "/new"
    assert (tmp_path / "access.log.1").read_text().count("\n") == 1


def test_the_log_can_be_switched_on_and_off_by_a_reload(stage, tmp_path):
    file = tmp_path / "access.log"
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(minimal([endpoint.address]))
    assert steelyard.get("/before").status == 200
    steelyard.write(configuration([endpoint.address], file))
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: steelyard.events("configuration reloaded"), "the reload")

    def is_logged():
        assert steelyard.get("/on").status == 200
        return file.exists() and file.stat().st_size

    wait_for(is_logged, "a line")
    assert {logfmt(line)["target"] for line in lines(file, 1)} == {"/on"}
    steelyard.write(minimal([endpoint.address]))
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: len(steelyard.events("configuration reloaded")) == 2, "the second reload")

    def is_quiet():
        before = steelyard.metrics().value("steelyard_access_log_lines_total")
        assert steelyard.get("/off").status == 200
        return steelyard.metrics().value("steelyard_access_log_lines_total") == before

    wait_for(is_quiet, "the end of the log")


@pytest.mark.parametrize("path, status", [
    ("/nowhere/at/all.log", CANNOT_CREATE), ("/", CONFIGURATION), ("stdot", CONFIGURATION)])
def test_a_file_that_cannot_be_is_said_at_the_start(tmp_path, path, status):
    file = tmp_path / "a.yaml"
    file.write_text(json.dumps(configuration(["127.0.0.1:9"], path)))
    ended = run_steelyard("serve", file)
    assert ended.returncode == status
    assert "access log" in ended.stderr or "`path`" in ended.stderr


@pytest.mark.parametrize("path", ["stdout", "stderr"])
def test_standard_streams_take_lines_too(stage, path):
    steelyard = stage.steelyard(configuration([stage.endpoint(text()).address], path))
    assert steelyard.get("/x").status == 200
    file = steelyard.output if path == "stdout" else steelyard.log
    wait_for(lambda: "target=/x protocol=HTTP/1.1 status=200" in file.read_text(), "the line")
