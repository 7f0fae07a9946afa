"""Instructions of the request path against those that scripts/instructions.json keeps."""

import subprocess
import sys
from pathlib import Path

import programs
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/profile.d"))
import callgrind  # noqa: E402

NOT_COMPARABLE = 75
DUMP = """# callgrind format
version: 1
positions: line
events: Ir
summary: 1234

fn=outer
10 100
+2 20
cfi=other.swift
cfn=inner
calls=5 +36
* 300
* 4
jump=3 +2
fn=inner
-3 250
+1 50
cfn=inner
calls=2 10
* 70

totals: 1234
"""


def test_no_step_takes_more_instructions_than_are_kept():
    bench = programs.RELEASE.parent / "instruction-bench"
    if not bench.exists():
        pytest.skip(f"{bench} is not built: make test builds it")
    ended = subprocess.run(
        [ROOT / "scripts/instructions", "--binary", programs.RELEASE, "--bench", bench],
        capture_output=True, text=True, timeout=200)
    if ended.returncode == NOT_COMPARABLE:
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def test_a_dump_is_read_by_function():
    functions = callgrind.Functions()
    functions.read(DUMP)
    assert callgrind.total(DUMP) == 1234
    assert functions.own == {"outer": 124, "inner": 300}
    assert functions.calls == {"inner": 7}
    # What a function spends in itself again is not counted twice.
    assert functions.inclusive == {"inner": 300}
    assert functions.within({"inner"}) == 300 and functions.within({"outer", "inner"}) == 0
    functions.read(DUMP, -1)
    assert not any(functions.own.values()) and not any(functions.inclusive.values())


@pytest.mark.parametrize("before, now, verdict", [
    (1000, 1000, ""), (1000, 1050, ""), (1000, 1051, "worse"), (1000, 953, ""),
    (1000, 952, "better"), (50, 53.9, ""), (50, 54, "worse"), (0, 3, ""), (None, 1, "new"),
    (1, None, "gone"),
])
def test_what_counts_as_worse(before, now, verdict):
    kept = {} if before is None else {"one": before}
    measured = {} if now is None else {"one": now}
    rows = callgrind.compare(kept, measured)
    assert [row[4] for row in rows] == [verdict]
    shown = callgrind.table(rows).splitlines()
    assert len(shown) == 2 and shown[1].startswith("one") and shown[1].endswith(verdict)
