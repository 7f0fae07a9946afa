"""Real nginx and HAProxy with an operator's own configuration, moved to free ports."""

import os
import re
from pathlib import Path

from programs import ROOT, Program, find, free_port

EXAMPLES = ROOT / "config/examples"
_ENDPOINT = re.compile(r"\b10\.\d+\.\d+\.\d+:\d+")


def endpoint_addresses(text):
    """The endpoints that a configuration names, in order, each once."""
    return list(dict.fromkeys(_ENDPOINT.findall(text)))


def moved(text, addresses):
    """The configuration with other endpoints: `addresses` maps the old ones to the new."""
    return _ENDPOINT.sub(lambda match: addresses[match.group()], text)


class NginxPeer(Program):
    def __init__(self, directory, text):
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        temporary = "".join(
            f"{name}_temp_path {directory}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        file = directory / "nginx.conf"
        file.write_text(
            ("user root;\n" if os.geteuid() == 0 else "")
            + f"worker_processes 1;\ndaemon off;\npid {directory}/nginx.pid;\n"
            + "events { worker_connections 1024; }\nhttp {\n"
            + f"access_log {directory}/access.log;\n" + temporary
            + text.replace("listen 80;", f"listen 127.0.0.1:{self.port};") + "}\n")
        super().__init__(
            "nginx", directory,
            [find("nginx"), "-p", directory, "-c", file, "-e", directory / "error.log"])
        self.wait_for_port(*self.address)


class HAProxyPeer(Program):
    def __init__(self, directory, text):
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        file = directory / "haproxy.cfg"
        file.write_text(
            "global\n    maxconn 1000\n    nbthread 1\n"
            + text.replace("bind :80", f"bind 127.0.0.1:{self.port}"))
        super().__init__("haproxy", directory, [find("haproxy"), "-db", "-f", file])
        self.wait_for_port(*self.address)


def twin(text):
    """A steelyard configuration with ports of the kernel's choice."""
    text = text.replace('"0.0.0.0:80"', '"127.0.0.1:0"')
    return 'admin: {listen: "127.0.0.1:0"}\nworkers: 1\n' + text
