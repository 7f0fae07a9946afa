"""Tokens, methods, problems and the audit of the admin API, with the real program and its commands."""

import grp
import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess

import pytest
from conftest import minimal
from endpoints import Held, text
from programs import ROOT, Steelyard, run_steelyard, wait_for
from wire import Connection

OK, USAGE, REFUSED, NO_INPUT, NO_PERMISSION, INVALID = 0, 64, 65, 66, 77, 78
READ, WRITE = "read-token-0123456789", "write-token-0123456789"
PROBLEM = "application/problem+json"


def bearer(token):
    return [("Authorization", f"Bearer {token}")]


def with_admin(addresses, **admin):
    made = minimal(addresses)
    made["admin"].update(admin)
    return made


def token_file(directory, name, token, mode=0o600):
    file = directory / name
    file.write_text(token + "\n")
    file.chmod(mode)
    return file


@pytest.fixture(scope="module")
def guarded(module_stage, tmp_path_factory):
    """A steelyard with both tokens: the write token in a file, the read token in the environment."""
    files = tmp_path_factory.mktemp("tokens")
    file = token_file(files, "write.token", WRITE)
    steelyard = module_stage.steelyard(
        with_admin(
            [module_stage.endpoint(text()).address], read_token={"env": "READ_TOKEN"},
            write_token={"file": str(file)}),
        environment={"READ_TOKEN": READ})
    steelyard.write_token_file = file
    return steelyard


def ask(steelyard, method, target, fields=(), **options):
    with Connection(steelyard.admin) as connection:
        return connection.exchange(method, target, fields=list(fields), **options)


def problem(response):
    """The problem that a response is, which says what its status says."""
    assert response.one("Content-Type") == PROBLEM, response
    found = json.loads(response.content)
    assert found["type"] == "about:blank" and found["status"] == response.status
    assert found["title"] and found["detail"]
    return found


@pytest.mark.parametrize("target, sent, status", [
    ("/healthz", [], 200), ("/readyz", [], 200), ("/", [], 200),
    ("/metrics", [], 401), ("/metrics", bearer(READ), 200), ("/metrics", bearer(WRITE), 200),
    ("/api/v1/pools", [], 401), ("/api/v1/pools", bearer(READ), 200),
    ("/api/v1/pools", bearer(READ[:-1]), 401), ("/api/v1/pools", bearer(READ + "0"), 401),
    ("/api/v1/pools", [("Authorization", READ)], 401),
    ("/api/v1/pools", [("Authorization", f"Basic {READ}")], 401),
    ("/api/v1/pools", bearer(READ) + bearer(READ), 401),
    ("/api/v1/nothing", [], 401), ("/api/v1/nothing", bearer(READ), 404),
    ("/nothing", [], 401),
    ("POST /api/v1/pools/text/freeze", [], 401),
    ("POST /api/v1/pools/text/freeze", bearer(READ), 403),
    ("POST /api/v1/pools/text/freeze", bearer(WRITE), 200),
    ("POST /api/v1/pools/text/freeze", bearer(WRITE) + [("Origin", "http://a.example")], 200),
    ("DELETE /api/v1/pools/text/freeze", [], 401),
    ("DELETE /api/v1/pools/text/freeze", bearer(READ), 405),
])
def test_tokens_decide(guarded, target, sent, status):
    method, _, target = f"GET {target}".rpartition(" ")
    response = ask(guarded, method.split()[-1], target, sent, host="lb.example")
    assert response.status == status, response.content
    if status in (401, 403):
        problem(response)
        challenge = response.one("WWW-Authenticate")
        assert challenge.startswith('Bearer realm="steelyard"')
        wanted = "insufficient_scope" if status == 403 else "invalid_token" if sent else None
        assert re.findall(r'error="(\w+)"', challenge) == ([wanted] if wanted else [])


