"""Configuration from several files, the environment and files of values, through the real program."""

import json

from conftest import minimal
from endpoints import text
from programs import run_steelyard

OK, CONFIGURATION = 0, 78

MAIN = """
include: ["pools/*.yaml"]
defaults: {pool: {balance: round_robin, host: {file: HOST}}}
admin: {listen: "127.0.0.1:0"}
workers: ${TEST_WORKERS:-1}
listeners: [{listen: "127.0.0.1:0", pool: text}]
"""


def answer(steelyard):
    with steelyard.connect() as connection:
        return connection.exchange("GET", "/").content


def written(directory, address):
    (directory / "pools").mkdir()
    (directory / "host").write_text("inside.example\n")
    (directory / "steelyard.yaml").write_text(MAIN.replace("HOST", str(directory / "host")))
    (directory / "pools/a.yaml").write_text(
        f'pools: {{text: {{endpoints: [{{address: "{address}", name: first}}]}}}}\n')
    return directory / "steelyard.yaml"


def test_check_reads_all_files_and_says_which(tmp_path):
    main = written(tmp_path, "10.0.0.1:1")
    done = run_steelyard("check", main)
    assert done.returncode == OK, done.stderr
    assert done.stdout.splitlines() == [
        f"{main}: ok, 1 listener(s), 1 pool(s), 1 endpoint(s)",
        f"{tmp_path}/pools/a.yaml: included"]
    printed = run_steelyard("check", "--print", main).stdout
    assert "balance: round_robin\n" in printed and "name: first\n" in printed
    assert f'host: {{file: "{tmp_path}/host"}}\n' in printed and "inside.example" not in printed
    (tmp_path / "again.yaml").write_text(printed)
    assert run_steelyard("check", tmp_path / "again.yaml").returncode == OK


def test_faults_are_shown_in_their_file(tmp_path):
    main = written(tmp_path, "10.0.0.1:1")
    (tmp_path / "pools/b.yaml").write_text(
        'pools:\n  text: {endpoints: ["10.0.0.2:1"]}\n  b: {endpoints: ["${TEST_UNSET}:1"]}\n')
    done = run_steelyard("check", main)
    assert done.returncode == CONFIGURATION
    assert f"{tmp_path}/pools/b.yaml:2:3: error: `text` is given twice; first in line 1 of " \
           f"`{tmp_path}/pools/a.yaml`" in done.stderr
    assert f"{tmp_path}/pools/b.yaml:3:19: error: the environment variable `TEST_UNSET` is not set" \
        in done.stderr


def test_a_reload_reads_all_files_again(stage, tmp_path):
    one, two = stage.endpoint(text(b"one")), stage.endpoint(text(b"two"))
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "pool.yaml").write_text(json.dumps(
        {"pools": {"text": {"endpoints": [one.address], "host": "${TEST_HOST}"}}}))
    main = minimal([]) | {"include": [f"{directory}/*.yaml"]}
    del main["pools"]
    steelyard = stage.steelyard(main, {"TEST_HOST": "inside.example"})
    assert answer(steelyard) == b"one"
    (directory / "pool.yaml").write_text(json.dumps(
        {"pools": {"text": {"endpoints": [two.address], "host": "${TEST_HOST}"}}}))
    assert f"endpoint {two.address} of pool text added" in steelyard.reload().stdout
    assert answer(steelyard) == b"two"
    (directory / "pool.yaml").write_text("pools: {text: {endpoints: [x]}}\n")
    done = steelyard.reload()
    assert done.returncode != OK and f"{directory}/pool.yaml:1:28: error: " in done.stderr
    assert answer(steelyard) == b"two"
