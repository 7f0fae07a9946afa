"""docs/openapi.yaml is true of the program: schemathesis makes requests of it, good ones and bad
ones, and holds every answer against it."""

import re
import subprocess

import pytest
from conftest import minimal
from programs import ROOT, wait_for
from wire import Connection

DESCRIPTION = ROOT / "docs/openapi.yaml"
TOOLS = ROOT / ".build/test-venv/bin"
READ, WRITE = "read-token-0123456789", "write-token-0123456789"
# The examples of the description; nobody is there.
ADDRESSES = ["10.0.0.1:8000", "[fd00::1]:8000"]


# A description cannot say that `deadline` is less than `for`: there 400 may be right.
CONFIGURATION = """
[[operations]]
include-operation-id = "drainEndpoint"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409"]
"""


def run(*words, directory, timeout=200):
    assert (TOOLS / words[0]).exists(), f"{words[0]} is missing: run scripts/setup test"
    return subprocess.run(
        [TOOLS / words[0], *words[1:]], cwd=directory, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=timeout)


def schemathesis(steelyard, directory, *options):
    host, port = steelyard.admin
    file = directory / "schemathesis.toml"
    file.write_text(CONFIGURATION)
    return run(
        "schemathesis", "--config-file", file, "run", DESCRIPTION, "--url", f"http://{host}:{port}",
        "--header", f"Authorization: Bearer {WRITE}", "--seed", "1", "--no-shrink",
        # A stream has no end to wait for; test_status has it.
        "--exclude-path", "/api/v1/status/events",
        # Another process would answer the rest; test_hot_upgrade has it.
        "--exclude-operation-id", "upgrade", *options, directory=directory)


@pytest.fixture
def guarded(stage):
    configuration = minimal(ADDRESSES)
    configuration["admin"].update(read_token={"env": "READ"}, write_token={"env": "WRITE"})
    steelyard = stage.steelyard(configuration, environment={"READ": READ, "WRITE": WRITE})
    # There is no status before the first second is over.
    wait_for(lambda: ask(steelyard, "/api/v1/status") != 503, "the first reading")
    return steelyard


def ask(steelyard, target):
    with Connection(steelyard.admin) as connection:
        token = [("Authorization", f"Bearer {READ}")]
        return connection.exchange("GET", target, fields=token).status


def test_the_description_is_one(tmp_path):
    done = run("openapi-spec-validator", DESCRIPTION, directory=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_does_what_the_description_says(guarded, tmp_path):
    done = schemathesis(
        guarded, tmp_path, "--checks", "all", "--max-examples", "5", "--continue-on-failure")
    assert done.returncode == 0, done.stdout[-8000:]
    count = int(re.search(r"(\d+) generated", done.stdout).group(1))
    print(f"{count} cases")
    assert count > 200
    # It got past the tokens: all kinds of changes were made.
    actions = {event["action"] for event in guarded.events("audit") if event["outcome"] == "done"}
    assert actions == {"reload", "freeze", "set", "reset", "pin", "scale", "drain", "remove"}


def test_a_missing_guard_would_be_noticed(stage, tmp_path):
    """The tool fails where tokens are described and not asked for."""
    open_to_all = stage.steelyard(minimal(ADDRESSES))
    done = schemathesis(
        open_to_all, tmp_path, "--checks", "ignored_auth", "--phases", "examples",
        "--include-path", "/api/v1/reload", "--include-path", "/api/v1/pools/{pool}/freeze")
    assert done.returncode == 1 and "uthentication" in done.stdout, done.stdout[-4000:]
