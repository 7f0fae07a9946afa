"""The house rules that a machine can check (CONTRIBUTING.md says why)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = [ROOT / "Sources", ROOT / "Benchmarks"]
SOURCES = sorted(file for place in PLACES for file in place.rglob("*.swift"))
FUZZ = sorted((ROOT / "Fuzz").rglob("*.swift"))
SWIFT = SOURCES + FUZZ + sorted((ROOT / "Tests").rglob("*.swift"))
NAMES = [str(file.relative_to(ROOT)) for file in SOURCES]

DOCUMENT = (ROOT / "docs/architecture.md").read_text()
MANIFEST = (ROOT / "Package.swift").read_text()


def rows(*header):
    """The rows of the document's tables whose header begins with these columns."""
    tables = re.findall(r"(?:^\|.*\n)+", DOCUMENT, re.M)
    cells = [[[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
             for table in tables]
    return [row for table in cells if tuple(table[0][:len(header)]) == header for row in table[2:]]


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


# What a room imports, and who makes system calls outside of IO: the document's tables say.
ROOMS = {quoted(name)[0]: set(quoted(imports))
         for name, _, imports, *_ in rows("room", "owns", "imports")}
CALLERS = {name: {call.strip() for call in calls.split(",")}
           for files, calls, _ in rows("file", "calls") for name in quoted(files)}
# What stands in the code for a system call, or for a question to the process's surroundings.
CALLS = {
    "mmap": r"\bsy_map\(", "munmap": r"\bsy_unmap\(", "read": r"\bsy_read\(",
    "write": r"\bsy_write\(", "poll": r"\bsy_poll\(", "ioctl": r"\bsy_terminal_\w+\(",
    "signal": r"\bsy_ignore_\w+\(|\bsigaction\(", "exit": r"(?<![.\w])_?exit\(",
    "other": r"\bsy_(?!map|unmap|read|write|poll|terminal_|ignore_|memchr|http_date|time_of_day"
             r"|timestamp|gzip|gunzip)\w+\(",
    **{name: rf"(?<![.\w]){name}\(" for name in (
        "tcgetattr", "tcsetattr", "isatty", "kill", "getpid", "getenv", "setenv", "getrlimit",
        "setrlimit", "sysconf", "socket", "fork", "execve", "waitpid", "posix_spawn", "fopen",
        "popen", "clock_gettime", "nanosleep", "usleep", "getaddrinfo", "mprotect", "unlink",
        "prctl", "pthread_create", "epoll_wait", "getrusage", "stat", "umask", "fcntl")},
}
OURS = set(ROOMS) | {"CNghttp2", "COpenSSL", "CSystem", "CYAML", "CZlib"}
# Files that may touch I/O in rooms whose decisions are pure.
MAY_IMPORT_IO = re.compile(
    r"(Driver|BlockingClient|ClientOutcome|ClientSecurity|Worker(\+\w+|Plan(\+TLS)?|Control|Wakeups)?|TLSMetrics|FailureReason|\bExchange|Balancer|HTTPDate|StreamIDs|Stream|StreamLoop(\+\w+)?|Session|ConnectionLoop|Downstream|Upstream|ConnectionSlab|IdleStore|World|Terminal)\.swift$")
# What the words of a HOT PATH line rule out.
COLD = {
    "no lock": r"\bMutex\b|\.withLock\b",
    "no existential": r"\bany [A-Z]",
    "no clock": r"\bClock\.(now|wall)\b",
    "no allocation": r"\bString\(|\bDictionary\b",
}


def code(text):
    """Without comments and string literals."""
    return re.sub(r'//.*|"(?:[^"\\]|\\.)*"', "", text)


def imports(file):
    return set(re.findall(r"^(?:\w+ )?import (\w+)", file.read_text(), re.M)) & OURS


@pytest.mark.parametrize("file", SOURCES + FUZZ, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_says_what_it_decides(file):
    first = file.read_text().splitlines()[0]
    assert first.startswith("//") or len(file.read_text().splitlines()) < 10


def test_files_and_lines_have_an_end():
    for file in SWIFT:
        lines = file.read_text().splitlines()
        assert len(lines) <= 500, f"{file}: {len(lines)} lines"
        for number, line in enumerate(lines, 1):
            assert len(line) <= 100 or '"' in line or file not in SOURCES, f"{file}:{number}: {len(line)} columns"


def dependencies():
    """What Package.swift lets a room import, by the directory's name."""
    found = {}
    for name, needed, rest in re.findall(
            r'(?:\broom\(|\.executableTarget\(\s*name:)\s*"([\w-]+)",\s*(?:dependencies:\s*)?'
            r'\[([^]]*)\]((?:,\s*path: "[^"]+")?)', MANIFEST):
        path = re.search(r'"\w+/(\w+)"', rest)
        found[path.group(1) if path else name] = set(re.findall(r'"(\w+)"', needed))
    return found


def test_every_room_is_in_the_document():
    assert set(ROOMS) == {name.split("/")[1] for name in NAMES}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_what_the_document_says(room):
    found = set()
    for file in [file for place in PLACES for file in (place / room).rglob("*.swift")]:
        extra = imports(file) - ROOMS[room]
        assert not extra, f"{file} imports {extra}, docs/architecture.md does not say so"
        found |= imports(file)
        if room in ("Balancer", "Client", "Controller", "Demo", "Events", "Terminal") and "IO" in imports(file):
            assert MAY_IMPORT_IO.search(file.name), f"{file} is pure, but imports IO"
    assert found == ROOMS[room], "docs/architecture.md says more than the sources import"
    assert dependencies()[room] == ROOMS[room], "Package.swift and docs/architecture.md differ"


def test_the_document_names_who_makes_system_calls():
    found = {}
    for file in SOURCES:
        _, room, name = str(file.relative_to(ROOT)).split("/", 2)
        if room in ("IO", "LoadBench"):
            continue
        text = code(file.read_text())
        calls = {call for call, pattern in CALLS.items() if re.search(pattern, text)}
        if calls:
            found[f"{room}/{name}"] = calls
    assert found == CALLERS


def test_hot_paths_hold_nothing_cold():
    count = 0
    for file in SOURCES:
        text = file.read_text()
        for line in re.findall(r"^// HOT PATH: (.*)$", text, re.M):
            count += 1
            for words, pattern in COLD.items():
                found = re.search(pattern, code(text)) if words in line else None
                assert not found, f"{file} says {words!r} and holds {found.group()!r}"
    assert count > 10


def test_unchecked_promises_say_why_they_are_safe():
    for file in SOURCES + FUZZ:
        text = file.read_text()
        promises = len(re.findall(r"@unchecked Sendable|nonisolated\(unsafe\)", code(text)))
        assert text.count("SAFETY:") >= promises, file


def test_no_package_dependency_and_no_unsafe_flags():
    assert ".package(" not in MANIFEST and "unsafeFlags" not in MANIFEST
    assert ".treatAllWarnings(as: .error)" in MANIFEST


def test_the_program_exports_families_of_its_catalogue_only():
    for file in SOURCES:
        if {"steelyard", "Metrics", "Admin"} & set(file.parts[len(ROOT.parts):]) and not file.name.startswith("Catalogue"):
            assert "MetricFamily(" not in code(file.read_text()), f"{file}: belongs in Catalogue*"


def test_tables_of_documents_are_tables():
    """A header, a line of dashes, and as many columns in every row: else it is shown as text."""
    count = 0
    for file in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = re.sub(r"^```.*?^```", "", file.read_text(), flags=re.M | re.S)
        for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
            rows = table.splitlines()
            assert len(rows) > 1 and re.fullmatch(r"\|[\s:|-]+\|", rows[1]), f"{file}: {rows[0]}"
            columns = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
            assert len(columns) == 1, f"{file}: {rows[0]}"
            count += 1
    assert count > 50


def test_end_to_end_tests_do_not_import_each_other():
    for file in (ROOT / "Tests/EndToEnd").glob("*.py"):
        found = re.search(r"^(?:from|import) (test_\w+)", file.read_text(), re.M)
        assert not found, f"{file} imports {found.group(1)}: put it into a module beside them"
