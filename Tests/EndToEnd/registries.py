"""Servers that say which endpoints there are: lists of targets (Prometheus' `http_sd`), and
Consul's health catalogue. Real programs cannot be made to be slow, to answer rubbish or to go back
in time.

Consul's is written from its documentation ("HTTP API": /health/service, "Blocking Queries",
"Filtering", "ACL"): not compared with a real one."""

import json
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from endpoints import Endpoint
from secure import SecureSocket, server_context


class Server:
    """An HTTP server at one port, which can be killed and come back there. `fault(exchange)`, where
    there is one, answers in place of it; if it returns True, the answer goes on as usual. `pair`:
    TLS with that certificate; `clients`: the authority of the certificates that it asks for."""

    def __init__(self, stage, pair=None, clients=None):
        self.stage = stage
        self.fault = None
        self.changed = threading.Condition()
        self.wrap = None
        if pair:
            context = server_context(pair, clients)
            self.wrap = lambda raw: SecureSocket(raw, context, is_server=True)
        self.scheme = "https" if pair else "http"
        self.endpoint = stage.keep(Endpoint(self._answer, wrap=self.wrap))
        self.port = self.endpoint.port

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def requests(self):
        return self.endpoint.requests

    def kill(self):
        self.endpoint.stop()

    def revive(self):
        self.endpoint = self.stage.keep(
            Endpoint(self._answer, port=self.port, wrap=self.wrap))

    def restart(self):
        self.kill()
        self.revive()

    def _answer(self, exchange):
        if self.fault and not self.fault(exchange):
            return
        self.serve(exchange)


def say(exchange, value, status=200, fields=()):
    """An answer in JSON."""
    exchange.answer(json.dumps(value).encode(), status,
                    [("Content-Type", "application/json"), *fields])


def refuses(status, content=b"no", fields=()):
    """A fault: this answer to everything."""
    def fault(exchange):
        exchange.read_content()
        exchange.answer(content, status, fields)

    return fault


def hangs(exchange):
    """A fault: no answer at all."""
    exchange.read_content()
    exchange.keeps_alive = False
    exchange.socket.recv(1)


