"""What health checks in front of steelyard are told while a pool has no endpoint."""

import pytest
from conftest import minimal
from endpoints import text
from programs import run_steelyard, wait_for


@pytest.fixture
def fragile(stage):
    """A pool whose one endpoint fails its health check when it is told to."""
    states = {"ok": True}

    def answer(exchange):
        exchange.answer(b"", status=200 if states["ok"] else 500)

    configuration = minimal(
        [stage.endpoint(answer).address],
        health={"path": "/health", "interval": "500ms", "timeout": "400ms", "fall": 1, "rise": 1})
    configuration["pools"]["spare"] = {"endpoints": [stage.endpoint(text()).address]}
    configuration["admin"]["ready_unless_empty"] = ["text", "spare"]
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/"}, "pool": "text"},
        {"match": {"path": "/alive"}, "respond": {"body": "alive"}},
        {"match": {"path": "/health"},
         "respond": {"status": 204, "unless_empty": "text"}}]}
    return stage.steelyard(configuration), states


def test_an_empty_pool_is_told_to_those_who_ask_for_health(fragile):
    steelyard, states = fragile
    assert steelyard.get("/health").status == 204
    states["ok"] = False
    wait_for(lambda: steelyard.get("/health").status == 503, "the route to say so")
    response = steelyard.get("/health")
    assert response.content == b"no endpoint of pool text may take requests\n"
    assert steelyard.get("/alive").status == 200
    ready = wait_for(
        lambda: (answer := steelyard.admin_get("/readyz")).status == 503 and answer, "/readyz")
    assert b"no endpoint of pool text may take requests" in ready.content
    states["ok"] = True
    wait_for(lambda: steelyard.get("/health").status == 204, "the endpoint to be back")
    wait_for(lambda: steelyard.admin_status("/readyz") == 200, "/readyz again")
    # These answers are no refused requests.
    assert steelyard.metrics().sum("steelyard_local_responses_total") == 0
    assert steelyard.metrics().value(
        "steelyard_route_answers_total", action="respond", code="5xx") >= 2


@pytest.mark.parametrize("text, said", [
    ("admin: {ready_unless_empty: [txt]}", "there is no pool `txt`"),
    ("listeners: [{listen: ':1', routes: [{}, {match: {path: /h}, respond: {unless_empty: txt}}]}]",
     "there is no pool `txt`"),
])
def test_the_pool_has_to_exist(tmp_path, text, said):
    listeners = "" if text.startswith("listeners") else "listeners: [{listen: ':1'}]\n"
    file = tmp_path / "steelyard.yaml"
    file.write_text(f"{text}\n{listeners}pools: {{text: {{endpoints: ['127.0.0.1:1']}}}}\n")
    done = run_steelyard("check", file)
    assert done.returncode == 78 and said in done.stderr and "did you mean `text`?" in done.stderr
