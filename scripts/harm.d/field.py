"""Clients and endpoints of one run of scripts/harm, in the place of socket-race: reads what is to
happen from a file, says `ready`, begins at "go", says `measuring` and `measured`, and ends with its
report, a line of JSON each. Usage: field.py FILE."""

import asyncio
import gc
import json
import os
import sys
import time

import clients
import servers

HOLD = 0.02


def say(**words):
    print(json.dumps(words), flush=True)


class Field:
    def __init__(self, told):
        self.told = told
        self.loop = asyncio.get_running_loop()
        self.warm_up, self.seconds = told["warm_up_seconds"], told["seconds"]
        self.row = told["row"]
        self.lags = []
        self.counts = [[0] * len(self.row["servers"]) for _ in told["contestants"]]
        self.is_measured = False

    async def run(self):
        mean = max(kind["mean"] for kind in self.row["kinds"])
        self.sets = []
        for number, one in enumerate(self.told["contestants"]):
            self.sets.append([
                servers.Endpoint(address, server, mean, place, self.counter(number))
                for place, (address, server) in enumerate(
                    zip(one["endpoints"], self.row["servers"]))])
            for endpoint in self.sets[-1]:
                await endpoint.listen()
        crowds = [clients.Crowd(one["proxy"]) for one in self.told["contestants"]]
        arrivals = clients.schedule(
            self.row["rates"], self.row["kinds"], self.warm_up + self.seconds, self.told["seed"])
        gc.freeze()
        gc.disable()
        say(event="ready")
        await self.orders()
        start = self.loop.time()
        background = [self.loop.create_task(one) for one in (
            self.happen(start), self.phases(start))]
        for arrival in arrivals:
            due = start + arrival.at
            while (rest := due - self.loop.time()) > 0:
                await asyncio.sleep(rest)
            for crowd in crowds:
                crowd.send(arrival, due)
            self.lags.append(self.loop.time() - due)
        await asyncio.gather(*background)
        while any(crowd.busy for crowd in crowds):
            await asyncio.sleep(HOLD)
        self.report(start, crowds)

    def counter(self, number):
        def note(place):
            if self.is_measured:
                self.counts[number][place] += 1
        return note

    async def orders(self):
        """Until we are told to begin; the end of the orders is our end at any time."""
        go = asyncio.Event()

        def read():
            if os.read(0, 100):
                go.set()
            else:
                os._exit(1)

        self.loop.add_reader(0, read)
        await go.wait()

    async def happen(self, start):
        for at, place, what, value in sorted(self.row["events"]):
            if at > self.warm_up + self.seconds:
                break
            await asyncio.sleep(max(0, start + at - self.loop.time()))
            for one in self.sets:
                await one[place].change(what, value)

    async def phases(self, start):
        await asyncio.sleep(start + self.warm_up - self.loop.time())
        say(event="measuring")
        self.is_measured, used = True, time.process_time()
        await asyncio.sleep(start + self.warm_up + self.seconds - self.loop.time())
        say(event="measured")
        self.is_measured = False
        self.core_ratio = (time.process_time() - used) / self.seconds

    def report(self, start, crowds):
        begin = start + self.warm_up
        lags = sorted(self.lags)
        say(own_core_ratio=self.core_ratio, send_lag_p99_seconds=clients.quantile(0.99, lags),
            contestants=[{
                "name": one["name"],
                "measured": clients.result(
                    crowd.records, begin, begin + self.seconds, self.row["timed"]),
                "shares": [count / max(1, sum(counts)) for count in counts]}
                for one, crowd, counts in zip(self.told["contestants"], crowds, self.counts)])


async def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        await Field(json.load(file)).run()


if __name__ == "__main__":
    asyncio.run(main())
