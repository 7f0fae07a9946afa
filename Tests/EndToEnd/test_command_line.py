"""Every command's help, options, completion in real shells, and the manual page."""

import json
import os
import re
import signal
import subprocess

import pytest
from conftest import minimal
from endpoints import text
from programs import BINARY, ROOT, find, run_steelyard
from screen import Terminal

USAGE, REFUSED, CANNOT_CREATE = 64, 65, 73
OVERVIEW = run_steelyard("--help").stdout
COMMANDS = re.findall(r"^  ([a-z]+)(?: \S+)?  +\S", OVERVIEW, re.M)
# What a value has to be for its option's parser to go on to the next complaint.
VALUES = {"--balance": "random", "--fault": "1:slow@1", "--preset": "vllm", "--seeds": "1",
          "--policies": "round_robin", "--admin": "127.0.0.1:1", "--token-file": "/dev/null",
          "--interval": "1s", "--timeout": "1s", "--sort": "p99"}


def options(command):
    """Its options in its help: name and whether it takes a value."""
    text = run_steelyard(command, "--help").stdout
    block = re.search(r"^options:\n((?:  .*\n)+)", text, re.M)
    return re.findall(r"^  (--[a-z-]+)( [A-Z0-9,]+)?(?:  |$)", block.group(1), re.M) if block else []


