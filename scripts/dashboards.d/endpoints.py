"""Endpoints: health, failures, load and scrapes of each."""

from grafana import (
    ENDPOINT, ENDPOINTS, INSTANCE, ORANGE, POOL, POOLS, RED, level, mean, quantile, rate, ratio,
    select, series, stat, steps, target, total)
from weights import change_annotations, eligibility_panel, reasons_panel

BOTH = "pool, endpoint"
NAME = "{{pool}} {{endpoint}}"


def _most(family, by=BOTH):
    return f"max by ({by}) ({select(family, ENDPOINT)})"


def _rates(family, *labels):
    by = ", ".join([BOTH, *labels])
    names = " ".join(f"{{{{{one}}}}}" for one in labels)
    return target(total(by, rate(family, ENDPOINT)), f"{NAME} {names}".strip())


def _age(family):
    return f"time() - {_most(family)}"


def _now():
    def count(states):
        return f"sum({select('steelyard_endpoint_eligibility', ENDPOINT, states)})"

    return "Now", [
        stat("Ready", "Endpoints that may take new exchanges.", "short",
             count('state="ready"'), steps((1, "green"), color=RED)),
        stat("Unhealthy", "Active checks failed.", "short", count('state="unhealthy"'),
             steps((1, RED))),
        stat("Stalled", "The watchdog took them out: they have work and show none.", "short",
             count('state="stalled"'), steps((1, RED))),
        stat("Ejected", "They rest because requests of clients failed there.", "short",
             count('state="ejected"'), steps((1, ORANGE))),
        stat("Draining or drained", "Operators took them out.", "short",
             count('state=~"draining|drained"'), steps((1, "blue"))),
        stat("In flight now", "Exchanges that hold a lease on an endpoint.", "short",
             f"sum({select('steelyard_endpoint_in_flight', ENDPOINT)})")]


def _health():
    return "Health", [
        eligibility_panel(), reasons_panel(),
        series("Health checks that failed", "By reason. A check that fails `fall` times in a row "
               "takes the endpoint out.", "ops",
               [_rates("steelyard_health_failures_total", "reason")]),
        series("Health checks", "Checks a second.", "ops",
               [_rates("steelyard_health_probes_total")]),
        series("Time of a health check", "The last one's.", "s",
               [target(_most("steelyard_health_duration_seconds"), NAME)]),
        series("Since the last good check", "Grows while checks fail.", "s",
               [target(_age("steelyard_health_last_success_timestamp_seconds"), NAME)]),
        series("Canaries", "The operator's requests to endpoints that are out of favour, by result; "
               "`late`: far slower than usual.", "ops",
               [_rates("steelyard_endpoint_canaries_total", "result")]),
        series("Stillness", "For how long the endpoint has had work and shown none: what the "
               "watchdog looks at.", "s",
               [target(_most("steelyard_endpoint_stillness_seconds"), NAME)]),
        series("Watchdog trips", "How often it took an endpoint out, by cause; and 1 where more "
               "of a pool stands still than may be taken out.", "short", [
                   target("sum by (pool, endpoint, cause) (increase("
                          f"{select('steelyard_watchdog_trips_total', ENDPOINT)}"
                          "[$__rate_interval]))", f"{NAME} {{{{cause}}}}"),
                   target(f"max by (pool) ({select('steelyard_pool_watchdog_held', POOL)})",
                          "{{pool}} held")])]


def _failures():
    return "Failures and retries", [
        series("Failed attempts", "Refused, cut, timed out, or answered 5xx.", "ops",
               [_rates("steelyard_endpoint_failures_total")]),
        series("Failure ratio", "Of the attempts, and the pool's thresholds for errors.",
               "percentunit",
               [target(ratio(BOTH, rate("steelyard_endpoint_failures_total", ENDPOINT),
                             rate("steelyard_endpoint_attempts_total", ENDPOINT)), NAME),
                level("steelyard_pool_threshold_error_ratio")]),
        series("Ejections and readmissions", "A worker's decisions: each worker ejects by itself.",
               "ops", [
                   target(total(BOTH, rate("steelyard_endpoint_ejections_total", ENDPOINT)),
                          f"{NAME} ejected"),
                   target(total(BOTH, rate("steelyard_endpoint_readmissions_total", ENDPOINT)),
                          f"{NAME} back")]),
        series("Connections that failed", "Attempts that ended without an answer, by reason: "
               "refused, timed out, reset or closed before the head or within it.", "ops",
               [_rates("steelyard_endpoint_connection_failures_total", "reason")]),
        series("Retries", "Attempts made again elsewhere because this endpoint failed, by reason.",
               "ops", [_rates("steelyard_retries_total", "reason")]),
        series("Retries refused", "Failed attempts that were not made again. `budget` and "
               "`breaker`: there were too many of them.", "ops",
               [_rates("steelyard_retries_refused_total", "reason")]),
        series("Breaker refusals", "Requests answered 503 because the pool or all its endpoints "
               "had as many as a breaker allows.", "ops",
               [target(total("pool, breaker", rate("steelyard_breaker_refusals_total", POOL)),
                       "{{pool}} {{breaker}}")])]