def test_the_command_line_takes_a_token_from_a_file_or_the_environment(guarded, tmp_path):
    host, port = guarded.admin
    address = f"{host}:{port}"
    read = token_file(tmp_path, "read.token", READ)
    write = guarded.write_token_file
    os.environ.pop("STEELYARD_TOKEN", None)

    def run(*words, token=None, admin=None):
        environment = {"STEELYARD_TOKEN": token, "STEELYARD_ADMIN": admin}
        os.environ.update({key: value for key, value in environment.items() if value})
        try:
            return run_steelyard(*words)
        finally:
            for key in environment:
                os.environ.pop(key, None)

    done = run("weights", "--admin", address)
    assert done.returncode == NO_PERMISSION and done.stdout == ""
    assert "--token-file" in done.stderr and "STEELYARD_TOKEN" in done.stderr
    assert run("weights", "--admin", address, "--token-file", read).returncode == OK
    assert run("explain", token=READ, admin=address).stdout.startswith("pool text")
    done = run("weights", "freeze", "text", "--admin", address, "--token-file", read)
    assert done.returncode == NO_PERMISSION and "may change nothing" in done.stderr
    done = run("weights", "freeze", "text", "--token-file", write, admin=address)
    assert (done.returncode, done.stdout) == (OK, "freeze: in force\n")
    # An option holds where the environment says otherwise.
    done = run("weights", "--token-file", write, "--admin", address, token=READ, admin="127.0.0.1:1")
    assert done.returncode == OK
    done = run("weights", "--admin", address, token=READ + "x")
    assert done.returncode == NO_PERMISSION and "does not know this token" in done.stderr
    for token, part in [("short", "16 to 4096"), ("new\r\nline" * 4, "16 to 4096")]:
        done = run("weights", "--admin", address, token=token)
        assert done.returncode == USAGE and part in done.stderr and token not in done.stderr
    done = run("weights", "--admin", address, "--token-file", tmp_path / "none")
    assert done.returncode == USAGE and "No such file" in done.stderr
    assert READ not in guarded.text() and WRITE not in guarded.text()


def test_a_reload_reads_token_files_again(stage, tmp_path):
    file = token_file(tmp_path, "write.token", WRITE)
    steelyard = stage.steelyard(
        with_admin([stage.endpoint(text()).address], write_token={"file": str(file)}))
    other = "another-token-0123456789"
    token_file(tmp_path, "write.token", other)
    assert ask(steelyard, "POST", "/api/v1/reload", bearer(other)).status == 401
    response = ask(steelyard, "POST", "/api/v1/reload", bearer(WRITE))
    assert json.loads(response.content) == {"changes": ["admin tokens changed"]}
    assert ask(steelyard, "POST", "/api/v1/reload", bearer(WRITE)).status == 401
    # A file without a token changes nothing.
    token_file(tmp_path, "write.token", "short")
    found = problem(ask(steelyard, "POST", "/api/v1/reload", bearer(other)))
    assert found["status"] == 409 and "16 to 4096" in found["detail"]
    token_file(tmp_path, "write.token", WRITE)
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: len(steelyard.events("configuration reloaded")) == 2, "the reload")
    assert ask(steelyard, "POST", "/api/v1/reload", bearer(WRITE)).status == 200


@pytest.mark.parametrize("content, code, part", [
    (None, NO_INPUT, "No such file"), ("", INVALID, "openssl rand -hex 32"),
    ("x" * 15, INVALID, "16 to 4096"), ("x" * 4097, INVALID, "16 to 4096"),
    ("x" * 20 + "\n\n", INVALID, "16 to 4096"), ("two words of some length", INVALID, "16 to 4096"),
    ("fifo", INVALID, "no regular file"), ("directory", INVALID, "no regular file"),
])
def test_a_file_without_a_token_stops_the_start(tmp_path, content, code, part):
    file = tmp_path / "write.token"
    if content == "fifo":
        os.mkfifo(file)
    elif content == "directory":
        file.mkdir()
    elif content is not None:
        file.write_text(content)
    configuration = tmp_path / "steelyard.yaml"
    configuration.write_text(
        json.dumps(with_admin(["127.0.0.1:9"], write_token={"file": str(file)})))
    done = run_steelyard("serve", configuration)
    assert done.returncode == code and part in done.stderr, done.stderr
    assert "write_token" in done.stderr and (not content or content not in done.stderr
                                             or len(content) < 10)


def test_a_variable_without_a_token_stops_the_start(tmp_path):
    configuration = tmp_path / "steelyard.yaml"
    configuration.write_text(json.dumps(
        with_admin(["127.0.0.1:9"], read_token={"env": "STEELYARD_TEST_NO_SUCH_VARIABLE"})))
    done = run_steelyard("serve", configuration)
    assert done.returncode == NO_INPUT and "is not set" in done.stderr


