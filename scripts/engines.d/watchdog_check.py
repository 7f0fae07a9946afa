"""The watchdog on a real llama.cpp: what it says while a long prompt is read, while a server that
shows no work has nothing of ours left, and while one is stopped."""

import asyncio
import os
import random
import signal
import threading
import time
import urllib.request

import prompts
from contestants import Steelyard
from stage import say
from windows import Bench

READ_SECONDS = 12
# llama.cpp reads up to 2 048 tokens at once; a word is about one.
LONG_WORDS = 1_100


class Check:
    """Two servers behind steelyard, watched all the time."""

    def __init__(self, binary, place, share):
        self.bench = Bench(place, [share, share])
        self.proxy = Steelyard("steelyard", binary, "\n    health: {path: /health}")
        self.chance = random.Random("watchdog")
        self.failures = []
        self.seen = []
        self.over = threading.Event()

    def expect(self, is_met, text):
        say(f"{'ok' if is_met else 'FAILED'}: {text}")
        if not is_met:
            self.failures.append(text)

    # What happens

    def states(self):
        """The eligibility of each server, and how often the watchdog took one out."""
        url = f"http://127.0.0.1:{self.proxy.admin_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found = {}
        for line in lines:
            if line.startswith("steelyard_endpoint_eligibility{") and line.endswith(" 1"):
                address = line.split('endpoint="')[1].split('"')[0]
                found[address] = line.split('state="')[1].split('"')[0]
        trips = sum(float(line.rsplit(" ", 1)[1]) for line in lines
                    if line.startswith("steelyard_watchdog_trips_total{"))
        return [found.get(server.address) for server in self.bench.servers], trips

    def steps(self, number):
        """Its counter of work; None where its page does not come."""
        try:
            return self.bench.servers[number].page()["n_decode_total"]
        except OSError:
            return None

    def watch(self):
        """Notes (time, states, steps) five times a second."""
        while not self.over.is_set():
            try:
                states, _ = self.states()
            except OSError:
                # Between two parts.
                self.over.wait(0.2)
                continue
            # After the states: a step that they were seen by is in it.
            self.seen.append((time.monotonic(), states, [self.steps(0), self.steps(1)]))
            self.over.wait(0.2)

    def ask(self, port, count, words, patience=120, tokens=10):
        """Sends that many requests at once; answers in any order."""
        bodies = [prompts.content(self.chance, words, tokens) for _ in range(count)]

        async def run():
            origin = time.monotonic()
            return await asyncio.gather(
                *(prompts.ask(port, body, 0, origin, patience) for body in bodies))
        return asyncio.run(run())

    def wait_for(self, is_so, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if is_so():
                return True
            time.sleep(0.1)
        return False

    def begin(self):
        """A steelyard that has seen short prompts only."""
        if self.proxy.process:
            self.bench.stop_one(self.proxy.process)
        self.bench.start_proxy(self.proxy)
        for _ in range(6):
            self.ask(self.proxy.port, 2, 15)

    # The checks

    def long_prompt(self):
        begun = time.monotonic()
        answer, = self.ask(self.proxy.port, 1, LONG_WORDS)
        seen = [one for one in self.seen if one[0] >= begun]
        still = max(self.stillness(seen, 0), self.stillness(seen, 1))
        self.expect(still >= 6, f"a prompt of {LONG_WORDS} words held the work counter up for "
                    f"{still:.1f} s")
        self.expect(answer.failure is None, f"it was answered: {answer.failure or 'in full'}")
        states = {state for _, both, _ in seen for state in both}
        self.expect(states <= {"ready", "starting"} and self.states()[1] == 0,
                    f"meanwhile both servers were {', '.join(sorted(states))}")

    @staticmethod
    def stillness(seen, number):
        """The longest time for which the counter of a server stood."""
        longest, since, last = 0.0, None, None
        for at, _, steps in seen:
            if steps[number] != last:
                last, since = steps[number], at
            longest = max(longest, at - since)
        return longest

    def no_proof(self):
        """Somebody else's long prompt holds up requests of ours, whose clients give up."""
        self.begin()
        foreign = threading.Thread(
            target=self.ask, args=(self.bench.servers[0].port, 1, LONG_WORDS * 3 // 2))
        foreign.start()
        time.sleep(1.5)
        before = self.steps(0)
        ours = threading.Thread(target=self.ask, args=(self.proxy.port, 4, 15, 8))
        ours.start()
        is_out = self.wait_for(lambda: self.states()[0][0] == "stalled", 15)
        self.expect(is_out, "a server with requests of ours that shows no work is stalled")
        out_at = time.monotonic()
        ours.join()
        foreign.join()
        is_back = self.wait_for(lambda: self.states()[0][0] in ("ready", "ejected"), 60)
        self.expect(is_back, "it is back once its counter has moved")
        early = [at - out_at for at, states, steps in self.seen
                 if at > out_at and states[0] != "stalled" and steps[0] == before]
        self.expect(not early, "not before" if not early else f"after {early[0]:.1f} s already")

    def stopped(self):
        self.begin()
        ours = threading.Thread(target=self.ask, args=(self.proxy.port, 4, 15, 60, 100))
        ours.start()
        time.sleep(0.7)
        pid = self.bench.servers[0].process.pid
        os.kill(pid, signal.SIGSTOP)
        stopped_at = time.monotonic()
        try:
            is_out = self.wait_for(
                lambda: self.states()[0][0] in ("stalled", "unhealthy"), 20)
            self.expect(is_out, f"a stopped server is out after "
                        f"{time.monotonic() - stopped_at:.1f} s")
            out_at = time.monotonic()
            self.over.wait(12)
            continued_at = time.monotonic()
        finally:
            os.kill(pid, signal.SIGCONT)
        early = {states[0] for at, states, _ in self.seen if out_at < at < continued_at}
        self.expect(early <= {"stalled", "unhealthy"},
                    f"until it goes on it is {', '.join(sorted(map(str, early)))}")
        ours.join()
        is_back = self.wait_for(lambda: self.states()[0] == ["ready", "ready"], 60)
        if not is_back:
            # Trials are requests of clients.
            for _ in range(10):
                self.ask(self.proxy.port, 2, 15)
            is_back = self.wait_for(lambda: self.states()[0] == ["ready", "ready"], 20)
        self.expect(is_back, f"it is back {time.monotonic() - continued_at:.1f} s after that")

    def run(self):
        self.bench.start_servers()
        self.begin()
        watching = threading.Thread(target=self.watch, daemon=True)
        watching.start()
        try:
            self.long_prompt()
            self.no_proof()
            self.stopped()
        finally:
            self.over.set()
            watching.join()

    def stop(self):
        self.bench.stop()


def share_for(place):
    """The share of a core with which the long prompt takes about READ_SECONDS."""
    bench = Bench(place, [1.0])
    try:
        bench.start_servers()
        body = prompts.content(random.Random("speed"), LONG_WORDS // 4, 5)
        begun = time.monotonic()
        answer = asyncio.run(prompts.ask(bench.servers[0].port, body, 0, begun))
    finally:
        bench.stop()
    whole = 4 * (answer.first or READ_SECONDS / 4)
    say(f"a core would read {LONG_WORDS} words in {whole:.1f} s")
    return min(1.0, max(0.05, whole / READ_SECONDS))


def run(binary, place):
    """The exit status."""
    check = Check(binary, place, share_for(place))
    try:
        check.run()
    finally:
        check.stop()
    print(f"{len(check.failures)} failed" if check.failures else "all as it should be")
    return 1 if check.failures else 0
