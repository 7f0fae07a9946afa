"""X-Request-Id, traceparent, X-Served-By, and the endpoint that a client asks for."""

import json
import re

import pytest
from conftest import minimal
from endpoints import text
from programs import free_port

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"
MADE_ID = re.compile(r"[0-9a-f]{32}")
MADE_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def ask(steelyard, *fields):
    """The response, and the fields that the endpoint saw, by lower-case name."""
    with steelyard.connect() as connection:
        response = connection.exchange("GET", "/", fields=fields)
    assert response.status == 200
    seen = {}
    for name, value in json.loads(response.content)["fields"]:
        seen.setdefault(name.lower(), []).append(value)
    return response, seen


def start(stage, endpoint, **top):
    return stage.steelyard(minimal([endpoint.address]) | top)


def test_a_request_without_an_identifier_gets_one(steelyard):
    response, seen = ask(steelyard)
    assert MADE_ID.fullmatch(seen["x-request-id"][0])
    assert response.all("X-Request-Id") == seen["x-request-id"]


@pytest.mark.parametrize("given", ["a", "req-1/2:3", "x" * 128, "9f1c2d3e-0000-4000-8000-000000000001"])
def test_an_acceptable_identifier_is_passed_on(steelyard, given):
    response, seen = ask(steelyard, ("x-request-ID", given))
    assert seen["x-request-id"] == [given] == response.all("X-Request-Id")


@pytest.mark.parametrize("fields", [
    ["x" * 129], [""], ["a b"], ["\xe4"], ["a\tb"], ["one", "two"], ["same", "same"]])
def test_another_is_replaced(steelyard, fields):
    response, seen = ask(steelyard, *[("X-Request-Id", value) for value in fields])
    assert len(seen["x-request-id"]) == 1 and MADE_ID.fullmatch(seen["x-request-id"][0])
    assert response.all("X-Request-Id") == seen["x-request-id"]


def test_identifiers_do_not_meet(stage, endpoint):
    """Two processes with four workers each, started in the same second; also the span ids."""
    seen = set()
    spans = set()
    count = 0
    servers = [stage.steelyard(minimal([endpoint.address]) | {"workers": 4}) for _ in range(2)]
    for _ in range(40):
        for steelyard in servers:
            with steelyard.connect() as connection:
                for _ in range(10):
                    response = connection.exchange("GET", "/", fields=[("traceparent", VALID)])
                    seen.add(response.one("X-Request-Id"))
                    fields = dict(json.loads(response.content)["fields"])
                    spans.add(fields["traceparent"].split("-")[2])
                    count += 1
    assert len(seen) == len(spans) == count == 800
    # No half of one is a half of another either, as it would be with one seed for both.
    halves = [half for one in seen for half in (one[:16], one[16:])]
    assert len(set(halves)) == 1600


def test_an_endpoints_own_identifier_does_not_come_twice(stage):
    endpoint = stage.endpoint(text(fields=[("X-Request-Id", "from-the-endpoint")]))
    response = stage.steelyard(minimal([endpoint.address])).get("/")
    assert len(response.all("X-Request-Id")) == 1
    assert MADE_ID.fullmatch(response.one("X-Request-Id"))
    quiet = stage.steelyard(
        minimal([endpoint.address]) | {"tracing": {"answer_request_id": False}})
    assert quiet.get("/").all("X-Request-Id") == ["from-the-endpoint"]


def test_our_own_answers_have_it_too(stage):
    steelyard = stage.steelyard(minimal([f"127.0.0.1:{free_port()}"], retries={"max": 0}))
    response = steelyard.get("/", fields=[("X-Request-Id", "abc")])
    assert response.status == 502 and response.one("X-Request-Id") == "abc"
    with steelyard.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.read_response().one("X-Request-Id") is None


def test_make_and_none(stage, endpoint):
    made = start(stage, endpoint, tracing={"request_id": "make"})
    response, seen = ask(made, ("X-Request-Id", "mine"))
    assert MADE_ID.fullmatch(seen["x-request-id"][0])
    none = start(stage, endpoint, tracing={"request_id": "none"})
    response, seen = ask(none, ("X-Request-Id", "any thing"))
    assert seen["x-request-id"] == ["any thing"] and response.one("X-Request-Id") is None
    assert "x-request-id" not in ask(none)[1]


def test_a_trace_goes_on_with_a_span_of_ours(steelyard):
    _, seen = ask(steelyard, ("traceparent", VALID), ("tracestate", "a=1"), ("tracestate", "b=2"))
    trace, span, flags = MADE_PARENT.fullmatch(seen["traceparent"][0]).groups()
    assert (trace, flags) == (TRACE, "01") and span not in (SPAN, "0" * 16)
    assert seen["tracestate"] == ["a=1", "b=2"]
    assert MADE_PARENT.fullmatch(ask(steelyard, ("traceparent", VALID))[1]["traceparent"][0])[2] != span