def _load():
    busy = "steelyard_endpoint_busy_seconds_total"
    return "Load", [
        series("Attempts", "Attempts at the endpoint, retries included.", "reqps",
               [_rates("steelyard_endpoint_attempts_total")]),
        series("In flight", "Exchanges that hold a lease on the endpoint now.", "short",
               [target(total(BOTH, select("steelyard_endpoint_in_flight", ENDPOINT)), NAME)]),
        series("Mean in flight", "Time that the endpoint had exchanges, a second: between "
               "scrapes, too.", "short", [_rates(busy)]),
        series("Mean time at the endpoint", "From being sent the request to its last byte, "
               "without steelyard's own queue and without retries.", "s",
               [target(ratio(BOTH, rate(busy, ENDPOINT),
                             rate("steelyard_endpoint_attempts_total", ENDPOINT)), NAME)]),
        series("Mean and p99 duration", "As clients see it.", "s", [
            target(mean(BOTH, "steelyard_request_duration_seconds", ENDPOINT), f"{NAME} mean"),
            target(quantile(0.99, BOTH, "steelyard_request_duration_seconds", ENDPOINT),
                   f"{NAME} p99", exemplar=True)]),
        series("Connections", "To the endpoint, idle ones too, and the threshold.", "short", [
            target(total(BOTH, select("steelyard_endpoint_connections", ENDPOINT)), NAME),
            level("steelyard_pool_threshold_endpoint_connections")], log=True),
        series("Queue of the pool", "Requests that wait until an endpoint has room.", "short",
               [target(total("pool", select("steelyard_queue_length", POOL)), "{{pool}}")]),
        series("Tunnels", "WebSockets and other upgrades that are open now.", "short",
               [target(total(BOTH, select("steelyard_endpoint_tunnels_open", ENDPOINT)), NAME)]),
        series("Tunnel traffic", "Bytes through tunnels, by who gets them, and tunnels begun.",
               "Bps", [_rates("steelyard_endpoint_tunnel_bytes_total", "to")]),
        series("Tunnels begun", "Exchanges that became tunnels.", "ops",
               [_rates("steelyard_endpoint_tunnels_total")])]


def _scrapes():
    where, page = f"{BOTH}, page", f"{NAME} {{{{page}}}}"
    return "Scrapes", [
        series("Time of a scrape", "The last one's, from sending to its end.", "s",
               [target(_most("steelyard_scrape_duration_seconds", where), page)]),
        series("Scrapes that failed", "Pages that did not come whole, by reason.", "ops",
               [_rates("steelyard_scrape_failures_total", "page", "reason")]),
        series("Scrapes", "Begun, a second.", "ops",
               [_rates("steelyard_scrape_attempts_total", "page")]),
        series("Since the last page", "Signals become stale, then expired.", "s",
               [target("time() - " + _most(
                   "steelyard_scrape_last_success_timestamp_seconds", where), page)],
               size=(12, 8)),
        series("Lines refused", "Lines of the pages that were wrong; the others counted.", "ops",
               [_rates("steelyard_scrape_parse_errors_total", "page")], size=(12, 8))]


def endpoints():
    return {
        "uid": "steelyard-endpoints", "title": "Steelyard: endpoints",
        "description": "Health, ejections, failures, retries, load and scrapes of each endpoint.",
        "rows": [_now(), _health(), _failures(), _load(), _scrapes()],
        "variables": [INSTANCE, POOLS, ENDPOINTS], "annotations": change_annotations()}
