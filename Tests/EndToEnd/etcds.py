"""A real etcd: keys written by its JSON gateway, and a gate between it and its client that ends the
client's watches without a fault."""

import base64
import json
import shutil
import socket
import ssl
import threading
import urllib.error
import urllib.request
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from programs import Program, find, free_port, wait_for
from registries import Server

KEYS_PER_TRANSACTION = 100


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Etcd(Program):
    """One etcd in `directory`. `pair`, `ca`: TLS. `auth`: options of `--auth-token`."""

    def __init__(self, directory, pair=None, ca=None, auth=None, port=None):
        self.data = Path(directory) / "data"
        self.port = port or free_port()
        self.scheme = "https" if pair else "http"
        self.context = ssl.create_default_context(cafile=ca) if pair else None
        peer = f"http://127.0.0.1:{free_port()}"
        self.arguments = [
            find("etcd"), "--data-dir", self.data, "--name", "one",
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"one={peer}"]
        if pair:
            self.arguments += ["--cert-file", pair.certificate, "--key-file", pair.key]
        if auth:
            self.arguments += ["--auth-token", auth]
        super().__init__("etcd", directory, self.arguments)
        self.lease = None
        self.token = None
        wait_for(self._is_healthy, "etcd")

    def revive(self, anew=False):
        """Starts it again after its end. `anew`: without its data, so that revisions begin at 1."""
        assert not self.is_running()
        if anew:
            shutil.rmtree(self.data)
        super().__init__("etcd", self.directory, self.arguments)
        wait_for(self._is_healthy, "etcd")

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def _is_healthy(self):
        assert self.is_running(), self.text()[-2000:]
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5,
                                        context=self.context) as answer:
                return json.loads(answer.read())["health"] == "true"
        except (OSError, ValueError):
            return False

    def call(self, path, **content):
        request = urllib.request.Request(
            f"{self.url}/v3/{path}", json.dumps(content).encode(),
            {"Content-Type": "application/json",
             **({"Authorization": self.token} if self.token else {})})
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()[:300]}") from error

    @staticmethod
    def _value(value):
        return b64(value if isinstance(value, str) else json.dumps(value))

    def put(self, key, value, lease=None):
        """The revision of the change."""
        more = {"lease": lease} if lease else {}
        return int(self.call("kv/put", key=b64(key), value=self._value(value), **more)
                   ["header"]["revision"])

    def put_all(self, entries):
        """Many keys and values."""
        entries = list(entries.items())
        for begin in range(0, len(entries), KEYS_PER_TRANSACTION):
            self.call("kv/txn", success=[
                {"request_put": {"key": b64(key), "value": self._value(value)}}
                for key, value in entries[begin:begin + KEYS_PER_TRANSACTION]])

    def delete(self, key):
        return int(self.call("kv/deleterange", key=b64(key))["header"]["revision"])

    def delete_all(self, first, end):
        self.call("kv/deleterange", key=b64(first), range_end=b64(end))

    def compact(self, revision):
        self.call("kv/compaction", revision=revision, physical=True)

    def grant(self, seconds):
        """The id of a lease."""
        return self.call("lease/grant", TTL=seconds)["ID"]

    def keep_alive(self, lease):
        self.call("lease/keepalive", ID=lease)

    def set_up_auth(self, password="secret"):
        """Users root and reader; whoever reads needs a token from now on."""
        for user in ("root", "reader"):
            self.call("auth/user/add", name=user, password=password)
        for role in ("root", "reader"):
            self.call("auth/role/add", name=role)
            self.call("auth/user/grant", user=role, role=role)
        self.call("auth/role/grant", name="reader", perm={
            "permType": "READ", "key": b64("/"), "range_end": b64("0")})
        self.call("auth/enable")

    def authenticate(self, user="reader", password="secret"):
        return self.call("auth/authenticate", name=user, password=password)["token"]


class Gate(Server):
    """Passes requests on to an etcd. `shut()` ends all watches as a server does that has nothing
    more to say, and lets no question through until `open()`."""

    def __init__(self, stage, etcd):
        self.etcd = etcd
        self.is_open = threading.Event()
        self.is_open.set()
        self.watches = []
        super().__init__(stage)

    def shut(self):
        wait_for(lambda: self.watches, "a watch")
        self.is_open.clear()
        self.arrived = len(self.requests)
        for one in self.watches:
            one.shutdown(socket.SHUT_RDWR)
        self.watches = []

    def open(self):
        self.is_open.set()

    def waits(self):
        """Whether a question waits before the gate."""
        return len(self.requests) > self.arrived

    def serve(self, exchange):
        content = exchange.read_content()
        self.is_open.wait(60)
        upstream = HTTPConnection("127.0.0.1", self.etcd.port, timeout=120)
        token = exchange.request.one("Authorization")
        upstream.request("POST", exchange.request.target, content, {
            "Content-Type": "application/json", **({"Authorization": token} if token else {})})
        is_watch = "watch" in exchange.request.target
        if is_watch:
            # The answer takes the socket from the connection.
            self.watches.append(upstream.sock)
        answer = upstream.getresponse()
        if not is_watch:
            exchange.answer(answer.read(), answer.status)
            return upstream.close()
        exchange.begin_chunked([("Content-Type", "application/json")])
        try:
            while part := answer.read1(65536):
                exchange.chunk(part)
        except (HTTPException, OSError):
            pass  # `shut`
        upstream.close()
        exchange.end_chunked()
