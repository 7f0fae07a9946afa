"""The proxies that scripts/bench-engines puts before the same servers, one at a time."""

from pathlib import Path

import course
from stage import fill

HERE = Path(__file__).resolve().parent


class Shared:
    """A contestant whose endpoints are there already."""

    def prepare(self, room, ports, addresses):
        self.room = room / self.name
        self.room.mkdir(exist_ok=True)
        self.port = ports.take()
        self.endpoints = addresses
        self.command = self.configure(ports, [1] * len(addresses))


class Steelyard(Shared, course.Steelyard):
    """`pool`: lines of its pool beside the usual."""

    def __init__(self, name, binary, pool=""):
        super().__init__(name, binary, "default", "default")
        self.pool = pool

    def configure(self, ports, weights):
        self.admin_port = ports.take()
        file = self.write("steelyard.yaml", fill(
            HERE / "steelyard.yaml", port=self.port, admin_port=self.admin_port, pool=self.pool,
            endpoints=self.lines('      - "{address}"', weights)))
        return [self.binary, "serve", file]


class Nginx(Shared, course.Nginx):
    template = HERE / "nginx.conf"


class HAProxy(Shared, course.HAProxy):
    template = HERE / "haproxy.cfg"
