"""The page at /metrics: what the catalogue holds is exported and documented, and nothing else."""

import json
import re
from pathlib import Path

from conftest import minimal
from programs import run_steelyard, wait_for
from secure import SecureAddress, SecureSocket, client_context
from stores import Store
from wire import Connection

ROOT = Path(__file__).resolve().parents[2]
# What takes longer to be known than a test runs, and host names, which need a server of names.
UNKNOWN = {
    "steelyard_pool_requests_per_second",
    "steelyard_pool_capacity_requests_per_second",
    "steelyard_pool_demand_ratio",
    "steelyard_pool_forecast_requests_per_second",
    "steelyard_pool_forecast_upper_requests_per_second",
    "steelyard_pool_forecast_error_requests_per_second",
    "steelyard_pool_usual_response_seconds",
    "steelyard_dns_resolutions_total",
    "steelyard_dns_last_success_timestamp_seconds",
    "steelyard_dns_addresses",
}


def json_page(exchange):
    exchange.answer(b'{"cpu_usage": 12.5, "memory_usage": 40}')


def with_everything(addresses, pair, store, secret, targets):
    """A configuration that has a sample in nearly every family. `pair`: of its second listener.
    `targets`: the file of a source, which is written."""
    targets.write_text(json.dumps([{"targets": addresses}]))
    named = [{"address": address, "name": f"gpu-{index}", "labels": {"zone": "a"}}
             for index, address in enumerate(addresses)]
    configuration = minimal(
        named, health={"path": "/", "interval": "200ms", "timeout": "100ms"},
        canary={"path": "/"},
        queue={"max_concurrent": 10}, thresholds={"profile": "web", "request_rate": "100/s"},
        rate_limits=[{"key": "client_ip", "rate": "1000/s"}],
        weights={"law": "headroom", "interval": "100ms", "scrape": [{"preset": "json"}]})
    configuration["listeners"].append({"listen": "127.0.0.1:0", "tls": pair.files})
    # Calls of gRPC are counted for such pools only.
    configuration["pools"]["calls"] = {"endpoints": ["127.0.0.1:1"], "protocol": "http2"}
    configuration["pools"]["text"]["discover"] = [{"file": str(targets)}]
    for listener in configuration["listeners"]:
        listener["pool"] = "text"
    configuration["shared"] = {
        "redis": {"address": store.address}, "secret": {"file": str(secret)}}
    configuration["access_log"] = {"path": "./access.log"}
    configuration["hooks"] = [{"on": ["endpoint_ejected"], "run": ["/bin/true"]}]
    return configuration


def catalogue():
    """Types and labels by name, as the program lists them."""
    lines = run_steelyard("metrics").stdout.splitlines()
    rows = [(line.split() + [""])[:3] for line in lines]
    return {name: (kind, set(filter(None, labels.split(",")))) for name, kind, labels in rows}


def family_of(sample, families):
    """The family that a sample of the text format is of."""
    for suffix in ("", "_bucket", "_sum", "_count"):
        name = sample.removesuffix(suffix)
        if sample.endswith(suffix) and name in families:
            return name
    raise AssertionError(f"{sample} is in no family of the catalogue")


def test_the_document_is_made_from_the_catalogue():
    assert (ROOT / "docs/metrics.md").read_text() == run_steelyard("metrics", "--markdown").stdout, \
        "docs/metrics.md is another one: make docs"


def test_a_page_holds_the_catalogue_and_nothing_else(stage, certificates, tmp_path):
    fleet = [stage.endpoint(json_page).address for _ in range(2)]
    store = stage.keep(Store(stage.directory / "store"))
    secret = stage.directory / "secret"
    secret.write_text("0123456789abcdef\n")
    secret.chmod(0o600)
    steelyard = stage.steelyard(with_everything(
        fleet, certificates.local, store, secret, tmp_path / "targets.json"))
    assert steelyard.get("/").status == 200
    context = client_context(certificates.ca)
    secure = SecureAddress(
        steelyard.addresses[1], lambda raw: SecureSocket(raw, context, "127.0.0.1"))
    with Connection(secure) as connection:
        assert connection.exchange("GET", "/").status == 200
    families = catalogue()
    assert len(families) > 60

    def known():
        page = steelyard.metrics()
        names = {family_of(name, families) for name, _, _ in page.samples}
        return page if families.keys() - names <= UNKNOWN else None

    wait_for(known, "a sample in every family")
    page = steelyard.admin_get("/metrics").content.decode()
    shown = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))
    assert shown == {
        name: "gauge" if kind == "info" else kind for name, (kind, _) in families.items()}
    for sample, labels, _ in steelyard.metrics().samples:
        expected = families[family_of(sample, families)][1]
        # An endpoint's labels are the operator's own.
        own = {"le"} | ({"label_zone"} if sample == "steelyard_endpoint_info" else set())
        assert labels.keys() - own == expected, sample


def test_the_command_refuses_other_words():
    assert run_steelyard("metrics", "--yaml").returncode == 64
