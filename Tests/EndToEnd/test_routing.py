"""Routes: which requests go where, and what becomes of them on the way."""

import json
import socket

import pytest
from conftest import minimal
from endpoints import echo, text
from programs import run_steelyard, wait_for

WARM_UP = 500
MEASURED = 2000


def routed(stage, routes, **pools):
    """Steelyard with these routes; pools by name are lists of addresses or whole pools."""
    configuration = minimal([])
    configuration["pools"] = {
        name: pool if isinstance(pool, dict) else {"endpoints": pool}
        for name, pool in pools.items()}
    configuration["listeners"] = [{"listen": "127.0.0.1:0", "routes": routes}]
    return stage.steelyard(configuration)


def named(stage, *names):
    """Pools whose one endpoint answers with the pool's name."""
    return {name: [stage.endpoint(text(name.encode())).address] for name in names}


def answers(steelyard, *rows):
    """Checks rows of (method, target, options, content or status)."""
    with steelyard.connect() as connection:
        for method, target, options, expected in rows:
            response = connection.exchange(method, target, **options)
            found = response.content if response.status == 200 else response.status
            assert found == expected, (method, target, options)


def test_hosts_paths_methods_and_headers_choose_the_pool(stage):
    steelyard = routed(
        stage,
        [{"match": {"path_prefix": "/v1/"}, "pool": "prefix"},
         {"match": {"path": "/v1/models"}, "pool": "exact"},
         {"match": {"host": "chat.example.com"}, "pool": "host"},
         {"match": {"host": ["*.example.com", "example.org"]}, "pool": "wild"},
         {"match": {"path_prefix": "/v1/", "method": ["PUT", "DELETE"]}, "pool": "write"},
         {"match": {"path_prefix": "/v1/", "headers": {"X-Tier": "gold"}}, "pool": "gold"}],
        **named(stage, "prefix", "exact", "host", "wild", "write", "gold"))
    answers(
        steelyard,
        ("GET", "/v1/x", {}, b"prefix"), ("GET", "/v1/models", {}, b"exact"),
        ("GET", "/v1/models?x=1", {}, b"exact"), ("GET", "/v1/models/", {}, b"prefix"),
        ("GET", "/v1", {}, 404), ("GET", "/", {}, 404),
        ("GET", "/v1/x", {"host": "CHAT.example.com:8080"}, b"host"),
        ("GET", "/v1/x", {"host": "other.example.com"}, b"wild"),
        ("GET", "/any", {"host": "example.org"}, b"wild"),
        ("GET", "/any", {"host": "example.com"}, 404),
        ("PUT", "/v1/x", {"content": b"1"}, b"write"),
        ("DELETE", "/v1/x", {}, b"write"), ("POST", "/v1/x", {"content": b"1"}, b"prefix"),
        ("GET", "/v1/x", {"fields": [("x-tier", "gold")]}, b"gold"),
        ("GET", "/v1/x", {"fields": [("x-tier", "silver")]}, b"prefix"),
        ("GET", "http://chat.example.com/v1/x", {"host": "other"}, b"host"))
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/v1/x", version="1.0", host=None).content == b"prefix"


def test_a_prefix_is_compared_byte_by_byte(stage):
    steelyard = routed(
        stage, [{"match": {"path_prefix": "/api"}, "pool": "api"}], **named(stage, "api"))
    answers(
        steelyard, ("GET", "/api", {}, b"api"), ("GET", "/apix", {}, b"api"),
        ("GET", "/api/x", {}, b"api"), ("GET", "/ap", {}, 404), ("GET", "/Api", {}, 404))


@pytest.mark.parametrize("target, status", [
    ("/public/../admin/", 200), ("/%61dmin/", 404), ("/public/%2e%2e/admin/", 200),
    ("//admin/", 404), ("/./admin/", 404), ("/public/%00", 200), ("/public//x", 200)])
def test_a_path_is_compared_and_passed_on_as_it_came(stage, target, status):
    """So a prefix is no barrier where the endpoint resolves dot segments: docs/routing.md."""
    endpoint = stage.endpoint(echo)
    steelyard = routed(
        stage, [{"match": {"path_prefix": "/public/"}, "pool": "text"}], text=[endpoint.address])
    assert steelyard.get(target).status == status
    assert [request.target for request in endpoint.requests] == [target] * (status == 200)


@pytest.mark.parametrize("target, expected", [
    ("/api/text/", "/"), ("/api/text/v1/chat?a=/api/text/", "/v1/chat?a=/api/text/"),
    ("/api/text/?q", "/?q"), ("/api/text//x", "//x"), ("/one", "/other"), ("/one?q=1", "/other?q=1"),
    ("/kept/x?q", "/kept/x?q"), ("http://h.example/api/text/x", "/x")])
