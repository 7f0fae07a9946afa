"""`steelyard top` in a real pseudo-terminal, looked at through a terminal emulator."""

import json
import os
import signal
import subprocess

import pytest
import screen
from loads import Load
from conftest import minimal
from endpoints import text
from programs import BINARY, free_port, run_steelyard, wait_for
from screen import CTRL_C, CTRL_Z, DOWN, END, ESC, Terminal, top

HOSTILE = "\u202eevil 漢字 \u200d"


def two_pools(stage, **more):
    """A pool of two live endpoints, one of three that are not there."""
    live = [stage.endpoint(text(name)) for name in (b"one", b"two")]
    configuration = minimal([one.address for one in live], weights={"law": "static"}, **more)
    configuration["pools"]["image"] = {
        "endpoints": ["10.99.0.1:80", "10.99.0.2:80", "10.99.0.3:80"],
        "weights": {"law": "static"}}
    configuration["listeners"][0] = {"listen": "127.0.0.1:0", "routes": [
        {"match": {"path_prefix": "/"}, "pool": "text"},
        {"match": {"path_prefix": "/image/"}, "pool": "image"}]}
    return live, stage.steelyard(configuration)


def order(terminal):
    """The addresses of the table as they stand on the screen; none where half of a picture has no
    table."""
    lines = terminal.lines
    start = next((i for i, line in enumerate(lines) if "endpoint" in line and "state" in line),
                 len(lines))
    found = []
    for line in lines[start + 1:]:
        words = [word for word in line.split() if ":" in word and word[-1].isdigit()]
        if not words or line.startswith("decisions"):
            break
        found.append(words[0])
    return found


def test_it_shows_pools_endpoints_and_traffic(stage):
    live, steelyard = two_pools(stage)
    stage.keep(Load(steelyard, 2, 0.02, "GET"))
    terminal = top(stage, steelyard, columns=160, rows=40)
    lines = lambda: [terminal.line(one.address) for one in live]
    terminal.wait(lambda _: all(line.split()[:1] == ["text"] and " ready " in line
                                for line in lines()), "the first picture")
    assert terminal.lines[0].startswith("steelyard ") and "ready" in terminal.lines[0]
    # Rates come with the traffic: the row has numbers where it had none.
    terminal.wait(
        lambda _: all("ms" in terminal.line(one.address) for one in live), "quantiles")
    assert "green" in terminal.colours()
    assert order(terminal)[:2] == [one.address for one in live]


def test_keys_choose_sort_filter_and_show_one_pool(stage):
    live, steelyard = two_pools(stage)
    run(steelyard, "weights", "pin", "10.99.0.2:80", "7")
    terminal = top(stage, steelyard, rows=36)
    terminal.wait("10.99.0.3:80", "the table")
    terminal.wait(lambda _: live[0].address in terminal.chosen(), "the first row to be chosen")
    terminal.type(DOWN + "jj")
    terminal.wait(lambda _: "10.99.0.2:80" in terminal.chosen(), "the fourth row")
    terminal.type("k\x1bOA")
    terminal.wait(lambda _: live[1].address in terminal.chosen(), "the second row")
    terminal.type(END)
    terminal.wait(lambda _: "10.99.0.3:80" in terminal.chosen(), "the last row")
    terminal.type("sssss")
    terminal.wait(lambda _: order(terminal)[:1] == ["10.99.0.2:80"], "the pinned one on top")
    # Who was chosen stays chosen wherever it goes.
    terminal.wait(lambda _: "10.99.0.3:80" in terminal.chosen(), "it to be drawn there")
    terminal.type("r")
    terminal.wait(lambda _: order(terminal)[-1:] == ["10.99.0.2:80"], "the other way round")
    terminal.type("/pinned\r")
    terminal.wait(lambda _: order(terminal) == ["10.99.0.2:80"], "only what is pinned")
    terminal.type(ESC)
    terminal.wait(lambda _: len(order(terminal)) == 5, "everybody again")
    terminal.type("p" + DOWN + "\r")
    terminal.wait(lambda _: sorted(order(terminal)) == sorted(
        one.address for one in live), "one pool")
    terminal.type("?")
    terminal.wait("any key goes back", "help")
    terminal.type("x")
    terminal.wait("endpoint", "the table again")


