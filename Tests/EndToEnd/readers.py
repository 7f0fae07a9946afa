"""Real clients that read the servers of the tests: one of Consul's (py-consul) and Kubernetes' own
(kubectl). Debian's Prometheus is built without both of these sources."""

import json

import packages
from programs import Program

import consul as py_consul  # noqa: I001


def seen_by_consul_client(server, service="vllm", **options):
    """A function that gives the addresses of the instances that pass."""
    client = py_consul.Consul(host="127.0.0.1", port=server.port)

    def seen():
        _, entries = client.health.service(service, passing=True, **options)
        return {
            f"{one['Service']['Address'] or one['Node']['Address']}:{one['Service']['Port']}"
            for one in entries}

    return seen


class Kubectl(Program):
    """kubectl, which lists EndpointSlices and watches them until it is stopped."""

    def __init__(self, directory, cluster):
        super().__init__("kubectl", directory, [
            packages.TOOLS / "kubectl", "--kubeconfig=/dev/null", f"--server={cluster.url}",
            f"--cache-dir={directory / 'cache'}", "--namespace=default", "get",
            "endpointslices.v1.discovery.k8s.io", "--output=json", "--watch",
            "--output-watch-events", "--selector=kubernetes.io/service-name=vllm"])

    def seen(self):
        """The addresses of what is ready."""
        slices = {}
        text = self.output.read_text()
        decoder, at = json.JSONDecoder(), 0
        while at < len(text):
            try:
                event, end = decoder.raw_decode(text, at)
            except ValueError:
                break  # The rest is still being written.
            at = end + len(text[end:]) - len(text[end:].lstrip())
            one = event["object"]
            if event["type"] == "DELETED":
                slices.pop(one["metadata"]["name"])
            else:
                slices[one["metadata"]["name"]] = one
        return {
            f"{entry['addresses'][0]}:{one['ports'][0]['port']}"
            for one in slices.values() for entry in one["endpoints"]
            if entry.get("conditions", {}).get("ready", True)}
