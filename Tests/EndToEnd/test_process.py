"""The program as a process: signals, exit statuses, what it says on stderr."""

import re
import signal

import pytest
from conftest import minimal
from endpoints import Held, text
from programs import Steelyard, run_steelyard, wait_for
from wire import accepts

OK, USAGE, MISSING, PORT, CONFIGURATION = 0, 64, 66, 69, 78


def test_sigterm_finishes_what_runs_and_exits_with_zero(stage):
    held = Held()
    steelyard = stage.steelyard(minimal([stage.endpoint(held).address]))
    idle = steelyard.connect()
    assert wait_for(lambda: accepts(steelyard.address), "the listener")
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert held.begun.wait(30)
        steelyard.send_signal(signal.SIGTERM)
        wait_for(lambda: not accepts(steelyard.address), "the listener to close")
        assert idle.is_closed()
        assert steelyard.is_running()
        held.release.set()
        response = connection.read_response()
        assert response.status == 200 and response.content == b"first second"
        assert connection.is_closed()
    assert steelyard.wait() == OK


def test_sigterm_without_traffic_ends_at_once(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(text()).address]))
    with steelyard.connect() as connection:
        assert connection.exchange("GET", "/").status == 200
        steelyard.send_signal(signal.SIGTERM)
        assert connection.is_closed()
    assert steelyard.wait(10) == OK


def test_sigterm_cuts_what_does_not_end_in_time(stage):
    held = Held()
    configuration = minimal([stage.endpoint(held).address]) | {"shutdown_timeout": "500ms"}
    steelyard = stage.steelyard(configuration)
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert held.begun.wait(30)
        steelyard.send_signal(signal.SIGTERM)
        assert steelyard.wait(20) == OK
    held.release.set()


def test_sighup_takes_a_good_file_without_losing_a_stream(stage):
    held = Held()
    first = stage.endpoint(held)
    second = stage.endpoint(text(b"from the second"))
    steelyard = stage.steelyard(minimal([first.address]))
    with steelyard.connect() as connection:
        connection.send_request("GET", "/")
        assert held.begun.wait(30)
        steelyard.write(minimal([second.address]))
        steelyard.send_signal(signal.SIGHUP)
        wait_for(
            lambda: set(steelyard.metrics().by_endpoint("steelyard_endpoint_weight"))
            == {second.address}, "the new fleet")
        assert steelyard.get("/").content == b"from the second"
        held.release.set()
        assert connection.read_response().content == b"first second"


def test_sighup_with_a_bad_file_changes_nothing_and_says_why(stage):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(minimal([endpoint.address]))
    before = len(steelyard.text())
    steelyard.write("listeners: [{listen: '127.0.0.1:0', pol: text}]\n")
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: "pol" in steelyard.text()[before:], "the reason on stderr")
    assert steelyard.is_running()
    assert steelyard.get("/").status == 200
    assert set(steelyard.metrics().by_endpoint("steelyard_endpoint_weight")) == {endpoint.address}
    steelyard.write(minimal([{"address": endpoint.address, "weight": 7}]))
    steelyard.send_signal(signal.SIGHUP)
    wait_for(
        lambda: steelyard.metrics().value("steelyard_endpoint_base_weight") == 7,
        "a good file to be taken after a bad one")


def test_sighup_with_a_missing_file_changes_nothing(stage):
    steelyard = stage.steelyard(minimal([stage.endpoint(text()).address]))
    before = len(steelyard.text())
    steelyard.file.unlink()
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: "steelyard.yaml" in steelyard.text()[before:], "the reason on stderr")
    assert steelyard.get("/").status == 200


