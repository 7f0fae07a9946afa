"""What a Prometheus of the operator's own is told: where the pages are, and what is an alarm."""

import json

from conftest import minimal
from endpoints import pages, text
from programs import wait_for


def _groups(steelyard):
    response = steelyard.admin_get("/sd/prometheus")
    assert response.status == 200 and response.one("Content-Type") == "application/json"
    return json.loads(response.content)


def test_every_page_of_every_endpoint_is_a_target(stage):
    vllm = {"preset": "vllm"}
    node = {"preset": "node", "port": 9100}
    odd = {"path": '/m"\\<&?format=prometheus&a=%20b&format=x&é-bad=1'.replace("é", "%C3%A9"),
           "port": 7, "signals": [{"name": "x", "metric": "x"}]}
    steelyard = stage.steelyard({
        "admin": {"listen": "127.0.0.1:0"}, "workers": 1,
        "listeners": [{"listen": "127.0.0.1:0", "pool": "b"}],
        "pools": {
            "b": {"endpoints": ["127.0.0.1:8001", "127.0.0.1:8002", "[::1]:8003"],
                  "weights": {"law": "static", "scrape": [vllm, node]}},
            "a": {"endpoints": ["127.0.0.1:8001"],
                  "weights": {"law": "static", "scrape": [node, odd, {"preset": "json"}]}},
            "none": {"endpoints": ["127.0.0.1:8001"]}}})
    found = [(group["targets"], group["labels"]) for group in _groups(steelyard)]

    def page(pool, target, endpoint, preset, path="/metrics", **parameters):
        return ([target], {
            "pool": pool, "__metrics_path__": path, "__meta_steelyard_pool": pool,
            "__meta_steelyard_endpoint": endpoint, "__meta_steelyard_preset": preset,
            **parameters})

    six = "[0:0:0:0:0:0:0:1]"
    assert found == [
        page("b", "127.0.0.1:8001", "127.0.0.1:8001", "vllm"),
        # The page of a host stands there once a pool, and as often as there are pools.
        page("b", "127.0.0.1:9100", "127.0.0.1:8001", "node"),
        page("b", "127.0.0.1:8002", "127.0.0.1:8002", "vllm"),
        page("b", f"{six}:8003", f"{six}:8003", "vllm"),
        page("b", f"{six}:9100", f"{six}:8003", "node"),
        page("a", "127.0.0.1:9100", "127.0.0.1:8001", "node"),
        page("a", "127.0.0.1:7", "127.0.0.1:8001", "custom", '/m"\\<&',
             __param_format="prometheus", __param_a=" b")]


def test_a_host_name_is_its_addresses_and_a_reload_changes_them(stage):
    endpoint = stage.endpoint(pages(lambda: "x 1\n"))
    weights = {"law": "static", "scrape": [{"preset": "vllm"}]}
    configuration = minimal(
        [f"localhost:{endpoint.port}"], weights=weights)
    configuration["dns"] = {"family": "ipv4"}
    steelyard = stage.steelyard(configuration)
    targets = wait_for(
        lambda: [group["targets"] for group in _groups(steelyard)], "the name's addresses")
    assert targets == [[f"127.0.0.1:{endpoint.port}"]]
    configuration["pools"]["text"]["endpoints"] = ["127.0.0.1:2", "127.0.0.1:3"]
    steelyard.write(configuration)
    steelyard.send_signal(1)
    wait_for(
        lambda: [group["targets"] for group in _groups(steelyard)]
        == [["127.0.0.1:2"], ["127.0.0.1:3"]], "the reloaded endpoints")


def test_thresholds_are_metrics_and_a_reload_changes_them(stage):
    address = stage.endpoint(text()).address
    configuration = minimal([address])
    configuration["pools"]["text"]["thresholds"] = "web"
    configuration["pools"]["other"] = {
        "endpoints": [address],
        "thresholds": {"response_time": {"normal": "2s", "alarm": "8s"}, "request_rate": "90/m"}}
    configuration["pools"]["new"] = {"endpoints": [address]}
    steelyard = stage.steelyard(configuration)
    page = steelyard.metrics()
    expected = {
        "error_ratio": (0.01, 0.05), "response_time_seconds": (0.1, 0.5), "p99_seconds": (None, 0.2),
        "endpoint_connections": (None, 5000), "queue_length": (10, 50),
        "success_ratio": (0.99, 0.95)}
    for name, (normal, alarm) in expected.items():
        name = f"steelyard_pool_threshold_{name}"
        assert page.value(name, pool="text", level="alarm") == alarm
        found = page.series(name, pool="text", level="normal")
        assert [value for _, value in found] == ([] if normal is None else [normal])
    assert page.value("steelyard_pool_threshold_objective_ratio", pool="text") == 0.999
    rates = page.series("steelyard_pool_expected_requests_per_second")
    assert rates == [({"pool": "other"}, 1.5)]
    times = "steelyard_pool_threshold_response_time_seconds"
    assert page.value(times, pool="other", level="alarm") == 8
    # What is learned has no sample while too little is known: no rule compares with a guess.
    for learned in [times, "steelyard_pool_threshold_p99_seconds",
                    "steelyard_pool_usual_response_seconds"]:
        assert not page.series(learned, pool="new")
    configuration["pools"]["text"]["thresholds"] = {"response_time": {"alarm": "1s"}}
    steelyard.write(configuration)
    steelyard.send_signal(1)
    wait_for(
        lambda: steelyard.metrics().value(times, pool="text", level="alarm") == 1,
        "the reloaded threshold")
