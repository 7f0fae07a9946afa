"""Real name servers for SRV records, and a steelyard that asks them: the C library knows one port
only and one file, so each server has an address of its own at port 53, and steelyard a mount
namespace with an /etc/resolv.conf of its own. Needs root."""

import itertools
import os
import socket
import subprocess
import threading

import wire
from programs import Program, find, free_port, wait_for

NAME = "_http._tcp.models.test"
_numbers = itertools.count(1)
_OWN_FILE = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
_SPACE = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _OWN_FILE]


def refusal(directory):
    """Why there can be no such servers here; None where there can."""
    if os.geteuid() != 0:
        return "needs root"
    file = directory / "empty"
    file.touch()
    done = subprocess.run([*_SPACE, str(file), "true"], capture_output=True, text=True, timeout=30)
    return None if done.returncode == 0 else f"no mount namespace: {done.stderr}"


def own_address():
    """An address for a name server that no other test run has."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw99").removeprefix("gw")
    return f"127.{53 + int(worker)}.{os.getpid() % 250}.{next(_numbers) % 250 + 1}"


def asking(directory, host, options="timeout:1 attempts:1"):
    """The command below which a program asks the name server at that address."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"resolv-{host}.conf"
    file.write_text(f"nameserver {host}\noptions {options}\n")
    return [*_SPACE, str(file)]


class Record:
    """One SRV record; the target's name has the addresses."""

    def __init__(self, target, port, *addresses, priority=0, weight=0):
        self.target = target
        self.port = int(port)
        self.addresses = addresses
        self.priority = priority
        self.weight = weight


def record(member, **options):
    """The record of one member, whose target is named after its address."""
    host, port = member.split(":")
    return Record(f"h{host.replace('.', '-')}.models.test", port, host, **options)


class Dnsmasq(Program):
    """dnsmasq, which reads its records when it starts. Times to live are one second."""

    def __init__(self, directory, *records):
        self.host = own_address()
        self.room = directory
        self.set(*records)

    def set(self, *records):
        """Ends it and starts it with other records."""
        if getattr(self, "process", None):
            self.stop()
        options = []
        for one in records:
            options.append(
                f"--srv-host={NAME},{one.target},{one.port},{one.priority},{one.weight}")
            options += [f"--host-record={one.target},{address}" for address in one.addresses]
        super().__init__("dnsmasq", self.room, [
            find("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
            "--no-hosts", "--no-daemon", "--local=/test/", "--local-ttl=1", "--port=53",
            f"--listen-address={self.host}", "--bind-interfaces", "--user=root", *options])
        wait_for(lambda: wire.accepts((self.host, 53)), "dnsmasq")


class Relay:
    """Passes datagrams and connections on from port 53 of `host` to `port` of 127.0.0.1."""

    def __init__(self, host, port):
        self.server = ("127.0.0.1", port)
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind((host, 53))
        self.listening = socket.create_server((host, 53))
        for work in (self._answer, self._accept):
            threading.Thread(target=work, daemon=True).start()

    def stop(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        for one in (self.datagrams, self.listening):
            one.close()

    def _answer(self):
        while True:
            try:
                question, client = self.datagrams.recvfrom(65536)
            except OSError:
                return
            threading.Thread(target=self._ask, args=(question, client), daemon=True).start()

    def _ask(self, question, client):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(10)
            try:
                asking.connect(self.server)
                asking.send(question)
                self.datagrams.sendto(asking.recv(65536), client)
            except OSError:
                pass  # The client waits in vain, as it does without a server.

    def _accept(self):
        while True:
            try:
                near, _ = self.listening.accept()
                far = socket.create_connection(self.server, 10)
            except ConnectionRefusedError:
                near.close()
                continue
            except OSError:
                return
            for ends in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=ends, daemon=True).start()


def _pump(source, sink):
    try:
        while part := source.recv(65536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        sink.close()


class Named(Program):
    """BIND, which reads its zone again at SIGHUP. It listens at addresses of interfaces only, which
    is why `relay`, at the address that is asked, stands before it."""

    def __init__(self, directory, *records, ttl=1):
        self.host = own_address()
        self.port = free_port()
        self.room = directory
        self.serial = 0
        self.hosts = {}
        directory.mkdir(parents=True)
        self._write(records, ttl)
        (directory / "named.conf").write_text(f"""
options {{
  directory "{directory}"; pid-file "{directory}/pid"; session-keyfile "{directory}/key";
  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;
  dnssec-validation no; notify no; allow-query {{ any; }}; max-records-per-type 0;
}};
controls {{ }};
zone "test" {{ type master; file "{directory}/zone"; }};
""")
        self._begin()
        self.relay = Relay(self.host, self.port)

    def _begin(self):
        super().__init__(
            "named", self.room, [find("named"), "-g", "-c", self.room / "named.conf", "-n", "1"])
        wait_for(lambda: wire.accepts(("127.0.0.1", self.port)), "named")
        self._wait_for_zone()

    def revive(self):
        assert not self.is_running()
        self._begin()

    def _write(self, records, ttl):
        self.serial += 1
        lines = [f"$TTL {ttl}", f"@ IN SOA ns.test. root.test. {self.serial} 60 60 600 {ttl}",
                 "@ IN NS ns.test.", f"ns.test. IN A {self.host}"]
        for one in records:
            lines.append(f"{NAME}. IN SRV {one.priority} {one.weight} {one.port} {one.target}.")
            # Hosts stay known when they have no service any more.
            self.hosts.setdefault(one.target, {}).update(dict.fromkeys(one.addresses))
        lines += [f"{target}. IN A {one}" for target, hosts in self.hosts.items() for one in hosts]
        (self.room / "zone").write_text("\n".join(lines) + "\n")

    def set(self, *records, ttl=1):
        self._write(records, ttl)
        self.send_signal(1)
        self._wait_for_zone()

    def _wait_for_zone(self):
        loaded = f"zone test/IN: loaded serial {self.serial}\n"
        wait_for(lambda: loaded in self.text(), "the zone to be loaded")