def test_a_rewrite_replaces_what_matched(stage, target, expected):
    endpoint = stage.endpoint(echo)
    steelyard = routed(
        stage,
        [{"match": {"path_prefix": "/api/text/"}, "pool": "text", "rewrite": "/"},
         {"match": {"path": "/one"}, "pool": "text", "rewrite": "/other"},
         {"match": {"path_prefix": "/kept/"}, "pool": "text"}], text=[endpoint.address])
    response = steelyard.get(target)
    assert json.loads(response.content)["target"] == expected


def test_a_rewrite_holds_for_a_retry(stage):
    endpoint = stage.endpoint(echo)
    dead = socket.socket()
    dead.bind(("127.0.0.1", 0))
    steelyard = routed(
        stage, [{"match": {"path_prefix": "/a/"}, "pool": "text", "rewrite": "/b/"}],
        text={"balance": "round_robin",
              "endpoints": [f"127.0.0.1:{dead.getsockname()[1]}", endpoint.address]})
    for _ in range(4):
        assert json.loads(steelyard.get("/a/x").content)["target"] == "/b/x"
    dead.close()


def test_a_redirect_keeps_path_and_query(stage):
    steelyard = routed(
        stage,
        [{"match": {"host": "old.example"}, "redirect": {"location": "https://new.example{path}"}},
         {"match": {"path": "/moved"}, "redirect": {"location": "/there", "status": 302}},
         {"match": {"path_prefix": "/v0/"}, "redirect": {"location": "/old{path}", "status": 307}}],
        text=["127.0.0.1:1"])
    rows = [
        ("GET", "/a/b?c=d", "old.example", 308, "https://new.example/a/b?c=d"),
        ("POST", "/a", "old.example", 308, "https://new.example/a"),
        ("GET", "//evil.example/", "old.example", 308, "https://new.example//evil.example/"),
        ("GET", "http://old.example?q", "x", 308, "https://new.example/?q"),
        ("HEAD", "/moved?x", "any", 302, "/there"), ("GET", "/v0/x?y", "any", 307, "/old/v0/x?y"),
        ("GET", "/%0d%0aSet-Cookie:%20a=b", "old.example", 308,
         "https://new.example/%0d%0aSet-Cookie:%20a=b")]
    with steelyard.connect() as connection:
        for method, target, host, status, location in rows:
            response = connection.exchange(method, target, host=host)
            assert (response.status, response.one("Location")) == (status, location), target
            assert response.content == b"" and response.one("Date")
    metrics = steelyard.metrics()
    assert metrics.value("steelyard_route_answers_total", action="redirect", code="3xx") == len(rows)
    assert metrics.sum("steelyard_local_responses_total") == 0


def test_everything_is_redirected_to_https_with_the_same_host(stage):
    steelyard = routed(
        stage,
        [{"redirect": {"location": "https://{host}{path}"}},
         {"match": {"path_prefix": "/other"}, "redirect": {"location": "https://{host}:8443{path}"}}],
        text=["127.0.0.1:1"])
    rows = [
        ("/a/b?c=d", "a.example", "https://a.example/a/b?c=d"),
        ("/", "a.example:8080", "https://a.example/"),
        ("/other", "a.example:8080", "https://a.example:8443/other"),
        ("/", "[fd00::1]:8080", "https://[fd00::1]/"), ("/", "10.0.0.1", "https://10.0.0.1/"),
        ("/", "a.example.:80", "https://a.example/"), ("http://b.example?q", "a", "https://b.example/?q"),
        ("//evil.example/", "a.example", "https://a.example//evil.example/")]
    with steelyard.connect() as connection:
        for target, host, location in rows:
            response = connection.exchange("POST", target, host=host)
            assert (response.status, response.one("Location")) == (308, location), target
    # Nobody knows where.
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"):
        with steelyard.connect() as connection:
            connection.send(head)
            response = connection.read_response()
            assert response.status == 400 and not response.all("Location")
    for host in (b"a b", b"a/b", b"u@evil.example", b"a\\b", b'a"b'):
        with steelyard.connect() as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            assert connection.read_response().status == 400


