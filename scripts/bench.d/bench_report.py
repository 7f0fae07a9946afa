"""The tables of scripts/bench: for a terminal, and the same in Markdown. Pure."""

import bench_summary

SUBJECT = "steelyard"
PEERS = ["nginx", "haproxy", "envoy", "relay"]


def cell(value, form, factor):
    return form.format(value * factor)


def shown(got, form, factor):
    """A median and between what it lies."""
    text = cell(got["median"], form, factor)
    if got["rounds"] < 2 or got["min"] == got["max"]:
        return text
    return f"{text} ({cell(got['min'], form, factor)}–{cell(got['max'], form, factor)})"


def rows_of(scenario, rounds):
    """(head, rows) of one scenario: medians of the proxies, then steelyard's over each other's."""
    rounds, doubtful = bench_summary.usable(rounds)
    names = bench_summary.order(rounds)
    names = [name for name in [*PEERS[:3], SUBJECT, "relay", "direct"] if name in names]
    others = [name for name in names if name != SUBJECT and SUBJECT in names]
    capped = {name for one in rounds for name, got in one.items() if got.get("generator_capped")}
    head = [""] + [name + " ~" * (name in doubtful) for name in names] + [f"÷ {name}" for name in others]
    rows = []
    for key, title, form, factor in scenario.measures:
        found = bench_summary.row(rounds, key)
        if not found:
            continue
        ratios = bench_summary.ratios(rounds, key)
        mark = {name: " ^" if key == "requests_per_second" and name in capped else ""
                for name in names}
        rows.append(
            [title] + [shown(found[name], form, factor) + mark[name] if name in found else "-"
                       for name in names]
            + [f"{ratios[name]:.2f}" if name in ratios else "-" for name in others])
    return head, rows


def notes_of(scenario, rounds, facts):
    """What a reader has to know of one scenario."""
    if "rate" in facts:
        yield f"{facts['rate']} requests/s."
    if scenario.note:
        yield scenario.note
    if any(got.get("generator_capped") for one in rounds for got in one.values()):
        yield "^ the generator's core was full, the proxy's was not: it could have done more."
    if bench_summary.usable(rounds)[1]:
        yield "~ every window was disturbed."
    failed = {}
    for one in rounds:
        for name, got in one.items():
            if got.get("errors"):
                failed[name] = failed.get(name, 0) + got["errors"]
    if failed:
        yield "Errors: " + ", ".join(f"{name} {count:.0f}" for name, count in failed.items()) + "."


def goal_rows(verdicts):
    rows = []
    for one in verdicts:
        sign = "≥" if one["high"] else "≤"
        against = {"": "", "better": " × the better of nginx and HAProxy"}.get(
            one["peer"], f" × {one['peer']}")
        form = one["form"]
        figure = "-" if one["figure"] is None else form.format(one["figure"])
        word = {True: "reached", False: "NOT reached", None: "not judged"}[one["reached"]]
        if one["note"] and one["reached"] is None:
            word += f" ({one['note']})"
        limit = f"{one['limit']:g}"
        rows.append([one["goal"], f"{sign} {limit}{against}", figure, word])
    return ["goal", "at", "figure", ""], rows


def plain(head, rows):
    widths = [max(len(line[place]) for line in [head, *rows]) for place in range(len(head))]
    lines = []
    for line in [head, *rows]:
        cells = [text.ljust(width) if place == 0 else text.rjust(width)
                 for place, (text, width) in enumerate(zip(line, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(line) + " |" for line in rows])


def report(facts, scenarios, results, extra, verdicts, is_markdown):
    """The whole text; `extra` is what a scenario's run says besides, by name."""
    draw = markdown if is_markdown else plain
    parts = [introduction(facts, is_markdown)]
    for name, rounds in results.items():
        rounds = [one for one in rounds if one]
        if not rounds:
            continue
        scenario = scenarios[name]
        head, rows = rows_of(scenario, rounds)
        if not rows:
            continue
        count = len(rounds)
        title = f"{name}: {scenario.title} ({count} round{'s' if count > 1 else ''})"
        notes = " ".join(notes_of(scenario, rounds, extra.get(name, {})))
        parts.append("\n\n".join(part for part in [
            f"### {title}" if is_markdown else title, draw(head, rows), notes] if part))
    if verdicts:
        title = "Goals"
        parts.append(f"### {title}\n\n" + draw(*goal_rows(verdicts)) if is_markdown
                     else f"{title}\n\n" + draw(*goal_rows(verdicts)))
    return "\n\n".join(parts) + "\n"


def introduction(facts, is_markdown):
    code = "`{}`" if is_markdown else "{}"
    versions = "; ".join(f"{name}: {text}" for name, text in facts["versions"].items())
    limits = ", ".join(f"{name.removesuffix('_ratio').replace('_', ' ')} {limit:g}"
                       for name, limit in bench_summary.LIMITS.items())
    return (
        f"{code.format(facts['command'])}, {facts['at']}, commit {facts['commit']}. "
        f"{facts['processor']}, {facts['cores']} cores, Linux {facts['kernel']}, congestion "
        f"control {facts['congestion_control']}. {versions}.\n\n"
        f"Medians (least–most) of the rounds; ÷: the median of steelyard's value over the other's "
        f"in the same round. Of {facts['windows']} windows {facts['dropped']} were disturbed and "
        f"measured again, {facts['kept']} were in the last try too and count only where a proxy has "
        f"no other (limits, as shares of a core: "
        f"{limits}).")
