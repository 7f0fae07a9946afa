"""A real Prometheus and a real Alertmanager with the files of config/prometheus, quicker than they
are shipped, and a receiver that notes what arrives when."""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import wire
import yaml
from programs import Program, find, free_port

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "config/prometheus"
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)")


def quicker(text, factor, least):
    """A duration divided by the factor, in milliseconds, never under `least` seconds."""
    if factor == 1:
        return text
    span = sum(int(number) * SECONDS[unit] for number, unit in DURATION.findall(text))
    return f"{round(max(span / factor, min(least, span)) * 1000)}ms"


def quicker_rules(text, factor):
    """The rules with every range, offset and `for` divided by the factor. Ranges keep five seconds
    (five scrapes), steps, offsets and waits one. Thresholds stay."""
    document = yaml.safe_load(text)
    for group in document["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            expression = re.sub(
                r"\[(\w+)(?::(\w+))?\]",
                lambda found: "[" + quicker(found[1], factor, 5)
                + (f":{quicker(found[2], factor, 1)}" if found[2] else "") + "]", rule["expr"])
            rule["expr"] = re.sub(
                r"\boffset (\w+)", lambda found: f"offset {quicker(found[1], factor, 1)}",
                expression)
            if "for" in rule:
                rule["for"] = quicker(rule["for"], factor, 1)
    return yaml.safe_dump(document, sort_keys=False)


class Receiver:
    """Takes Alertmanager's webhooks. `fired` and `resolved` are the first times, by alert name and
    pool, since they were forgotten; `all` is what ever fired."""

    def __init__(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.take(self.path.strip("/"), content["alerts"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.lock = threading.Lock()
        self.fired, self.resolved, self.all = {}, {}, []
        # Fingerprints that fire, by alert name and pool: one may have several.
        self.burning = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, receiver, alerts):
        now = time.monotonic()
        with self.lock:
            for alert in alerts:
                labels = alert["labels"]
                key = (labels["alertname"], labels.get("pool", ""))
                burning = self.burning.setdefault(key, set())
                if alert["status"] == "firing":
                    burning.add(alert["fingerprint"])
                    self.resolved.pop(key, None)
                    if key not in self.fired:
                        self.fired[key] = now
                        self.all.append((receiver, labels, alert["annotations"]))
                elif alert["fingerprint"] in burning:
                    burning.discard(alert["fingerprint"])
                    if not burning:
                        self.resolved[key] = now

    def forget(self):
        """What fired until now is no longer known."""
        with self.lock:
            self.fired.clear()
            self.resolved.clear()
            self.burning.clear()
            self.all.clear()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Alertmanager(Program):
    """The shipped routes and inhibitions, with the receiver's address and shorter waits."""

    def __init__(self, directory, receiver, factor):
        self.port = free_port()
        document = yaml.safe_load((FILES / "alertmanager.yml").read_text())
        for one in document["receivers"]:
            for hook in one["webhook_configs"]:
                hook["url"] = hook["url"].replace("127.0.0.1:9095", f"127.0.0.1:{receiver.port}")
        for route in [document["route"], *document["route"]["routes"]]:
            for key in ("group_wait", "group_interval"):
                if key in route:
                    route[key] = quicker(route[key], factor, 1)
        file = Path(directory) / "alertmanager.yml"
        Path(directory).mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(document))
        super().__init__("alertmanager", directory, [
            find("prometheus-alertmanager", "alertmanager"), f"--config.file={file}",
            f"--storage.path={Path(directory) / 'data'}", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{self.port}"])
        self.wait_for_port("127.0.0.1", self.port)

    def active(self):
        """The alerts that it would tell of now."""
        with wire.Connection(("127.0.0.1", self.port)) as connection:
            response = connection.exchange("GET", "/api/v2/alerts?active=true")
        assert response.status == 200, response.content
        return json.loads(response.content)


class Watch(Program):
    """Prometheus with the shipped scrape jobs and rules; `steelyard` is (host, port) of its admin
    address."""

    def __init__(self, directory, steelyard, alertmanager, factor):
        self.port = free_port()
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        admin = f"{steelyard[0]}:{steelyard[1]}"
        text = (FILES / "prometheus.yml").read_text().replace("127.0.0.1:9900", admin)
        document = yaml.safe_load(text.replace("127.0.0.1:9093", f"127.0.0.1:{alertmanager.port}"))
        if factor != 1:
            document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
            for job in document["scrape_configs"]:
                for one in job.get("http_sd_configs", []):
                    one["refresh_interval"] = "1s"
        (directory / "prometheus.yml").write_text(yaml.safe_dump(document))
        for name in ("recording.yml", "alerts.yml"):
            rules = quicker_rules((FILES / name).read_text(), factor)
            (directory / name).write_text(rules)
        super().__init__("prometheus", directory, [
            find("prometheus"), f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--rules.alert.resend-delay=1s"])
        self.wait_for_port("127.0.0.1", self.port)

    def query(self, expression):
        """The value of the one series that is the answer; None where there is none."""
        with wire.Connection(("127.0.0.1", self.port)) as connection:
            response = connection.exchange("GET", f"/api/v1/query?query={quote(expression)}")
        if response.status != 200:
            return None
        result = json.loads(response.content)["data"]["result"]
        return float(result[0]["value"][1]) if len(result) == 1 else None