def test_a_line_end_in_a_target_is_refused_before_any_redirect(stage):
    steelyard = routed(
        stage, [{"redirect": {"location": "/old{path}"}}], text=["127.0.0.1:1"])
    for target in [b"/a\rb", b"/a\nX: y", b"/a\x00", b"/a b", b"/\x7f", b"/\xc3\xa9"]:
        with steelyard.connect() as connection:
            connection.send(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            assert connection.read_response().status == 400
            assert connection.is_closed()


def test_a_fixed_answer_needs_no_endpoint(stage):
    steelyard = routed(
        stage,
        [{"match": {"path": "/health"}, "respond": {"body": "ok"}},
         {"match": {"path": "/nothing"}, "respond": {"status": 204}},
         {"match": {"path": "/maintenance"},
          "respond": {"status": 503, "body": '{"error": "later"}',
                      "content_type": "application/json"}},
         {"pool": "text"}], text=[stage.endpoint(text(b"from the endpoint")).address])
    with steelyard.connect() as connection:
        for _ in range(3):
            response = connection.exchange("GET", "/health")
            assert (response.status, response.content) == (200, b"ok")
            assert response.one("Content-Type") == "text/plain"
        head = connection.exchange("HEAD", "/health")
        assert (head.status, head.one("Content-Length"), head.content) == (200, "2", b"")
        assert connection.exchange("GET", "/nothing").status == 204
        busy = connection.exchange("POST", "/maintenance", content=b"x" * 100)
        assert busy.status == 503 and json.loads(busy.content) == {"error": "later"}
        assert busy.one("Content-Type") == "application/json"
        assert connection.exchange("GET", "/").content == b"from the endpoint"
    # A client may have its answer a moment before the worker has counted it.
    wait_for(lambda: steelyard.metrics().sum("steelyard_requests_total") == 1, "its count")
    metrics = steelyard.metrics()
    assert metrics.value("steelyard_route_answers_total", action="respond", code="2xx") == 5
    assert metrics.value("steelyard_route_answers_total", action="respond", code="5xx") == 1
    assert metrics.value("steelyard_requests_total", code="2xx", method="GET") == 1


def test_pipelined_requests_are_answered_in_order_whatever_their_routes(stage):
    steelyard = routed(
        stage,
        [{"match": {"path": "/fixed"}, "respond": {"body": "fixed"}},
         {"match": {"path": "/moved"}, "redirect": {"location": "/x{path}"}}, {"pool": "text"}],
        text=[stage.endpoint(text(b"pooled")).address])
    targets = ["/fixed", "/pool", "/moved", "/fixed", "/moved", "/pool", "/fixed"]
    expected = {"/fixed": (200, b"fixed"), "/pool": (200, b"pooled"), "/moved": (308, b"")}
    with steelyard.connect() as connection:
        connection.send(b"".join(
            f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode() for target in targets))
        for target in targets:
            response = connection.read_response()
            assert (response.status, response.content) == expected[target]


def test_a_fixed_answer_does_not_wait_for_content_and_ends_the_connection(stage):
    steelyard = routed(stage, [{"respond": {"body": "no"}}], text=["127.0.0.1:1"])
    with steelyard.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nabc")
        response = connection.read_response("POST")
        assert (response.content, response.one("Connection")) == (b"no", "close")
        assert connection.is_closed()
    with steelyard.connect() as connection:
        response = connection.exchange("GET", "/", version="1.0")
        assert response.content == b"no" and connection.is_closed()


def test_a_route_has_a_body_limit_of_its_own(stage):
    endpoint = stage.endpoint(echo)
    configuration = minimal([endpoint.address])
    configuration["limits"] = {"body_bytes": 1000}
    configuration["listeners"] = [{"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/small/"}, "pool": "text", "body_bytes": 10},
        {"match": {"path_prefix": "/large/"}, "pool": "text", "body_bytes": "100KB"},
        {"pool": "text"}]}]
    steelyard = stage.steelyard(configuration)
    for target, most in [("/small/", 10), ("/", 1000), ("/large/", 100_000)]:
        for count, status in [(most, 200), (most + 1, 413)]:
            for framing in ["content", "chunks"]:
                content = bytes(count) if framing == "content" else [bytes(count)]
                with steelyard.connect() as connection:
                    response = connection.exchange("POST", target, **{framing: content})
                    assert response.status == status, (target, count, framing)


def test_a_route_may_forbid_retries(stage):
    cut = []

    def cutting(exchange):
        exchange.read_content()
        cut.append(exchange.request.target)
        exchange.keeps_alive = False

    endpoints = [stage.endpoint(cutting).address for _ in range(3)]
    steelyard = routed(
        stage,
        [{"match": {"path": "/once"}, "pool": "text", "retries": 0},
         {"match": {"path": "/twice"}, "pool": "text", "retries": 1}, {"pool": "text"}],
        text={"endpoints": endpoints, "ejection": {"max_fails": 0}})
    for target in ["/once", "/twice", "/thrice"]:
        assert steelyard.get(target).status == 502
    assert [cut.count(target) for target in ["/once", "/twice", "/thrice"]] == [1, 2, 3]


