"""The scenarios of scripts/bench as data: what is asked of the generator, and what is shown."""

from dataclasses import dataclass, field

ALL = ("nginx", "haproxy", "envoy", "steelyard", "relay")
PROXIES = ("nginx", "haproxy", "envoy", "steelyard")

# Measures: title, form, factor.
RATE = ("requests_per_second", "requests/s", "{:.0f}", 1)
CPU = ("cpu_us_per_request", "CPU µs/request", "{:.2f}", 1)
USER = ("user_ratio", "of it user", "{:.2f}", 1)
P50 = ("p50_us", "p50 µs", "{:.0f}", 1)
P99 = ("p99_us", "p99 µs", "{:.0f}", 1)
P999 = ("p99.9_us", "p99.9 µs", "{:.0f}", 1)
MEAN = ("mean_us", "mean µs", "{:.0f}", 1)
RSS = ("rss_bytes", "RSS MB", "{:.1f}", 1e-6)
CORE = ("proxy_core_ratio", "proxy's core", "{:.2f}", 1)
GENERATOR = ("generator_core_ratio", "generator's core", "{:.2f}", 1)
BYTES = ("megabytes_per_second", "MB/s", "{:.0f}", 1)
CPU_BYTE = ("cpu_ns_per_byte", "CPU ns/byte", "{:.3f}", 1)
ERRORS = ("errors", "errors", "{:.0f}", 1)

CLOSED = (RATE, CPU, USER, P50, P99, P999, RSS, CORE, GENERATOR)
OPEN = (RATE, P50, P99, P999, CPU, CORE, GENERATOR)
MULTIPLEXED = (RATE, CPU, USER, MEAN, ERRORS, RSS, CORE, GENERATOR)
BODY = (BYTES, CPU_BYTE, RATE, CPU, USER, P99, RSS, CORE, GENERATOR)


@dataclass(frozen=True)
class TLS:
    """Which sides of the proxy speak it, the certificate's key, and whether clients resume."""

    clients: bool = True
    endpoints: bool = False
    kind: str = "P-256"
    resumes: bool = False


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    # Which function of Runner measures it.
    kind: str
    measures: tuple
    order: dict = field(default_factory=dict)
    proxies: tuple = ALL
    # The scenario whose maximum of nginx's gives the rate: half of it.
    half_of: str = ""
    note: str = ""
    tls: TLS = None
    http2: bool = False


def keepalive(connections, fields):
    suffix = "-fields" if fields else ""
    return Scenario(
        f"keepalive-{connections}{suffix}",
        f"1 KB, {connections} keep-alive connections"
        + (", ten fields both ways" if fields else ""),
        "drive", CLOSED,
        {"connections": connections, "path": "/bytes/1024", "fields": 1 if fields else None})


def half_rate(connections):
    return Scenario(
        f"half-rate-{connections}",
        f"1 KB, {connections} connections, open loop at half of nginx's requests/s",
        "drive", OPEN, {"connections": connections, "path": "/bytes/1024"},
        half_of=f"keepalive-{connections}",
        note="Poisson arrivals; latency counts from the planned arrival.")


def body(name, title, connections, **order):
    return Scenario(name, title, "drive", BODY, {"connections": connections, **order})


FRESH = {"connections": 64, "path": "/bytes/1024", "fresh": 1}


def over_tls(name, title, measures, tls=TLS(), **order):
    return Scenario(
        name, f"{title} over TLS 1.3", "drive", measures, order, PROXIES, tls=tls,
        note="A HAProxy on the generator's core gives it TLS and counts as the generator.")


def multiplexed(name, title, tls=None, **order):
    return Scenario(
        name, f"{title}, 16 connections of 10 streams", "multiplexed", MULTIPLEXED,
        {"connections": 16, "streams": 10, **order}, PROXIES, tls=tls, http2=True,
        note="h2load is the clients. A window has the beginning of its connections too.")


