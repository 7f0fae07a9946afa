"""Sources of endpoints: many endpoints behind one socket, requests that go on while they change,
and a real Prometheus that reads the same source."""

import re
import threading
import time
from collections import Counter

import wire
from conftest import minimal
from endpoints import Endpoint
from programs import free_port, wait_for


class Members:
    """Endpoints at one port of every loopback address; each answers with its own address. `/held`
    is answered in two halves, the second when the test sets `release`."""

    def __init__(self, stage):
        self.begun, self.release = threading.Event(), threading.Event()
        self.port = free_port(("0.0.0.0",))
        self.endpoint = stage.keep(Endpoint(self._answer, "0.0.0.0", self.port))

    def _answer(self, exchange):
        address = f"{exchange.socket.getsockname()[0]}:{self.port}".encode()
        if exchange.request.target != "/held":
            return exchange.answer(address)
        exchange.begin_chunked()
        exchange.chunk(address)
        self.begun.set()
        self.release.wait(60)
        exchange.chunk(b" to the end")
        exchange.end_chunked()

    def __getitem__(self, number):
        """The address of the member with this number, 0 to 60,000."""
        return f"127.1.{number // 250}.{number % 250 + 1}:{self.port}"

    def host(self, number):
        return self[number].split(":")[0]

    def some(self, *numbers):
        return [self[number] for number in numbers]


def configured(*sources, limits=None, **pool):
    configuration = minimal(
        pool.pop("endpoints", []), discover=list(sources),
        **{"balance": "round_robin", "weights": {"law": "static"}} | pool)
    configuration["limits"] = limits or {}
    return configuration


def start(stage, *sources, under=(), environment=None, **options):
    return stage.steelyard(configured(*sources, **options), environment, under)


def answers(steelyard, count=12):
    """How often each endpoint answered."""
    with steelyard.connect() as connection:
        found = [connection.exchange("GET", "/") for _ in range(count)]
    assert {one.status for one in found} == {200}, [one.status for one in found]
    return Counter(one.content.decode() for one in found)


def by_endpoint(steelyard, name):
    """The samples of one metric. A page of 10,000 endpoints is too long for a whole parser."""
    page = steelyard.admin_get("/metrics").content.decode()
    found = re.findall(rf'^{name}{{[^}}]*endpoint="([^"]+)"[^}}]*}} (\S+)$', page, re.M)
    assert len(dict(found)) == len(found), "an endpoint has two samples"
    return {address: float(value) for address, value in found}


def weights(steelyard):
    return by_endpoint(steelyard, "steelyard_endpoint_base_weight")


def endpoints_of(steelyard):
    return set(by_endpoint(steelyard, "steelyard_endpoint_weight"))


def reaches(steelyard, expected, deadline=45):
    """Waits until these are the endpoints, and all of them and no others answer."""
    expected = set(expected)
    wait_for(lambda: endpoints_of(steelyard) == expected,
             f"the endpoints {sorted(expected)[:9]}", deadline)
    assert set(answers(steelyard, max(12, 2 * len(expected)))) == expected


def failures(steelyard):
    """What the log says of failures of sources: the reasons, in order."""
    return [one["reason"] for one in steelyard.events("source of endpoints fails")]


def fails(steelyard, *words, count=0):
    """Waits for a failure after the first `count` ones, with one of the words in its reason."""
    def found():
        reasons = failures(steelyard)[count:]
        return reasons and (not words or any(
            word in reason for reason in reasons for word in words)) and reasons

    return wait_for(found, f"a failure like {words}")


def successes(steelyard):
    return len(steelyard.events("source of endpoints answers"))


def works_again(steelyard, before):
    """Waits until the log says that the source answers, after the first `before` such lines."""
    wait_for(lambda: successes(steelyard) > before, "a word that the source answers")


class Traffic:
    """Requests, one after the other on a few kept connections, each of which is made anew now and
    then. `with` ends them and fails where one of them was not answered with 200."""

    def __init__(self, steelyard, connections=2):
        self.steelyard = steelyard
        self.answers = []  # (time.monotonic() of its arrival, address)
        self.faults = []
        self.ends = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, daemon=True) for _ in range(connections)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for(lambda: len(self.answers) > 20 or self.faults, "the first requests")
        return self

    def __exit__(self, kind, *_):
        self.ends.set()
        for thread in self.threads:
            thread.join()
        if kind is None:
            assert not self.faults, f"{len(self.faults)} failed, first {self.faults[:3]}"
            assert len(self.answers) > 20

    def _run(self):
        while not self.ends.is_set():
            try:
                with self.steelyard.connect() as connection:
                    for _ in range(50):
                        if self.ends.is_set():
                            return
                        answer = connection.exchange("GET", "/")
                        if answer.status != 200:
                            self.faults.append((answer.status, answer.content[:200]))
                        else:
                            self.answers.append((time.monotonic(), answer.content.decode()))
                        self.ends.wait(0.002)
            except (OSError, wire.Cut) as fault:
                self.faults.append(repr(fault))

    def since(self, begin):
        """Who has answered since that time."""
        return {address for at, address in list(self.answers) if at >= begin}

    def first(self, address, begin, deadline=45):
        """The seconds from `begin` until that endpoint answered a request."""
        def found():
            return [at for at, one in list(self.answers) if at >= begin and one == address]

        return wait_for(found, f"{address} to answer", deadline, 0.005)[0] - begin


def seen_by_prometheus(stage, job):
    """A real Prometheus that reads a source; a function that gives the addresses it sees."""
    prometheus = stage.prometheus(scrape={
        "job_name": "steelyard", "static_configs": [], "scrape_interval": "60s", **job})

    def seen():
        targets = (prometheus.api("/api/v1/targets") or {}).get("activeTargets", [])
        return {one["discoveredLabels"]["__address__"] for one in targets}

    return seen


def agrees(steelyard, seen, expected):
    """Steelyard and Prometheus see these members in the same source."""
    expected = set(expected)
    wait_for(lambda: seen() == expected, f"Prometheus to see {expected}")
    reaches(steelyard, expected)


def outlives_its_member(steelyard, members, leave):
    """A stream of a member that `leave()` takes away goes on to its end; no other request reaches
    that member in the meantime. Requires: member 0 is one of those that answer."""
    gone = members[0]
    held = None
    while held is None:
        connection = steelyard.connect(60)
        members.begun.clear()
        connection.send_request("GET", "/held")
        assert connection.read_head().status == 200
        chunks = connection.chunks()
        address = next(chunks).decode()
        if address == gone:
            held = connection
        else:
            members.release.set()
            assert next(chunks) == b" to the end"
            members.release.clear()
            connection.close()
    leave()
    wait_for(lambda: gone not in endpoints_of(steelyard), "its end")
    assert gone not in answers(steelyard, 20)
    members.release.set()
    assert b"".join(chunks) == b" to the end"
    held.close()
