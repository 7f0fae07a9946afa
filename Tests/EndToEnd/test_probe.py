"""steelyard probe and presets, against pages served by Python's http.server."""

import gzip
import http.server
import json
import signal
import socket
import subprocess
import threading
import time

import pytest
from conftest import minimal
from endpoints import text
from programs import BINARY, ROOT, free_port, wait_for

OK, USAGE, UNAVAILABLE = 0, 64, 69
CAPTURES = ROOT / "Tests/Captures"


class Pages:
    """A server of fixed answers: path to (status, body, fields...), or to a list of them, one a
    request. `PORT` in a field's value is the server's own."""

    def __init__(self, answers, host="127.0.0.1"):
        pages = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                pages.asked.append((self.path, self.headers["Host"]))
                answer = answers.get(self.path, (404, b"Not found"))
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                status, body = answer[:2]
                self.send_response(status)
                for name, value in answer[2:]:
                    self.send_header(name, value.replace("PORT", str(pages.port)))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self.server = Server((host, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def capture(name):
    return 200, (CAPTURES / f"{name}.prom").read_bytes()


def run(*arguments):
    return subprocess.run(
        [BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False)


def probe(target, *options):
    return run("probe", str(target), "--interval", "200ms", *options)


def local(pages, path=""):
    return f"http://127.0.0.1:{pages.port}{path}"


# Of each page some signals and what they come to; None: not on the page.
@pytest.mark.parametrize("name, preset, signals", [
    ("llama.cpp-load10", "llamacpp", {"running": 2, "waiting": 2}),
    ("vllm-0.32-after", "vllm", {"running": 0, "waiting": 0, "kv_cache": 0, "in_flight": 0}),
    ("triton-2.51-load", "triton", {"waiting": 4, "cpu": 0.04, "completions": 0, "gpu": None}),
    ("torchserve-0.12-load", "torchserve", {"memory": 0.028, "gpu": None}),
    ("bentoml-1.4-load", "bentoml", {"running": 4}),
    ("mlserver-1.7.1-load", "mlserver", {"running": 0, "failures": 0, "batch_queue": None}),
    ("infinity-0.0.78-load", "infinity", {"in_flight": 0}),
])
def test_a_captured_page_is_recognised_and_read(stage, name, preset, signals):
    pages = stage.keep(Pages({"/metrics": capture(name)}))
    result = probe(local(pages), "--json")
    assert result.returncode == OK, result.stderr
    found = json.loads(result.stdout)
    assert found["preset"] == preset
    values = {each["name"]: each.get("value") for each in found["signals"]}
    for signal_name, value in signals.items():
        expected = value if value is None else pytest.approx(value)
        assert values[signal_name] == expected, signal_name
    assert [path for path, _ in pages.asked] == ["/metrics", "/metrics"]
    text = probe(local(pages))
    assert text.returncode == OK
    assert f"signals of {preset}" in text.stdout
    assert f"{{preset: {preset}" in text.stdout


def test_two_captures_make_rates(stage):
    pages = stage.keep(
        Pages({"/metrics": [capture("triton-2.51-idle"), capture("triton-2.51-load")]}))
    result = run("probe", local(pages), "--interval", "1s", "--json")
    found = json.loads(result.stdout)
    values = {each["name"]: each.get("value") for each in found["signals"]}
    assert 248 / 1.5 < values["completions"] <= 248 / 0.99
    assert values["in_flight"] / values["completions"] == pytest.approx(5.913022 / 248)


def test_a_page_at_another_path_of_the_port_is_found(stage):
    path = "/monitoring/prometheus/metrics"
    body = capture("tfserving-bert-doc")[1] + (
        b':tensorflow:serving:request_latency_sum{model_name="m"} 1000000\n')
    pages = stage.keep(Pages({path: (200, body)}))
    result = probe(local(pages))
    assert result.returncode == OK
    assert f"{path}: " in result.stdout and "at /metrics there are none" in result.stdout
    assert "signals of tfserving" in result.stdout


def test_a_page_without_signals_of_the_preset_is_no_success(stage):
    pages = stage.keep(Pages({"/metrics": capture("haproxy")}))
    result = probe(local(pages))
    assert result.returncode == UNAVAILABLE
    assert "no preset fits" in result.stdout and "haproxy_backend_current_queue" in result.stdout


HTML = b"<HTML><HEAD><TITLE>404 Not Found</TITLE></HEAD><BODY><H1>Not Found</H1></BODY></HTML>"


@pytest.mark.parametrize("answers, said", [
    ({"/metrics": (404, HTML), "/v1/": (400, b'{ "error": "Malformed request: GET /v1/" }')},
     ["this looks like TensorFlow Serving", "/monitoring/prometheus/metrics",
      "--monitoring_config_file"]),
    ({"/v1/models": (200, b'{"data":[{"id":"m","owned_by":"sglang"}]}')},
     ["this looks like SGLang", "--enable-metrics"]),
    ({"/metrics": (501, b'{"error":{"message":"... Start it with `--metrics`"}}')},
     ["this looks like llama.cpp", "off until --metrics"]),
    ({"/metrics": (503, b'{"error":{"message":"Loading model","code":503}}')},
     ["this looks like llama.cpp", "while its model loads"]),
    ({"/metrics": (404, b'{"code": 404, "type": "ResourceNotFoundException"}')},
     ["this looks like TorchServe", "metrics_mode=prometheus"]),
    ({"/metrics": (200, b"<!DOCTYPE html><title>x</title>")}, ["HTML instead of metrics"]),
    ({"/metrics": (200, b'{"a": 1}')}, ["JSON instead of Prometheus text"]),
    ({"/metrics": (200, b"")}, ["the page is empty"]),
    ({}, ["status 404: Not found", "the page is not at /metrics, or it is turned off"]),
])
def test_a_server_without_metrics_is_explained(stage, answers, said):
    pages = stage.keep(Pages(answers))
    result = probe(local(pages))
    assert result.returncode == UNAVAILABLE
    for text in said:
        assert text in result.stdout, result.stdout


def speak(first):
    """A listener that greets with these bytes and closes; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(first)

    threading.Thread(target=answer, daemon=True).start()
    return listener


@pytest.mark.parametrize("first, said", [
    (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00", "this is a gRPC port"),
    (b"\x15\x03\x01\x00\x02\x02\x16", "this port speaks TLS"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP/1"),
    (b"", "the connection ended too soon"),
])
def test_another_protocol_is_named(first, said):
    with speak(first) as listener:
        result = probe(f"127.0.0.1:{listener.getsockname()[1]}")
    assert result.returncode == UNAVAILABLE
    assert said in result.stdout, result.stdout


def test_a_port_where_nobody_listens():
    result = probe(f"127.0.0.1:{free_port()}")
    assert result.returncode == UNAVAILABLE
    assert "connection refused" in result.stdout


def test_a_silent_server_takes_the_timeout_and_no_longer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begun = time.monotonic()
        result = probe(f"127.0.0.1:{listener.getsockname()[1]}", "--timeout", "300ms")
    assert result.returncode == UNAVAILABLE
    assert "no answer within 0.3 s" in result.stdout
    assert time.monotonic() - begun < 10


def test_a_name_is_resolved_and_sent(stage):
    pages = stage.keep(Pages({"/metrics": (200, b"vllm:num_requests_running 1\n")}))
    result = probe(f"localhost:{pages.port}")
    assert result.returncode == OK, result.stdout
    assert pages.asked[0] == ("/metrics", f"localhost:{pages.port}")


def test_ipv6_in_brackets(stage):
    try:
        pages = stage.keep(Pages({"/metrics": (200, b"vllm:num_requests_running 1\n")}, "::1"))
    except OSError:
        pytest.skip("no IPv6 on this machine")
    result = probe(f"http://[::1]:{pages.port}/metrics")
    assert result.returncode == OK, result.stdout
    assert pages.asked[0] == ("/metrics", f"[::1]:{pages.port}")


def test_a_name_that_nobody_has():
    result = probe("http://no-such-host.invalid:1")
    assert result.returncode == UNAVAILABLE
    assert "cannot find no-such-host.invalid" in result.stderr


def test_an_interrupt_ends_it_at_once(stage):
    pages = stage.keep(Pages({"/metrics": (200, b"vllm:num_requests_running 1\n")}))
    process = subprocess.Popen(
        [BINARY, "probe", local(pages), "--interval", "60s"], stdout=subprocess.PIPE)
    end = time.monotonic() + 30
    while not pages.asked and time.monotonic() < end:
        threading.Event().wait(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT


@pytest.mark.parametrize("arguments", [
    [], ["a", "b"], ["http://a", "--ca", "x"], ["a", "--preset", "no-such"], ["a", "--interval", "soon"],
    ["a", "--nonsense"],
])
def test_wrong_words_are_a_usage_error(arguments):
    result = run("probe", *arguments)
    assert result.returncode == USAGE
    assert result.stderr.startswith("steelyard: probe: ")


def test_help_has_examples():
    for command in ("probe", "presets"):
        result = run(command, "--help")
        assert result.returncode == OK and "examples:" in result.stdout


def test_presets_are_listed_and_shown(tmp_path):
    names = [line.split()[0] for line in run("presets").stdout.splitlines()]
    assert len(names) == 19 and "vllm" in names and "tfserving" in names
    for name in names:
        shown = run("presets", "show", name)
        assert shown.returncode == OK
        item = "".join(f"        {line}\n" for line in shown.stdout.splitlines())
        file = tmp_path / f"{name}.yaml"
        file.write_text(
            "listeners: [{listen: ':0'}]\npools:\n  a:\n    endpoints: ['127.0.0.1:1']\n"
            "    weights:\n      scrape:\n" + item)
        checked = run("check", str(file))
        assert checked.returncode == OK, checked.stderr
    assert run("presets", "show", "nothing").returncode == USAGE
    assert run("presets", "what").returncode == USAGE


# A page of one's own, whose second line is wrong; steelyard's own page in both formats.
def test_a_page_is_checked_line_by_line(stage):
    pages = stage.keep(Pages({
        "/bad": (200, b"app_up 1\napp_load{gpu=0} 2\n"), "/good": (200, b"app_up 1\n"),
        "/cut": (200, b"app_up 1\n", ("Content-Type", "application/openmetrics-text; version=1.0.0")),
        "/json": (200, b'{"cpu_usage": 1}')}))
    bad = probe(local(pages, "/bad"), "--strict")
    assert bad.returncode == UNAVAILABLE
    assert ("strict: no valid Prometheus text 0.0.4: line 2, column 14: `=` and a quoted text must "
            "follow the name of a label (bad_label_value)\n  app_load{gpu=0} 2\n") in bad.stdout
    found = json.loads(probe(local(pages, "/bad"), "--strict", "--json").stdout)["strict"]
    assert (found["valid"], found["line"], found["reason"]) == (False, 2, "bad_label_value")
    good = probe(local(pages, "/good"), "--strict")
    assert good.returncode == OK and "strict: valid Prometheus text 0.0.4\n" in good.stdout
    assert "no preset fits" in good.stdout
    assert probe(local(pages, "/good")).returncode == UNAVAILABLE
    cut = probe(local(pages, "/cut"), "--strict")
    assert cut.returncode == UNAVAILABLE and "must end with `# EOF` (missing_end)" in cut.stdout
    assert "--strict checks text only" in probe(local(pages, "/json"), "--strict").stdout
    steelyard = stage.steelyard(minimal([f"127.0.0.1:{pages.port}"]))
    host, port = steelyard.admin
    own = probe(f"http://{host}:{port}/metrics", "--strict")
    assert own.returncode == OK and "strict: valid" in own.stdout, own.stdout


LOAD = b"llamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n"


@pytest.mark.parametrize("location", [
    "/metrics/", "http://127.0.0.1:PORT/metrics/"])
def test_a_redirect_to_the_same_server_is_followed_once(stage, location):
    pages = stage.keep(Pages({
        "/metrics": (307, b"", ("Location", location)), "/metrics/": (200, LOAD)}))
    result = json.loads(probe(local(pages, "/metrics"), "--json").stdout)
    assert (result["preset"], result["status"]) == ("llamacpp", 200)
    steelyard = stage.steelyard(minimal([f"127.0.0.1:{pages.port}"], weights={
        "law": "headroom", "interval": "200ms", "scrape": [{"preset": "llamacpp"}]}))
    wait_for(lambda: b"steelyard_signal_value" in steelyard.admin_get("/metrics").content, "a signal")


@pytest.mark.parametrize("location", [
    "http://127.0.0.1:1/metrics", "https://127.0.0.1:PORT/metrics/", "//other/metrics", "/metrics"])
def test_a_redirect_elsewhere_is_told_and_not_followed(stage, location):
    pages = stage.keep(Pages({"/metrics": (302, b"", ("Location", location))}))
    said = probe(local(pages, "/metrics"))
    assert said.returncode == UNAVAILABLE
    assert f"302: the page is at {location.replace('PORT', str(pages.port))}" in said.stdout
    assert len(pages.asked) <= 12
    steelyard = stage.steelyard(minimal([f"127.0.0.1:{pages.port}"], weights={
        "law": "headroom", "interval": "200ms", "scrape": [{"preset": "llamacpp"}]}))
    wait_for(lambda: any("302: the page is at" in str(event) for event in steelyard.events()),
             "a line that says where the page is")


def test_a_compressed_page_with_a_byte_order_mark_is_read(stage):
    page = gzip.compress(b"\xef\xbb\xbf" + LOAD)
    bomb = gzip.compress(b"a" * (32 << 20))
    pages = stage.keep(Pages({
        "/metrics": (200, page), "/bomb": (200, bomb), "/torn": (200, page[:-9])}))
    result = json.loads(probe(local(pages, "/metrics"), "--json").stdout)
    assert (result["preset"], result["refused_lines"], result["samples"]) == ("llamacpp", 0, 2)
    said = probe(local(pages, "/bomb"))
    assert said.returncode == UNAVAILABLE and "the limit of `page_bytes`" in said.stdout
    assert "malformed gzip content" in probe(local(pages, "/torn")).stdout


def test_a_page_behind_a_token_is_read(stage, tmp_path):
    (tmp_path / "key").write_text("Bearer abcdefghijklmnop\n")
    seen = []

    def page(exchange):
        seen.append(exchange.request.one("Authorization"))
        exchange.answer(LOAD, status=200 if seen[-1] == "Bearer abcdefghijklmnop" else 401)
    steelyard = stage.steelyard(minimal([stage.endpoint(page).address], weights={
        "interval": "200ms", "scrape": [{"preset": "llamacpp", "headers": {
            "Authorization": {"file": str(tmp_path / "key")}}}]}))
    wait_for(lambda: b"steelyard_signal_value" in steelyard.admin_get("/metrics").content, "a signal")
    assert set(seen) == {"Bearer abcdefghijklmnop"}
    assert "abcdefghijklmnop" not in steelyard.text()


def test_an_endpoint_may_have_its_metrics_elsewhere(stage):
    """Several Tritons on one host have a metrics port each."""
    def triton(waiting):
        return Pages({"/metrics": (200, b"nv_inference_pending_request_count %d\n" % waiting)})
    first, second = stage.keep(triton(3)), stage.keep(triton(5))
    host = stage.keep(Pages({"/metrics": (200, b"node_load1 1\n")}))
    one, two = stage.endpoint(text()), stage.endpoint(text())
    steelyard = stage.steelyard(minimal(
        [{"address": one.address, "metrics": first.port},
         {"address": two.address, "metrics": f"127.0.0.1:{second.port}"}],
        weights={"interval": "200ms", "scrape": [
            {"preset": "triton"},
            {"port": host.port, "signals": [{"name": "load", "metric": "node_load1"}]}]}))
    wait_for(lambda: len(first.asked) > 1 and len(second.asked) > 1 and len(host.asked) > 2,
             "every page to be read")
    groups = json.loads(steelyard.admin_get("/sd/prometheus").content)
    targets = sorted(target for group in groups for target in group["targets"])
    assert targets == sorted(
        f"127.0.0.1:{pages.port}" for pages in (first, second, host))
