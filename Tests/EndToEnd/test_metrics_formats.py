"""/metrics on the wire: two formats by Accept, gzip by Accept-Encoding, long pages in pieces."""

import gzip
import json
import re
import subprocess
import threading
import time

import programs
import pytest
from conftest import minimal
from endpoints import text
from exposition import parse
from programs import find, run_steelyard, wait_for
from wire import Connection

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
# What a Prometheus of each kind asks for.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;"
    "escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STRICT = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(json.dumps([[f.name, f.type, f.unit, [
    [s.name, s.labels, s.exemplar and [s.exemplar.labels, s.exemplar.value]] for s in f.samples]]
    for f in parse(sys.stdin.read())]))
"""


def ask(steelyard, method="GET", target="/metrics", version="1.1", **fields):
    pairs = [(name.replace("_", "-"), value) for name, value in fields.items()]
    with Connection(steelyard.admin) as connection:
        return connection.exchange(method, target, fields=pairs, version=version)


def read_strictly(page):
    """The families as Prometheus' own reference parser reads them."""
    python = programs.ROOT / ".build/test-venv/bin/python"
    assert python.exists(), "scripts/setup test"
    read = subprocess.run(
        [python, "-c", STRICT], input=page, capture_output=True, timeout=60)
    assert read.returncode == 0, read.stderr.decode()[-2000:]
    return json.loads(read.stdout)


@pytest.fixture(scope="module")
def steelyard(module_stage):
    fleet = [module_stage.endpoint(text()).address for _ in range(2)]
    steelyard = module_stage.steelyard(
        minimal(fleet, queue={"max_concurrent": 5}, health={"path": "/"}))
    assert steelyard.get("/", fields=[("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")])
    page = wait_for(
        lambda: (page := steelyard.metrics()).sum("steelyard_requests_total") == 1 and page,
        "the request to be counted")
    assert page.sum("steelyard_request_duration_seconds_count") == 1
    return steelyard


@pytest.mark.parametrize("accept, expected", [
    (None, TEXT), ("*/*", TEXT), ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
    (PROMETHEUS_2, OPEN_METRICS), (PROMETHEUS_3, OPEN_METRICS + "; escaping=allow-utf-8"),
    ("application/openmetrics-text;version=1.0.0;escaping=dots",
     OPEN_METRICS + "; escaping=underscores"),
    ("application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5", TEXT),
    ("image/png", TEXT), ("\"", TEXT)])
def test_accept_decides(steelyard, accept, expected):
    response = ask(steelyard, **({"Accept": accept} if accept else {}))
    assert (response.status, response.one("Content-Type")) == (200, expected)
    assert response.one("Vary") == "Accept, Accept-Encoding"
    assert response.content.endswith(b"\n# EOF\n") == expected.startswith("application")


def test_the_strict_parser_takes_the_page(steelyard):
    families = read_strictly(ask(steelyard, Accept=PROMETHEUS_3).content)
    listed = {}
    for line in run_steelyard("metrics").stdout.splitlines():
        name, kind, *_ = line.split()
        ends = {"counter": "_total", "info": "_info"}
        listed[name.removesuffix(ends.get(kind, ""))] = kind
    assert {name: kind for name, kind, _, _ in families} == listed
    for name, kind, unit, _ in families:
        found = re.search("_(seconds|bytes|ratio)$", name)
        assert unit == (found.group(1) if found and kind != "info" else ""), name


def test_a_traced_request_is_the_exemplar_of_its_bucket(steelyard):
    families = {name: samples for name, _, _, samples in
                read_strictly(ask(steelyard, Accept=PROMETHEUS_2).content)}
    marked = [sample for samples in families.values() for sample in samples if sample[2]]
    assert [sample[0] for sample in marked] == ["steelyard_request_duration_seconds_bucket"]
    name, labels, (exemplar, value) = marked[0]
    assert exemplar == {"trace_id": TRACE} and 0 < value <= float(labels["le"])
    assert TRACE.encode() not in ask(steelyard).content


