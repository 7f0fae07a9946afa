"""Secret values of header fields: they reach who they are for, and stand nowhere else."""

import signal
import subprocess

from conftest import minimal
from endpoints import text
from programs import BINARY, run_steelyard, wait_for
from wire import Connection

SECRET, OTHER, ENV = "Zq7xSECRETvalue9", "Yw8yOTHERvalue77", "Xe5zENVvalue12345"


def written(configuration):
    """A configuration as people write it; Python's dictionaries are YAML's flow style."""
    return "".join(f"{key}: {value!r}\n".replace("True", "true") for key, value in
                   configuration.items())


def test_a_faulty_reload_shows_no_secret(stage):
    endpoint = stage.endpoint(text())
    steelyard = stage.steelyard(minimal([endpoint.address]))
    faulty = minimal(
        [endpoint.address], health={"headers": {"Authorization": f"Bearer {SECRET}"}, "intervall": 1})
    steelyard.write(written(faulty))
    with Connection(steelyard.admin) as connection:
        answer = connection.exchange("POST", "/api/v1/reload")
    assert answer.status == 422
    said = answer.content.decode()
    assert "intervall" in said and "Authorization" in said and SECRET not in said
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: len(steelyard.events("configuration error")) >= 2, "the errors")
    log = steelyard.text()
    assert "Authorization" in log and SECRET not in log


def test_check_and_print_show_no_secret(tmp_path):
    good = minimal(["127.0.0.1:1"], health={"headers": {"Authorization": f"Bearer {SECRET}"}})
    for broken in ("", "}"):
        file = tmp_path / "steelyard.yaml"
        file.write_text(written(good) + broken)
        done = subprocess.run(
            [BINARY, "check", "--print", file], capture_output=True, text=True, timeout=60)
        assert (done.returncode == 0) == (broken == ""), done.stderr
        assert "Authorization" in done.stdout + done.stderr or broken
        assert SECRET not in done.stdout + done.stderr


def test_values_come_from_files_and_the_environment_and_are_read_again(stage, tmp_path):
    key = tmp_path / "server.key"
    key.write_text(f"Bearer {SECRET}\n")
    key.chmod(0o600)
    endpoint, hook = stage.endpoint(text()), stage.endpoint(text())
    configuration = minimal(
        [endpoint.address],
        health={"interval": "300ms", "timeout": "250ms", "headers": {
            "Authorization": {"file": str(key)}, "X-Key": {"env": "SERVER_KEY"}}})
    configuration["hooks"] = [{
        "on": ["config_reloaded"], "post": f"http://{hook.address}/?token={SECRET}",
        "headers": {"X-Key": {"env": "SERVER_KEY"}}}]
    steelyard = stage.steelyard(configuration, environment={"SERVER_KEY": ENV})

    def checked(value):
        return [one for one in endpoint.requests if one.one("Authorization") == value]

    (first, *_) = wait_for(lambda: checked(f"Bearer {SECRET}"), "a check")
    assert first.one("X-Key") == ENV
    key.write_text(f"Bearer {OTHER}")
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: checked(f"Bearer {OTHER}"), "a check with the new value")
    (posted, *_) = wait_for(lambda: list(hook.requests), "the hook")
    assert posted.one("X-Key") == ENV
    # A value that is gone refuses the reload: what was read stays in use.
    key.unlink()
    with Connection(steelyard.admin) as connection:
        answer = connection.exchange("POST", "/api/v1/reload")
    assert answer.status == 409 and b"header `Authorization` of the checks" in answer.content
    assert answer.content.count(str(key).encode()) == 1
    log = wait_for(lambda: "hook done" in steelyard.text() and steelyard.text(), "the hook's end")
    for secret in (SECRET, OTHER, ENV):
        assert secret not in log and secret.encode() not in answer.content
    assert run_steelyard("explain", "--json", "--admin", "%s:%s" % steelyard.admin).returncode == 0
