"""What scripts/bench-engines makes of the answers of its windows: figures, medians over rounds,
ratios to nginx in the same round, tables. Pure."""

import math
import statistics

FIGURES = ["mean", "p50", "p99", "first_p50", "first_p99"]
TITLES = ["mean s", "p50 s", "p99 s", "first token p50 s", "first token p99 s"]
BASE = "nginx"


def quantile(values, share):
    """The smallest value that so large a share is not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def figures(answers):
    """Of the answers of one window; times are those of whole answers only."""
    whole = [one.whole for one in answers if one.failure is None]
    first = [one.first for one in answers if one.failure is None and one.first is not None]
    failures = {}
    for one in answers:
        if one.failure is not None:
            failures[one.failure] = failures.get(one.failure, 0) + 1
    return {
        "requests": len(answers), "failed": sum(failures.values()), "failures": failures,
        "mean": statistics.fmean(whole) if whole else None,
        "p50": quantile(whole, 0.5), "p99": quantile(whole, 0.99),
        "first_p50": quantile(first, 0.5), "first_p99": quantile(first, 0.99)}


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def summary(windows, load):
    """By contestant: medians over the rounds of one load, and of the ratios in each round."""
    windows = [one for one in windows if one["load"] == load]
    bases = {one["round"]: one["figures"] for one in windows if one["contestant"] == BASE}
    result = {}
    for name in dict.fromkeys(one["contestant"] for one in windows):
        own = [one for one in windows if one["contestant"] == name]
        row = {key: median(one["figures"][key] for one in own) for key in FIGURES}
        row["requests"] = sum(one["figures"]["requests"] for one in own)
        row["failed"] = sum(one["figures"]["failed"] for one in own)
        row["ratios"] = {
            key: median(
                ratio(one["figures"][key], bases.get(one["round"], {}).get(key)) for one in own)
            for key in FIGURES}
        row["shares"] = [median(shares) for shares in zip(*(one["shares"] for one in own))]
        result[name] = row
    return result


def ratio(a, b):
    return a / b if a is not None and b else None


def cell(value, ratio):
    if value is None:
        return "-"
    return f"{value:.2f}" if ratio is None else f"{value:.2f} ×{ratio:.2f}"


def table(rows):
    """Markdown: of each figure the median, and the ratio to nginx."""
    head = ["", "requests", "failed", *TITLES, "tokens by server %"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for name, row in rows.items():
        cells = [name, row["requests"], row["failed"],
                 *(cell(row[key], row["ratios"][key]) for key in FIGURES),
                 "/".join(f"{100 * share:.0f}" for share in row["shares"])]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def doubts(window):
    """What makes a window's numbers doubtful."""
    machine = window["machine"]
    if machine["others_cores"] > 0.15 or machine["steal_cores"] > 0.1:
        yield (f"others used {machine['others_cores']:.2f} cores, the host took "
               f"{machine['steal_cores']:.2f}")