def test_equal_tokens_stop_the_start(tmp_path):
    one, two = token_file(tmp_path, "one", READ), token_file(tmp_path, "two", READ)
    configuration = tmp_path / "steelyard.yaml"
    configuration.write_text(json.dumps(with_admin(
        ["127.0.0.1:9"], read_token={"file": str(one)}, write_token={"file": str(two)})))
    done = run_steelyard("serve", configuration)
    assert done.returncode == INVALID and "are the same" in done.stderr


@pytest.mark.parametrize("mode, warnings", [(0o600, 0), (0o640, 0), (0o644, 1)])
def test_a_file_that_others_may_read_is_warned_of(stage, tmp_path, mode, warnings):
    file = token_file(tmp_path, "write.token", WRITE, mode)
    assert stat.S_IMODE(file.stat().st_mode) == mode
    steelyard = stage.steelyard(with_admin(["127.0.0.1:9"], write_token={"file": str(file)}))
    found = steelyard.events("everybody on this machine may read the token file")
    assert len(found) == warnings and all(event["level"] == "warning" for event in found)


def test_without_tokens_another_address_than_loopback_changes_nothing(stage):
    steelyard = stage.steelyard(with_admin(["127.0.0.1:9"], listen="0.0.0.0:0"))
    warnings = steelyard.events("nothing can be changed at the admin address")
    assert [event["level"] for event in warnings] == ["warning"]
    assert "write_token" in warnings[0]["hint"]
    found = problem(ask(steelyard, "POST", "/api/v1/reload"))
    assert found["status"] == 403 and "write_token" in found["detail"]
    # Reading works, by any name.
    assert ask(steelyard, "GET", "/api/v1/pools", host="lb.example").status == 200


@pytest.fixture(scope="module")
def plain(module_stage):
    """A steelyard on loopback without tokens."""
    return module_stage.steelyard(minimal([module_stage.endpoint(text()).address]))


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("127.0.0.1:9900", 200), ("[::1]", 200),
    ("evil.example", 421), ("localhost.evil.example:9900", 421), ("", 421)])
def test_a_name_that_points_here_reads_and_changes_nothing(plain, host, status):
    for method, target in [("GET", "/metrics"), ("POST", "/api/v1/reload")]:
        response = ask(plain, method, target, host=host)
        assert response.status == status, response.content
    assert ask(plain, "GET", "/healthz", host=host).status == 200
    if status != 200:
        assert "rebinding" in problem(response)["detail"]


@pytest.mark.parametrize("method, target, status, allow", [
    ("HEAD", "/api/v1/pools", 200, None), ("HEAD", "/metrics", 200, None),
    ("HEAD", "/healthz", 200, None), ("HEAD", "/api/v1/pools/nix/explain", 404, None),
    ("OPTIONS", "/api/v1/pools", 405, "GET, HEAD"), ("OPTIONS", "/api/v1/reload", 405, "POST"),
    ("PUT", "/api/v1/pools/text/freeze", 405, "POST"), ("TRACE", "/", 405, "GET, HEAD"),
    ("PATCH", "/metrics", 405, "GET, HEAD"), ("BREW", "/healthz", 405, "GET, HEAD"),
    ("GET", "/api/v1/reload", 405, "POST"), ("POST", "/api/v1/pools", 405, "GET, HEAD"),
    ("POST", "/api/v1/pools/text/reset?for=1s", 400, None),
    ("POST", "/api/v1/pools/text/set?law=steps", 409, None),
    ("POST", "/api/v1/pools/nix/reset", 404, None),
    ("POST", "/api/v1/pools/text/endpoints/10.9.9.9:1/drain", 404, None),
    ("GET", "/api/v1/pools?x=1", 400, None), ("GET", "/api/v1/pools/text/explain?format=xml", 400, None),
    ("GET", "/api/v1/pools/%GG/explain", 400, None), ("GET", "/api/v1/%00", 400, None),
    ("GET", "/" + "a" * 3000, 414, None), ("GET", "/api/v1/pools?" + "a" * 5000, 414, None),
    ("GET", "/api/v2/pools", 404, None),
])
def test_the_api_answers(plain, method, target, status, allow):
    response = ask(plain, method, target)
    assert response.status == status, response.content
    assert response.one("Allow") == allow
    if status >= 400 and method != "HEAD":
        problem(response)


@pytest.mark.parametrize("options", [{"content": b"{}"}, {"chunks": [b"{}"]}])
def test_content_is_refused_and_never_a_request(plain, options):
    with Connection(plain.admin) as connection:
        connection.send_request("POST", "/api/v1/pools/text/freeze", **options)
        assert problem(connection.read_response("POST"))["status"] == 413
        assert connection.is_closed()


