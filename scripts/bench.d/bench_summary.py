"""What scripts/bench makes of its windows: which count, medians, spread, ratios, goals. Pure."""

import statistics

# Shares of the window. Nothing else decides whether a window counts, least of all its result.
LIMITS = {
    "foreign_core_ratio": 0.06,     # of one core, both cores together: other programs
    "steal_ratio": 0.02,            # what the host took
    "proxy_wait_ratio": 0.05,       # the proxy's threads were ready and did not run
    "generator_wait_ratio": 0.05,   # the same of clients and endpoints
}
WAITS = ("proxy_wait_ratio", "generator_wait_ratio")
# From here on a core counts as full.
FULL = 0.95


def disturbances(window, shares_cores=False):
    """Why a window does not count: [(figure, value, limit)]; empty where it does.

    `shares_cores`: proxy and generator are on the same cores, so that waiting is no disturbance."""
    return [
        (name, window[name], limit) for name, limit in LIMITS.items()
        if window.get(name) is not None and window[name] > limit
        and not (shares_cores and name in WAITS)]


def disturbance(window, shares_cores=False):
    """How far a window is over its limits; 0 where it counts."""
    return sum(value / limit for _, value, limit in disturbances(window, shares_cores))


def generator_was_the_cap(window):
    """The generator's core was full and the proxy's was not."""
    return window["generator_core_ratio"] >= FULL > window["proxy_core_ratio"]


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(a, b):
    """None where either is missing, or `b` is 0."""
    return a / b if a is not None and b else None


def usable(rounds):
    """(rounds, doubtful): without windows that stand although they were disturbed, but those of
    proxies that have no other, which are `doubtful`."""
    calm = {name for one in rounds for name, got in one.items() if not got.get("disturbed")}
    left = [{name: got for name, got in one.items()
             if name not in calm or not got.get("disturbed")} for one in rounds]
    return left, set(order(rounds)) - calm


def row(rounds, measure):
    """Median, least and most of a measure by proxy; `rounds` is [{proxy: {measure: value}}]."""
    found = {}
    for proxy in order(rounds):
        values = [one[proxy][measure] for one in rounds
                  if proxy in one and one[proxy].get(measure) is not None]
        if values:
            found[proxy] = {"median": statistics.median(values), "min": min(values),
                            "max": max(values), "rounds": len(values)}
    return found


def order(rounds):
    """Every proxy that has a result, as they come first."""
    return list(dict.fromkeys(proxy for one in rounds for proxy in one))


def ratios(rounds, measure, subject="steelyard"):
    """The median of `subject`'s value over each other's in the same round."""
    return {
        other: value for other in order(rounds) if other != subject
        and (value := median(
            ratio(one[subject].get(measure), one[other].get(measure))
            for one in rounds if subject in one and other in one)) is not None}


def better(rounds, measure, peers, subject="steelyard", high=False):
    """The median of `subject`'s value over the better of the peers' in the same round."""
    values = []
    for one in rounds:
        known = [one[peer].get(measure) for peer in peers if peer in one]
        known = [value for value in known if value is not None]
        if subject in one and known:
            values.append(ratio(one[subject].get(measure), (max if high else min)(known)))
    return median(values)


class Goal:
    """`limits`: by peer, for steelyard's value over the peer's; {"better": x}: over the better of
    nginx and HAProxy; {"": x}: for the value itself. `high`: it is to be at least that."""

    def __init__(self, title, scenario, measure, limits, high=False, form="{:.2f}", unless=None):
        self.title = title
        self.scenario = scenario
        self.measure = measure
        self.limits = limits
        self.high = high
        self.form = form
        # A mark of steelyard's windows that takes the meaning from the figure.
        self.unless = unless

    def judge(self, results):
        """[{"goal", "peer", "limit", "figure", "reached"}]; `reached` is None without a figure."""
        rounds, doubtful = usable(results.get(self.scenario) or [])
        verdicts = []
        for peer, limit in self.limits.items():
            figure = self.figure(rounds, peer)
            marked = self.unless and any(
                one.get("steelyard", {}).get(self.unless) for one in rounds)
            reached = None if figure is None else figure >= limit if self.high else figure <= limit
            note = self.unless.replace("_", " ") if marked else ""
            if marked and not reached:
                reached = None
            peers = {"": [], "better": ["nginx", "haproxy"]}.get(peer, [peer])
            if doubtful & {"steelyard", *peers}:
                reached, note = None, "disturbed"
            verdicts.append({
                "goal": self.title, "peer": peer, "limit": limit, "high": self.high,
                "figure": figure, "reached": reached, "form": self.form, "note": note})
        return verdicts

    def figure(self, rounds, peer):
        if peer == "":
            return row(rounds, self.measure).get("steelyard", {}).get("median")
        if peer == "better":
            return better(rounds, self.measure, ["nginx", "haproxy"], high=self.high)
        return ratios(rounds, self.measure).get(peer)