def run(steelyard, *words):
    host, port = steelyard.admin
    done = run_steelyard(*words, "--admin", f"{host}:{port}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def row(steelyard, address):
    pools = json.loads(run(steelyard, "weights", "--json"))["pools"]
    return next(one for pool in pools for one in pool["endpoints"] if one["address"] == address)


def test_drain_pin_and_undo_ask_first_and_change_the_fleet(stage):
    live, steelyard = two_pools(stage)
    address = live[1].address
    terminal = top(stage, steelyard)
    terminal.wait(address, "the table")
    terminal.type("jd")
    terminal.wait(f"drain {address} of pool text", "the question")
    terminal.type("n")
    terminal.wait("nothing was changed", "the answer to no")
    assert row(steelyard, address)["state"] == "ready"
    terminal.type("d")
    terminal.wait("(y/n)", "the question again")
    terminal.type("y")
    terminal.wait(f"{address}: drain: in force", "the order's answer")
    wait_for(lambda: row(steelyard, address)["state"] == "draining", "the drain")
    terminal.wait(lambda _: "draining" in terminal.line(address), "the state")
    terminal.type("u")
    terminal.wait(f"undo what was said of {address}", "the question")
    terminal.type("y")
    wait_for(lambda: row(steelyard, address)["state"] == "ready", "the drain's end")
    terminal.type("w0,5\r")
    terminal.wait("a weight is a number", "a word that is no weight")
    terminal.type("w0.9\x7f25\r")
    terminal.wait(f"pin {address} of pool text to weight 0.25?", "the question")
    terminal.type("y")
    wait_for(lambda: row(steelyard, address)["effective_weight"] == 0.25, "the pin")
    terminal.wait(lambda _: "pinned" in terminal.line(address), "the pin in the table")
    actions = [event["action"] for event in steelyard.events("tuning")]
    assert actions == ["drain", "reset", "pin 0.25"]


def test_what_is_pasted_is_no_order(stage):
    live, steelyard = two_pools(stage)
    terminal = top(stage, steelyard)
    terminal.wait(live[0].address, "the table")
    assert b"\x1b[?2004h" in terminal.raw
    terminal.type("\x1b[200~dy\x1b[201~j")
    terminal.wait(lambda _: live[1].address in terminal.chosen(), "the key after the paste")
    assert steelyard.events("tuning") == [] and "(y/n)" not in terminal.text


def test_orders_that_are_not_allowed_say_what_is_missing(stage):
    configuration = minimal(["127.0.0.1:9"])
    configuration["admin"]["write_token"] = {"env": "WRITE"}
    steelyard = stage.steelyard(configuration, environment={"WRITE": "write-token-0123456789"})
    terminal = top(stage, steelyard)
    terminal.wait("127.0.0.1:9", "the table")
    terminal.type("d")
    terminal.wait("changes need a token", "the hint")
    allowed = top(stage, steelyard, environment={"STEELYARD_TOKEN": "write-token-0123456789"})
    allowed.wait("127.0.0.1:9", "the table")
    allowed.type("dy")
    allowed.wait("drain: in force", "the order's answer")
    wrong = top(stage, steelyard, environment={"STEELYARD_TOKEN": "wrong-token-0123456789"})
    assert wrong.ended() == 77 and not wrong.is_alternate


def test_it_fits_every_screen(stage):
    live, steelyard = two_pools(stage)
    terminal = top(stage, steelyard, columns=200, rows=50)
    terminal.wait("reason", "a wide table")
    for columns, rows in [(40, 10), (80, 24), (20, 3), (1, 1), (300, 60), (40, 10)]:
        terminal.resize(columns, rows)
        terminal.wait(lambda text: "steelyard"[:columns] in text or rows == 1, "a new picture")
    # Nothing of larger pictures is left: each line is one of this picture.
    terminal.wait(
        lambda text: live[1].address in text and "state" in text and "reason" not in text
        and (terminal.lines[9].startswith("?") or "of 5" in terminal.lines[9]), "the small one")
    assert len(terminal.lines) == 10 and all(len(line) <= 40 for line in terminal.lines)
    terminal.resize(160, 40)
    terminal.wait("decisions" if "decisions" in terminal.text else "reason", "the wide one again")


@pytest.mark.parametrize("how", ["q", CTRL_C, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_however_it_ends_the_terminal_is_as_it_was(stage, how):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    terminal = top(stage, steelyard)
    terminal.wait("127.0.0.1:9", "the table")
    assert terminal.is_alternate and terminal.settings() != terminal.before
    terminal.type(how) if isinstance(how, str) else terminal.kill(how)
    assert terminal.ended() == 0
    assert terminal.settings() == terminal.before and not terminal.is_alternate
    for mode in (b"?25", b"?7"):
        assert terminal.raw.rfind(b"\x1b[%sh" % mode) > terminal.raw.rfind(b"\x1b[%sl" % mode)
    assert terminal.raw.rfind(b"\x1b[?2004l") > terminal.raw.rfind(b"\x1b[?2004h")


def test_a_rotation_of_logs_does_not_end_it(stage):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    terminal = top(stage, steelyard)
    terminal.wait("127.0.0.1:9", "the table")
    terminal.kill(signal.SIGUSR1)
    terminal.type("?")
    terminal.wait("any key goes back", "help")
    terminal.type("xq")
    assert terminal.ended() == 0


def test_ctrl_z_gives_the_terminal_back_and_fg_goes_on(stage):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    terminal = top(stage, steelyard)
    terminal.wait("127.0.0.1:9", "the table")
    terminal.type(CTRL_Z)
    terminal.stopped()
    assert terminal.settings() == terminal.before and not terminal.is_alternate
    terminal.screen.reset()
    terminal.kill(signal.SIGCONT)
    terminal.wait("127.0.0.1:9", "the picture again")
    assert terminal.is_alternate and terminal.settings() != terminal.before
    terminal.type("q")
    assert terminal.ended() == 0


def test_a_server_that_is_gone_is_told_and_comes_back(stage):
    configuration = minimal(["127.0.0.1:9"])
    configuration["admin"]["listen"] = f"127.0.0.1:{free_port()}"
    first = stage.steelyard(configuration)
    terminal = top(stage, first)
    terminal.wait("127.0.0.1:9 ", "the table")
    first.stop()
    terminal.wait("no answer since ", "word of the loss")
    line = next(y for y, text in enumerate(terminal.lines) if "127.0.0.1:9 " in text)
    assert "127.0.0.1:9 " in terminal.lines[line], "the last table stays"
    terminal.wait(lambda _: terminal.colours() <= {"red", "green"}, "it without other colours")
    terminal.type("d")
    terminal.wait("nothing can be changed now", "the answer to an order")
    stage.steelyard(configuration)
    terminal.wait(lambda text: "no answer" not in text, "the server's return")


def test_a_server_that_hangs_holds_up_no_key(stage):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9", "127.0.0.2:9"]))
    terminal = top(stage, steelyard)
    terminal.wait("127.0.0.2:9", "the table")
    steelyard.send_signal(signal.SIGSTOP)
    try:
        terminal.type("j")
        terminal.wait(lambda _: "127.0.0.2:9" in terminal.chosen(), "the second row")
        terminal.wait("did not answer within 5 s", "word of the loss")
        terminal.type("q")
        assert terminal.ended() == 0
    finally:
        steelyard.send_signal(signal.SIGCONT)


class Impostor:
    """Not steelyard: answers the status with what it was given."""

    def __init__(self, stage, content):
        def answer(exchange):
            exchange.read_content()
            exchange.answer(content)
        self.endpoint = stage.endpoint(answer)


def test_hostile_names_do_not_steer_the_terminal(stage):
    status = {"write": "open", "pools": [
        {"name": name, "endpoints": [{"address": address, "state": "ready"}]}
        for name, address in [("text", "127.0.0.1:9"), (HOSTILE, "127.0.0.2:9")]]}
    server = Impostor(stage, json.dumps(status).encode())
    command = ["top", "--admin", server.endpoint.address]
    terminal = stage.keep(Terminal([str(BINARY), *command], columns=160))
    terminal.wait(lambda _: all(
        "ready" in terminal.line(f"127.0.0.{n}:9 ") for n in (1, 2)), "the table")
    assert "\u202e" not in terminal.raw.decode() and "\u200d" not in terminal.raw.decode()
    line = next(line for line in terminal.lines if "127.0.0.2:9 " in line)
    assert line.startswith("\ufffdevil 漢"), line
    # A wide name moves nothing: addresses of both rows begin in the same column.
    cells = {}
    for y in range(terminal.screen.lines):
        shown = "".join(terminal.screen.buffer[y][x].data or "\0" for x in range(160))
        for address in ("127.0.0.1:9 ", "127.0.0.2:9 "):
            if address in shown and "ready" in shown:
                cells[address] = shown.index(address)
    assert len(cells) == 2 and len(set(cells.values())) == 1, terminal.text
    once = run_steelyard(*command, "--once").stdout
    assert "\u202e" not in once and "漢字" in once


@pytest.mark.parametrize("content", [
    b"{}", b"[]", b"", b"<html>", b'{"pools":[{"name":1}]}', b'{"pools":[' * 5000,
    b'{"pools":[],"version":"\xff\xfe"}'],
    ids=["object", "list", "nothing", "page", "number", "deep", "no UTF-8"])
def test_answers_that_are_no_status_are_refused(stage, content):
    server = Impostor(stage, content)
    for options in (["--once"], ["--json"]):
        done = run_steelyard("top", "--admin", server.endpoint.address, *options)
        assert (done.returncode, done.stdout) == (69, ""), done
        assert "not understood" in done.stderr


def test_a_strange_status_is_shown_without_harm(stage):
    strange = {
        "version": "9\u001b]0;owned\u0007", "time": 1e300, "uptime_seconds": -5, "future": {"a": 1},
        "write": "open", "pools": [{
            "name": "a\u001b[2Jb\u0000", "balance": "\u0085", "error_ratio": 1e308,
            "endpoints": [{"address": "10.0.0.1:80\r\nX", "state": "\u001b[31mready",
                           "effective_weight": 1e18, "p99_seconds": -1, "in_flight": 2 ** 70}]}],
        "decisions": [{"text": "\u009b31m", "time": -1e300}],
        "conditions": [{"severity": "\u0007", "alert": "x\u2028y"}]}
    server = Impostor(stage, json.dumps(strange).encode())
    done = run_steelyard("top", "--once", "--admin", server.endpoint.address)
    assert done.returncode == 0, done.stderr
    assert not [c for c in done.stdout if (c < " " and c != "\n") or "\x7f" <= c < "\xa0"
                or c == "\u2028"], done.stdout
    terminal = stage.keep(Terminal(
        [str(BINARY), "top", "--admin", server.endpoint.address], columns=100))
    terminal.wait("[31mready", "the table")
    assert b"\x1b]0;" not in terminal.raw and b"\x07" not in terminal.raw
    terminal.type("q")
    assert terminal.ended() == 0


def test_two_hundred_endpoints_scroll(stage):
    addresses = [f"127.0.{i // 100 + 1}.{i % 100 + 1}:9" for i in range(200)]
    steelyard = stage.steelyard(minimal(addresses, weights={"law": "static"}))
    terminal = top(stage, steelyard, rows=30)
    terminal.wait(addresses[0], "the table")
    terminal.wait("of 200", "where we are")
    assert addresses[199] not in terminal.text
    for _ in range(30):
        terminal.type(screen.PAGE_DOWN)
    terminal.wait(lambda _: addresses[199] in terminal.chosen(), "the last row")
    terminal.type("g")
    terminal.wait(lambda _: addresses[0] in terminal.chosen(), "the first row")
    # Sorted and filtered, all of them are looked at.
    terminal.type("/127.0.2.77")
    terminal.wait(lambda _: order(terminal) == ["127.0.2.77:9"], "one of the second hundred")


# --once and --json

def test_once_is_a_plain_table_and_json_the_status(stage):
    live, steelyard = two_pools(stage)
    once = run(steelyard, "top", "--once")
    assert "\x1b" not in once and all(len(line) <= 120 for line in once.splitlines())
    lines = once.splitlines()
    assert lines[0].startswith("steelyard ")
    for address in [one.address for one in live] + ["10.99.0.3:80"]:
        assert sum(address in line and "ready" in line for line in lines) == 1, once
    assert run(steelyard, "top").splitlines()[0].startswith("steelyard "), "no terminal: once"
    only = run(steelyard, "top", "--once", "--pool", "image")
    assert live[0].address not in only and "10.99.0.1:80" in only
    status = json.loads(run(steelyard, "top", "--json"))
    assert [pool["name"] for pool in status["pools"]] == ["image", "text"] or [
        pool["name"] for pool in status["pools"]] == ["text", "image"]
    assert {"version", "decisions", "conditions"} <= set(status)


def test_once_sorts(stage):
    live, steelyard = two_pools(stage)
    run(steelyard, "weights", "pin", "10.99.0.2:80", "7")

    def first():
        lines = run(steelyard, "top", "--once", "--sort", "weight").splitlines()
        return next(line for line in lines if ":80 " in line or live[0].address in line)

    wait_for(lambda: "10.99.0.2:80" in first(), "the pinned one on top")


@pytest.mark.parametrize("environment, is_coloured", [
    ({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False),
    ({"TERM": None}, False)])
def test_colours_on_a_terminal_only(stage, environment, is_coloured):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    terminal = top(stage, steelyard, "--once", environment=environment)
    assert terminal.ended() == 0
    assert "127.0.0.1:9" in terminal.text
    assert (b"\x1b" in terminal.raw) == is_coloured
    # The whole screen needs escape sequences, but no colours.
    if environment.get("TERM", "xterm") != "xterm":
        return
    whole = top(stage, steelyard, environment=environment)
    whole.wait("127.0.0.1:9", "the table")
    whole.wait(
        lambda _: bool(whole.colours()) == is_coloured and whole.chosen(), "a chosen row")


@pytest.mark.parametrize("words, code, part", [
    (["--sort", "pp99"], 64, "did you mean `p99`"), (["--interval", "1h"], 64, "200ms to 1m"),
    (["--interval", "-1s"], 64, "200ms to 1m"), (["text"], 64, "--pool"),
    (["--onec"], 64, "did you mean --once"), (["--once=1"], 64, "takes no value"),
    (["--pool", "nix", "--once"], 65, "no pool nix"),
    (["--admin", "127.0.0.1:1"], 69, "nobody answers")])
def test_wrong_words_are_told(module_stage, words, code, part):
    if not module_stage.running:
        module_stage.steelyard(minimal(["127.0.0.1:9"]))
    (steelyard,) = module_stage.running
    host, port = steelyard.admin
    if "--admin" not in words:
        words = [*words, "--admin", f"{host}:{port}"]
    done = run_steelyard("top", *words)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert part in done.stderr, done.stderr


def test_a_closed_pipe_is_no_crash(stage):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    host, port = steelyard.admin
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [str(BINARY), "top", "--once", "--admin", f"{host}:{port}"], stdout=writer,
        stderr=subprocess.PIPE, timeout=60, restore_signals=True)
    os.close(writer)
    assert done.returncode in (0, -signal.SIGPIPE) and not done.stderr
