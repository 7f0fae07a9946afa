"""The windows of scripts/bench-engines: servers that are measured first, and one proxy at a time
before them, each with the same requests."""

import asyncio
import os
import time
from pathlib import Path

import prompts
import engines_summary
import llama
import shares
from stage import TICKS, Ports, Programs, cpu_ticks, fail, say

DRAIN_SECONDS = 60


class Bench(Programs):
    """The servers, and what runs before them."""

    def __init__(self, room, server_shares, allows_groups=True):
        super().__init__(room)
        self.ports = Ports()
        self.limiter = shares.limiter(allows_groups)
        self.servers = [
            llama.Server(self, self.ports, share, self.limiter, f"llama-{number}")
            for number, share in enumerate(server_shares, 1)]

    def start_servers(self):
        library, model = llama.fetch_all()
        for server in self.servers:
            server.start(library, model)
        for server in self.servers:
            server.wait()
        names = ", ".join(f"{100 * server.share:g} %" for server in self.servers)
        say(f"{len(self.servers)} servers with {names} of a core, {self.limiter.note}")

    def stop(self):
        super().stop()
        self.limiter.remove()

    def calibrate(self, seconds, seed):
        """Requests a second that each server answers when it always has work."""
        ports = [server.port for server in self.servers]
        # The first ones are slower.
        asyncio.run(prompts.saturate(ports, 1, 2, seed))
        rates = asyncio.run(prompts.saturate(ports, llama.SLOTS, seconds, seed + 1))
        say("answers a second: " + ", ".join(f"{rate:.2f}" for rate in rates)
            + f"; together {sum(rates):.2f}")
        return rates

    def start_proxy(self, contestant):
        contestant.prepare(self.room, self.ports, [server.address for server in self.servers])
        contestant.process = self.start(contestant.name, contestant.command, contestant.room)
        self.wait_until(contestant.is_ready, contestant.name, contestant.process)

    def window(self, contestant, requests, warmup):
        """Starts the proxy, sends the requests, and returns the figures of those that are due
        after the warm-up."""
        self.start_proxy(contestant)
        tokens, machine = self.tokens(), self.readings()
        answers = asyncio.run(prompts.send_all(contestant.port, requests))
        machine = self.machine(machine, self.readings())
        more = [after - before for before, after in zip(tokens, self.tokens())]
        self.stop_one(contestant.process)
        self.drain()
        measured = [one for one in answers if one.due >= warmup]
        return {
            "contestant": contestant.name, "figures": engines_summary.figures(measured),
            "shares": [one / max(1, sum(more)) for one in more], "machine": machine}

    def tokens(self):
        """What each server has answered, prompts and answers, ever."""
        pages = [server.page() for server in self.servers]
        return [page["prompt_tokens_total"] + page["tokens_predicted_total"] for page in pages]

    def drain(self):
        """Waits until no server has anything to do: clients may have given up."""
        end = time.monotonic() + DRAIN_SECONDS
        while any(server.page()["requests_processing"] for server in self.servers):
            if time.monotonic() > end:
                fail("a server does not get done with its requests")
            time.sleep(0.2)

    def readings(self):
        names = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
        line = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        own = sum(cpu_ticks(child.pid) for _, child in self.children)
        times = os.times()
        return {"at": time.monotonic(), **dict(zip(names, map(int, line))),
                "own": own + (times.user + times.system) * TICKS}

    def machine(self, before, after):
        """In cores: what others and the host took, and what was ours."""
        ticks = (after["at"] - before["at"]) * TICKS
        used = {name: (after[name] - before[name]) / ticks for name in after if name != "at"}
        busy = sum(used[name] for name in ("user", "nice", "system", "irq", "softirq"))
        return {"own_cores": used["own"], "others_cores": max(0, busy - used["own"]),
                "steal_cores": used["steal"]}
