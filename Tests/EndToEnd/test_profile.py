"""What scripts/profile makes of perf's stacks; the profile itself is no test."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts/profile.d"))
import flame  # noqa: E402
import stacks  # noqa: E402

LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
PROGRAM = "/opt/steelyard/bin/steelyard"
SENDING = f"""worker-0 30553
\tffffffff82010ddb tcp_sendmsg ([kernel.kallsyms])
\tffffffff81e314b0 __x64_sys_sendto ([kernel.kallsyms])
\tffffffff821ef691 do_syscall_64 ([kernel.kallsyms])
\t          10aba4 __libc_send (inlined)
\t          10aba4 __libc_send (inlined)
\t          321952 sy_send (inlined)
\t          321952 $s2IO6IOLoopV4sendySbAA12ConnectionIDV_SWtF ({PROGRAM})
\t          1b6933 $s8Balancer6WorkerV3runyyF ({PROGRAM})
\t          18780f $s8BalancerAAC5start4seedys6UInt64V_t2IO7IOErrorVYKFyycfU_ ({PROGRAM})
\t           891f5 start_thread ({LIBC})
"""
JUMPED = f"""nginx 77
\tffffffff81e31462 do_writev ([kernel.kallsyms])
\tffffffff821ef691 do_syscall_64 ([kernel.kallsyms])
\t          10aba4 writev ({LIBC})
\tffffffffffffffff [unknown] ([unknown])
"""
COMPUTING = f"""worker-0 30553
\t          1b1234 $s4HTTP10HeadParserV11parseFields4 (inlined)
\t          1b1234 $s8Balancer6WorkerV9parseHead5 ({PROGRAM})
\t          1b6933 $s8Balancer6WorkerV3runyyF ({PROGRAM})
"""
COPYING = f"""worker-0 30553
\t           99999 __memcpy_avx512_unaligned_erms ({LIBC})
\t          1b6933 $s8Balancer6WorkerV3runyyF ({PROGRAM})
"""
RETAINING = f"""worker-0 30553
\t          411111 swift_retain ({PROGRAM})
\t          1b6933 $s8Balancer6WorkerV3runyyF ({PROGRAM})
"""
ALL = "\n".join([SENDING, JUMPED, COMPUTING, COPYING, RETAINING])


def test_a_stack_ends_at_the_workers_loop_and_repeats_no_frame():
    frames = stacks.parse(SENDING)[0]
    assert [frame.room for frame in frames] == [
        "kernel", "kernel", "kernel", "libc", "CSystem", "IO", "Balancer"]
    assert [frame.is_inlined for frame in frames][3:] == [True, True, False, False]
    assert frames[-1].symbol.endswith("WorkerV3runyyF")


def test_a_nameless_end_is_cut_off():
    assert [frame.symbol for frame in stacks.parse(JUMPED)[0]] == [
        "do_writev", "do_syscall_64", "writev"]


def test_system_calls_are_told_by_their_entry_or_by_what_stands_in_its_place():
    calls = [stacks.system_call(frames) for frames in stacks.parse(ALL)]
    assert calls == ["sendto", "writev", None, None, None]


def test_inlined_code_counts_for_its_own_room_and_for_the_function_that_holds_it():
    found = stacks.summary(stacks.parse(ALL))
    assert (found["samples"], found["kernel"]) == (5, 2)
    assert found["rooms"] == {"HTTP": 1, "libc": 1, "Swift": 1}
    assert list(found["functions"])[0].startswith("Balancer: $s8Balancer6WorkerV9parseHead")
    # A system call and a copy count for who asked.
    assert found["caused"]["IO"] == 1 and found["caused"]["Balancer"] == 1


def test_the_summary_shows_shares_of_what_it_says():
    words = stacks.text(stacks.summary(stacks.parse(ALL)), ["a title"])
    assert "5 samples: 60.00 % user, 40.00 % kernel" in words
    assert "  20.00 %  sendto" in words and "  33.33 %  HTTP" in words


def test_the_flame_graph_is_one_picture_whose_rows_add_up():
    samples = stacks.parse(ALL + "\n" + COMPUTING.replace("parseHead5", "parse<\"&'>"))
    top = flame.tree(samples, stacks.Frame("steelyard", ""))
    picture = flame.svg(top, "1 < 2 & so on")
    root = ElementTree.fromstring(picture)
    frames = [one for one in root if one.get("class") == "f"]
    widths = {}
    for one in frames:
        row = int(one.get("data-r"))
        widths[row] = widths.get(row, 0) + float(one.get("data-w"))
    assert widths[0] == flame.WIDTH
    assert abs(widths[1] - flame.WIDTH) < 0.1
    assert all(widths[row + 1] <= widths[row] + 0.1 for row in range(len(widths) - 1))
    assert any("parse<\"&'>" in one.get("data-n") for one in frames)
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "").replace("HTTP", "")