def test_both_formats_say_the_same(steelyard):
    def samples(page):
        lines = [line.split(" # ")[0] for line in page.decode().splitlines()]
        return {line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")}

    assert samples(ask(steelyard).content) == samples(ask(steelyard, Accept=PROMETHEUS_2).content)


@pytest.mark.parametrize("accept_encoding, version, is_gzip", [
    ("gzip", "1.1", True), ("gzip, deflate, br", "1.1", True), ("*", "1.1", True),
    (None, "1.1", False), ("gzip;q=0, *", "1.1", False), ("identity", "1.1", False),
    ("br", "1.1", False), ("gzip", "1.0", False)])
def test_accept_encoding_decides(steelyard, accept_encoding, version, is_gzip):
    fields = {"Accept_Encoding": accept_encoding} if accept_encoding else {}
    response = ask(steelyard, version=version, **fields)
    assert response.one("Content-Encoding") == ("gzip" if is_gzip else None)
    content = gzip.decompress(response.content) if is_gzip else response.content
    assert parse(content.decode()).value("steelyard_workers") == 1
    head = ask(steelyard, "HEAD", version=version, **fields)
    assert head.content == b"" and head.one("Content-Encoding") == response.one("Content-Encoding")


def test_the_status_is_compressed_as_well(steelyard):
    response = ask(steelyard, target="/api/v1/status", Accept_Encoding="gzip")
    assert (response.one("Content-Encoding"), response.one("Vary")) == ("gzip", "Accept-Encoding")
    assert json.loads(gzip.decompress(response.content))["pools"][0]["name"] == "text"


def test_what_is_short_is_not_compressed(steelyard):
    response = ask(steelyard, target="/healthz", Accept_Encoding="gzip")
    assert response.one("Content-Encoding") is None and response.content == b"ok\n"


def test_series_are_there_from_the_start_and_go_with_their_endpoint(stage):
    fleet = [stage.endpoint(text()).address for _ in range(3)]
    steelyard = stage.steelyard(minimal(fleet, health={"path": "/"}, queue={"max_concurrent": 5}))
    page = ask(steelyard, Accept=PROMETHEUS_2).content.decode()
    counters = re.findall(r"^# TYPE (\S+) counter$", page, re.M)
    assert len(counters) > 20
    for family in counters:
        found = re.findall(rf"^{family}_total(?:{{.*}})? (\S+)$", page, re.M)
        # Names, sources, hooks, canaries, limits and TLS that are not configured have no series.
        assert found or re.search(
            "canaries|discovery_|dns_|grpc_|hook_|rate_limit_|scrape_|shared_|"
            "tls_failures|watchdog_", family), family
    assert set(re.findall(r'^steelyard_requests_total{.*endpoint="(.*?)"', page, re.M)) == set(fleet)
    steelyard.write({**minimal(fleet[1:], health={"path": "/"}), "admin": {"listen": "127.0.0.1:0"}})
    assert run_steelyard(
        "reload", "--admin", "%s:%s" % steelyard.admin).returncode == 0
    page = steelyard.admin_get("/metrics").content.decode()
    assert fleet[0] not in page and fleet[1] in page
    assert not re.search(r"^steelyard_queue_length{", page, re.M)


def test_hostile_labels_come_through_a_real_prometheus(stage):
    path = '/a"b\\c\\n{d="e"},f='
    endpoint = stage.endpoint(text()).address
    configuration = minimal([endpoint])
    configuration["listeners"] = [{"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": path}, "pool": "text",
         "rate_limits": [{"key": "client_ip", "rate": "10/s"}]},
        {"pool": "text"}]}]
    steelyard = stage.steelyard(configuration)
    assert steelyard.get("/", fields=[("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")])
    checked = subprocess.run(
        [find("promtool"), "check", "metrics"], input=ask(steelyard).content, capture_output=True,
        timeout=30)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    family = "steelyard_rate_limit_requests_total"
    samples = [sample for _, _, _, samples in
               read_strictly(ask(steelyard, Accept=PROMETHEUS_2).content) for sample in samples]
    scopes = {labels["scope"] for name, labels, _ in samples if name == family}
    assert len(scopes) == 1 and scopes.pop().endswith(" " + path)
    prometheus = stage.prometheus(
        "%s:%s" % steelyard.admin, options=["--enable-feature=exemplar-storage"])
    found = wait_for(
        lambda: (prometheus.api(f"/api/v1/query?query={family}") or {}).get("result"), "a sample")
    assert all(series["metric"]["scope"].endswith(" " + path) for series in found)
    # It asks for OpenMetrics by itself: exemplars come through as well.
    family = "steelyard_request_duration_seconds_bucket"
    exemplars = wait_for(
        lambda: prometheus.api(
            f"/api/v1/query_exemplars?query={family}&start=0&end={time.time() + 60:.0f}"),
        "an exemplar")
    assert exemplars[0]["exemplars"][0]["labels"] == {"trace_id": TRACE}


def test_a_long_page_is_sent_whole_and_lets_others_have_their_turn(stage):
    """1 000 endpoints: megabytes, to several clients at once, one of which does not read."""
    fleet = [f"127.{n // 250 % 250}.{n % 250}.1:9" for n in range(1_000)]
    steelyard = stage.steelyard(minimal(fleet, weights={"law": "static"}))
    plain = ask(steelyard)
    assert len(plain.content) > 5_000_000 and int(plain.one("Content-Length")) == len(plain.content)
    samples = parse(plain.content.decode())
    assert len(samples.by_endpoint("steelyard_endpoint_weight")) == len(fleet)
    head = ask(steelyard, "HEAD")
    assert head.content == b"" and abs(int(head.one("Content-Length")) - len(plain.content)) < 100
    silent = Connection(steelyard.admin)
    silent.send_request("GET", "/metrics")
    results = []

    def scrape():
        response = ask(steelyard, Accept=PROMETHEUS_2, Accept_Encoding="gzip")
        page = gzip.decompress(response.content)
        results.append((response.one("Transfer-Encoding"), page.endswith(b"# EOF\n"), len(page)))

    threads = [threading.Thread(target=scrape) for _ in range(3)]
    for thread in threads:
        thread.start()
    longest = 0
    while any(thread.is_alive() for thread in threads):
        begin = time.monotonic()
        assert steelyard.admin_status("/healthz") == 200
        longest = max(longest, time.monotonic() - begin)
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(result[:2] == ("chunked", True) for result in results)
    assert all(length > len(plain.content) for _, _, length in results)
    # Two on one connection: the second begins when the first has ended.
    with Connection(steelyard.admin) as connection:
        connection.send_request("GET", "/metrics", fields=[("Accept-Encoding", "gzip")])
        connection.send_request("GET", "/healthz")
        assert len(gzip.decompress(connection.read_response().content)) > 5_000_000
        assert connection.read_response().content == b"ok\n"
    # No more than 64 MB of answers wait for clients that do not read.
    waiting = []
    refused = 0
    for _ in range(20):
        connection = Connection(steelyard.admin)
        waiting.append(connection)
        connection.send_request("GET", "/metrics")
        refused += connection.read_head().status == 503
    assert 5 < refused < 20
    for connection in [silent, *waiting]:
        connection.close()
    wait_for(lambda: ask(steelyard).status == 200, "room for an answer again")
    print(f"page of {len(fleet)} endpoints: {len(plain.content) / 1e6:.1f} MB; "
          f"/healthz meanwhile: {longest * 1e3:.0f} ms at most")
