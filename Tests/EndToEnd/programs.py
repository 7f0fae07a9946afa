"""Starts and stops real programs, each in a directory of its own with its output kept beside it.

Everything listens on loopback only, and ends with the test: by stop(), or by the kernel
(PR_SET_PDEATHSIG) where the test run itself is killed.
"""

import ctypes
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import exposition
import wire

ROOT = Path(__file__).resolve().parents[2]
# What most tests run: optimised, with assertions on.
BINARY = Path(os.environ.get("STEELYARD", ROOT / ".build/checked/release/steelyard")).resolve()
# What is shipped, for tests that count what it costs (the marker `alone`) or how it is packed.
RELEASE = Path(
    os.environ.get("STEELYARD_RELEASE")
    or os.environ.get("STEELYARD", ROOT / ".build/release/steelyard")).resolve()
DEADLINE = 45.0
# Below the range that the kernel gives to clients. Each worker of pytest-xdist has a share of its
# own, and so has a run without workers; scripts/common.d/stage.py takes others.
PORTS = range(12000, 30000)
WORKERS_MAX = 8
_pause = threading.Event()
_libc = ctypes.CDLL(None, use_errno=True)


def wait_for(condition, what, deadline=DEADLINE, interval=0.02):
    """Polls until `condition()` is true and returns its value; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {deadline:.0f} s for {what}; last: {value!r}"
        _pause.wait(interval)


def _own_ports():
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    number = int(worker.removeprefix("gw")) + 1 if worker else 0
    assert number <= WORKERS_MAX, f"not more than {WORKERS_MAX} workers: they would share ports"
    size = len(PORTS) // (WORKERS_MAX + 1)
    own = PORTS[number * size:(number + 1) * size]
    # Another run on this machine has the same shares: each process begins at a place of its own.
    begin = os.getpid() % size
    return iter([*own[begin:], *own[:begin]])


_ports = _own_ports()


def free_port(hosts=("127.0.0.1",)):
    """A port that is free on every host, and is given once."""
    for port in _ports:
        if all(_can_bind(host, port) for host in hosts):
            return port
    raise AssertionError("no free port")


def _can_bind(host, port):
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def find(*names):
    """The path of the first program that exists, also in the daemons' directories."""
    path = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise AssertionError(f"{' or '.join(names)} is missing: run scripts/setup test")


def preloadable(directory, source):
    """A library made of a C file beside this one, for LD_PRELOAD."""
    made = Path(directory) / f"{Path(source).stem}.so"
    beside_swift = [
        str(Path(swift).resolve().parent / "clang") for swift in [shutil.which("swift")] if swift]
    subprocess.run(
        [find("cc", "clang", "gcc", *beside_swift), "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC",
         "-shared", "-o", str(made), str(Path(__file__).parent / source)], check=True, timeout=60)
    return made


def _prepare_child():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


class Program:
    """A child process whose output goes to `NAME.log` in `directory`."""

    def __init__(self, name, directory, arguments, environment=None):
        self.name = name
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log = self.directory / f"{name}.log"
        self.output = self.directory / f"{name}.out"
        with open(self.log, "ab") as log, open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                [str(argument) for argument in arguments], stdin=subprocess.DEVNULL, stdout=output,
                stderr=log, cwd=self.directory, env={**os.environ, **(environment or {})},
                preexec_fn=_prepare_child)

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        return self.log.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, deadline=DEADLINE):
        """The exit status."""
        return self.process.wait(timeout=deadline)

    def stop(self, number=signal.SIGTERM, deadline=10):
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=deadline)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=deadline)
        return self.process.returncode

    def rss_bytes(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M).group(1)) * 1024

    def rss_max_bytes(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.M).group(1)) * 1024

    def wait_for_port(self, host, port, deadline=DEADLINE):
        def is_open():
            assert self.is_running(), f"{self.name} ended: {self.text()[-2000:]}"
            with socket.socket() as probe:
                probe.settimeout(1)
                return probe.connect_ex((host, port)) == 0

        wait_for(is_open, f"{self.name} to listen on {host}:{port}", deadline)


def logfmt(line):
    """The keys and values of one log line."""
    pairs = re.findall(r'([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"|\S*)', line)
    return {key: json.loads(value) if value[:1] == '"' else value for key, value in pairs}


