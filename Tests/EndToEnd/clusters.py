"""The part of a Kubernetes API server that tells of EndpointSlices, to clients that list and
watch: written from Kubernetes' "API Concepts" (lists in pages, watches, bookmarks, 410) and the
reference of EndpointSlice v1, and read by a real kubectl. Not compared with a real one.

Also the files that a pod finds in its container, for steelyard in a mount namespace of its own."""

import copy
import itertools
import json
import time
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from registries import Server, say

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
# What clients ask to learn which kinds of objects there are.
_RESOURCES = {
    "/version": {"major": "1", "minor": "29", "gitVersion": "v1.29.0", "platform": "linux/amd64"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {
        "kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList", "apiVersion": "v1", "groups": [{
            "name": "discovery.k8s.io",
            "versions": [{"groupVersion": "discovery.k8s.io/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "discovery.k8s.io/v1", "version": "v1"}}]},
    "/apis/discovery.k8s.io/v1": {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "discovery.k8s.io/v1",
        "resources": [{
            "name": "endpointslices", "singularName": "endpointslice", "namespaced": True,
            "kind": "EndpointSlice", "verbs": ["get", "list", "watch"]}]}}
# What the files of a pod are bound to, below a /run that is empty.
_POD = """set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
mount --bind "$0" /run/secrets/kubernetes.io/serviceaccount
exec "$@"
"""


def in_pod(files):
    """The command below which a program finds these files where a pod has them. Needs root."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _POD, str(files)]


@dataclass
class Pod:
    """One endpoint of a slice."""
    address: str
    uid: str = ""
    ready: object = True
    serving: object = None
    terminating: object = None
    zone: str = "a"

    def entry(self):
        host = self.address.rsplit(":", 1)[0]
        name = f"pod-{host}"
        conditions = {"ready": self.ready, "serving": self.serving,
                      "terminating": self.terminating}
        return {
            "addresses": [host], "nodeName": "node-1", "zone": self.zone,
            "conditions": {key: value for key, value in conditions.items() if value is not None},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": name,
                          "uid": self.uid or f"uid-of-{name}"}}


def leaving(address, serving=True):
    """A pod that is told to end, and may still have requests."""
    return Pod(address, ready=False, serving=serving, terminating=True)


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code}


class Cluster(Server):
    """`tokens`: those that may read; None: everybody may. `page_max`: of slices in one answer."""

    def __init__(self, stage, tokens=None, **options):
        self.tokens = tokens
        self.version = 1000
        self.oldest = 1000  # watches from before it are answered with 410
        self.slices = {}
        self.history = []  # (version, type, slice)
        self.gone_by_event = True
        self.page_max = 500
        self.bookmarks = 0
        self.pages = {}
        self.page_count = itertools.count(1)
        self.watch_ends = 0
        self.watches = []  # the targets of those that have begun
        self.expires_pages = 0
        super().__init__(stage, **options)

    def source(self, **options):
        return {"kubernetes": "vllm", "server": self.url, "namespace": "default", "interval": "1s",
                "timeout": "2s", **options}

    # What the test does to it.

    def set(self, *pods, per_slice=100, ports=None):
        """The service has these pods, in slices of so many; slices that change are told of."""
        pods = [Pod(one) if isinstance(one, str) else one for one in pods]
        wanted = {}
        for number, begin in enumerate(range(0, len(pods), per_slice)):
            some = pods[begin:begin + per_slice]
            wanted[f"vllm-{number:05}"] = ([one.entry() for one in some], ports or [
                {"name": "http", "protocol": "TCP",
                 "port": int(some[0].address.rsplit(":", 1)[1])}])
        with self.changed:
            for name in [name for name in self.slices if name not in wanted]:
                self._change("DELETED", self.slices.pop(name))
            for name, (entries, ports_of) in wanted.items():
                before = self.slices.get(name)
                if before and (before["endpoints"], before["ports"]) == (entries, ports_of):
                    continue
                self.slices[name] = {
                    "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
                    "metadata": {
                        "name": name, "namespace": "default", "uid": f"uid-{name}",
                        "resourceVersion": "", "generation": 1,
                        "labels": {"kubernetes.io/service-name": "vllm"}},
                    "addressType": "IPv4", "endpoints": entries, "ports": ports_of}
                self._change("MODIFIED" if before else "ADDED", self.slices[name])
            self.changed.notify_all()

    def _change(self, kind, one):
        self.version += 1
        one["metadata"]["resourceVersion"] = str(self.version)
        self.history.append((self.version, kind, copy.deepcopy(one)))

    def compact(self):
        """Forgets all changes so far: watches from before now get 410."""
        with self.changed:
            self.version += 1
            self.oldest = self.version
            self.history = []

    def bookmark(self):
        """Tells all watches the present version, which changes elsewhere have brought forward."""
        with self.changed:
            self.version += 10
            self.bookmarks += 1
            self.changed.notify_all()

    def end_watches(self):
        """As at the end of their time."""
        with self.changed:
            self.watch_ends += 1
            self.changed.notify_all()

    def lists(self):
        """What was asked for, pages apart."""
        return [one.target for one in self.requests
                if one.target.startswith(SLICES) and "watch=" not in one.target]

    # What it answers.

    def serve(self, exchange):
        exchange.read_content()
        url = urlsplit(exchange.request.target)
        query = {key: value[0] for key, value in parse_qs(url.query).items()}
        token = (exchange.request.one("Authorization") or "").removeprefix("Bearer ")
        if self.tokens is not None and token not in self.tokens:
            return say(exchange, status(401, "Unauthorized", "Unauthorized"), 401)
        if found := _RESOURCES.get(url.path):
            return say(exchange, found)
        if url.path != SLICES:
            return say(exchange, status(404, "NotFound", "no such resource"), 404)
        assert query["labelSelector"] == "kubernetes.io/service-name=vllm"
        if query.get("watch") in ("1", "true"):
            return self._watch(exchange, query)
        self._list(exchange, query)

    def _list(self, exchange, query):
        with self.changed:
            if token := query.get("continue"):
                if self.expires_pages:
                    self.expires_pages -= 1
                    return say(exchange, status(
                        410, "Expired", "The provided continue parameter is too old"), 410)
                version, items = self.pages.pop(token)
            else:
                version = self.version
                items = copy.deepcopy([self.slices[name] for name in sorted(self.slices)])
            limit = min(int(query.get("limit", 10**9)), self.page_max)
            if query.get("resourceVersion") == "0":
                limit = 10**9  # Answered out of a cache, which has no pages.
            metadata = {"resourceVersion": str(version)}
            if len(items) > limit:
                token = f"page/{next(self.page_count)}=="
                self.pages[token] = (version, items[limit:])
                metadata |= {"continue": token, "remainingItemCount": len(items) - limit}
        say(exchange, {"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
                       "metadata": metadata, "items": items[:limit]})

    def _watch(self, exchange, query):
        since = int(query["resourceVersion"])
        end = time.monotonic() + int(query.get("timeoutSeconds", 1800))
        with self.changed:
            bookmarks, ends = self.bookmarks, self.watch_ends
            self.watches.append(exchange.request.target)
        if since < self.oldest:
            gone = status(410, "Expired", f"too old resource version: {since} ({self.oldest})")
            if not self.gone_by_event:
                return say(exchange, gone, 410)
            exchange.begin_chunked([("Content-Type", "application/json")])
            self._event(exchange, "ERROR", gone)
            return exchange.end_chunked()
        exchange.begin_chunked([("Content-Type", "application/json")])

        def is_over():
            return self.watch_ends != ends or exchange.endpoint.is_stopped

        while time.monotonic() < end and not is_over():
            with self.changed:
                self.changed.wait_for(
                    lambda: self.version > since or self.bookmarks > bookmarks or is_over(), 1)
                news = [one for one in self.history if one[0] > since]
                version, told = self.version, self.bookmarks
            for _, kind, one in news:
                self._event(exchange, kind, one)
            since = max(since, version)
            if told > bookmarks and "allowWatchBookmarks" in query:
                self._event(exchange, "BOOKMARK", {
                    "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
                    "metadata": {"resourceVersion": str(version), "creationTimestamp": None},
                    "addressType": "", "endpoints": None, "ports": None})
            bookmarks = told
        exchange.end_chunked()

    @staticmethod
    def _event(exchange, kind, one):
        exchange.chunk(json.dumps({"type": kind, "object": one}).encode() + b"\n")
