"""The proxies of scripts/bench: how each is configured, started and known to be ready, which
processes it has, and how its weights change while it runs."""

import http.client
import os
import signal
import socket
from pathlib import Path

from stage import can_connect, envoy, family, fill, find, first_line, nginx_command, nginx_user
from tls import Side

TEMPLATES = Path(__file__).resolve().parent


class Proxy:
    """One that stands in front of `endpoints`, addresses as text. `side`: its TLS (tls.py);
    `hop`: what stands between it and the generator there."""

    name = ""
    # Whether it has a way to change weights or configuration that a run can use.
    can_change = False
    # Whether it can run two workers, and whether it understands HTTP.
    is_relay = False

    def __init__(self, programs, cores, endpoints, ports, workers=1, room=None, side=None):
        self.programs = programs
        self.cores = cores
        self.endpoints = endpoints
        self.ports = ports
        self.workers = workers
        self.room = programs.room / (room or self.name)
        self.room.mkdir()
        self.port = ports.take()
        self.child = None
        self.hop = None
        self.side = side or Side(None, None)
        self.command = self.configure()

    def write(self, name, **values):
        file = self.room / name
        file.write_text(fill(
            TEMPLATES / name, port=self.port, room=self.room, workers=self.workers,
            **self.side.values(self.name), **values))
        return file

    def lines(self, form):
        return "\n".join(
            form.format(index=index, address=address, host=address.rpartition(":")[0],
                        port=address.rpartition(":")[2])
            for index, address in enumerate(self.endpoints, 1))

    def spawn(self):
        self.child = self.programs.start(self.name, self.command, self.room, self.cores)

    def start(self):
        self.spawn()
        self.programs.wait_until(self.is_ready, self.name, self.child)
        if self.hop:
            self.hop.start(self.port)

    def is_ready(self):
        return can_connect(self.port)

    @property
    def address(self):
        """Where the generator's clients go."""
        return self.hop.address(self.port) if self.hop else f"127.0.0.1:{self.port}"

    def processes(self):
        return family(self.child.pid)

    def stop(self):
        if self.hop:
            self.hop.stop()
        if self.child is not None:
            self.programs.stop_one(self.child)

    def changer(self):
        """A function that changes weights (or what comes nearest) when it is called; its argument
        counts up."""
        raise NotImplementedError(self.name)

    @classmethod
    def version(cls):
        return first_line(find(cls.name), "-v")


class Nginx(Proxy):
    name = "nginx"
    can_change = True

    def configure(self):
        file = self.write(
            "nginx.conf", user=nginx_user(), reuseport=" reuseport" if self.workers > 1 else "",
            endpoints=self.lines("    server {address};"))
        return nginx_command(self.room, file)

    def changer(self):
        return lambda count: os.kill(self.child.pid, signal.SIGHUP)


class HAProxy(Proxy):
    name = "haproxy"
    can_change = True

    def configure(self):
        file = self.write("haproxy.cfg", endpoints=self.lines("  server e{index} {address}"))
        return [find("haproxy"), "-db", "-f", file]

    def changer(self):
        def change(count):
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(5)
                admin.connect(str(self.room / "admin.sock"))
                weight = 100 - 50 * (count % 2)
                admin.sendall(f"set server endpoints/e1 weight {weight}%\n".encode())
                said = admin.recv(1000).strip()
                if said:
                    raise OSError(f"haproxy says {said.decode()}")
        return change


class Envoy(Proxy):
    name = "envoy"

    def configure(self):
        file = self.write("envoy.yaml", endpoints=self.lines(
            "            - endpoint: {{address: {{socket_address: "
            "{{address: {host}, port_value: {port}}}}}}}"))
        return [envoy(), "-c", file, "--concurrency", self.workers, "--disable-hot-restart",
                "-l", "error"]

    @classmethod
    def version(cls):
        return first_line(envoy(), "--version").rpartition("version: ")[2]


class Steelyard(Proxy):
    name = "steelyard"
    can_change = True
    binary = None

    def configure(self):
        self.admin_port = self.ports.take()
        file = self.write(
            "steelyard.yaml", admin_port=self.admin_port,
            endpoints=self.lines('      - "{address}"'))
        return [self.binary, "serve", file]

    def is_ready(self):
        if not can_connect(self.port):
            return False
        admin = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            admin.request("GET", "/readyz")
            return admin.getresponse().status == 200
        except OSError:
            return False
        finally:
            admin.close()

    def changer(self):
        admin = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)

        def change(count):
            admin.request(
                "POST", f"/api/v1/pools/endpoints/endpoints/{self.endpoints[0]}/pin"
                f"?weight={1 - 0.5 * (count % 2)}&for=10s")
            answer = admin.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise OSError(f"steelyard says {said.decode()}")
        return change

    @classmethod
    def version(cls):
        return first_line(cls.binary, "--version")


class Relay(Proxy):
    """The floor: bytes from here to there, without HTTP."""
    name = "relay"
    is_relay = True
    binary = None

    def configure(self):
        return [self.binary, "relay", "--listen", f"127.0.0.1:{self.port}",
                "--to", ",".join(self.endpoints)]

    @classmethod
    def version(cls):
        return "copies bytes, no HTTP"


KINDS = {kind.name: kind for kind in (Nginx, HAProxy, Envoy, Steelyard, Relay)}
