"""A drill: steelyard, Prometheus, Alertmanager and a receiver on a stage, pools that are broken and
healed, and how long each alert took."""

import sys
import time

import wire
from faults import BY_POOL, Case
from programs import Steelyard, wait_for
from watchers import Alertmanager, Receiver, Watch

# Until an alert has come, or is gone: the longest wait of the quickened rules and a busy machine.
DEADLINE = 150


def say(progress):
    """What goes on, for who waits; results go to standard output."""
    print(f"alerts: {progress}", file=sys.stderr, flush=True)


class Drill:
    """Everything runs, every pool has its load, and nothing fires yet. `stop` ends it."""

    def __init__(self, directory, pools, factor, options=None):
        """`options` are added to the configuration of every pool."""
        self.running = []
        try:
            self._start(directory, [BY_POOL[pool] for pool in pools], factor, options or {})
        except BaseException:
            self.stop()
            raise

    def _start(self, directory, faults, factor, options):
        self.cases = [self._keep(Case(fault, self.admin)) for fault in faults]
        self.steelyard = self._keep(Steelyard(directory / "steelyard", {
            "admin": {"listen": "127.0.0.1:0"}, "workers": 1,
            "listeners": [{"listen": "127.0.0.1:0", "routes": [
                {"match": {"path_prefix": f"/{fault.pool}/"}, "pool": fault.pool}
                for fault in faults]}],
            "pools": {case.fault.pool: {**case.fault.configuration(case.servers), **options}
                      for case in self.cases}}))
        self.receiver = self._keep(Receiver())
        self.alertmanager = self._keep(
            Alertmanager(directory / "alertmanager", self.receiver, factor))
        self.prometheus = self._keep(Watch(
            directory / "prometheus", self.steelyard.admin, self.alertmanager, factor))
        for case in self.cases:
            case.start_load(self.steelyard.address)
        # Before the first scrape there is no steelyard, which is an alert of its own.
        wait_for(lambda: self.prometheus.query('up{job="steelyard"}') == 1, "the first scrape")
        wait_for(
            lambda: self.prometheus.query('count(ALERTS{alertstate="firing"})') is None
            and not self.alertmanager.active(), "the alerts of the start to go", DEADLINE)
        self.receiver.forget()

    def _keep(self, one):
        self.running.append(one)
        return one

    def admin(self, method, target):
        with wire.Connection(self.steelyard.admin) as connection:
            response = connection.exchange(method, target)
        assert response.status == 200, f"{method} {target}: {response.status}"

    def stop(self):
        for one in reversed(self.running):
            one.stop()

    def requests(self):
        return sum(case.load.count for case in self.cases)

    def warm_up(self, seconds):
        """Lets it run in peace; gives what fired nevertheless, as (alert, pool)."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            say(f"{left:.0f} s to go, {self.requests()} requests, "
                f"{len(self.receiver.fired)} alerts")
            time.sleep(min(left, 30))
        return sorted(self.receiver.fired)

    def break_and_heal(self):
        """Breaks all pools at once, waits for each alert, heals them, waits for each to resolve.
        Gives rows (alert, pool, what, seconds until it fired, seconds until it resolved)."""
        wanted = {(case.fault.alert, case.fault.pool): case for case in self.cases}
        broken = {}
        for key, case in wanted.items():
            broken[key] = time.monotonic()
            case.fault.break_it(case)
        say(f"{len(broken)} faults caused; waiting for their alerts")
        missing = self._wait(wanted, self.receiver.fired)
        assert not missing, f"did not fire: {missing}"
        fired = dict(self.receiver.fired)
        healed, self.healed_at = {}, time.monotonic()
        for key, case in wanted.items():
            healed[key] = time.monotonic()
            case.fault.heal_it(case)
        say("healed; waiting for the alerts' ends")
        for case in self.cases:
            # The one that is broken by its clients.
            if case.load.ended.is_set():
                case.start_load(self.steelyard.address)
        missing = self._wait(wanted, self.receiver.resolved)
        assert not missing, f"did not resolve: {missing}"
        return [(key[0], key[1], case.fault.what, fired[key] - broken[key],
                 self.receiver.resolved[key] - healed[key]) for key, case in wanted.items()]

    def _wait(self, wanted, times):
        """The keys that did not come before the deadline."""
        try:
            wait_for(lambda: all(key in times for key in wanted), "the alerts", DEADLINE, 0.1)
        except AssertionError:
            return [key for key in wanted if key not in times]
        return []

    def halt_steelyard(self):
        """Stops the process for as long as it takes to be missed; a row as `break_and_heal`'s."""
        key = ("SteelyardDown", "")
        began = time.monotonic()
        self.steelyard.send_signal(19)
        try:
            assert not self._wait([key], self.receiver.fired), "SteelyardDown did not fire"
        finally:
            healed = time.monotonic()
            self.steelyard.send_signal(18)
        assert not self._wait([key], self.receiver.resolved), "SteelyardDown did not resolve"
        return ("SteelyardDown", "", "the process is stopped", self.receiver.fired[key] - began,
                self.receiver.resolved[key] - healed)
