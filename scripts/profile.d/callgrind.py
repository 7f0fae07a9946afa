"""Instruction counts: callgrind's files, read, and figures compared with those that are kept."""

import re
import subprocess
from collections import Counter

# Worse than this is a finding; smaller ones come with any change of the compiler's mind.
WORSE_RATIO = 1.05
# And so many instructions, so that one more on a short path is none.
WORSE_MIN = 4
COST = re.compile(r"^[-+*]?\d*\s+(\d+)$")


def total(text):
    """All instructions of one dump."""
    found = re.search(r"^(?:summary|totals): (\d+)", text, re.M)
    return int(found[1]) if found else 0


class Functions:
    """Instructions by function (`--compress-strings=no`): its own, with all that it called, and
    how often it was called."""

    def __init__(self):
        self.own, self.inclusive, self.calls = Counter(), Counter(), Counter()
        # What a function spent in another that it called.
        self.edges = Counter()

    def read(self, text, sign=1):
        """Adds a dump's counts; `sign` −1 takes them away."""
        function, callee = None, None
        for line in text.splitlines():
            if line.startswith("fn="):
                function = line[3:]
            elif line.startswith("cfn="):
                callee = line[4:]
            elif line.startswith("calls="):
                self.calls[callee] += sign * int(line[6:].split()[0])
            elif function and (found := COST.match(line)):
                count = sign * int(found[1])
                if callee:
                    # A recursive call's cost is in the outer one already.
                    if callee != function:
                        self.inclusive[callee] += count
                        self.edges[function, callee] += count
                    callee = None
                else:
                    self.own[function] += count

    def within(self, functions):
        """What was spent between entering one of these functions from others and leaving it."""
        return sum(count for (caller, callee), count in self.edges.items()
                   if callee in functions and caller not in functions)

    def demangled(self, swift):
        """Readable names by the names in the file."""
        names = [name for name in self.own | self.inclusive if name.startswith("$s")]
        if not names or not swift:
            return {}
        # Callgrind numbers the levels of a recursion: NAME'2.
        ended = subprocess.run(
            [swift, "demangle", "--compact", "--simplified"],
            input="\n".join(name.partition("'")[0] for name in names) + "\n",
            capture_output=True, text=True, timeout=120)
        readable = ended.stdout.rstrip("\n").split("\n")
        return dict(zip(names, readable)) if len(readable) == len(names) else {}


def compare(kept, measured):
    """Rows (name, before, now, ratio, verdict): `worse`, `better`, `new`, `gone` or nothing."""
    rows = []
    for name, now in measured.items():
        before = kept.get(name)
        if before is None:
            rows.append((name, None, now, None, "new"))
            continue
        ratio = now / before if before else 1.0
        verdict = ""
        if abs(now - before) >= WORSE_MIN:
            verdict = "worse" if ratio > WORSE_RATIO else "better" if ratio < 1 / WORSE_RATIO else ""
        rows.append((name, before, now, ratio, verdict))
    rows += [(name, before, None, None, "gone") for name, before in kept.items()
             if name not in measured]
    return rows


def table(rows):
    """The comparison for people."""
    def number(value):
        return "-" if value is None else f"{value:,.0f}".replace(",", " ")

    lines = [f"{'instructions an operation':46}{'kept':>12}{'now':>12}{'ratio':>8}"]
    for name, before, now, ratio, verdict in rows:
        shown = "-" if ratio is None else f"{ratio:.3f}"
        lines.append(
            f"{name:46}{number(before):>12}{number(now):>12}{shown:>8}  {verdict}".rstrip())
    return "\n".join(lines)
