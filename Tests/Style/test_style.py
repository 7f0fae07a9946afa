"""The house rules that a machine can check (CONTRIBUTING.md says why)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "Sources").rglob("*.swift"))
SWIFT = SOURCES + sorted((ROOT / "Tests").rglob("*.swift"))
NAMES = [str(file.relative_to(ROOT)) for file in SOURCES]

# Who may import whom; rooms that are not named import nothing of ours but Primitives.
ROOMS = {
    "IO": {"CSystem"}, "HTTP": {"CSystem"}, "Exposition": {"CSystem"}, "Fleet": set(),
    "Configuration": {"CYAML", "Fleet"},
    "Status": {"Exposition", "Fleet"},
    "Manual": set(), "StatusPage": set(),
    "Terminal": {"CSystem", "IO"},
    "Controller": {"CSystem", "CZlib", "Exposition", "Fleet", "HTTP", "IO"},
    "Balancer": {"CSystem", "Exposition", "Fleet", "HTTP", "IO"},
    "Events": {"CSystem", "Fleet", "HTTP", "IO"},
    "Metrics": {"Balancer", "Controller", "Events", "Exposition", "Fleet", "HTTP", "IO", "Status"},
    "Admin": {
        "Balancer", "CSystem", "CZlib", "Configuration", "Controller", "Events", "Exposition", "Fleet",
        "HTTP", "IO", "Metrics", "Status", "StatusPage"},
    "Demo": {"CSystem", "Exposition", "Fleet", "HTTP", "IO"},
    "Simulation": {"Balancer", "Configuration", "Controller", "Exposition", "Fleet"},
    "ControlBench": {"Controller", "Fleet", "Simulation"},
    "InstructionBench": {"Balancer", "CSystem", "Exposition", "Fleet", "HTTP", "IO"},
    "SocketRace": {"CSystem", "Demo", "IO"},
    "LoadBench": {"CSystem", "HTTP", "IO"},
}
OURS = set(ROOMS) | {"CSystem", "CYAML", "CZlib", "Primitives"}
# Files that may touch I/O in rooms whose decisions are pure.
MAY_IMPORT_IO = re.compile(
    r"(Driver|Worker(\+\w+|Plan|Control|Wakeups)?|Channel|\bExchange|Balancer|HTTPDate|World|Terminal)\.swift$")
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


@pytest.mark.parametrize("file", SOURCES, ids=NAMES)
def test_a_file_says_what_it_decides(file):
    first = file.read_text().splitlines()[0]
    assert first.startswith("//") or len(file.read_text().splitlines()) < 10


def test_files_and_lines_have_an_end():
    for file in SWIFT:
        lines = file.read_text().splitlines()
        assert len(lines) <= 500, f"{file}: {len(lines)} lines"
        for number, line in enumerate(lines, 1):
            assert len(line) <= 100 or '"' in line or file not in SOURCES, f"{file}:{number}: {len(line)} columns"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_what_it_may(room):
    for file in (ROOT / "Sources" / room).rglob("*.swift"):
        extra = imports(file) - ROOMS[room] - {"Primitives"}
        assert not extra, f"{file} imports {extra}"
        if room in ("Balancer", "Controller", "Demo", "Events", "Terminal") and "IO" in imports(file):
            assert MAY_IMPORT_IO.search(file.name), f"{file} is pure, but imports IO"


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
    for file in SOURCES:
        text = file.read_text()
        promises = len(re.findall(r"@unchecked Sendable|nonisolated\(unsafe\)", code(text)))
        assert text.count("SAFETY:") >= promises, file


def test_no_package_dependency_and_no_unsafe_flags():
    manifest = (ROOT / "Package.swift").read_text()
    assert ".package(" not in manifest and "unsafeFlags" not in manifest
    assert ".treatAllWarnings(as: .error)" in manifest


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
