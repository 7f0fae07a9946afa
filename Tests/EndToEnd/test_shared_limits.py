"""Rate limits that several steelyards share through a real Redis or Valkey."""

import signal
import random
import socket
import threading
import time

import pytest
from conftest import minimal
from endpoints import text
from programs import wait_for
from stores import Sentinel, Store, follow

RATE, BURST = 100, 100
LIMIT = {"key": "none", "rate": f"{RATE}/s", "burst": BURST, "shared": True}


class Replicas:
    """Steelyards of one fleet with one store."""

    def __init__(self, stage, count, redis, limit=LIMIT, **shared):
        self.stage = stage
        self.secret = stage.directory / "secret"
        self.secret.write_text("0123456789abcdef0123456789abcdef\n")
        self.secret.chmod(0o600)
        self.redis, self.limit, self.shared = redis, limit, shared
        self.endpoint = stage.endpoint(text())
        self.all = [stage.steelyard(self.configuration()) for _ in range(count)]

    def configuration(self, **redis):
        return {
            **minimal([self.endpoint.address], rate_limits=[self.limit]),
            "shared": {"redis": {**self.redis, **redis}, "secret": {"file": str(self.secret)},
                       **self.shared}}

    def value(self, name, index=0, **labels):
        return self.all[index].metrics().value(f"steelyard_shared_{name}", **labels)

    def wait_until_linked(self, replicas=None):
        count = replicas or len(self.all)
        wait_for(
            lambda: all(self.value("store_up", index) == 1 for index in range(len(self.all)))
            and all(self.value("replicas", index) == count for index in range(len(self.all))),
            f"{count} replicas to know each other")
        return self

    def wait_until_lost(self, reason):
        wait_for(
            lambda: self.value("store_up") == 0
            and self.value("store_failures_total", reason=reason) > 0, f"a failure: {reason}")


class Load:
    """Requests as fast as they are answered, at every steelyard, until the block is left."""

    def __init__(self, replicas, threads=1, fields=()):
        self.replicas, self.fields = replicas, fields
        self.threads = [
            threading.Thread(target=self._run, args=(steelyard,))
            for steelyard in replicas.all for _ in range(threads)]
        self.is_over = threading.Event()
        # Of each answer: when the request was sent, the time it took, its status.
        self.answers = []
        self.problems = []

    def _run(self, steelyard):
        try:
            with steelyard.connect() as connection:
                while not self.is_over.is_set():
                    start = time.monotonic()
                    status = connection.exchange("GET", "/", fields=self.fields).status
                    self.answers.append((start, time.monotonic() - start, status))
                    # A client that is refused asks 500 times a second and not more.
                    if status == 429:
                        self.is_over.wait(0.002)
        except Exception as problem:  # noqa: BLE001
            self.problems.append(problem)

    def __enter__(self):
        self.start = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.start

    def admitted(self, start=0.0, end=float("inf")):
        return sum(status == 200 and start <= sent < end for sent, _, status in self.answers)

    def check(self, leases):
        """The limit over the whole time, and what else may have been admitted."""
        assert not self.problems
        assert {status for _, _, status in self.answers} <= {200, 429}
        lease = BURST // len(self.replicas.all)
        assert self.admitted() <= RATE * self.seconds + BURST + leases * lease


def run_for(seconds):
    """The load's own time, which is what is measured."""
    time.sleep(seconds)


@pytest.mark.parametrize("kind", ["redis", "valkey"])
@pytest.mark.parametrize("count", [2, 3])
def test_together_they_admit_the_limit_and_no_more_than_a_lease_for_each_other(stage, kind, count):
    store = stage.keep(Store(stage.directory / "store", kind))
    replicas = Replicas(stage, count, {"address": store.address}).wait_until_linked()
    with Load(replicas) as load:
        run_for(4)
    load.check(leases=count - 1)
    # And they use what they may.
    assert load.admitted() >= 0.9 * RATE * load.seconds
    assert sum(replicas.value("store_failures_total", index, reason="timeout")
               for index in range(count)) == 0


def test_all_requests_at_one_of_them_get_the_whole_limit(stage):
    store = stage.keep(Store(stage.directory / "store"))
    replicas = Replicas(stage, 2, {"address": store.address}).wait_until_linked()
    others = replicas.all
    replicas.all = others[:1]
    with Load(replicas) as load:
        run_for(3)
    replicas.all = others
    assert load.admitted() >= 0.9 * RATE * load.seconds
    assert load.admitted() <= RATE * load.seconds + BURST + BURST // 2


