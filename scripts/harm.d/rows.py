"""The situations of scripts/harm: who serves, what comes, what happens to whom. The same list in
simulation is `control-bench --suite harm`; times are shortened here. Pure.

Seconds count from the first request on; what is measured begins after `warm_up`."""

from dataclasses import dataclass, field

# Of a request to an endpoint of speed 1.
MEAN = 0.2


@dataclass
class Kind:
    """Requests of one kind: `share` of all, of so many seconds' work."""
    name: str = "work"
    share: float = 1.0
    mean: float = MEAN
    # Each takes `mean`; else exponentially distributed.
    is_constant: bool = False
    takes_slot: bool = True
    method: str = "POST"
    path: str = "/v1/completions"
    # What they are answered, at once where it is not 200.
    status: int = 200
    # Of the answer.
    byte_count: int = 200
    # Mean of the seconds in which the client reads it; 0: as it comes.
    reading: float = 0.0


@dataclass
class Server:
    """An endpoint. Its page is one of `preset`, if any."""
    speed: float = 1.0
    slots: int = 8
    # It answers requests for work with this, at once, where it is not 200.
    status: int = 200
    preset: str | None = None
    # Processes with counters of their own, which answer for the page in turn.
    page_workers: int = 1
    # What its counters count of each request.
    page_counts: int = 1


@dataclass
class Row:
    name: str
    servers: list
    # Requests a second from so many seconds on.
    rates: list
    kinds: list = field(default_factory=lambda: [Kind()])
    # (seconds, endpoint, what, value): `slow` factor, `dead` 1 or 0, `queued` requests on the page.
    events: list = field(default_factory=list)
    warm_up: float = 5.0
    # Measured; None: as the command says.
    seconds: float | None = None
    # Whose mean and p99 are compared; None: of all kinds.
    timed: str | None = None
    # What steelyard (not `static`) reads of pages.
    preset: str | None = None
    # The wall clock of all balancers jumps.
    has_wall_jumps: bool = False


@dataclass
class Full:
    """Two endpoints with less room than is wanted, as in scripts/refusals."""
    name: str
    status: int
    seconds: float | None = None


def rate(servers, load, mean=MEAN):
    return sum(one.speed * one.slots for one in servers) / mean * load


def row(name, servers, load=0.7, **more):
    return Row(name, servers, [[0, rate(servers, load)]], **more)


def refusing():
    work = [Kind(mean=0.5, is_constant=True)]
    for status in (404, 401, 400, 422):
        servers = [Server(slots=50, status=status), Server(slots=50), Server(slots=50)]
        yield Row(f"fast-{status}-one-of-three", servers, [[0, 10]], work)
    yield row("4xx-spread-evenly", [Server()] * 3, kinds=[
        Kind(share=0.9), Kind("refused", share=0.1, status=400)])
    yield Full("full-503-two-140", 503)
    yield Full("full-429-two-140", 429)


def mixed():
    """A tenth of the requests take so long in one of 12 slots that 90 % of them are busy."""
    for words, mean, requests, warm_up, seconds in (
            ("", 0.4, 270, 5, 20), ("-4s", 4, 27, 10, 45)):
        yield Row(
            "quick-and-slow" + words, [Server(slots=4)] * 3, [[0, requests]], [
                Kind("quick", 0.9, 0.002, True, False, "GET", "/v1/models"),
                Kind("slow", 0.1, mean, True)], warm_up=warm_up, seconds=seconds, timed="slow")


def lying():
    for words, lie in (("page-of-2-workers", {"page_workers": 2}),
                       ("page-counts-3-times", {"page_counts": 3})):
        liar, honest = Server(preset="kserve", **lie), Server(preset="kserve")
        yield row(words + "-one-of-two", [liar, honest], preset="kserve")
        yield row(words + "-all-of-three", [liar] * 3, preset="kserve")
    yield row(
        "page-says-10000-wait", [Server(preset="vllm")] * 4, preset="vllm",
        events=[(8, 1, "queued", 10_000), (16, 1, "queued", 0)], seconds=15)


def slow_phases():
    """What is measured is what comes after it."""
    for count in (2, 3, 4):
        yield row(
            f"slow-8s-one-of-{count}", [Server()] * count, 0.5, warm_up=8, seconds=17,
            events=[(0, 0, "slow", 40), (8, 0, "slow", 1)])


def clients():
    """5 % of the answers have 2 MB, and are read in 20 service times."""
    yield row("late-readers-5", [Server(slots=4)] * 3, seconds=15, kinds=[
        Kind(share=0.95), Kind("late", 0.05, byte_count=2_000_000, reading=20 * MEAN)])


def rhythms():
    yield row("identical", [Server()] * 3, 0.8)
    yield Row("one-request-a-second", [Server()] * 3, [[0, 1]], seconds=20)
    unequal = [Server(speed, 4) for speed in (1, 1, 2, 4)]
    yield Row(
        "idle-20s-then-burst", unequal,
        [[0, rate(unequal, 0.7)], [8, 0], [28, rate(unequal, 0.9)]], warm_up=28, seconds=10)
    # Requests that may be repeated: what a restart cuts is not the balancer's doing.
    dead = [(at + after, 1, "dead", 1 - after) for at in (8, 18, 28) for after in (0, 1)]
    yield row("restart-each-10s", [Server()] * 4, 0.6, kinds=[Kind(method="GET")],
              events=dead, seconds=25)
    yield row("wall-clock-jumps", [Server(preset="vllm")] * 3, 0.8, preset="vllm",
              has_wall_jumps=True)


ALL = [*refusing(), *mixed(), *lying(), *slow_phases(), *clients(), *rhythms()]
