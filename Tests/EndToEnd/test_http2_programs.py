"""HTTP/2 and gRPC with programs that users have around steelyard: a browser, nginx in front, gRPC
clients that send pings, TensorFlow Serving's names."""

import os

import grpcs
import pytest
from browser import Browser
from endpoints import text
from frames import Client, speaking
from grpcs import Channel, Server, grpc
from programs import Program, find, free_port, wait_for

GRPC_FRONT = """
%(user)s
worker_processes 1;
daemon off;
pid %(room)s/nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path %(room)s/body; proxy_temp_path %(room)s/proxy;
  fastcgi_temp_path %(room)s/fastcgi; uwsgi_temp_path %(room)s/uwsgi; scgi_temp_path %(room)s/scgi;
  upstream steelyard { server %(to)s; keepalive 16; }
  server {
    listen 127.0.0.1:%(port)d http2;
    client_max_body_size 100m;
    location / { grpc_pass grpc://steelyard; }
  }
}
"""


class Front(Program):
    """nginx with `grpc_pass` to an address."""

    def __init__(self, room, address):
        self.port = free_port()
        room.mkdir()
        file = room / "nginx.conf"
        file.write_text(GRPC_FRONT % {
            "user": "user root;" if os.geteuid() == 0 else "", "room": room, "port": self.port,
            "to": "%s:%d" % address})
        super().__init__("nginx", room, [
            find("nginx"), "-p", room, "-c", file, "-e", room / "error.log"])
        self.wait_for_port("127.0.0.1", self.port)


@pytest.fixture(scope="module")
def servers(module_stage):
    return [module_stage.keep(Server(name)) for name in grpcs.NAMES]


def test_nginx_in_front(stage, servers):
    steelyard = grpcs.serving(stage, servers, balance="round_robin")
    front = stage.keep(Front(stage.directory / "front", steelyard.address))
    with Channel(f"127.0.0.1:{front.port}") as channel:
        assert {channel.who(b"", timeout=30) for _ in range(30)} == {b"one", b"two", b"three"}
        assert channel.echo(bytes(1 << 20), timeout=30) == bytes(1 << 20)
        assert len(list(channel.down(200, 1000, timeout=30))) == 200
        messages = [b"%d" % n * 100 for n in range(100)]
        assert list(channel.both(iter(messages), timeout=30)) == messages
        error = grpcs.failure(channel.echo, b"", metadata=grpcs.metadata(x_code=5))
        assert error.code() == grpc.StatusCode.NOT_FOUND


def test_a_client_may_send_pings(stage, servers):
    """As clients of gRPC do that keep their connection alive, more often than they should."""
    steelyard = grpcs.serving(stage, servers)
    options = [("grpc.keepalive_time_ms", 100), ("grpc.keepalive_timeout_ms", 5000),
               ("grpc.keepalive_permit_without_calls", 1),
               ("grpc.http2.max_pings_without_data", 0)]
    with Channel(steelyard.address, options=options) as channel:
        stream = channel.down(40, seconds=0.1, timeout=60)
        assert len(list(stream)) == 40
        assert channel.echo(b"m", timeout=30) == b"m"
    assert steelyard.metrics().sum(
        "steelyard_http2_connections_ended_total", reason="ping_flood") == 0


def test_the_names_of_tensorflow_serving_are_routed(stage):
    """Bytes are enough: messages are not looked into."""
    def method(name, answer):
        handler = grpc.unary_unary_rpc_method_handler(lambda request, context: answer + request)
        return grpc.method_handlers_generic_handler(
            f"tensorflow.serving.{name}", {"Predict": handler, "GetModelStatus": handler})

    server = stage.keep(Server())
    # Handlers may not be added to a server that runs.
    server.stop()
    from concurrent import futures
    own = grpc.server(futures.ThreadPoolExecutor(8))
    own.add_generic_rpc_handlers([
        method("PredictionService", b"predicted "), method("ModelService", b"status ")])
    port = own.add_insecure_port("127.0.0.1:0")
    own.start()
    configuration = speaking([f"127.0.0.1:{port}"], protocol="http2")
    del configuration["listeners"][0]["pool"]
    configuration["listeners"][0]["routes"] = [
        {"match": {"path_prefix": "/tensorflow.serving.PredictionService/"}, "pool": "text"},
        {"match": {"path": "/tensorflow.serving.ModelService/GetModelStatus"}, "pool": "text"}]
    steelyard = stage.steelyard(configuration)
    with Channel(steelyard.address) as channel:
        def call(name, message):
            return channel.channel.unary_unary(f"/tensorflow.serving.{name}")(message, timeout=30)

        assert call("PredictionService/Predict", b"a") == b"predicted a"
        assert call("ModelService/GetModelStatus", b"b") == b"status b"
        with pytest.raises(grpc.RpcError) as error:
            call("ModelService/Predict", b"c")
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
    own.stop(0).wait(10)


PAGE = b"""<!doctype html><title>a page</title><link rel=icon href=data:,>
<script>
const asked = Array.from({length: 50}, (_, n) => fetch("/part/" + n).then((got) => got.text()));
Promise.all(asked).then((parts) => { window.parts = parts; });
</script>"""


def test_a_browser_speaks_http_2_over_tls(stage, certificates):
    def answer(exchange):
        exchange.read_content()
        target = exchange.request.target
        exchange.answer(PAGE if target == "/" else target.encode(),
                        fields=[("Content-Type", "text/html" if target == "/" else "text/plain")])

    configuration = speaking([stage.endpoint(answer).address])
    configuration["listeners"][0]["tls"] = certificates.local.files
    steelyard = stage.steelyard(configuration)
    browser = Browser()
    try:
        browser.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": True})
        browser.get(f"https://localhost:{steelyard.address[1]}/")
        wait_for(lambda: browser.js("return window.parts?.length") == 50, "all parts")
        assert browser.js("return window.parts") == [f"/part/{n}" for n in range(50)]
        spoken = browser.js(
            "return [...new Set(performance.getEntries().map((one) => one.nextHopProtocol)"
            ".filter((one) => one))]")
        assert spoken == ["h2"]
    finally:
        browser.quit()
    metrics = steelyard.metrics()
    assert metrics.value("steelyard_http2_streams_total", side="client") >= 51
    assert metrics.value("steelyard_connections_accepted_total") <= 4


def test_a_thousand_idle_connections_cost_little(stage):
    """What one costs: its windows are counted, not kept."""
    steelyard = stage.steelyard({
        **speaking([stage.endpoint(text()).address]), "limits": {"connections_per_client": "none"}})
    clients = [Client(steelyard.address) for _ in range(50)]
    before = steelyard.rss_bytes()
    clients += [Client(steelyard.address) for _ in range(1000)]
    each = (steelyard.rss_bytes() - before) / 1000
    print(f"an idle connection of HTTP/2: {each:.0f} bytes")
    assert each < 24_000
    for client in clients:
        client.close()


