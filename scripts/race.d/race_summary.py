"""What scripts/race makes of the reports of its runs: medians over seeds, ratios, tables. Pure."""

import statistics

COUNTS = ["requests", "ok", "goodput_per_second"]
LATENCIES = [
    "mean_seconds", "p50_seconds", "p99_seconds", "p999_seconds", "p99_with_failures_seconds"]
FAILURES = [("status", "5xx"), ("timeout", "timeout"), ("cut", "cut"), ("refused", "refused")]


def warnings(report):
    """What makes a run's numbers doubtful."""
    machine = report["machine"]
    if report["own_core_ratio"] > 0.4:
        yield f"clients and endpoints took {report['own_core_ratio']:.2f} of a core"
    if (report["send_lag_p99_seconds"] or 0) > 0.005:
        yield f"requests were sent late, p99 {1000 * report['send_lag_p99_seconds']:.1f} ms"
    if machine["steal_cores"] > 0.1 or machine["busy_cores"] > 0.85 * machine["cores"]:
        yield (f"of {machine['cores']} cores others used {machine['foreign_cores']:.2f}, the host "
               f"took {machine['steal_cores']:.2f}")
    for one in report["contestants"]:
        if one["measured"]["failed"]["unsent"]:
            yield f"{one['name']}: {one['measured']['failed']['unsent']} requests were not sent"


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(a, b):
    """None where either is missing, or `b` is 0."""
    return a / b if a is not None and b else None


def summary(reports, part="measured"):
    """Medians over the reports of one scenario, by contestant; `part` is `measured` or
    `since_fault`."""
    names = [one["name"] for one in reports[0]["contestants"]]
    result = {}
    for index, name in enumerate(names):
        runs = [report["contestants"][index] for report in reports]
        laws = [report["contestants"][0] for report in reports]
        numbers = [run[part] for run in runs]
        row = {key: median(one.get(key) for one in numbers) for key in COUNTS + LATENCIES}
        row["failed"] = {
            kind: median(one["failed"][kind] for one in numbers) for kind in numbers[0]["failed"]}
        row["law_ratios"] = {
            key: median(
                ratio(law[part].get(key), run[part].get(key)) for law, run in zip(laws, runs))
            for key in LATENCIES}
        row["proxy_core_ratio"] = median(run["proxy_core_ratio"] for run in runs)
        row["faulted_shares"] = [
            {"label": window["label"], "fair_share": window["fair_share"],
             "share": median(run["faulted_shares"][place].get("share") for run in runs)}
            for place, window in enumerate(runs[0]["faulted_shares"])]
        result[name] = row
    return result


def milliseconds(seconds):
    return "-" if seconds is None else f"{1000 * seconds:.0f}"


def times(value):
    return "-" if value is None else f"×{value:.2f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def print_scenario(scenario, reports, law):
    """Two Markdown tables: what clients met, and the share of the endpoint that suffers."""
    rows = summary(reports)
    first = reports[0]
    print(f"\n### {scenario}: {first['rate_per_second']:.0f} requests/s each, load "
          f"{first['load_ratio']:.2f}, median of {len(reports)} seeds\n")
    titles = ["mean", "p50", "p99", "p99.9", "p99*"]
    head = ["contestant", "requests", "failed", "/".join(title for _, title in FAILURES),
            "goodput/s", *(f"{title} ms" for title in titles),
            *(f"{law} {title}" for title in titles)]
    print(table(head, [[
        name, f"{row['requests']:.0f}", f"{row['requests'] - row['ok']:.0f}",
        "/".join(f"{row['failed'][kind]:.0f}" for kind, _ in FAILURES),
        f"{row['goodput_per_second']:.1f}", *(milliseconds(row[key]) for key in LATENCIES),
        *(times(row["law_ratios"][key]) for key in LATENCIES)]
        for name, row in rows.items()]))
    windows = next(iter(rows.values()))["faulted_shares"]
    if not windows:
        return
    event = "return" if scenario == "cold" else "fault"
    fair = 100 * windows[0]["fair_share"]
    print(f"\nShare of endpoint {first['faulted_endpoint'] + 1} since its {event} "
          f"(fair: {fair:.1f} %):\n")
    print(table(
        ["contestant", *(window["label"] for window in windows)],
        [[name, *(share_cell(window) for window in row["faulted_shares"])]
         for name, row in rows.items()]))


def share_cell(window):
    if window["share"] is None:
        return "-"
    text = f"{100 * window['share']:.1f} %"
    return text + f" ({window['share'] / window['fair_share']:.2f} of fair)" \
        if window["fair_share"] else text
