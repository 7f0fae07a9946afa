"""What an operator sees of events: ejections with their reason and how many endpoints are left, by
what they end, orders and reloads; and that weights do not bury them."""

import json
import signal

from conftest import minimal
from endpoints import text
from programs import free_port, wait_for
from wire import Connection


def decisions(steelyard, kind):
    with Connection(steelyard.admin) as connection:
        answer = connection.exchange("GET", "/api/v1/status")
    return [one for one in json.loads(answer.content).get("decisions", []) if one["kind"] == kind]


def test_an_ejection_says_why_how_many_are_left_and_by_what_it_ends(stage):
    dead = f"127.0.0.1:{free_port()}"
    live = [stage.endpoint(text()) for _ in range(2)]
    steelyard = stage.steelyard(minimal(
        [dead, *(one.address for one in live)], balance="round_robin"))
    with steelyard.connect() as connection:
        wait_for(lambda: connection.exchange("GET", "/")
                 and steelyard.events("endpoint ejected"), "the ejection")
        (event, *_) = steelyard.events("endpoint ejected")
        assert event["endpoint"] == dead and event["reason"] == "connection_refused"
        assert (event["left"], event["of"]) == ("2", "3") and int(event["failures"]) >= 1
        (told, *_) = wait_for(lambda: decisions(steelyard, "ejection")[::-1], "the decision")
        assert told["text"].startswith("ejected: connection refused")
        assert told["text"].endswith("; 2 of 3 left") and told["endpoint"] == dead
        # It is there again: trial requests bring it back, or its rest was over before.
        host, port = dead.split(":")
        stage.endpoint(text(), host, int(port))
        wait_for(lambda: connection.exchange("GET", "/") and [
            one for one in steelyard.events("endpoint readmitted")
            if one["by"] in ("trial_answers", "time") and one["left"] == "3"], "its return")
    wait_for(lambda: any(one["text"].endswith("; 3 of 3 left")
                         for one in decisions(steelyard, "ejection")), "the word of it")


def test_frozen_weights_and_reloads_are_told_when_they_begin_and_end(stage):
    endpoint = stage.endpoint(text())
    configuration = minimal([endpoint.address])
    steelyard = stage.steelyard(configuration)

    def post(path):
        with Connection(steelyard.admin) as connection:
            return connection.exchange("POST", path).status

    assert post("/api/v1/pools/text/freeze?for=1s") == 200
    wait_for(lambda: steelyard.events("weights move again"), "the end")
    (frozen,), (moves,) = steelyard.events("weights frozen"), steelyard.events("weights move again")
    assert frozen["reason"] == "operator" and moves["pool"] == "text" and moves["level"] == "info"
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: decisions(steelyard, "reload"), "the reload")
    steelyard.write("pools: 5\n")
    steelyard.send_signal(signal.SIGHUP)
    texts = wait_for(
        lambda: (found := [one["text"] for one in decisions(steelyard, "reload")]) and
        len(found) == 2 and found, "the refusal")
    assert texts[0].startswith("reload refused: ") and texts[1].startswith("configuration reloaded")
    kinds = {one["text"] for one in decisions(steelyard, "freeze")}
    assert kinds == {"weights frozen: operator", "weights move again"}
