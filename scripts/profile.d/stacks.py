"""Stacks of `perf script`: read, demangled, cut at the worker's loop, and counted by room."""

import re
import subprocess
from collections import Counter
from itertools import groupby

FRAME = re.compile(r"^\s*([0-9a-f]+)\s+(.+?)(?:\+0x[0-9a-f]+)?\s+\((.*)\)$")
# A mangled Swift name begins with the module that the declaration is in.
MODULE = re.compile(r"^\$s(\d+)")
# Where a stack ends for us: what is below depends on how far perf could unwind.
LOOP = {"$s8Balancer6WorkerV3runyyF": "Worker.run()"}
KERNEL = "kernel"
ENTRY = re.compile(r"^__(?:x64|arm64|se)_sys_(\w+)$")
DISPATCH = ("do_syscall_64", "x64_sys_call", "invoke_syscall")


class Frame:
    """One function of a stack, the way it is shown."""

    __slots__ = ("symbol", "room", "is_inlined")

    def __init__(self, symbol, room, is_inlined=False):
        self.symbol, self.room, self.is_inlined = symbol, room, is_inlined

    def __eq__(self, other):
        return (self.symbol, self.room) == (other.symbol, other.room)

    def __repr__(self):
        return f"{self.room}: {self.symbol}"

    @property
    def title(self):
        return f"{self.room}: {self.symbol}" if self.room else self.symbol


def room(symbol, binary):
    """The Swift module of a symbol, else the library that it is in."""
    found = MODULE.match(symbol)
    if found:
        return symbol[found.end():found.end() + int(found[1])]
    if symbol.startswith(("$s", "swift_", "_swift_")):
        return "Swift"
    if "kernel" in binary:
        return KERNEL
    if symbol.startswith("sy_"):
        return "CSystem"
    if re.search(r"/(libc|libpthread|ld-linux)[^/]*\.so", binary):
        return "libc"
    return binary.rpartition("/")[2].strip("[]") or "unknown"


def parse(text):
    """Every sample of the text: a list of frames, the innermost first."""
    samples = []
    for block in re.split(r"\n\s*\n", text.strip()):
        found = [FRAME.match(line) for line in block.strip("\n").split("\n")[1:]]
        frames = []
        for _, group in groupby(filter(None, found), key=lambda one: one[1]):
            frames += function(list(group))
        if frames:
            samples.append(cut(frames))
    return samples


def function(lines):
    """The frames of one address: what was inlined there, then the function itself. perf gives
    none of the C library its own line, since its names of the same function differ."""
    binary = next((one[3] for one in lines if one[3] != "inlined"), "/libc.so")
    last = len(lines) - 1
    return [Frame(one[2], room(one[2], binary), one[3] == "inlined" and index < last)
            for index, one in enumerate(lines)]


def cut(frames):
    """Without what lies under the worker's loop, without repeats of one frame and nameless ends."""
    for index, frame in enumerate(frames):
        if frame.symbol in LOOP:
            frames = frames[:index + 1]
            break
    while len(frames) > 1 and frames[-1].symbol == "[unknown]":
        frames = frames[:-1]
    return [one for index, one in enumerate(frames) if index == 0 or one != frames[index - 1]]


def demangle(samples, swift):
    """Names people can read, for all Swift symbols at once."""
    symbols = sorted({frame.symbol for one in samples for frame in one
                      if frame.symbol.startswith("$s")})
    if not symbols or not swift:
        return samples
    ended = subprocess.run(
        [swift, "demangle", "--compact", "--simplified"], input="\n".join(symbols) + "\n",
        capture_output=True, text=True, timeout=120)
    names = ended.stdout.rstrip("\n").split("\n")
    if ended.returncode != 0 or len(names) != len(symbols):
        return samples
    readable = dict(zip(symbols, names))
    for one in samples:
        for frame in one:
            frame.symbol = readable.get(frame.symbol, frame.symbol)
    return samples


def system_call(frames):
    """The system call that the sample was taken in, or None."""
    for index, frame in enumerate(frames):
        if frame.room != KERNEL:
            break
        found = ENTRY.match(frame.symbol)
        if found:
            return found[1]
        # Where the entry ended in a jump, what it jumped to stands in its place.
        if frame.symbol in DISPATCH and index > 0:
            return frames[index - 1].symbol.removeprefix("do_").removeprefix("__")
    return None


def summary(samples):
    """Counts: all, in the kernel, by system call, by room of the innermost user frame where the
    sample is in user code, by room with the kernel work it asked for, by symbol itself."""
    kernel, calls, own, caused, selves = 0, Counter(), Counter(), Counter(), Counter()
    functions = Counter()
    for frames in samples:
        first = frames[0]
        user = next((frame for frame in frames if frame.room != KERNEL), None)
        ours = next((f for f in frames if f.room not in (KERNEL, "libc", "vdso", "CSystem")), user)
        selves[first.title + (" [inlined]" if first.is_inlined else "")] += 1
        caused[ours.room if ours else KERNEL] += 1
        if first.room == KERNEL:
            kernel += 1
            calls[system_call(frames) or "interrupts and faults"] += 1
        else:
            own[first.room] += 1
            # Inlined functions count for the function that they are part of here.
            functions[next((f.title for f in frames if not f.is_inlined), first.title)] += 1
    return {
        "samples": len(samples), "kernel": kernel, "calls": calls, "rooms": own,
        "caused": caused, "selves": selves, "functions": functions}


def text(found, heading, top=30):
    """The summary for people."""
    count = max(found["samples"], 1)
    user = count - found["kernel"]
    lines = [*heading, "", f"{count} samples: {share(user, count)} user, "
             f"{share(found['kernel'], count)} kernel"]

    def table(title, counter, of, limit=None):
        lines.extend(["", title])
        for name, number in counter.most_common(limit):
            lines.append(f"  {share(number, of):>7}  {name}")

    table("Kernel time by system call, of all samples", found["calls"], count)
    table("User time by room (the code itself), of the user samples", found["rooms"], max(user, 1))
    table("All time by the room that asked for it (its system calls too)", found["caused"], count)
    table(f"User time by function, inlined code with it, of all samples: the first {top}",
          found["functions"], count, top)
    table(f"Time by symbol itself, of all samples: the first {top}", found["selves"], count, top)
    return "\n".join(lines) + "\n"


def share(part, whole):
    return f"{100 * part / whole:.2f} %"