def test_a_later_version_is_read_as_far_as_it_is_known(steelyard):
    _, seen = ask(steelyard, ("traceparent", f"cc-{TRACE}-{SPAN}-ff-more"))
    trace, _, flags = MADE_PARENT.fullmatch(seen["traceparent"][0]).groups()
    assert (trace, flags) == (TRACE, "01")


INVALID = [
    "", "00", VALID[:-1], VALID + "0", VALID + "-more", VALID.upper(), VALID.replace("-", "_"),
    f"ff-{TRACE}-{SPAN}-01", f"0g-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{SPAN}-0x", f"00-{TRACE[:-1]}g-{SPAN}-01",
    f"cc-{TRACE}-{SPAN}-01.more", f"00 {TRACE} {SPAN} 01", VALID + "," + VALID]


@pytest.mark.parametrize("given", INVALID)
def test_an_invalid_trace_begins_anew(steelyard, given):
    _, seen = ask(steelyard, ("traceparent", given), ("tracestate", "a=1"))
    trace, _, flags = MADE_PARENT.fullmatch(seen["traceparent"][0]).groups()
    assert trace not in (TRACE, "0" * 32) and flags == "00"
    assert "tracestate" not in seen


def test_two_traces_are_none(steelyard):
    _, seen = ask(steelyard, ("traceparent", VALID), ("traceparent", VALID))
    assert len(seen["traceparent"]) == 1
    assert MADE_PARENT.fullmatch(seen["traceparent"][0])[1] != TRACE


def test_no_trace_stays_none_unless_asked_for(stage, steelyard, endpoint):
    _, seen = ask(steelyard, ("tracestate", "a=1"))
    assert "traceparent" not in seen and "tracestate" not in seen
    making = start(stage, endpoint, tracing={"traceparent": "make"})
    _, seen = ask(making)
    assert MADE_PARENT.fullmatch(seen["traceparent"][0])[3] == "01"
    assert MADE_PARENT.fullmatch(ask(making, ("traceparent", VALID))[1]["traceparent"][0])[1] == TRACE


def test_keep_leaves_a_valid_one_alone(stage, endpoint):
    keeping = start(stage, endpoint, tracing={"traceparent": "keep"})
    _, seen = ask(keeping, ("traceparent", VALID), ("tracestate", "a=1"))
    assert seen["traceparent"] == [VALID] and seen["tracestate"] == ["a=1"]
    _, seen = ask(keeping, ("traceparent", VALID.upper()), ("tracestate", "a=1"))
    assert "traceparent" not in seen and "tracestate" not in seen


def test_served_by_names_the_endpoint(stage, steelyard):
    named = stage.endpoint(text(fields=[("X-Served-By", "me")]))
    silent = stage.steelyard(minimal([named.address]))
    assert silent.get("/").all("X-Served-By") == ["me"]
    telling = stage.steelyard(minimal([named.address]) | {"tracing": {"served_by": True}})
    assert telling.get("/").all("X-Served-By") == [named.address]
    six = stage.endpoint(text(), host="::1")
    telling = stage.steelyard(minimal([six.address]) | {"tracing": {"served_by": True}})
    assert telling.get("/").one("X-Served-By") == f"[::1]:{six.port}"


@pytest.fixture(scope="module")
def three(module_stage):
    return [module_stage.endpoint(text(b"%d" % n)) for n in range(3)]


def test_a_trusted_clients_wish_is_heard(module_stage, three):
    top = {"hints": {"trusted": ["127.0.0.1"]}}
    steelyard = module_stage.steelyard(minimal([one.address for one in three]) | top)
    for _ in range(10):
        for n, one in enumerate(three):
            response = steelyard.get("/", fields=[("X-Steelyard-Endpoint", one.address)])
            assert response.content == b"%d" % n
    for one in three:
        assert all(request.one("X-Steelyard-Endpoint") is None for request in one.requests)


def test_a_wish_that_cannot_be_met_is_none(module_stage, three):
    """No endpoint of the pool, one of weight 0, or no address at all: the request is picked for."""
    top = {"hints": {"trusted": ["127.0.0.0/8"]}}
    steelyard = module_stage.steelyard(
        minimal([three[0].address, {"address": three[1].address, "weight": 0}]) | top)
    for wish in ("127.0.0.1:1", three[1].address, three[2].address, "", "127.0.0.1", "x" * 200,
                 "127.0.0.1:99999"):
        assert steelyard.get("/", fields=[("X-Steelyard-Endpoint", wish)]).content == b"0"


def test_nobody_elses_wish_is_heard(module_stage, three):
    counts = [0, 0, 0]
    steelyard = module_stage.steelyard(minimal([one.address for one in three]))
    fields = [("X-Steelyard-Endpoint", three[0].address), ("X-Steelyard-Weight", "9")]
    for _ in range(60):
        counts[int(steelyard.get("/", fields=fields).content)] += 1
    assert min(counts) > 0
    assert all(name.lower()[:12] != "x-steelyard-" for one in three for request in one.requests
               for name, _ in request.fields)
