"""A virtual address that moves from one steelyard to another: keepalived as docs/shared.md has it, in
network namespaces of their own."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
import programs
from programs import Program, find, wait_for

VIRTUAL = "10.213.7.100"
# What the documentation promises. A process that dies is noticed by the script alone here, because
# the kernel tells of processes in its first network namespace only.
SECONDS_MAX = {"machine": 1.0, "steelyard": 3.5}
SPACES = ["--net", "--mount", "--pid"]


def refusal():
    """Why there can be no such namespaces here; None where there can."""
    if os.geteuid() != 0:
        return "needs root"
    for name in ("keepalived", "ip", "unshare", "nsenter"):
        if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return f"{name} is missing: run scripts/setup test"
    done = subprocess.run(
        ["unshare", *SPACES, "--fork", "ip", "link", "add", "name", "x0", "type", "veth", "peer",
         "name", "x1"], capture_output=True, text=True, timeout=20)
    return f"this machine refuses namespaces: {done.stderr.strip()}" if done.returncode else None


REFUSAL = refusal()
pytestmark = pytest.mark.skipif(REFUSAL is not None, reason=str(REFUSAL))


def recipe():
    """keepalived's configuration in the documentation, without what namespaces cannot do."""
    text = (programs.ROOT / "docs/shared.md").read_text()
    text = re.search(r"```\n(global_defs.*?)```", text, re.S).group(1)
    text, count = re.subn(r"vrrp_track_process.*?\n}\n|    track_process {.*?    }\n", "", text, flags=re.S)
    assert count == 2
    return text


def busy():
    """How much longer everything takes on this machine now."""
    return max(1, os.getloadavg()[0] / os.cpu_count())


class Space:
    """Namespaces with one address on the bridge of `lan`, which is None for the bridge's own."""

    def __init__(self, directory, name, address, lan=None):
        self.name, self.address = name, address
        self.directory = directory / name
        self.directory.mkdir(parents=True)
        self.process = subprocess.Popen(
            ["unshare", *SPACES, "--fork", "--kill-child", "--mount-proc", "sleep", "infinity"],
            preexec_fn=programs._prepare_child)
        self.children = []

        def found():
            children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
            pids = open(children).read().split()
            return pids and open(f"/proc/{pids[0]}/comm").read() == "sleep\n" and int(pids[0])

        self.pid = wait_for(found, "the namespaces")
        self.run("ip", "link", "set", "lo", "up")
        if lan is None:
            self.run("ip", "link", "add", "name", "eth0", "type", "bridge")
        else:
            self.run("ip", "link", "add", "name", "eth0", "type", "veth", "peer", "name", name,
                     "netns", str(lan.pid))
            lan.run("ip", "link", "set", name, "master", "eth0")
            lan.run("ip", "link", "set", name, "up")
        self.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def words(self, *arguments):
        return ["nsenter", f"--target={self.pid}", *SPACES, *map(str, arguments)]

    def run(self, *arguments):
        # `ip` of the network namespace alone, where pids are this machine's.
        done = subprocess.run(
            ["nsenter", f"--target={self.pid}", "--net", *arguments], capture_output=True,
            text=True, timeout=20)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def start(self, name, *arguments):
        child = Program(name, self.directory / name, self.words(*arguments))
        self.children.append(child)
        return child

    def has_virtual(self):
        return VIRTUAL in self.run("ip", "-4", "address", "show", "dev", "eth0")

    def kill(self, name):
        """SIGKILL to the processes of that name in these namespaces."""
        subprocess.run(self.words("pkill", "-KILL", "-x", name), check=True, timeout=20)

    def stop(self):
        for child in self.children:
            child.stop(signal.SIGKILL)
        self.process.kill()
        self.process.wait(30)


@pytest.fixture
def lan(tmp_path):
    spaces = [Space(tmp_path, "lan", "10.213.7.1")]
    for number, name in enumerate(("one", "two"), 2):
        spaces.append(Space(tmp_path, name, f"10.213.7.{number}", spaces[0]))
    yield spaces
    for space in reversed(spaces):
        space.stop()


SERVER = r"""
import http.server, sys, time
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        count = 400 if self.path == "/stream" else 1
        for _ in range(count):
            self.wfile.write(b"2\r\nok\r\n")
            self.wfile.flush()
            if count > 1: time.sleep(.02)
        self.wfile.write(b"0\r\n\r\n")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("10.213.7.1", 9000), Answer).serve_forever()
"""