SCENARIOS = {one.name: one for one in [
    keepalive(8, False), keepalive(64, False), keepalive(512, False),
    keepalive(8, True), keepalive(64, True), keepalive(512, True),
    half_rate(64), half_rate(512),
    body("down-64k", "64 KB answers, 64 connections", 64, path="/bytes/65536"),
    body("up-64k", "64 KB requests, 64 connections", 64, path="/bytes/16", upload=65536),
    body("down-10m", "10 MB answers, 8 connections", 8, path="/bytes/10485760"),
    body("up-10m", "10 MB requests, 8 connections", 8, path="/bytes/16", upload=10485760),
    Scenario(
        "sse-1000", "server-sent events, 1 000 streams of 200 tokens", "stream",
        (("added_p50_us", "added p50 µs", "{:.0f}", 1),
         ("added_p99_us", "added p99 µs", "{:.0f}", 1),
         ("added_p99.9_us", "added p99.9 µs", "{:.0f}", 1), P99,
         ("tokens_per_second", "tokens/s", "{:.0f}", 1),
         ("cpu_us_per_token", "CPU µs/token", "{:.2f}", 1), RSS, CORE, GENERATOR),
        {"streams": 1000, "tokens": 200, "interval_ms": 50, "ramp_seconds": 2},
        note="Added: the proxy's percentile less that of streams straight from the endpoints in "
             "the same round."),
    Scenario(
        "fresh", "1 KB, a new connection a request, 64 at once", "drive", CLOSED,
        {"connections": 64, "path": "/bytes/1024", "fresh": 1}),
    Scenario(
        "idle-10000", "10 000 idle keep-alive connections", "idle",
        (("bytes_per_connection", "bytes each", "{:.0f}", 1),
         ("rss_bytes_each", "all memory ÷ 10 000", "{:.0f}", 1),
         ("rss_one_bytes", "RSS MB with 1", "{:.1f}", 1e-6),
         ("rss_bytes", "RSS MB with 10 000", "{:.1f}", 1e-6)),
        proxies=PROXIES, note="Memory of the processes; the kernel's is the same for all. Bytes each: what 9 999 "
             "more connections add. Tables that are made at the start for all connections that may "
             "come (nginx's, in part the others') are not in it, but in all memory."),
    Scenario(
        "reload", "weights changed every 100 ms, 64 connections at half of nginx's requests/s",
        "reload",
        (P99, ("quiet_p99_us", "p99 µs without", "{:.0f}", 1),
         ("p99_ratio", "with ÷ without", "{:.2f}", 1), P999,
         ("quiet_p99.9_us", "p99.9 µs without", "{:.0f}", 1), CPU,
         ("quiet_cpu_us_per_request", "CPU µs without", "{:.2f}", 1), ERRORS,
         ("reconnects", "connections cut between requests", "{:.0f}", 1),
         ("changes", "changes", "{:.0f}", 1)),
        {"connections": 64, "path": "/bytes/1024"}, proxies=("nginx", "haproxy", "steelyard"),
        half_of="keepalive-64",
        note="steelyard: weights pinned through its admin API. HAProxy: `set server weight` at its "
             "socket. nginx: `nginx -s reload`, the only way that it has. Envoy is left out: "
             "without an xDS server it has none."),
    Scenario(
        "workers-2", "two workers on the generator's core too, 64 connections each", "workers",
        (("speedup_by_cpu", "2 × CPU(1) ÷ CPU(2)", "{:.2f}", 1), CPU,
         ("one_cpu_us_per_request", "CPU µs with one", "{:.2f}", 1),
         ("speedup", "requests/s ÷ one's (shared)", "{:.2f}", 1), RATE),
        {"path": "/bytes/1024"}, proxies=PROXIES,
        note="With two cores the second worker shares one with the generator: requests/s say "
             "little, CPU a request says what two workers cost each other."),
    Scenario(
        "start", "from the start of the process to the first answer", "start",
        (("start_ms", "ms", "{:.1f}", 1),)),
    Scenario(
        "syscalls", "system calls, 1 KB, 64 keep-alive connections", "syscalls",
        (("syscalls_per_request", "calls/request", "{:.2f}", 1),),
        {"connections": 64, "path": "/bytes/1024"},
        note="strace -c: the calls of a longer run less those of a shorter one, over the same "
             "difference of requests."),
    over_tls("tls-keepalive-64", "1 KB, 64 keep-alive connections", CLOSED, connections=64,
             path="/bytes/1024"),
    over_tls("tls-down-64k", "64 KB answers, 64 connections", BODY, connections=64,
             path="/bytes/65536"),
    over_tls("tls-fresh", "1 KB, a new connection a request, P-256, full handshakes", CLOSED,
             **FRESH),
    over_tls("tls-resumed", "1 KB, a new connection a request, P-256, resumed by ticket", CLOSED,
             TLS(resumes=True), **FRESH),
    over_tls("tls-fresh-rsa", "1 KB, a new connection a request, RSA-2048, full handshakes",
             CLOSED, TLS(kind="RSA-2048"), **FRESH),
    over_tls("tls-upstream", "1 KB, 64 keep-alive connections in the clear, endpoints", CLOSED,
             TLS(clients=False, endpoints=True), connections=64, path="/bytes/1024"),
    Scenario(
        "tls-idle-2000", "2 000 idle keep-alive connections over TLS 1.3", "idle",
        (("bytes_per_connection", "bytes each", "{:.0f}", 1),
         ("rss_one_bytes", "RSS MB with 1", "{:.1f}", 1e-6),
         ("rss_bytes", "RSS MB with 2 000", "{:.1f}", 1e-6)),
        {"connections": 2000}, proxies=PROXIES, tls=TLS()),
    Scenario(
        "tls-storm", "1 000 streams over TLS 1.3, 500 clients a second connect anew beside them",
        "storm",
        (P99, ("quiet_p99_us", "p99 µs without", "{:.0f}", 1),
         ("p99_ratio", "with ÷ without", "{:.2f}", 1),
         ("storm_rate", "full handshakes/s", "{:.0f}", 1),
         ("cpu_us_per_token", "CPU µs/token", "{:.2f}", 1), ERRORS, CORE, GENERATOR),
        {"streams": 1000, "tokens": 100, "interval_ms": 100, "ramp_seconds": 2,
         "storm_rate": 500},
        proxies=PROXIES, tls=TLS(),
        note="The clients that connect anew run on the generator's core at the lowest priority, so "
             "that they do not keep the streams' clients from it."),
    multiplexed("h2c", "256 bytes over HTTP/2 in the clear, endpoints of HTTP/1.1",
                path="/bytes/256"),
    multiplexed("h2", "256 bytes over HTTP/2 and TLS 1.3, endpoints of HTTP/1.1", TLS(),
                path="/bytes/256"),
    multiplexed("grpc", "gRPC, messages of 256 bytes, HTTP/2 in the clear on both sides",
                is_grpc=True),
    Scenario(
        "h2c-idle-1000", "1 000 idle connections of HTTP/2 in the clear", "idle_multiplexed",
        (("bytes_per_connection", "bytes each", "{:.0f}", 1),
         ("rss_one_bytes", "RSS MB with 1", "{:.1f}", 1e-6),
         ("rss_bytes", "RSS MB with 1 000", "{:.1f}", 1e-6)),
        {"connections": 1000}, proxies=PROXIES, http2=True,
        note="Each has had an answer."),
]}