def test_what_is_no_request_is_a_problem_too(plain):
    with Connection(plain.admin) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert problem(connection.read_response())["status"] == 400


def test_an_explanation_comes_as_it_is_asked_for(plain):
    path = "/api/v1/pools/text/explain"
    found = json.loads(ask(plain, "GET", path).content)
    assert found["pool"] == "text" and len(found["endpoints"]) == 1
    for target, fields in [(f"{path}?format=text", []), (path, [("Accept", "text/plain")])]:
        response = ask(plain, "GET", target, fields)
        assert response.one("Content-Type").startswith("text/plain")
        assert response.content.startswith(b"pool text")
    response = ask(plain, "GET", f"{path}?format=json", [("Accept", "text/plain")])
    assert response.one("Content-Type") == "application/json"
    assert problem(ask(plain, "GET", path, [("Accept", "image/png")]))["status"] == 406


def test_a_reload_with_errors_lists_them(stage):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    steelyard.write("listeners: [{listen: '127.0.0.1:0', pol: text}]\nworkers: many\n")
    found = problem(ask(steelyard, "POST", "/api/v1/reload"))
    assert found["status"] == 422
    assert any("unknown key `pol`" in error for error in found["errors"])
    assert any("`workers` must be" in error for error in found["errors"])


def test_every_change_leaves_a_line_and_no_token(guarded):
    before = len(guarded.events("audit"))
    path = "/api/v1/pools/text/freeze"
    ask(guarded, "POST", path + "?for=1h", bearer(WRITE))
    ask(guarded, "POST", path, bearer(READ))
    ask(guarded, "POST", "/api/v1/pools/nix/freeze?access_token=" + WRITE, bearer(WRITE))
    ask(guarded, "POST", "/api/v1/pools/text/endpoints/10.9.9.9:1/pin?weight=2", bearer(WRITE))
    done, read, unknown, pin = guarded.events("audit")[before:]
    assert done["level"] == "info" and done["client"].startswith("127.0.0.1:")
    assert (done["scope"], done["action"], done["pool"]) == ("write", "freeze", "text")
    assert (done["parameters"], done["outcome"], done["status"]) == ("for=1h", "done", "200")
    assert (read["scope"], read["outcome"], read["status"]) == ("none", "refused", "403")
    assert (unknown["pool"], unknown["parameters"], unknown["status"]) == ("nix", "none", "400")
    assert (pin["endpoint"], pin["parameters"]) == ("10.9.9.9:1", "weight=2")
    assert (pin["scope"], pin["status"]) == ("write", "404") and "no endpoint" in pin["detail"]
    assert READ not in guarded.text() and WRITE not in guarded.text()


def test_a_flood_of_refusals_does_not_flood_the_log(stage):
    steelyard = stage.steelyard(with_admin(["127.0.0.1:9"], listen="0.0.0.0:0"))
    with Connection(steelyard.admin) as connection:
        for _ in range(200):
            assert connection.exchange("POST", "/api/v1/reload").status == 403
    # The window may have turned once meanwhile.
    assert 10 <= len(steelyard.events("audit")) <= 20


def test_idle_clients_leave_probes_and_other_clients_their_room(stage):
    def once(exchange):
        exchange.answer(b"ok", fields=[("Connection", "close")])
        exchange.keeps_alive = False

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    endpoint = stage.endpoint(once)
    steelyard = stage.steelyard(minimal(
        [endpoint.address], health={"path": "/", "interval": "500ms", "timeout": "400ms"}))
    idle = []
    try:
        # More than the control loop has room for.
        for _ in range(1400):
            idle.append(socket.create_connection(steelyard.admin, timeout=30))
        with Connection(steelyard.admin) as connection:
            assert connection.exchange("GET", "/healthz").status == 200
        assert idle[0].recv(1) == b""
        checks = len(endpoint.requests)
        wait_for(lambda: len(endpoint.requests) > checks + 1, "health checks")
    finally:
        for one in idle:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_that_does_not_read_gets_no_further_answer_made(stage):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    name = "steelyard_admin_requests_total"
    page = len(steelyard.admin_get("/metrics").content)
    # As many as one read takes; more than sockets hold the answers of.
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    count = 16_000 // len(request)
    lazy = Connection(steelyard.admin)
    try:
        lazy.send(request * count)
        wait_for(lambda: steelyard.metrics().value(name, code="2xx") > 10, "the first answers")
        assert steelyard.metrics().value(name, code="2xx") < count
        assert all(len(lazy.read_response().content) > 0.9 * page for _ in range(count))
    finally:
        lazy.close()