def test_each_key_has_a_limit_and_the_store_sees_no_key(stage):
    store = stage.keep(Store(stage.directory / "store"))
    limit = {"key": {"header": "Authorization"}, "rate": "6/h", "burst": 6, "shared": True}
    replicas = Replicas(stage, 2, {"address": store.address}, limit).wait_until_linked()

    def ask(index, key):
        return replicas.all[index].get("/", fields=[("Authorization", key)]).status

    # The burst of six, and at most a lease of three more.
    statuses = [ask(index, "Bearer one") for index in (0, 1) for _ in range(8)]
    assert 6 <= statuses.count(200) <= 9
    wait_for(lambda: len(store.ask("KEYS", "steelyard:rate:*")) == 1, "the key to be settled")
    wait_for(
        lambda: [ask(index, "Bearer one") for index in (0, 1)] == [429, 429], "both to refuse")
    # Another client is not touched.
    assert ask(0, "Bearer two") == 200
    names = store.ask("KEYS", "*")
    assert not [name for name in names if "Bearer" in name or "one" in name.split(":")[-1]]
    assert "steelyard:replicas" in names


def during(load, replicas, seconds):
    """How many were admitted in the next seconds, and the longest time of an answer."""
    start = time.monotonic()
    run_for(seconds)
    end = time.monotonic()
    longest = max(took for sent, took, _ in load.answers if start <= sent < end)
    return load.admitted(start, end) / (end - start), longest


@pytest.mark.parametrize("fault", ["killed", "stopped"])
def test_without_the_store_each_has_its_share_and_comes_back_without_a_jump(stage, fault):
    store = stage.keep(Store(stage.directory / "store"))
    replicas = Replicas(stage, 2, {"address": store.address}).wait_until_linked()
    with Load(replicas) as load:
        run_for(1.5)
        if fault == "killed":
            store.stop(signal.SIGKILL)
            replicas.wait_until_lost("connection")
        else:
            store.send_signal(signal.SIGSTOP)
            replicas.wait_until_lost("timeout")
        # Neither "all refused" nor "all let through": half of the limit at each of them.
        rate, longest = during(load, replicas, 3)
        assert 0.7 * RATE <= rate <= 1.3 * RATE
        assert longest < 2
        if fault == "killed":
            stage.keep(Store(stage.directory / "store-2", port=store.port))
        else:
            store.send_signal(signal.SIGCONT)
        replicas.wait_until_linked()
        rate, longest = during(load, replicas, 3)
        assert 0.7 * RATE <= rate <= 1.3 * RATE
        assert longest < 2
    load.check(leases=1)
    assert replicas.value("granted_requests_total", by="own") > 0
    # The log tells the changes, and not every attempt.
    messages = [event["msg"] for event in replicas.all[0].events()]
    lost = [text for text in messages if text.startswith("shared store unreachable")]
    reached = messages.count("shared store reached")
    assert reached >= 2
    assert 1 <= len(lost) <= 2 * reached


def test_the_condition_tells_that_the_store_is_gone(stage):
    store = stage.keep(Store(stage.directory / "store"))
    replicas = Replicas(stage, 1, {"address": store.address}).wait_until_linked()
    store.stop()

    def conditions():
        return replicas.all[0].admin_get("/api/v1/status").content.decode()

    wait_for(lambda: "SteelyardSharedStoreUnreachable" in conditions(), "the condition")
    stage.keep(Store(stage.directory / "store-2", port=store.port))
    wait_for(lambda: "SteelyardSharedStoreUnreachable" not in conditions(), "its end")


def test_it_starts_without_a_store(stage):
    replicas = Replicas(stage, 1, {"address": "127.0.0.1:1"}, replicas=4)
    replicas.wait_until_lost("connection")
    with Load(replicas) as load:
        run_for(3)
    # A quarter of the limit: as many replicas are expected.
    assert RATE / 4 * 0.8 * load.seconds <= load.admitted()
    assert load.admitted() <= RATE / 4 * load.seconds + BURST / 4 + 1