def at_most(limit, *peers):
    return {peer: limit for peer in peers}


CAPPED = "generator_capped"
GOALS = [
    Goal("CPU a request, 1 KB, 64 connections", "keepalive-64", "cpu_us_per_request",
         {"nginx": .75, "haproxy": .75, "envoy": .25}),
    Goal("CPU a request, 1 KB, 512 connections", "keepalive-512", "cpu_us_per_request",
         at_most(.65, "nginx", "haproxy")),
    Goal("CPU a byte, 64 KB down", "down-64k", "cpu_ns_per_byte", at_most(.70, "better")),
    Goal("CPU a byte, 64 KB up", "up-64k", "cpu_ns_per_byte", at_most(.70, "better")),
    Goal("CPU a byte, 10 MB down", "down-10m", "cpu_ns_per_byte", at_most(1.0, "better")),
    Goal("CPU a byte, 10 MB up", "up-10m", "cpu_ns_per_byte", at_most(1.0, "better")),
    Goal("requests/s, 1 KB, 64 connections", "keepalive-64", "requests_per_second",
         at_most(1.25, "nginx", "haproxy"), high=True, unless=CAPPED),
    Goal("p99 at half rate, 64 connections", "half-rate-64", "p99_us",
         at_most(1.0, "nginx", "haproxy")),
    Goal("p99 at half rate, 512 connections", "half-rate-512", "p99_us",
         at_most(1.0, "nginx", "haproxy")),
    Goal("added delay of a token, p99", "sse-1000", "added_p99_us", at_most(1.0, "nginx")),
    Goal("new connections/s", "fresh", "requests_per_second", at_most(1.1, "nginx"), high=True,
         unless=CAPPED),
    # The same, where the generator caps the rate.
    Goal("CPU a new connection", "fresh", "cpu_us_per_request", at_most(.91, "nginx")),
    Goal("memory of an idle connection", "idle-10000", "bytes_per_connection",
         at_most(1.0, "nginx")),
    Goal("memory of an idle connection, bytes", "idle-10000", "bytes_per_connection", {"": 4096},
         form="{:.0f}"),
    Goal("p99 while weights change ÷ without", "reload", "p99_ratio", {"": 1.02}),
    Goal("two workers ÷ one, by CPU", "workers-2", "speedup_by_cpu", {"": 1.7}, high=True),
    Goal("CPU a request over TLS, 1 KB", "tls-keepalive-64", "cpu_us_per_request",
         {"nginx": .85, "haproxy": .75}),
    Goal("CPU a byte over TLS, 64 KB down", "tls-down-64k", "cpu_ns_per_byte",
         at_most(.80, "better")),
    Goal("CPU a new connection, P-256", "tls-fresh", "cpu_us_per_request", at_most(1.0, "nginx")),
    Goal("CPU a resumed connection", "tls-resumed", "cpu_us_per_request",
         at_most(.95, "nginx")),
    Goal("memory of an idle TLS connection, bytes", "tls-idle-2000", "bytes_per_connection",
         {"": 16384}, form="{:.0f}"),
    Goal("p99 of tokens while clients reconnect ÷ without", "tls-storm", "p99_ratio", {"": 2.0}),
    *[Goal(f"CPU a request, {title}", name, "cpu_us_per_request",
           {"haproxy": 1.0, "nginx": .75, "envoy": .45})
      for name, title in (("h2c", "HTTP/2 in the clear"), ("h2", "HTTP/2 over TLS"),
                          ("grpc", "gRPC"))],
    Goal("start to first answer, ms", "start", "start_ms", {"": 50}, form="{:.1f}"),
]


def judge(results, goals=None):
    """The verdicts of all goals whose scenario was run."""
    return [verdict for goal in goals or GOALS if results.get(goal.scenario)
            for verdict in goal.judge(results)]
