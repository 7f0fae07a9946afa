"""TLS for scripts/bench: certificates, what each proxy's configuration says of them, and the hop that
gives the generator TLS.

load-bench speaks plain HTTP. A HAProxy on the generator's core, one for each proxy, makes TLS of
its connections to the proxy, and ends TLS in front of its endpoints; its time is the generator's.
So clients, requests, windows and latencies are those of the rows without TLS, and every proxy has
the same peer: TLS 1.3, TLS_AES_128_GCM_SHA256, X25519."""

import json
import sys
from pathlib import Path

from speech import Speech
from stage import ROOT, can_connect, fill, find

sys.path.append(str(ROOT / "Tests/EndToEnd"))
from certificates import LOCAL, Authority  # noqa: E402

TEMPLATE = Path(__file__).resolve().parent / "hop.cfg"
CIPHER = "TLS_AES_128_GCM_SHA256"
_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."


class Papers:
    """An authority and its certificates for localhost, by the kind of their key."""

    def __init__(self, room):
        self.authority = Authority(Path(room) / "papers")
        self.pairs = {}

    @property
    def ca(self):
        return self.authority.file

    def pair(self, kind):
        if kind not in self.pairs:
            self.pairs[kind] = self.authority.issue(kind, LOCAL, kind=kind)
        return self.pairs[kind]

    def bundle(self, kind):
        """Certificate and key in one file, as HAProxy wants them."""
        pair = self.pair(kind)
        file = pair.certificate.with_suffix(".bundle")
        file.write_text(pair.certificate.read_text() + pair.key.read_text())
        return file


class Side:
    """What a proxy is told: `clients` and `endpoints` say which of its sides is TLS."""

    def __init__(self, papers, tls, speech=None):
        self.papers = papers
        self.speech = speech or Speech()
        self.clients = tls is not None and tls.clients
        self.endpoints = tls is not None and tls.endpoints
        self.kind = tls.kind if tls else None

    def values(self, name):
        """What fills the template of this proxy."""
        values = {**getattr(self, name)(), **self.speech.values(name)}
        if name == "nginx" and self.speech.is_grpc:
            values["scheme"] = "grpcs" if self.endpoints else "grpc"
        if name == "haproxy" and not self.clients:
            values["alpn"] = ""
        return values

    def nginx(self):
        lines = []
        if self.clients:
            pair = self.papers.pair(self.kind)
            lines += [f"ssl_certificate {pair.certificate};",
                      f"ssl_certificate_key {pair.key};", "ssl_protocols TLSv1.3;"]
        if self.endpoints:
            lines += [f"proxy_ssl_trusted_certificate {self.papers.ca};", "proxy_ssl_verify on;",
                      "proxy_ssl_name localhost;", "proxy_ssl_server_name on;",
                      "proxy_ssl_protocols TLSv1.3;"]
        return {"listen_tls": " ssl" if self.clients else "", "tls": "\n    ".join(lines),
                "scheme": "https" if self.endpoints else "http"}

    def haproxy(self):
        bundle = self.papers.bundle(self.kind) if self.clients else ""
        return {
            "bind_tls": f" ssl crt {bundle} ssl-min-ver TLSv1.3" if self.clients else "",
            "server_tls": f" ssl verify required ca-file {self.papers.ca} sni str(localhost)"
                          " ssl-min-ver TLSv1.3" if self.endpoints else "",
            "scheme": "https" if self.clients else "http"}

    def envoy(self):
        parameters = {"tls_params": {
            f"tls_{end}_protocol_version": "TLSv1_3" for end in ("minimum", "maximum")}}
        values = {"listener_tls": "", "cluster_tls": ""}
        if self.clients:
            pair = self.papers.pair(self.kind)
            values["listener_tls"] = _socket("DownstreamTlsContext", {"common_tls_context": {
                **parameters, "tls_certificates": [{
                    "certificate_chain": {"filename": str(pair.certificate)},
                    "private_key": {"filename": str(pair.key)}}],
                **({"alpn_protocols": ["h2", "http/1.1"]} if self.speech.is_on else {})}})
        if self.endpoints:
            values["cluster_tls"] = _socket("UpstreamTlsContext", {
                "sni": "localhost", "common_tls_context": {**parameters, "validation_context": {
                    "trusted_ca": {"filename": str(self.papers.ca)},
                    "match_typed_subject_alt_names": [
                        {"san_type": "DNS", "matcher": {"exact": "localhost"}}]}}})
        return values

    def steelyard(self):
        values = {"listener_tls": "", "pool_tls": ""}
        if self.clients:
            tls = {**self.papers.pair(self.kind).files, "min_version": "1.3"}
            values["listener_tls"] = f", tls: {json.dumps(tls)}"
        if self.endpoints:
            tls = {"ca": str(self.papers.ca), "server_name": "localhost", "min_version": "1.3"}
            values["pool_tls"] = f"tls: {json.dumps(tls)}"
        return values

    def relay(self):
        return {}


def _socket(kind, context):
    return "transport_socket: " + json.dumps({
        "name": "envoy.transport_sockets.tls", "typed_config": {"@type": _TYPES + kind, **context}})


class Hop:
    """Gives the clients and endpoints of load-bench their side of TLS."""

    def __init__(self, programs, cores, ports, papers, tls, endpoints, room):
        self.programs = programs
        self.cores = cores
        self.papers = papers
        self.tls = tls
        self.port = ports.take() if tls.clients else None
        self.plain = endpoints
        self.ports = [ports.take() for _ in endpoints] if tls.endpoints else []
        self.room = programs.room / room
        self.room.mkdir()
        self.child = None

    @property
    def endpoints(self):
        """Where the proxy finds them."""
        return [f"127.0.0.1:{port}" for port in self.ports] or self.plain

    def address(self, proxy_port):
        """Where the clients go."""
        return f"127.0.0.1:{self.port or proxy_port}"

    def start(self, proxy_port):
        parts = []
        if self.port:
            reuse = "" if self.tls.resumes else " no-ssl-reuse"
            parts.append(
                f"listen clients\n  bind 127.0.0.1:{self.port} backlog 4096\n  server proxy "
                f"127.0.0.1:{proxy_port} ssl verify required ca-file {self.papers.ca} "
                f"sni str(localhost) ssl-min-ver TLSv1.3{reuse}")
        for number, (port, plain) in enumerate(zip(self.ports, self.plain), 1):
            parts.append(
                f"listen e{number}\n  bind 127.0.0.1:{port} backlog 4096 ssl crt "
                f"{self.papers.bundle('P-256')} ssl-min-ver TLSv1.3\n  server e {plain}")
        file = self.room / "hop.cfg"
        file.write_text(fill(TEMPLATE, cipher=CIPHER, parts="\n\n".join(parts)))
        self.child = self.programs.start(
            "hop", [find("haproxy"), "-db", "-f", file], self.room, self.cores)
        ports = [port for port in (self.port, *self.ports) if port]
        self.programs.wait_until(
            lambda: all(map(can_connect, ports)), "the TLS hop", self.child)

    def stop(self):
        if self.child is not None:
            self.programs.stop_one(self.child)