def test_a_client_that_ends_its_side_gets_long_answers_whole(stage):
    steelyard = stage.steelyard(minimal([f"127.0.0.1:{20_000 + index}" for index in range(60)]))
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Connection(steelyard.admin) as connection:
        connection.send(request * 2)
        connection.socket.shutdown(socket.SHUT_WR)
        for _ in range(2):
            content = connection.read_response().content
            assert len(content) > 256 << 10 and content.endswith(b"\n")
        assert connection.is_closed()


def test_the_page_makes_a_token_that_the_packages_user_can_read(tmp_path):
    page = (ROOT / "docs/admin-api.md").read_text()
    lines = re.findall(r"^# (.*/write\.token)$", page, re.M)
    group = grp.getgrgid(os.getegid()).gr_name
    assert "-g steelyard " in lines[0]
    script = "\n".join(lines).replace("/etc/steelyard", str(tmp_path)).replace(
        "-g steelyard ", f"-g {group} ")
    subprocess.run(["sh", "-ec", script], check=True, timeout=30)
    file = tmp_path / "write.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert len(file.read_text()) == 65


def test_answers_are_counted_by_class(stage):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    name = "steelyard_admin_requests_total"
    before = steelyard.metrics()
    with Connection(steelyard.admin) as connection:
        for _ in range(3):
            connection.exchange("GET", "/nothing")
    after = steelyard.metrics()
    assert after.value(name, code="4xx") - before.value(name, code="4xx") == 3
    assert after.value(name, code="2xx") - before.value(name, code="2xx") == 1
    assert after.value(name, code="3xx") == 0 and after.value(name, code="5xx") >= 0


def test_not_ready_before_the_first_pages_and_after_an_end_has_begun(tmp_path, stage):
    page, held = Held(), Held()
    metrics, serves = stage.endpoint(page), stage.endpoint(held)
    port = int(metrics.address.rsplit(":", 1)[1])
    signals = [{"name": "x", "metric": "x"}]
    configuration = minimal([serves.address], weights={
        "interval": "6s", "timeout": "5s",
        "scrape": [{"path": "/metrics", "port": port, "signals": signals}]})
    made = StartedOnly(tmp_path / "one", configuration)
    stage.keep(made)
    response = ask(made, "GET", "/readyz")
    assert response.status == 503
    assert response.content == b"not ready: pool text waits for its first metrics\n"
    assert ask(made, "GET", "/healthz").status == 200
    # Requests are served meanwhile; a page that comes, whatever it says, ends the wait.
    assert page.begun.wait(30)
    page.release.set()
    wait_for(lambda: ask(made, "GET", "/readyz").status == 200, "readiness")
    with made.connect() as connection:
        connection.send_request("GET", "/")
        assert held.begun.wait(30)
        made.send_signal(signal.SIGTERM)
        response = wait_for(
            lambda: next((found for found in [ask(made, "GET", "/readyz")]
                          if found.status == 503), None), "the end")
        assert response.content == b"not ready: ending\n"
        assert ask(made, "GET", "/healthz").status == 200
        held.release.set()
        connection.read_response()
    assert made.wait() == 0


def test_not_for_ever_unready_where_no_page_comes(tmp_path, stage):
    page = Held()
    port = int(stage.endpoint(page).address.rsplit(":", 1)[1])
    made = stage.keep(StartedOnly(tmp_path / "one", minimal(["127.0.0.1:9"], weights={
        "interval": "1s", "timeout": "900ms",
        "scrape": [{"path": "/metrics", "port": port, "signals": [{"name": "x", "metric": "x"}]}]})))
    wait_for(lambda: ask(made, "GET", "/readyz").status == 200, "readiness")
    page.release.set()


class StartedOnly(Steelyard):
    """Listens, but need not be ready."""

    def admin_status(self, target):
        return 200 if target == "/readyz" else super().admin_status(target)


def test_the_description_is_served(plain):
    response = ask(plain, "GET", "/api/v1/openapi.yaml")
    assert response.one("Content-Type") == "application/yaml"
    assert response.content == (ROOT / "docs/openapi.yaml").read_bytes()