@pytest.mark.parametrize("which", ["listener", "admin"])
def test_a_port_in_use_is_one_clear_line(stage, tmp_path, which):
    endpoint = stage.endpoint(text())
    first = stage.steelyard(minimal([endpoint.address]))
    second = minimal([endpoint.address])
    taken = first.address if which == "listener" else first.admin
    address = f"{taken[0]}:{taken[1]}"
    if which == "listener":
        second["listeners"][0]["listen"] = address
    else:
        second["admin"]["listen"] = address
    file = tmp_path / "second.yaml"
    Steelyard.write(_at(file), second)
    ended = run_steelyard("serve", file)
    assert ended.returncode == PORT
    lines = [line for line in ended.stderr.splitlines() if "level=info" not in line]
    assert len(lines) == 1 and address in lines[0]
    assert first.get("/").status == 200


def _at(path):
    """A stand-in for a Steelyard of which only the file matters."""
    holder = object.__new__(Steelyard)
    holder.file, holder.secure = path, None
    return holder


def test_typos_are_shown_where_they_are(tmp_path):
    file = tmp_path / "typos.yaml"
    file.write_text(
        'listeners:\n  - lisen: "127.0.0.1:0"\n    pool: text\n'
        "pools:\n  text:\n    balance: least_requests\n    endpoints: ['127.0.0.1:70000']\n")
    checked = run_steelyard("check", file)
    assert checked.returncode == CONFIGURATION
    said = checked.stderr + checked.stdout
    found = {int(line) for line in re.findall(rf"{re.escape(str(file))}:(\d+):\d+: error: ", said)}
    assert found >= {2, 6, 7}
    lines = said.splitlines()
    carets = [n for n, line in enumerate(lines) if re.fullmatch(r"[\s|0-9]*\^[~^]*\s*", line)]
    assert len(carets) >= 3
    assert any("lisen" in lines[n - 1] for n in carets)
    assert "did you mean" in said and "listen" in said
    assert run_steelyard("serve", file).returncode == CONFIGURATION


@pytest.mark.parametrize("content", [
    "", "[]", "a: [", "\t", "listeners: {}\npools: {}", "\x00", "a: &a [*a]",
    "listeners: []\nlisteners: []", "- - - -" * 2000], ids=range(9))
def test_a_file_that_is_no_configuration_is_a_configuration_error(tmp_path, content):
    file = tmp_path / "odd.yaml"
    file.write_text(content)
    checked = run_steelyard("check", file)
    assert checked.returncode == CONFIGURATION
    assert "odd.yaml" in checked.stderr + checked.stdout


def test_check_prints_every_default_in_a_form_that_loads(stage, tmp_path):
    file = tmp_path / "steelyard.yaml"
    Steelyard.write(_at(file), minimal(["127.0.0.1:9001"]))
    assert run_steelyard("check", file).returncode == OK
    printed = run_steelyard("check", file, "--print")
    assert printed.returncode == OK
    assert "first_byte" in printed.stdout and "shutdown_timeout" in printed.stdout
    again = tmp_path / "again.yaml"
    again.write_text(printed.stdout)
    second = run_steelyard("check", again, "--print")
    # Nothing is a default any more, every value is the same.
    assert (second.returncode, second.stdout) == (OK, printed.stdout.replace(" # default", ""))


@pytest.mark.parametrize("arguments, status", [
    (["--nonsense"], USAGE), (["serve"], USAGE), (["serve", "a", "b"], USAGE),
    (["check", "--nonsense", "a"], USAGE), (["fly"], USAGE), (["demo", "--seconds", "x"], USAGE),
    (["serve", "/nowhere/at-all.yaml"], MISSING), (["check", "/nowhere/at-all.yaml"], MISSING),
    (["check", "/"], MISSING), (["--help"], OK), (["--version"], OK)])
def test_command_lines(arguments, status):
    ended = run_steelyard(*arguments)
    assert ended.returncode == status
    said = ended.stdout if status == OK else ended.stderr
    assert said.strip()


def test_the_demonstration_ends_by_itself():
    ended = run_steelyard("demo", "--seconds", "6", timeout=60)
    assert ended.returncode == OK, ended.stderr[-2000:]
    assert len(ended.stdout.splitlines()) >= 3
    assert "\x1b" not in ended.stdout
