"""HTTP/2 for scripts/bench: what each proxy's configuration says of it, h2load as the clients, and
nghttpd as the endpoints that speak it.

h2load counts answers and tells their mean latency; it runs on the generator's core, as the endpoints
do."""

import os
import re
import subprocess
import time

from meters import Meter, difference
from stage import can_connect, find

# A gRPC message of 256 bytes with its five bytes of framing.
MESSAGE = b"\0\0\0\1\0" + bytes(256)
CALL = "/bench.Bench/Call"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class Speech:
    """What a proxy is told: HTTP/2 with clients, and with endpoints too (`is_grpc`)."""

    def __init__(self, is_on=False, is_grpc=False):
        self.is_on = is_on
        self.is_grpc = is_grpc

    def values(self, name):
        """What fills the template of this proxy."""
        return getattr(self, name)()

    def nginx(self):
        kind = "grpc" if self.is_grpc else "proxy"
        return {"listen_http2": " http2" if self.is_on else "", "pass": f"{kind}_pass",
                "set": f"{kind}_set_header"}

    def haproxy(self):
        # In the clear it knows clients by their preface.
        return {"alpn": " alpn h2,http/1.1" if self.is_on else "",
                "server_http2": " proto h2" if self.is_grpc else ""}

    def envoy(self):
        options = (
            f'typed_extension_protocol_options: {{{_OPTIONS}: {{"@type": '
            f'type.googleapis.com/{_OPTIONS}, explicit_http_config: '
            '{http2_protocol_options: {}}}}')
        return {"cluster_http2": options if self.is_grpc else ""}

    def steelyard(self):
        return {"listener_http2": ", http2: true" if self.is_on else "",
                "pool_http2": "protocol: http2" if self.is_grpc else "",
                # The endpoints of gRPC have no metrics page.
                "scrape": "" if self.is_grpc else ", scrape: [{preset: vllm}]"}

    def relay(self):
        return {}


class Servers:
    """Endpoints of HTTP/2: each answers calls with a message and grpc-status."""

    def __init__(self, programs, cores, ports, count):
        self.ports = [ports.take() for _ in range(count)]
        self.room = programs.room / "nghttpd"
        (self.room / CALL.strip("/").split("/")[0]).mkdir(parents=True)
        (self.room / CALL.strip("/")).write_bytes(MESSAGE)
        self.children = [programs.start(
            f"nghttpd-{port}", [find("nghttpd"), "--no-tls", "-a", "127.0.0.1", "-d", self.room,
                                "--trailer", "grpc-status: 0", port], cores=cores)
            for port in self.ports]
        programs.wait_until(
            lambda: all(map(can_connect, self.ports)), "nghttpd", self.children[0])

    @property
    def addresses(self):
        return [f"127.0.0.1:{port}" for port in self.ports]

    @property
    def pids(self):
        return [child.pid for child in self.children]


class Clients:
    """h2load against a proxy: `connections` of `streams` each, one request after another."""

    def __init__(self, programs, cores, url, order):
        self.cores = cores
        self.command = [find("h2load"), "-c", order["connections"], "-m", order["streams"]]
        if order.get("is_grpc"):
            file = programs.room / "message"
            file.write_bytes(MESSAGE)
            self.command += ["-d", file, "-H", "content-type: application/grpc",
                             "-H", "te: trailers"]
        self.url = url

    def run(self, seconds):
        """What h2load says, and the processor time that it took."""
        def prepare():
            os.sched_setaffinity(0, self.cores)
        child = subprocess.Popen(
            [str(word) for word in [*self.command, "-D", f"{seconds * 1000:.0f}ms", self.url]],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=prepare)
        text = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        found = re.search(
            r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
        if child.returncode or not found or not int(found[2]):
            raise OSError(f"h2load: {text[-500:]}")
        done, succeeded = int(found[1]), int(found[2])
        mean = re.search(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)", text)
        factor = {"us": 1, "ms": 1e3, "s": 1e6}[mean[2]]
        return ({"requests": done, "errors": done - succeeded, "mean_us": float(mean[1]) * factor},
                usage.ru_utime + usage.ru_stime)


def idle_client(port):
    """A client of HTTP/2 that has had an answer and stays."""
    # Not at the top: of all that runs the bench this alone needs the tests' packages.
    from frames import Client
    client = Client(("127.0.0.1", port))
    if client.exchange("GET", "/bytes/256").status != 200:
        raise OSError("an idle client had no answer")
    return client


def measure(proxy, generator, clients, servers, cores, options):
    """One window: everything between the start of h2load and its end."""
    if options.warmup:
        clients.run(max(0.1, options.warmup))
    meter = Meter(proxy, generator)
    meter.more = servers.pids if servers else []
    before = meter.read()
    begun = time.monotonic()
    result, used = clients.run(options.seconds)
    result["seconds"] = time.monotonic() - begun
    window = difference(before, meter.read(), cores)
    # h2load has ended: its time is not in what was read.
    share = used / window["seconds"]
    window["generator_core_ratio"] += share
    window["foreign_core_ratio"] = max(0, window["foreign_core_ratio"] - share)
    # The generator is several programs on one core: they wait for each other.
    window["generator_wait_ratio"] = None
    return result, window
