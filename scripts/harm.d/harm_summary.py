"""Whether steelyard was worse than what it is measured beside: ratios, their noise, a verdict. Pure.

A ratio is steelyard's figure over the other's in the same run, and the median of that over the
runs. Worse is a goodput of less than 1 / WORSE, a mean or p99 of more than WORSE, or WORSE times as
many failed requests and FAILED_MIN more."""

import math
import statistics

WORSE = 1.05
FAILED_MIN = 2
PEERS = ["static", "nginx"]
TIMES = {"goodput": "goodput_per_second", "mean": "mean_seconds", "p99": "p99_seconds"}


def measured(report, name):
    return next(one["measured"] for one in report["contestants"] if one["name"] == name)


def failed(report, name):
    return sum(measured(report, name)["failed"].values())


def ratio(a, b):
    """Something without which there is no answer is infinitely bad: infinite or 0; 1 where both
    are missing."""
    if not a and not b:
        return 1.0
    return math.inf if not b else 0.0 if not a else a / b


def ratios(reports, figure, ours, theirs):
    """One for each run."""
    key = TIMES[figure]
    found = [(measured(one, ours)[key], measured(one, theirs)[key]) for one in reports]
    if figure == "goodput":
        return [ratio(a, b) for a, b in found]
    # Nobody was answered: that takes for ever, not no time.
    return [math.inf if a is None and b is not None else ratio(a, b) for a, b in found]


def noise(reports, figure):
    """What the median of such ratios is off by where both are the same program with the same
    configuration: two standard errors, as a factor; 1 is none."""
    logs = [math.log(one) for one in ratios(reports, figure, "static-again", "static")
            if 0 < one < math.inf]
    if not logs:
        return 1.0
    return math.exp(2 * math.sqrt(statistics.fmean(one * one for one in logs) / len(logs)))


def summary(reports):
    """Of one situation's runs: its ratios, its noise, and what was worse."""
    has_twin = any(one["name"] == "static-again" for one in reports[0]["contestants"])
    row = {"noise": {figure: noise(reports, figure) if has_twin else 1.0 for figure in TIMES},
           "ratios": {}, "failed": {}, "worse": [], "doubtful": []}
    for peer in PEERS:
        row["ratios"][peer] = {
            figure: statistics.median(ratios(reports, figure, "steelyard", peer))
            for figure in TIMES}
        for figure, value in row["ratios"][peer].items():
            excess = (1 / value if value else math.inf) if figure == "goodput" else value
            if excess > WORSE:
                is_noise = excess <= row["noise"][figure]
                row["doubtful" if is_noise else "worse"].append(f"{figure} ÷ {peer}")
        ours, theirs = (statistics.median(failed(one, name) for one in reports)
                        for name in ("steelyard", peer))
        row["failed"][peer] = (ours, theirs)
        if ours > WORSE * theirs and ours - theirs > FAILED_MIN:
            row["worse"].append(f"failed ÷ {peer}")
    return row


def verdict(row):
    if row["worse"]:
        return "worse: " + ", ".join(row["worse"])
    return "noise: " + ", ".join(row["doubtful"]) if row["doubtful"] else "not worse"


def cells(row):
    """Of the table of ratios; the head is HEAD."""
    out = []
    for peer in PEERS:
        ours, theirs = row["failed"][peer]
        values = row["ratios"][peer]
        out += [f"{values['goodput']:.2f}", f"{ours:.0f}/{theirs:.0f}",
                f"{values['mean']:.2f}", f"{values['p99']:.2f}"]
    return out + [f"{percent(row['noise']['mean'])}, {percent(row['noise']['p99'])}", verdict(row)]


def percent(factor):
    return f"±{100 * (factor - 1):.0f} %"


HEAD = ["situation", *(f"{figure} ÷ {peer}" for peer in PEERS
                       for figure in ("goodput", "failed", "mean", "p99")),
        "noise of mean, p99", "verdict"]


def shares_of(reports, name):
    """Each endpoint's part of the requests for work."""
    runs = [one["shares"] for report in reports for one in report["contestants"]
            if one["name"] == name and one.get("shares")]
    return [statistics.median(parts) for parts in zip(*runs)]


def figures(reports):
    """Rows of the table of figures, one for each contestant: medians over the runs."""
    def middle(name, key, scale=1.0):
        values = [measured(one, name)[key] for one in reports]
        values = [value for value in values if value is not None]
        return scale * statistics.median(values) if values else math.nan

    for one in reports[0]["contestants"]:
        name = one["name"]
        lost = statistics.median(failed(report, name) for report in reports)
        shares = " ".join(f"{100 * share:.0f}" for share in shares_of(reports, name))
        yield [name, f"{middle(name, 'goodput_per_second'):.1f}", f"{lost:.0f}",
               f"{middle(name, 'mean_seconds', 1000):.0f}",
               f"{middle(name, 'p99_seconds', 1000):.0f}", shares]