def run_steelyard(*arguments, timeout=60):
    """Runs the program to its end; its CompletedProcess with text."""
    return subprocess.run(
        [str(BINARY), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=timeout)


class AdminAddress(tuple):
    """A host and a port; requests there name a host that web pages cannot have."""
    host = "localhost"
    # Makes TLS of a socket (wire.Connection).
    wrap = None


class Steelyard(Program):
    """`steelyard serve` with a configuration made of a dict, ready when the constructor returns.
    `under`: a command that runs it and leaves it our child. `secure`: TLS on both its sides
    (secure.py). `admin_wrap` makes TLS of a socket that is connected to the admin address."""

    def __init__(self, directory, configuration, environment=None, under=(), binary=None,
                 secure=None, admin_wrap=None):
        self.secure = secure
        self.admin_wrap = admin_wrap
        self.file = Path(directory) / "steelyard.yaml"
        self.write(configuration)
        super().__init__(
            "steelyard", directory, [*under, binary or BINARY, "serve", self.file],
            environment=environment)
        self.addresses = []
        self.admin = None
        wait_for(self._is_ready, "steelyard to be ready")

    def write(self, configuration):
        """Replaces the configuration file; JSON is YAML."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.secure:
            configuration = self.secure.configured(configuration)
        is_text = isinstance(configuration, str)
        self.file.write_text(configuration if is_text else json.dumps(configuration, indent=2))

    def reload(self, configuration=None):
        """By the command line, with this configuration or the file as it is; what that said."""
        if configuration is not None:
            self.write(configuration)
        host, port = self.admin
        return run_steelyard("reload", "--admin", f"{host}:{port}")

    def text(self):
        """Its log so far. A thread writes that: what the control thread said before is in it."""
        def is_written():
            try:
                tasks = [task for task in Path(f"/proc/{self.pid}/task").iterdir()
                         if (task / "comm").read_text() == "log\n"]
                # It sleeps only when there is no line left, and a line wakes it at once.
                return all(" S " in (task / "stat").read_text() for task in tasks)
            except OSError:
                return True

        wait_for(is_written, "the log to be written", interval=0.002)
        return super().text()

    def events(self, message=None):
        events = [logfmt(line) for line in self.text().splitlines()]
        return [event for event in events if message is None or event.get("msg") == message]

    def _is_ready(self):
        assert self.is_running(), f"steelyard ended with {self.process.poll()}: {self.text()}"
        admin = self.events("admin listening")
        if not admin:
            return False
        self.admin = AdminAddress(_address(admin[0]["address"]))
        self.admin.wrap = self.admin_wrap
        addresses = [_address(event["listener"]) for event in self.events("listening")]
        self.addresses = [
            self.secure.address(one) if self.secure else one for one in addresses]
        return bool(self.addresses) and self.admin_status("/readyz") == 200

    @property
    def address(self):
        return self.addresses[0]

    @property
    def url(self):
        return "%s://%s:%d" % ("https" if self.secure else "http", *self.address)

    def connect(self, timeout=30):
        return wire.Connection(self.address, timeout)

    def get(self, target="/", **options):
        """One exchange on a connection of its own."""
        with self.connect() as connection:
            return connection.exchange("GET", target, **options)

    def admin_get(self, target):
        with wire.Connection(self.admin) as connection:
            return connection.exchange("GET", target)

    def admin_status(self, target):
        return self.admin_get(target).status

    def metrics(self):
        response = self.admin_get("/metrics")
        assert response.status == 200
        return exposition.parse(response.content.decode())


def _address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


class Nginx(Program):
    """A real nginx that serves `files/` and a few fixed answers on `host:port`. `pair`: over TLS,
    with that certificate; `clients`: the authority of certificates that clients have to show."""

    def __init__(self, directory, host="127.0.0.1", port=None, label="one", pair=None,
                 clients=None):
        self.host = host
        self.port = port or free_port((host,))
        self.files = Path(directory) / "files"
        self.files.mkdir(parents=True, exist_ok=True)
        file = Path(directory) / "nginx.conf"
        file.write_text(_NGINX % {
            "user": "user root;" if os.geteuid() == 0 else "",
            "prefix": directory, "host": host, "port": self.port, "label": label,
            "tls": _nginx_tls(pair, clients), "ssl": " ssl" if pair else ""})
        super().__init__(
            "nginx", directory,
            [find("nginx"), "-p", directory, "-c", file, "-e", Path(directory) / "error.log"])
        self.wait_for_port(host, self.port)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def workers(self):
        """Its worker processes."""
        return [int(pid) for pid in
                Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def signal_all(self, number):
        """To all its processes at once: SIGKILL is a crash, SIGSTOP a hang."""
        for pid in [self.pid, *self.workers()]:
            os.kill(pid, number)

    def switch(self, fault, is_on=True):
        """Faults of `/work`: `fail` is 500 at once, `half` the same for half of the requests."""
        if is_on:
            (self.files / fault).touch()
        else:
            (self.files / fault).unlink(missing_ok=True)


def _nginx_tls(pair, clients):
    if not pair:
        return ""
    tls = "ssl_protocols TLSv1.2 TLSv1.3;"
    tls += f" ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};"
    if clients:
        tls += f" ssl_client_certificate {clients}; ssl_verify_client on;"
    return tls


_NGINX = """
%(user)s
worker_processes 1;
daemon off;
pid %(prefix)s/nginx.pid;
events { worker_connections 2048; }
http {
  access_log %(prefix)s/access.log;
  client_body_temp_path %(prefix)s/body;
  proxy_temp_path %(prefix)s/proxy;
  fastcgi_temp_path %(prefix)s/fastcgi;
  uwsgi_temp_path %(prefix)s/uwsgi;
  scgi_temp_path %(prefix)s/scgi;
  client_max_body_size 100m;
  keepalive_requests 100000;
  default_type application/octet-stream;
  split_clients "$request_id" $coin { 50%% heads; * tails; }
  server {
    listen %(host)s:%(port)s%(ssl)s;
    %(tls)s
    add_header X-Endpoint %(label)s always;
    root %(prefix)s/files;
    location = /hello { return 200 "hello from %(label)s\\n"; }
    location = /work {
      set $failure "";
      if (-f $document_root/fail) { return 500; }
      if (-f $document_root/half) { set $failure $coin; }
      if ($failure = heads) { return 500; }
      return 200 "worked by %(label)s\n";
    }
    location = /nothing { return 204; }
    location = /moved { return 301 /hello; }
    location = /teapot { return 418 "short and stout\\n"; }
    location /uploads/ { dav_methods PUT; create_full_put_path on; }
    location = /page.html { ssi on; default_type text/html; }
  }
}
"""


class NodeExporter(Program):
    """A real node_exporter that reads the numbers of a `Host` in place of this machine's."""

    def __init__(self, directory, host, port, procfs):
        super().__init__(
            "node_exporter", directory,
            [find("prometheus-node-exporter", "node_exporter"),
             f"--web.listen-address={host}:{port}", f"--path.procfs={procfs}",
             "--collector.disable-defaults", "--collector.cpu", "--collector.meminfo"])
        self.wait_for_port(host, port)


class Prometheus(Program):
    """A real Prometheus that scrapes addresses every second and follows rules (a list of groups).
    `scrape`: what its configuration says of the scrape besides, `tls_config` for one."""

    def __init__(self, directory, *targets, rules=(), options=(), scrape=None):
        self.port = free_port()
        file = Path(directory) / "prometheus.yml"
        Path(directory).mkdir(parents=True, exist_ok=True)
        rule_file = Path(directory) / "rules.yml"
        rule_file.write_text(json.dumps({"groups": list(rules)}))
        file.write_text(json.dumps({
            "global": {
                "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rule_file)],
            "scrape_configs": [
                {"job_name": "steelyard", "static_configs": [{"targets": list(targets)}],
                 **(scrape or {})}]}))
        super().__init__(
            "prometheus", directory,
            [find("prometheus"), f"--config.file={file}",
             f"--storage.tsdb.path={Path(directory) / 'data'}",
             "--enable-feature=exemplar-storage",
             f"--web.listen-address=127.0.0.1:{self.port}", *options])
        self.wait_for_port("127.0.0.1", self.port)

    def api(self, target):
        """The `data` of an API answer, None while it is not ready."""
        with wire.Connection(("127.0.0.1", self.port)) as connection:
            response = connection.exchange("GET", target)
        if response.status != 200:
            return None
        return json.loads(response.content)["data"]