def cuts(exchange):
    """A fault: the connection ends in the middle of the answer."""
    exchange.read_content()
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Consul-Index: 5\r\nContent-Length: 100\r\n\r\n[")
    exchange.keeps_alive = False
    exchange.close()


def breaks_http(exchange):
    """A fault: what comes is no HTTP."""
    exchange.read_content()
    exchange.send(b"\x00\x01\x02 no HTTP\r\n\r\n")
    exchange.keeps_alive = False
    exchange.close()


def drips(exchange):
    """A fault: an answer of which a byte comes now and then, for as long as somebody reads."""
    exchange.read_content()
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Consul-Index: 5\r\nContent-Length: 100000\r\n\r\n")
    ends = threading.Event()
    while True:
        exchange.send(b" ")
        ends.wait(0.2)


class TargetServer(Server):
    """A list of targets at /targets."""

    def __init__(self, stage, **options):
        self.groups = []
        super().__init__(stage, **options)

    def set(self, targets, **labels):
        self.groups = [{"targets": list(targets), "labels": labels}]

    def source(self, **options):
        return {"http": f"{self.url}/targets", "interval": "1s", "timeout": "1s", **options}

    def serve(self, exchange):
        exchange.read_content()
        if urlsplit(exchange.request.target).path != "/targets":
            return exchange.answer(b"", 404)
        say(exchange, self.groups)


@dataclass
class Instance:
    """One instance of a service, on a node of its own."""
    address: str
    status: str = "passing"
    tags: list = field(default_factory=list)
    meta: dict = field(default_factory=dict)
    weight: int = 1
    id: str = ""
    node: str = ""
    on_node: bool = False  # the address is the node's, as where a service has none

    def entry(self, service):
        host, port = self.address.rsplit(":", 1)
        node = self.node or f"node-{host}"
        return {
            "Node": {"ID": f"id-of-{node}", "Node": node, "Address": host, "Datacenter": "dc1",
                     "TaggedAddresses": {"lan": host, "wan": host}, "Meta": {},
                     "CreateIndex": 1, "ModifyIndex": 1},
            "Service": {
                "ID": self.id or f"{service}-{host}", "Service": service, "Tags": self.tags,
                "Address": "" if self.on_node else host, "TaggedAddresses": {}, "Meta": self.meta,
                "Port": int(port), "Weights": {"Passing": self.weight, "Warning": 1},
                "EnableTagOverride": False, "CreateIndex": 1, "ModifyIndex": 1},
            "Checks": [{
                "Node": node, "CheckID": "service", "Name": "check", "Status": self.status,
                "Notes": "", "Output": "", "ServiceID": self.id, "ServiceName": service,
                "ServiceTags": self.tags, "Type": "http"}]}


class Consul(Server):
    """Consul's health catalogue. `tokens`: those that may read; None: everybody may. With `hides`,
    a token that may not read gets an empty list, as from a Consul that filters."""

    def __init__(self, stage, tokens=None, **options):
        self.index = 100
        self.services = {}
        self.tokens = tokens
        self.hides = False
        self.wait_max = 600.0
        self.restored = 0
        super().__init__(stage, **options)

    def set(self, *instances, service="vllm"):
        instances = [Instance(one) if isinstance(one, str) else one for one in instances]
        with self.changed:
            self.index += 1
            self.services[service] = (self.index, instances)
            self.changed.notify_all()

    def restore(self, index, *addresses, service="vllm"):
        """As after a snapshot is put back: queries that wait are answered, with a lower index."""
        with self.changed:
            self.index = index
            self.services[service] = (index, [Instance(one) for one in addresses])
            self.restored += 1
            self.changed.notify_all()

    def source(self, service="vllm", **options):
        return {"consul": service, "server": self.url, "interval": "1s", "timeout": "1s", **options}

    def serve(self, exchange):
        exchange.read_content()
        url = urlsplit(exchange.request.target)
        query = parse_qs(url.query, keep_blank_values=True)
        token = exchange.request.one("X-Consul-Token")
        bearer = exchange.request.one("Authorization")
        if token is None and bearer:
            token = bearer.removeprefix("Bearer ")
        if self.tokens is not None and token not in self.tokens and not self.hides:
            return exchange.answer(
                b"ACL not found" if token else b"Permission denied: anonymous token", 403)
        if url.path == "/v1/agent/self":
            return say(exchange, {"Config": {"Datacenter": "dc1", "NodeName": "one"}})
        if not url.path.startswith("/v1/health/service/"):
            return exchange.answer(b"no such path", 404)
        self._health(exchange, unquote(url.path.split("/")[4]), query, token)

    def _health(self, exchange, service, query, token):
        asked = int(query.get("index", ["0"])[0])
        wait = query.get("wait", ["300s"])[0]
        seconds = float(wait[:-1]) * {"s": 1, "m": 60}[wait[-1]]
        with self.changed:
            restored = self.restored
            if asked:
                self.changed.wait_for(
                    lambda: self._found(service)[0] > asked or self.restored != restored,
                    min(seconds, self.wait_max))
            index, instances = self._found(service)
        fields = [("X-Consul-Index", str(index)), ("X-Consul-KnownLeader", "true"),
                  ("X-Consul-LastContact", "0")]
        if self.tokens is not None and token not in self.tokens:
            fields.append(("X-Consul-Results-Filtered-By-ACLs", "true"))
            instances = []
        wanted = [one for one in instances if set(query.get("tag", [])) <= set(one.tags)]
        if "passing" in query:
            wanted = [one for one in wanted if one.status == "passing"]
        say(exchange, [one.entry(service) for one in wanted], fields=fields)

    def _found(self, service):
        return self.services.get(service, (self.index, []))