def test_the_overview_has_the_commands():
    assert len(COMMANDS) == len(set(COMMANDS)) >= 14, COMMANDS
    assert {"serve", "check", "top", "weights", "demo", "completion", "help"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_usage_and_examples(command):
    for words in ([command, "--help"], [command, "-h"], ["help", command],
                  [command, "--nonsense", "--help"]):
        done = run_steelyard(*words)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert done.stdout.startswith(f"usage: steelyard {command}"), words
        assert "\nexamples:\n  " in done.stdout and "exit codes: 0" in done.stdout
        assert all(len(line) <= 100 for line in done.stdout.splitlines())
        assert "\x1b" not in done.stdout
    # What the usage names is explained, and the other way round.
    usage, rest = done.stdout.split("\n\n", 1)
    for name in re.findall(r"--[a-z-]+", usage):
        assert re.search(rf"^  {name}\b", rest, re.M), f"{name} is not explained"


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_the_help_are_those_of_the_parser(command):
    found = options(command)
    for name, value in found:
        if name in ("--man", "--list-policies", "--markdown"):
            continue
        words = [name] + ([VALUES.get(name, "1")] if value else [])
        # A word too much, or a file that is not there: nothing is done.
        done = run_steelyard(command, *words, "/nonexistent/a", "/nonexistent/b", timeout=10)
        assert f"unknown option {name}" not in done.stderr, (command, name, done.stderr)
        assert done.returncode != 0, (command, name)
        if value:
            assert run_steelyard(command, name, timeout=10).returncode == USAGE, (command, name)
        else:
            done = run_steelyard(command, f"{name}=1")
            assert done.returncode == USAGE and "takes no value" in done.stderr
    unknown = run_steelyard(command, "--zzzzzz")
    assert (unknown.returncode, unknown.stdout) == (USAGE, "")
    assert "unknown option --zzzzzz" in unknown.stderr and "did you mean" not in unknown.stderr


def test_parsers_know_no_option_that_the_help_does_not_have():
    shown = {name for command in COMMANDS for name, _ in options(command)} | {
        "--help", "--version"}
    for file in (ROOT / "Sources").rglob("*.swift"):
        if any(room in file.parts for room in ("Balancer", "LoadBench", "SocketRace", "ControlBench",
                                               "InstructionBench", "ExpositionBench")):
            continue
        for line in file.read_text().splitlines():
            if line.strip().startswith("case "):
                assert set(re.findall(r'"(--[a-z-]+)"', line)) <= shown, f"{file}: {line}"


@pytest.mark.parametrize("words, part", [
    (["wieghts"], "no command wieghts; did you mean `weights`?"),
    (["tpo"], "did you mean `top`?"), (["xyzzy"], "no command xyzzy;"),
    (["help", "xyzzy"], "not xyzzy"), (["weights", "--jsno"], "did you mean --json?"),
    (["drain", "--dedline", "1m"], "did you mean --deadline?"),
    (["demo", "--second=3"], "did you mean --seconds?"),
    (["weights", "--token-flie", "x"], "did you mean --token-file?"),
    (["completion"], "SHELL is missing"), (["completion", "tcsh"], "bash, zsh, fish"),
    (["check", "a", "b"], "unexpected word b; usage: steelyard check FILE"),
    (["drain", "a", "--for", "soon"], "--for takes a time from 1ms to 8760h, not soon"),
    (["weights", "pin", "a"], "usage: steelyard weights pin ENDPOINT WEIGHT")])
def test_wrong_words_get_a_guess(words, part):
    done = run_steelyard(*words)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert part in done.stderr
    command = words[0] + " " if words[0] in COMMANDS else ""
    assert done.stderr.endswith(f"; see: steelyard {command}--help\n"), done.stderr


# Colours

@pytest.mark.parametrize("words", [
    ["check", str(ROOT / "config/minimal.yaml")], ["check", "/nonexistent"], ["--help"], ["presets"],
    ["metrics"], ["help", "top"], ["weights", "--admin", "127.0.0.1:1"]])
def test_plain_commands_are_plain_on_a_terminal_too(stage, words):
    terminal = stage.keep(Terminal([str(BINARY), *words], columns=160))
    terminal.ended()
    assert terminal.raw and b"\x1b" not in terminal.raw


@pytest.mark.parametrize("environment, is_whole", [
    ({}, True), ({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, False)])
def test_the_demo_keeps_to_what_the_terminal_can(stage, environment, is_whole):
    terminal = stage.keep(Terminal(
        [str(BINARY), "demo", "--seconds", "1"], columns=160, environment=environment))
    assert terminal.ended() == 0
    assert (b"\x1b[?1049h" in terminal.raw) == is_whole == (b"\x1b" in terminal.raw)
    assert terminal.settings() == terminal.before and not terminal.is_alternate
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9]", terminal.raw), "it has no colours"
    assert b"static" in terminal.raw and b"dynamic" in terminal.raw


# Completion

FILES = {"bash": "steelyard.bash", "zsh": "_steelyard", "fish": "steelyard.fish"}


@pytest.mark.parametrize("shell", FILES)
def test_committed_completions_are_those_of_the_program(shell):
    text = run_steelyard("completion", shell).stdout
    file = ROOT / "config/completions" / FILES[shell]
    assert file.read_text() == text, "make docs"
    for command in COMMANDS:
        assert command in text
        for name, _ in options(command):
            assert name[2:] in text, (command, name)


@pytest.fixture
def shells(stage, tmp_path):
    """Asks a real shell what may stand at the end of a line."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "steelyard").symlink_to(BINARY)
    steelyard = stage.steelyard(minimal(["127.0.0.1:9", "127.0.0.2:9"]))
    host, port = steelyard.admin
    work = tmp_path / "work"
    work.mkdir()
    (work / "fleet one.yaml").touch()
    environment = {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "TERM": "dumb",
                   "STEELYARD_ADMIN": f"{host}:{port}", "HOME": str(work),
                   "XDG_CONFIG_HOME": str(work), "XDG_DATA_HOME": str(work)}

    def ask(shell, line, **more):
        made = run_steelyard("completion", shell).stdout
        file = tmp_path / FILES[shell]
        file.write_text(made)
        command = {
            "bash": ["bash", "--norc", "--noprofile", "-c", BASH, "bash"],
            "zsh": ["zsh", "-f", "-c", ZSH, "zsh"], "fish": ["fish", "--no-config", "-c", FISH]}
        done = subprocess.run(
            [find(shell), *command[shell][1:], str(file), line],
            capture_output=True, text=True, timeout=60, cwd=work,
            env={**environment, **more})
        return sorted(set(done.stdout.split("\n")) - {""})

    return ask


BASH = r"""
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
read -ra COMP_WORDS <<<"$2"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_steelyard
printf '%s\n' "${COMPREPLY[@]}"
"""
FISH = r"""source $argv[1]; complete -C $argv[2] | string replace -r '\t.*' ''"""
# A zsh in a terminal of its own completes the line; what it would offer is told by compadd.
ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
() {
  zpty -w z "$1"
  repeat 8 { zpty -r -m z REPLY '*ready-for-more*' && break }
} "PS1= ; autoload -Uz compinit; fpath=(${1:h} \$fpath); compinit -u -D; source $1 2>/dev/null
compadd () {
  local -a given; local word
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd \"\$@\"; return; fi
  typeset -a __hits; builtin compadd -A __hits \"\$@\"
  for word in \$__hits; do print -r -- \"<\$word>\"; done
  builtin compadd \"\$@\"
}
zstyle ':completion:*' list-prompt ''; LISTMAX=10000; bindkey '^I' complete-word
bindkey '^X' send-break; print ready-'for'-more"
zpty -w -n z "$2"$'\t'
# All that comes until nothing came for a while.
integer quiet
while (( quiet < 12 )); do
  if zpty -r -t z REPLY; then print -r -- "${REPLY//$'\r'/}"; quiet=0; else (( ++quiet )); fi
  sleep .1
done | grep -o '<[^>]*>' | tr -d '<>'
zpty -d z
"""

LINES = [
    ("steelyard w", ["weights"]), ("steelyard pro", ["probe"]),
    ("steelyard weights --j", ["--json"]), ("steelyard weights re", ["reset"]),
    ("steelyard top --sort p", ["p50", "p99", "pool"]),
    ("steelyard top --pool ", ["text"]), ("steelyard explain te", ["text"]),
    ("steelyard weights freeze ", ["text"]), ("steelyard presets show vl", ["vllm"]),
    ("steelyard demo --balance ra", ["random"]), ("steelyard completion fi", ["fish"]),
    ("steelyard drain 127.0.0.2", ["127.0.0.2:9"]),
    ("steelyard help wei", ["weights"]),
]


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_completes(shells, shell):
    for line, expected in LINES:
        found = [word.rstrip() for word in shells(shell, line)]
        # bash replaces what stands behind the last colon only; nothing was typed up to it here.
        assert found == expected, (shell, line)
    assert shells(shell, "steelyard check fl") == ["fleet one.yaml"], "files"
    assert set(COMMANDS) <= set(shells(shell, "steelyard "))


def test_bash_completes_behind_a_colon(shells):
    assert shells("bash", "steelyard drain 127.0.0.2:") == ["9"]
    assert shells("bash", "steelyard weights --admin 127.0.0.1:1 --pool t") == ["text"]


def test_zsh_completes(shells):
    for line, expected in [LINES[4], LINES[7], LINES[11]]:
        found = shells("zsh", line)
        assert set(expected) <= set(found), (line, found)
        assert not [word for word in found if word not in expected and word in COMMANDS], found


@pytest.mark.parametrize("words", [
    ["presets"], ["metrics"], ["help", "--man"], ["check", "--print", "config/minimal.yaml"],
    ["top", "--json"], ["weights"]])
def test_words_that_are_lost_are_no_success(stage, words):
    """A full disk under standard output; a reader that has had enough is well."""
    if words[0] in ("top", "weights"):
        steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
        words = [*words, "--admin", "{}:{}".format(*steelyard.admin)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [BINARY, *words], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == CANNOT_CREATE, done.stderr
    assert "cannot write to standard output: No space left on device" in done.stderr
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [BINARY, *words], cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode in (0, -signal.SIGPIPE) and done.stderr == ""


STRANGE = "a\x1b]0;owned\x07\n\x9b31mb\u202e"


@pytest.mark.parametrize("words, status, answer", [
    (["weights"], 200, {"pools": [{
        "name": STRANGE, "law": STRANGE, "balance": STRANGE, "frozen": False,
        "dry_run": False, "endpoints": [{
            "address": "127.0.0.1:9", "state": STRANGE, "backup": False,
            "base_weight": 1, "target_weight": 1, "effective_weight": 1, "weight_share": 1, "reason": STRANGE,
            "reason_text": STRANGE, "in_flight": 0, "completed": 0, "failed": 0}]}]}),
    (["explain", "text"], 200, STRANGE),
    (["reload"], 200, {"changes": [STRANGE]}),
    (["weights", "freeze", "text"], 200, {"result": STRANGE}),
    (["reload"], 409, {"title": "x", "status": 409, "detail": STRANGE, "errors": [STRANGE]}),
    (["reload"], 409, STRANGE)])
def test_a_strange_server_does_not_steer_the_terminal(stage, words, status, answer):
    content = answer if isinstance(answer, str) else json.dumps(answer)
    server = stage.endpoint(text(content.encode(), status=status))
    done = run_steelyard(*words, "--admin", server.address)
    assert done.returncode == (0 if status == 200 else REFUSED), done.stderr
    shown = done.stdout + done.stderr
    assert "owned" in shown and "31mb" in shown
    assert not [c for c in shown if (c < " " and c != "\n") or "\x7f" <= c < "\xa0"
                or c == "\u202e"], shown


def test_nobody_at_the_admin_address_holds_up_no_shell(shells):
    assert shells("bash", "steelyard drain 1", STEELYARD_ADMIN="127.0.0.1:1") == []
    done = run_steelyard("completion", "endpoints", "--admin", "127.0.0.1:1", timeout=5)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# The manual page

def test_the_committed_manual_page_is_that_of_the_program():
    page = run_steelyard("help", "--man").stdout
    assert (ROOT / "docs/steelyard.1").read_text() == page, "make docs"
    for command in COMMANDS:
        assert f'.SS "{command}"' in page
        for name, _ in options(command):
            assert name.replace("-", "\\-") in page
    for section in ["NAME", "SYNOPSIS", "COMMANDS", "FILES", "ENVIRONMENT", "SIGNALS",
                    "EXIT STATUS", "SEE ALSO"]:
        assert re.search(rf'^\.SH "?{section}', page, re.M), section


def test_the_manual_page_is_well_formed():
    file = ROOT / "docs/steelyard.1"
    mandoc = subprocess.run(
        [find("mandoc"), "-Tlint", "-Wwarning", file], capture_output=True, text=True, timeout=30)
    assert (mandoc.returncode, mandoc.stdout) == (0, "")
    groff = subprocess.run(
        [find("groff"), "-man", "-ww", "-z", file], capture_output=True, text=True, timeout=30)
    assert (groff.returncode, groff.stderr) == (0, "")
    shown = subprocess.run(
        [find("mandoc"), "-Tutf8", file], capture_output=True, text=True, timeout=30).stdout
    assert "weights follow" in shown and "--token-file FILE" in re.sub(".\b", "", shown)


def test_the_readmes_first_file_is_good(tmp_path):
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    file = tmp_path / "steelyard.yaml"
    file.write_text(block)
    done = run_steelyard("check", file)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert all(word in block for word in ("idempotent: true", "health:", "max_concurrent: slots"))