class Nonsense:
    """Answers everything with these bytes."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            with one:
                one.settimeout(2)
                try:
                    while one.recv(65536):
                        one.sendall(self.answer)
                except OSError:
                    pass

    def stop(self):
        self.listener.close()


MASTER = b"+OK\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"


@pytest.mark.parametrize("answer, reason", [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"),
    (random.Random(7).randbytes(64), "protocol"),
    (b"$99999999999\r\n", "protocol"),
    (b"*1\r\n" * 6 + b":1\r\n", "protocol"),
    (b"+" + b"a" * 20_000, "protocol"),
    (b"+OK\r\n*3\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n", "not_ready"),
    (b"-LOADING Redis is loading the dataset in memory\r\n-LOADING x\r\n", "not_ready"),
    # A greeting as it should be, and then one too many.
    (MASTER + b":1\r\n", "protocol"),
    # A greeting as it should be; the script's answer is none.
    (MASTER, "protocol"),
    (b"-ERR something else\r\n-ERR something else\r\n", "server"),
])
def test_whatever_the_store_answers_requests_go_on(stage, answer, reason):
    server = stage.keep(Nonsense(answer))
    replicas = Replicas(stage, 1, {"address": f"127.0.0.1:{server.port}"})
    wait_for(lambda: replicas.value("store_failures_total", reason=reason) > 1, reason)
    assert replicas.all[0].get("/").status == 200


def test_a_wrong_password_is_told_and_the_right_one_taken_by_a_reload(stage):
    store = stage.keep(Store(stage.directory / "store", requirepass="correct"))
    file = stage.directory / "password"
    file.write_text("wrong\n")
    file.chmod(0o600)
    replicas = Replicas(
        stage, 1, {"address": store.address, "password": {"file": str(file)}})
    replicas.wait_until_lost("login")
    assert "wrong" not in replicas.all[0].text().replace("WRONGPASS", "")
    file.write_text("correct\n")
    assert replicas.all[0].reload().returncode == 0
    replicas.wait_until_linked()


def test_a_user_with_few_rights_is_enough(stage):
    store = stage.keep(Store(stage.directory / "store"))
    assert store.ask(
        "ACL", "SETUSER", "steelyard", "on", ">sesame-open", "~steelyard:*", "+eval", "+time",
        "+get", "+set", "+zadd", "+zcard", "+zremrangebyscore", "+expire") == "OK"
    file = stage.directory / "password"
    file.write_text("sesame-open\n")
    file.chmod(0o600)
    replicas = Replicas(stage, 1, {
        "address": store.address, "username": "steelyard", "password": {"file": str(file)}})
    replicas.wait_until_linked()
    assert replicas.all[0].get("/").status == 200
    wait_for(lambda: replicas.value("granted_requests_total", by="store") > 0, "a lease")


def test_over_tls_the_server_has_to_prove_who_it_is(stage, certificates):
    store = stage.keep(Store(
        stage.directory / "store", pair=certificates.local, ca=certificates.ca))
    redis = {"address": f"127.0.0.1:{store.port}",
             "tls": {"ca": certificates.ca, "server_name": "localhost"}}
    replicas = Replicas(stage, 2, redis).wait_until_linked()
    with Load(replicas) as load:
        run_for(2)
    load.check(leases=1)
    # An authority that did not sign it, and no TLS at all.
    wrong = {**redis, "tls": True}
    assert replicas.all[0].reload(replicas.configuration(**wrong)).returncode == 0
    replicas.wait_until_lost("tls")
    plain = {**redis, "tls": False}
    assert replicas.all[0].reload(replicas.configuration(**plain)).returncode == 0
    wait_for(lambda: replicas.value("store_up") == 0, "it to fail in the clear")
    # The load before may have spent all there is.
    wait_for(lambda: replicas.all[0].get("/").status == 200, "an answer")


def test_sentinels_tell_the_master_and_a_failover_is_followed(stage):
    first = stage.keep(Store(stage.directory / "first"))
    second = stage.keep(Store(stage.directory / "second"))
    follow(second, first)
    sentinel = stage.keep(Sentinel(stage.directory / "sentinel", first))
    redis = {"sentinel": {"name": "limits", "addresses": ["127.0.0.1:1", sentinel.address]}}
    replicas = Replicas(stage, 2, redis).wait_until_linked()
    reached = replicas.all[0].events("shared store reached")
    assert reached[-1]["server"] == first.address
    # The sentinel has to know the replica before it can make it the master.
    with Load(replicas) as load:
        wait_for(
            lambda: f"slave 127.0.0.1:{second.port}" in sentinel.output.read_text(),
            "the sentinel to know the replica")
        first.stop(signal.SIGKILL)
        wait_for(
            lambda: replicas.all[0].events("shared store reached")[-1]["server"]
            == second.address, "the new master to be used")
        replicas.wait_until_linked()
        run_for(1)
    # The new master may lack the last requests of the old one, and meanwhile each replica has its
    # own share: two leases more.
    load.check(leases=3)


def test_a_reload_begins_and_ends_to_share(stage):
    store = stage.keep(Store(stage.directory / "store"))
    replicas = Replicas(stage, 1, {"address": store.address}).wait_until_linked()
    steelyard = replicas.all[0]
    shared = replicas.configuration()
    own = {**shared, "pools": {"text": {
        "endpoints": [replicas.endpoint.address],
        "rate_limits": [{**LIMIT, "shared": False, "rate": "1/h", "burst": 2}]}}}
    del own["shared"]
    assert steelyard.reload(own).returncode == 0
    assert [steelyard.get("/").status for _ in range(3)] == [200, 200, 429]
    assert not steelyard.metrics().series("steelyard_shared_store_up")
    assert steelyard.reload(shared).returncode == 0
    replicas.wait_until_linked()
    assert steelyard.get("/").status == 200


def test_a_store_may_be_named(stage, hosts):
    store = stage.keep(Store(stage.directory / "store"))
    hosts.set(redis__internal=["127.0.0.1"])
    secret = stage.directory / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    secret.chmod(0o600)
    steelyard = stage.steelyard({
        **minimal([stage.endpoint(text()).address], rate_limits=[LIMIT]),
        "shared": {"redis": {"address": f"redis.internal:{store.port}"},
                   "secret": {"file": str(secret)}}}, hosts.environment)
    reached = wait_for(lambda: steelyard.events("shared store reached"), "the name's server")
    assert reached[0]["server"] == f"redis.internal:{store.port}"