# Asks every 10 ms, each time on a new connection; prints when an answer came.
CLIENT = r"""
import socket, sys, time
while True:
    begin = time.monotonic()
    try:
        with socket.create_connection((sys.argv[1], 8080), .1) as one:
            one.settimeout(.2)
            one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            if one.recv(100).startswith(b"HTTP/1.1 200"):
                print(time.monotonic(), flush=True)
    except OSError:
        pass
    time.sleep(max(0, .01 - (time.monotonic() - begin)))
"""

# One long answer; prints how many bytes of content came and how it ended.
STREAM = r"""
import http.client, sys
one = http.client.HTTPConnection(sys.argv[1], 8080, timeout=20)
one.request("GET", "/stream")
print(len(one.getresponse().read()), flush=True)
"""


def begin(lan):
    """An endpoint, two steelyards with keepalived, and a client of the virtual address."""
    client, *hosts = lan
    client.start("server", "/usr/bin/python3", "-c", SERVER)
    for host, (state, priority) in zip(hosts, (("MASTER", 150), ("BACKUP", 100))):
        file = host.directory / "steelyard.yaml"
        file.write_text(json.dumps({
            "admin": {"listen": "127.0.0.1:9900"}, "workers": 1,
            "listeners": [{"listen": "0.0.0.0:8080", "pool": "text"}],
            "pools": {"text": {"endpoints": ["10.213.7.1:9000"]}}}))
        host.start("steelyard", programs.BINARY, "serve", file)
        text = recipe().replace("10.0.0.100/24", f"{VIRTUAL}/24").replace("BACKUP", state)
        text = text.replace("priority 100", f"priority {priority}")
        conf = host.directory / "keepalived.conf"
        conf.write_text(text)
        conf.chmod(0o644)
        wait_for(
            lambda: subprocess.run(
                host.words("curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:9900/readyz"),
                timeout=20).returncode == 0, "steelyard to be ready")
        host.start(
            "keepalived", find("keepalived"), "--dont-fork", "--log-console", "--use-file", conf,
            "--pid", host.directory / "pid", "--vrrp_pid", host.directory / "vrrp.pid")
    wait_for(lambda: hosts[0].has_virtual() and not hosts[1].has_virtual(), "the first to be master")
    asked = client.start("client", "/usr/bin/python3", "-c", CLIENT, VIRTUAL)
    wait_for(lambda: len(times(asked)) > 20, "answers at the virtual address")
    return client, hosts, asked


def times(asked):
    lines = asked.output.read_text().split("\n")[:-1]
    return [float(line) for line in lines]


def gap_after(asked, moment):
    """The longest time without an answer, of those that ended after `moment`."""
    all = times(asked)
    return max(b - a for a, b in zip(all, all[1:]) if b > moment)


@pytest.mark.parametrize("what", ["steelyard", "machine"])
def test_the_address_moves_within_a_second_and_others_notice_nothing(lan, what):
    client, (first, second), asked = begin(lan)
    # A long answer over the other steelyard, by its own address.
    stream = client.start("stream", "/usr/bin/python3", "-c", STREAM, second.address)
    wait_for(
        lambda: b"established" in subprocess.run(
            client.words("sh", "-c", "cat /proc/net/tcp | grep -q ' 01 ' && echo established"),
            capture_output=True, timeout=20).stdout, "the stream to begin")
    moment = time.monotonic()
    first.kill(programs.BINARY.name[:15])
    if what == "machine":
        first.kill("keepalived")
        # It is gone: a switch does not hear it any more.
        client.run("ip", "link", "set", "one", "down")
    wait_for(second.has_virtual, "the second to have the address")
    count = len(times(asked))
    wait_for(lambda: len(times(asked)) > count + 20, "answers again")
    seconds = gap_after(asked, moment)
    print(f"{what}: {seconds:.2f} s without an answer")
    assert seconds <= SECONDS_MAX[what] * busy()
    assert stream.wait() == 0
    assert stream.output.read_text() == "800\n"


def test_a_steelyard_that_is_not_ready_gives_the_address_away_and_takes_it_back(lan):
    client, (first, second), asked = begin(lan)
    first.kill(programs.BINARY.name[:15])
    wait_for(second.has_virtual, "the second to have the address")
    first.start("steelyard-2", programs.BINARY, "serve", first.directory / "steelyard.yaml")
    wait_for(lambda: first.has_virtual() and not second.has_virtual(), "the first to be back")
    count = len(times(asked))
    wait_for(lambda: len(times(asked)) > count + 20, "answers")
