"""What is shown of endpoints that requests found to fail is true: from the ejection until it ends, on
every page, for every hook, and whether a request tries them or not."""

import json
import threading

import pytest
from conftest import minimal
from endpoints import text
from programs import find, wait_for
from wire import Connection, Cut

SAMPLES = 20


class Traffic:
    """One request after the other, whatever becomes of them."""

    def __init__(self, steelyard):
        self.steelyard = steelyard
        self.stops = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stops.wait(0.01):
            try:
                self.steelyard.get("/")
            except (Cut, OSError):
                pass

    def stop(self):
        self.stops.set()
        self.thread.join()


def states(steelyard):
    """The state of every endpoint, of which each has exactly one."""
    page = steelyard.metrics()
    found = {}
    for state in ("ready", "starting", "unhealthy", "stalled", "ejected", "draining", "drained"):
        for endpoint, value in page.by_endpoint(
                "steelyard_endpoint_eligibility", state=state).items():
            if value == 1:
                assert endpoint not in found
                found[endpoint] = state
    return found


def read(steelyard, path):
    with Connection(steelyard.admin) as connection:
        return json.loads(connection.exchange("GET", path).content)


def shown(steelyard, address):
    """The endpoint in the status and in its pool's explanation."""
    status = read(steelyard, "/api/v1/status")["pools"][0]["endpoints"]
    explained = read(steelyard, "/api/v1/pools/text/explain")["endpoints"]
    (one,) = [each for each in status if each["address"] == address]
    (other,) = [each for each in explained if each["address"] == address]
    return one, other


@pytest.fixture
def fleet(stage, tmp_path):
    """Two endpoints, a steelyard with hooks that note events, and what they noted."""
    record = tmp_path / "events"
    note = tmp_path / "note.sh"
    note.write_text(f"#!{find('sh')}\necho \"$1 $2\" >> {record}\n")
    note.chmod(0o755)
    events = ["endpoint_ready", "endpoint_ejected", "pool_without_endpoint", "pool_recovered"]
    configuration = minimal([], balance="round_robin") | {
        "workers": 2,
        "hooks": [{"on": events, "run": [str(note), "{event}", "{endpoint}"], "cooldown": "0s"}]}
    endpoints = [stage.endpoint(text()) for _ in range(2)]
    configuration["pools"]["text"]["endpoints"] = [one.address for one in endpoints]
    configuration["admin"]["ready_unless_empty"] = ["text"]
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "routes": [
        {"match": {"path": "/health"}, "respond": {"status": 204, "unless_empty": "text"}},
        {"match": {"path_prefix": "/"}, "pool": "text"}]}
    steelyard = stage.steelyard(configuration)

    def noted(event):
        lines = record.read_text().splitlines() if record.exists() else []
        return [line.split(" ")[1] for line in lines if line.split(" ")[0] == event]

    return steelyard, endpoints, noted


def test_an_endpoint_whose_port_is_closed_is_ejected_until_it_is_back(stage, fleet):
    steelyard, (first, second), noted = fleet
    traffic = Traffic(steelyard)
    try:
        first.stop()
        wait_for(lambda: states(steelyard)[first.address] == "ejected", "the ejection", 3)
        for _ in range(SAMPLES):
            assert states(steelyard) == {first.address: "ejected", second.address: "ready"}
            traffic.stops.wait(0.1)
        one, other = shown(steelyard, first.address)
        assert one["state"] == other["state"] == "ejected"
        assert one["ejection"]["reason"] == other["ejection"]["reason"] == "connection_refused"
        assert one["ejection"]["seconds"] >= 1 and one["ejection"]["next_trial_seconds"] <= 1
        assert one["state_text"].startswith("ejected for ")
        assert "connection refused" in one["state_text"]
        assert steelyard.admin_status("/readyz") == 200
        assert steelyard.get("/health").status == 204

        second.stop()
        wait_for(lambda: steelyard.admin_status("/readyz") == 503, "no endpoint to be left", 3)
        wait_for(lambda: noted("pool_without_endpoint"), "its hook")
        for _ in range(SAMPLES):
            assert set(states(steelyard).values()) == {"ejected"}
            assert steelyard.admin_status("/readyz") == 503
            assert steelyard.get("/health").status == 503
            traffic.stops.wait(0.1)
        wait_for(lambda: "SteelyardNoEligibleEndpoint" in [
            each["alert"] for each in read(steelyard, "/api/v1/status")["conditions"]], "it")
        assert len(noted("pool_without_endpoint")) == 1 and noted("endpoint_ready") == []

        for each in (first, second):
            stage.endpoint(text(), each.host, each.port)
        wait_for(lambda: set(states(steelyard).values()) == {"ready"}, "both to be back")
        assert steelyard.admin_status("/readyz") == 200
        assert steelyard.get("/health").status == 204
        wait_for(lambda: len(noted("endpoint_ready")) == 2 and noted("pool_recovered"), "hooks")
    finally:
        traffic.stop()
    both = sorted([first.address, second.address])
    assert sorted(event["endpoint"] for event in steelyard.events("endpoint ejected")) == both
    back = steelyard.events("endpoint readmitted")
    assert sorted(event["endpoint"] for event in back) == both
    assert {event["by"] for event in back} <= {"trial_answers", "connection"}
    assert sorted(noted("endpoint_ejected")) == sorted(noted("endpoint_ready")) == both
    assert len(noted("pool_without_endpoint")) == 1


def test_without_requests_a_closed_port_stays_ejected_and_an_open_one_is_back(stage, fleet):
    steelyard, endpoints, noted = fleet
    for each in endpoints:
        each.stop()
    wait_for(lambda: steelyard.get("/") and steelyard.admin_status("/readyz") == 503, "an end", 5)
    # Longer than nothing is heard of them: connections are tried, in vain.
    for _ in range(SAMPLES):
        assert set(states(steelyard).values()) == {"ejected"}
        threading.Event().wait(0.3)
    assert steelyard.events("endpoint readmitted") == []
    stage.endpoint(text(), endpoints[0].host, endpoints[0].port)
    wait_for(lambda: steelyard.admin_status("/readyz") == 200, "the one that is back")
    (back,) = wait_for(lambda: steelyard.events("endpoint readmitted"), "the word of it")
    assert back["endpoint"] == endpoints[0].address and back["by"] == "connection"
    assert states(steelyard) == {
        endpoints[0].address: "ready", endpoints[1].address: "ejected"}
    wait_for(lambda: noted("endpoint_ready") == [endpoints[0].address], "its hook")
    assert steelyard.get("/").status == 200
