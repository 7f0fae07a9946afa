"""The soak's endpoints and steelyard, and everything that is done to them while traffic runs."""

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

from programs import Program, Steelyard, free_port, preloadable, wait_for
from wire import Connection, Cut

HOSTS = [f"127.0.0.{number}" for number in range(2, 8)]
# The name stands for one of these in turn; the rest are endpoints of their own.
NAMED = [HOSTS[0:3], HOSTS[1:4]]
FIXED = HOSTS[4:]
# Asked directly and never broken: what a busy machine does to latency.
CONTROL = "127.0.0.8"
FAULTS = ["kill", "stop", "fail", "cut", "slow"]


class Endpoint:
    """One server process, which can be killed and started again."""

    def __init__(self, room, host, port):
        self.room, self.host, self.port = room / host, host, port
        self.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def start(self):
        server = Path(__file__).with_name("server.py")
        self.program = Program(
            "server", self.room, [sys.executable, "-B", server, self.host, self.port])

    def tell(self, mode):
        try:
            with Connection((self.host, self.port), timeout=5) as connection:
                connection.exchange("GET", f"/mode/{mode}")
        except (OSError, Cut):
            pass  # It is being started again, and begins well.

    def fault(self, name):
        if name == "kill":
            self.program.send_signal(signal.SIGKILL)
            self.program.wait()
        elif name == "stop":
            self.program.send_signal(signal.SIGSTOP)
        else:
            self.tell(name)

    def heal(self, name):
        if name == "kill":
            self.start()
        elif name == "stop":
            self.program.send_signal(signal.SIGCONT)
        else:
            self.tell("well")

    def stop(self):
        self.program.send_signal(signal.SIGCONT)
        self.program.stop()


class Fleet:
    def __init__(self, room, pace, is_repeating):
        """`pace`: of all that is done to it, 1 as in a long run. Not `is_repeating`: no request is
        made again, so that the soak has to fail."""
        self.pace, self.is_repeating = pace, is_repeating
        self.port = free_port([*HOSTS, CONTROL])
        self.hosts = room / "hosts"
        self.fault_now = None
        self.counts = dict.fromkeys([*FAULTS, "reloads", "refused reloads", "orders", "names"], 0)
        self.name_hosts(NAMED[0])
        self.endpoints = [Endpoint(room, host, self.port) for host in HOSTS]
        self.control = Endpoint(room, CONTROL, self.port)
        for endpoint in [*self.endpoints, self.control]:
            endpoint.program.wait_for_port(endpoint.host, endpoint.port)
        self.steelyard = Steelyard(
            room, self.configuration(0), environment={
                "LD_PRELOAD": str(preloadable(room, "hosts_file.c")),
                "HOSTS_FILE": str(self.hosts)})

    def name_hosts(self, hosts):
        new = self.hosts.with_suffix(".new")
        new.write_text("".join(f"{host} soak.test\n" for host in hosts))
        os.replace(new, self.hosts)

    def configuration(self, variant):
        """Every second reload changes nothing; the others move endpoints and their weights."""
        entries = [f"soak.test:{self.port}"] + [f"{host}:{self.port}" for host in FIXED]
        if variant % 4 >= 2:
            entries.reverse()
            entries[0] = {"address": entries[0], "weight": 2}
        retries = {"max": 5, "timeouts": True, "budget": {"ratio": 10}}
        if not self.is_repeating:
            retries = {"max": 0}
        route = {"pool": "soak", "idempotent": True}
        return {
            "admin": {"listen": "127.0.0.1:0"}, "workers": 2, "dns": {"interval": "1s"},
            # A client that takes a kept connection would else meet the end of an idle one.
            "listeners": [{"listen": "127.0.0.1:0", "idle_timeout": "1h", "routes": [route]}],
            "pools": {"soak": {
                "endpoints": entries, "retries": retries,
                "timeouts": {"connect": "1s", "first_byte": "6s"},
                "health": {"interval": "1s", "timeout": "900ms", "fall": 2, "rise": 1},
                "queue": {"max_concurrent": 500, "timeout": "10s"}}}}

    # What is done to it, each for ever.

    async def break_endpoints(self):
        for name, endpoint in zip(itertools.cycle(FAULTS), itertools.cycle(self.endpoints)):
            await asyncio.sleep(3 * self.pace)
            self.fault_now = f"{name} {endpoint.host}"
            await asyncio.to_thread(endpoint.fault, name)
            self.counts[name] += 1
            try:
                await asyncio.sleep(8 * self.pace)
            finally:
                endpoint.heal(name)
                self.fault_now = None

    async def reload(self):
        for number in itertools.count(1):
            await asyncio.sleep(5 * self.pace)
            self.steelyard.write(self.configuration(number))
            self.steelyard.send_signal(signal.SIGHUP)
            self.counts["reloads"] += 1

    async def change_names(self):
        for hosts in itertools.cycle(reversed(NAMED)):
            await asyncio.sleep(7 * self.pace)
            self.name_hosts(hosts)
            self.counts["names"] += 1

    async def order_weights(self):
        orders = itertools.cycle(["pin?weight=5&for=4s", "scale?factor=0.5&for=4s"])
        for order, host in zip(orders, itertools.cycle(FIXED)):
            await asyncio.sleep(6 * self.pace)
            await asyncio.to_thread(self.order, f"{host}:{self.port}", order)

    def order(self, address, order):
        with Connection(self.steelyard.admin, timeout=10) as connection:
            path = f"/api/v1/pools/soak/endpoints/{address}/{order}"
            if connection.exchange("POST", path).status == 200:
                self.counts["orders"] += 1

    def resources(self):
        """Resident bytes and open descriptors of steelyard."""
        descriptors = len(os.listdir(f"/proc/{self.steelyard.pid}/fd"))
        return self.steelyard.rss_bytes(), descriptors

    def stop(self):
        """What went wrong with the processes themselves."""
        wrong = []
        if not self.steelyard.is_running():
            wrong.append(f"steelyard ended with {self.steelyard.process.returncode}")
        elif (status := self.steelyard.stop(deadline=40)) != 0:
            wrong.append(f"steelyard's graceful end gave {status}")
        refused = len(self.steelyard.events("reload refused"))
        if refused:
            wrong.append(f"{refused} reloads were refused")
        for endpoint in [*self.endpoints, self.control]:
            endpoint.stop()
        return wrong


__all__ = ["Fleet", "wait_for"]
