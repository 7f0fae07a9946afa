"""A real Prometheus scrapes us, and its own tool finds nothing to complain of."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

from conftest import minimal
from endpoints import text
from programs import find, wait_for
from secure import SecureSocket, client_context
from wire import Connection


def test_prometheus_scrapes_us(stage):
    endpoints = [stage.endpoint(text()) for _ in range(3)]
    steelyard = stage.steelyard(minimal(
        [{"address": one.address, "weight": n} for n, one in enumerate(endpoints, 1)]))
    for _ in range(20):
        assert steelyard.get("/").status == 200
    prometheus = stage.prometheus(f"{steelyard.admin[0]}:{steelyard.admin[1]}")

    def target():
        targets = (prometheus.api("/api/v1/targets") or {}).get("activeTargets", [])
        return targets and targets[0]["health"] != "unknown" and targets[0]

    found = wait_for(target, "the first scrape")
    assert found["health"] == "up", found["lastError"]

    def query(expression):
        data = prometheus.api(f"/api/v1/query?query={expression}")
        return {
            series["metric"].get("endpoint"): float(series["value"][1])
            for series in (data or {}).get("result", [])}

    weights = wait_for(
        lambda: query("steelyard_endpoint_weight{pool=%22text%22}"), "the weights to be stored")
    assert weights == {one.address: n for n, one in enumerate(endpoints, 1)}
    wait_for(lambda: sum(query("sum(steelyard_requests_total)by(endpoint)").values()) == 20,
             "the requests to be stored")
    assert query("histogram_quantile(0.5,sum(steelyard_request_duration_seconds_bucket)by(le))")


def test_promtool_has_no_complaint(stage):
    page_endpoint = stage.endpoint(
        lambda exchange: exchange.answer(b'{"cpu_usage": 12.5, "memory_usage": 40}'))
    steelyard = stage.steelyard(minimal(
        [page_endpoint.address, "127.0.0.1:1"],
        weights={"law": "headroom", "interval": "200ms", "scrape": [{"preset": "json"}]}))
    steelyard.get("/")
    wait_for(lambda: steelyard.metrics().series("steelyard_signal_value"), "a signal")
    wait_for(
        lambda: steelyard.metrics().sum("steelyard_scrape_failures_total") > 0, "a failed scrape")
    page = steelyard.admin_get("/metrics").content
    checked = subprocess.run(
        [find("promtool"), "check", "metrics"], input=page, capture_output=True, timeout=30)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_the_page_holds_what_it_promises(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(text()).address]))
    steelyard.get("/")
    response = steelyard.admin_get("/metrics")
    assert response.one("Content-Type").startswith("text/plain; version=0.0.4")
    names = {name for name, _, _ in steelyard.metrics().samples}
    assert names >= {
        "steelyard_build_info", "steelyard_requests_total",
        "steelyard_request_duration_seconds_bucket", "steelyard_request_duration_seconds_sum",
        "steelyard_request_duration_seconds_count", "steelyard_endpoint_in_flight",
        "steelyard_endpoint_base_weight", "steelyard_endpoint_target_weight",
        "steelyard_endpoint_weight", "steelyard_endpoint_eligibility",
        "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}


def test_the_admin_server_answers_people_and_probes(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(text()).address]))
    assert steelyard.admin_status("/healthz") == 200
    assert steelyard.admin_status("/readyz") == 200
    page = steelyard.admin_get("/")
    assert page.status == 200 and page.one("Content-Type").startswith("text/html")
    assert b"text" in page.content
    assert steelyard.admin_status("/nothing-here") == 404
    with Connection(steelyard.admin) as connection:
        assert connection.exchange("POST", "/metrics").status in (404, 405)


def test_what_autoscalers_ask_for_has_an_answer(stage):
    """The queries of config/autoscaling against a real Prometheus."""
    fleet = [stage.endpoint(text()) for _ in range(2)]
    steelyard = stage.steelyard(minimal(
        [{"address": one.address, "concurrency": 4} for one in fleet]))
    prometheus = stage.prometheus(f"{steelyard.admin[0]}:{steelyard.admin[1]}")
    folder = Path(__file__).resolve().parents[2] / "config/autoscaling"

    def query(file, key):
        block = re.search(rf"( +){key}: >-\n((?:\1  .+\n)+)", (folder / file).read_text())
        return " ".join(block[2].split()).replace("<<.LabelMatchers>>", 'pool="text"')

    keda = query("keda-scaledobject.yaml", "query")
    assert keda == query("hpa-prometheus-adapter.yaml", "metricsQuery")

    def answer():
        for _ in range(10):
            assert steelyard.get("/").status == 200
        data = prometheus.api("/api/v1/query?query=" + quote(keda))
        return data and data["result"]

    result = wait_for(answer, "the first rate, which takes ten seconds", 60, interval=0.2)
    # One number, which no label tells apart from another; endpoints that answer at once do little.
    assert len(result) == 1 and result[0]["metric"] == {}
    assert 0 < float(result[0]["value"][1]) < 2
    page = steelyard.metrics()
    assert page.value("steelyard_pool_requests_per_second", pool="text") > 1
    assert page.value("steelyard_pool_demand_ratio", pool="text", basis="slots") < 1
    assert page.series("steelyard_pool_forecast_requests_per_second") == []

    def pool():
        return json.loads(steelyard.admin_get("/api/v1/status").content)["pools"][0]

    # The status is of the last whole second, and a moment older than the metrics.
    wait_for(lambda: pool()["demand_ratio"] is not None, "the status")
    assert 0 < pool()["demand_ratio"] < 1 and pool()["forecast_requests_per_second"] is None


def test_a_real_prometheus_scrapes_with_a_certificate(stage, certificates):
    context = client_context(certificates.ca, certificates.client)
    configuration = minimal([stage.endpoint(text()).address])
    configuration["admin"]["tls"] = {**certificates.local.files, "client_ca": certificates.ca}
    steelyard = stage.steelyard(
        configuration, admin_wrap=lambda raw: SecureSocket(raw, context, "localhost"))
    address = "%s:%d" % steelyard.admin
    shown = {"cert_file": str(certificates.client.certificate),
             "key_file": str(certificates.client.key)}

    def up(pair):
        prometheus = stage.prometheus(address, scrape={"scheme": "https", "tls_config": {
            "ca_file": certificates.ca, "server_name": "localhost", **pair}})

        def value():
            data = prometheus.api("/api/v1/query?query=up")
            return data and data["result"] and data["result"][0]["value"][1]

        return wait_for(value, "a scrape")

    assert up(shown) == "1"
    assert up({}) == "0"