def test_a_pool_may_name_the_host_that_endpoints_see(stage):
    endpoint = stage.endpoint(echo)
    steelyard = routed(
        stage, [{"match": {"path_prefix": "/own/"}, "pool": "own"}, {"pool": "text"}],
        own={"endpoints": [endpoint.address], "host": "inside.example:8000"},
        text=[endpoint.address])
    for target, options, host in [
            ("/own/", {}, "inside.example:8000"), ("/", {}, "test.example"),
            ("/own/", {"host": None, "version": "1.0"}, "inside.example:8000"),
            ("http://abs.example/own/", {}, "inside.example:8000"),
            ("http://abs.example/", {}, "abs.example")]:
        with steelyard.connect() as connection:
            seen = json.loads(connection.exchange("GET", target, **options).content)["fields"]
        assert [value for name, value in seen if name.lower() == "host"] == [host]
    forwarded = [request.one("X-Forwarded-Host") for request in endpoint.requests]
    assert forwarded == ["test.example", "test.example", None, "abs.example", "abs.example"]


def test_a_connection_carries_as_many_requests_as_it_may(stage):
    endpoint = stage.endpoint(echo)
    steelyard = stage.steelyard(minimal([endpoint.address], keepalive={"requests": 3}))
    with steelyard.connect() as connection:
        for _ in range(12):
            assert connection.exchange("GET", "/").status == 200
    assert endpoint.connection_count == 4


@pytest.mark.alone
def test_a_warm_worker_allocates_nothing_for_routes(stage, allocations):
    configuration = minimal([])
    configuration["pools"] = {"text": {
        "endpoints": [stage.endpoint(text(b"x" * 500)).address], "host": "inside.example",
        "timeouts": {"exchange": "1h"}, "keepalive": {"requests": 1_000_000}}}
    configuration["listeners"] = [{"listen": "127.0.0.1:0", "routes": [
        {"match": {"host": f"h{n}.example", "path_prefix": f"/{n}/"}, "pool": "text"}
        for n in range(100)] + [
        {"match": {"host": "*.example", "path_prefix": "/a/", "method": ["GET", "POST"],
                   "headers": {"x-a": {"prefix": "b"}, "x-c": {"present": False}}},
         "pool": "text", "rewrite": "/b/", "body_bytes": "1MiB", "retries": 1},
        {"match": {"path": "/fixed"}, "respond": {"body": "fixed"}},
        {"match": {"path": "/moved"}, "redirect": {"location": "/x{path}"}}]}]
    steelyard = stage.steelyard(
        configuration,
        environment=allocations.environment)
    rows = [("/a/x?y", 200), ("/fixed", 200), ("/moved", 308), ("/none", 404)]
    with steelyard.connect() as connection:

        def exchanges(count):
            for n in range(count):
                target, status = rows[n % len(rows)]
                response = connection.exchange(
                    "POST", target, content=b"z" * 300, fields=[("X-A", "bcd")])
                assert response.status == status

        exchanges(WARM_UP)
        before = allocations.of_worker()
        exchanges(MEASURED)
        after = allocations.of_worker()
    assert after - before == 0


def test_routes_change_without_a_restart(stage):
    endpoint = stage.endpoint(text(b"pooled"))
    configuration = minimal([endpoint.address])
    configuration["listeners"] = [{"listen": "127.0.0.1:0", "routes": [{"pool": "text"}]}]
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/health").content == b"pooled"
        configuration["listeners"][0]["routes"].append(
            {"match": {"path": "/health"}, "respond": {"body": "fixed"}})
        steelyard.write(configuration)
        steelyard.send_signal(1)
        wait_for(
            lambda: connection.exchange("GET", "/health").content == b"fixed", "the new route")
        assert connection.exchange("GET", "/").content == b"pooled"


def test_two_routes_with_the_same_conditions_are_refused(stage, tmp_path):
    file = tmp_path / "same.yaml"
    file.write_text(
        'listeners:\n  - listen: ":80"\n    routes:\n'
        '      - {match: {host: [a.example, b.example]}, pool: text}\n'
        '      - {match: {host: B.example}, pool: text}\n'
        'pools: {text: {endpoints: ["10.0.0.1:1"]}}\n')
    checked = run_steelyard("check", file)
    assert checked.returncode == 78
    assert "same.yaml:5:" in checked.stderr + checked.stdout
    assert "route in line 4" in checked.stderr + checked.stdout
