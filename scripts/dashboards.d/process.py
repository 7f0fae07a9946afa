"""The controller and the process: what steelyard itself costs and does."""

from grafana import (
    ANY, GREEN, INSTANCE, ORANGE, RED, quantile, rate, ratio, select, series, stat, steps, table,
    target, total)

ONE = "{{instance}}"


def _most(family):
    return target(f"max by (instance) ({select(family, ANY)})", ONE)


def _rates(family, *labels):
    names = " ".join(f"{{{{{one}}}}}" for one in ("instance", *labels))
    return target(total(", ".join(["instance", *labels]), rate(family, ANY)), names)


def _now():
    start = select("process_start_time_seconds", ANY)
    return "Now", [
        table("Versions", "The steelyards that are watched.",
              select("steelyard_build_info", ANY),
              [("instance", "Steelyard"), ("version", "Version"), ("job", "Job")], size=(8, 4)),
        stat("Uptime", "Of the youngest process.", "s", f"time() - max({start})", graph=False),
        stat("Workers", "Threads that serve requests.", "short",
             f"sum({select('steelyard_workers', ANY)})", graph=False),
        stat("Processors", "As many as all that are chosen use.", "short",
             f"sum({rate('process_cpu_seconds_total', ANY)})"),
        stat("Open descriptors", "Of those that a process may open, the fullest. Orange from "
             "80 %.", "percentunit",
             f"max({select('process_open_fds', ANY)} / {select('process_max_fds', ANY)})",
             steps((0.8, ORANGE), (0.95, RED))),
        stat("Reloads refused", "Steelyards whose last reload was refused: the configuration "
             "before it is in force.", "short",
             f"count({select('steelyard_config_last_reload_successful', ANY)} == 0) or vector(0)",
             steps((1, RED)), graph=False),
        stat("Configuration taken", "How long ago that in force was taken, the oldest.", "s",
             f"time() - min({select('steelyard_config_last_reload_success_timestamp_seconds', ANY)})",
             graph=False),
        stat("Next certificate", "When the next certificate expires. Orange from 14 days, red from "
             "two.", "s",
             f"min({select('steelyard_tls_certificate_not_after_timestamp_seconds', ANY)}) - time()",
             steps((2 * 86400, ORANGE), (14 * 86400, GREEN), color=RED), graph=False),
        stat("Certificates refused", "Listeners, pools and others whose changed files cannot be "
             "used: those before stay in use.", "short",
             f"sum({select('steelyard_tls_certificate_files_refused', ANY)})",
             steps((1, RED)), graph=False)]


def _process():
    return "Process", [
        series("Processors used", "User and system time; as many as there are workers and one "
               "more is the most.", "short", [_rates("process_cpu_seconds_total")]),
        series("Memory", "Resident; bounded by the configuration.", "bytes",
               [_most("process_resident_memory_bytes")]),
        series("Virtual memory", "Address space that is reserved, used or not.", "bytes",
               [_most("process_virtual_memory_bytes")]),
        series("File descriptors", "Open ones, and how many may be.", "short", [
            _most("process_open_fds"),
            target(f"max by (instance) ({select('process_max_fds', ANY)})",
                   "{{instance}} limit")], log=True),
        series("Threads", "Workers, the controller, the log's and the resolver's.", "short",
               [_most("process_threads")]),
        series("Connections", "Open now, downstream and upstream together, and how many may be.",
               "short", [
                   _most("steelyard_connections_open"),
                   target(f"max by (instance) ({select('steelyard_connections_limit', ANY)})",
                          "{{instance}} limit")], log=True),
        series("Connections are short", "Idle ones closed to make room, by what they were, and "
               "pauses in which new clients had to wait, a second.", "cps", [
                   _rates("steelyard_connections_closed_total", "state"),
                   target(total("instance, reason", rate("steelyard_accept_pauses_total", ANY)),
                          "{{instance}} paused {{reason}}")]),
        series("Buffers", "Bytes that wait to be sent or are kept for repeats, and how many may.",
               "bytes", [
                   _most("steelyard_buffered_bytes"),
                   target(f"max by (instance) ({select('steelyard_buffered_bytes_limit', ANY)})",
                          "{{instance}} limit")], log=True),
        series("Clients cut for memory", "Those that held most when the buffers were full, a "
               "second.", "cps", [_rates("steelyard_buffer_cuts_total")]),
        series("Connections accepted", "New ones from clients, a second; and those that were "
               "closed because their PROXY header was not right.", "cps", [
                   _rates("steelyard_connections_accepted_total"),
                   target(total("instance", rate("steelyard_proxy_header_failures_total", ANY)),
                          "{{instance}} PROXY header refused")], size=(12, 8)),
        series("TLS handshakes", "Completed ones, and connections that failed with their reason, "
               "a second.", "cps", [
                   _rates("steelyard_tls_handshakes_total", "side", "kind"),
                   target(total("instance, side, reason", rate("steelyard_tls_failures_total", ANY)),
                          "{{instance}} {{side}} failed: {{reason}}")], size=(12, 8)),
        series("Certificates replaced", "Changed files that were taken, and those that were refused, "
               "a second.", "cps",
               [_rates("steelyard_tls_certificate_reloads_total", "result")], size=(12, 8)),
        series("Requests a processor second", "Attempts at endpoints over processor time: falls "
               "where requests become dearer.", "short",
               [target(ratio("instance", rate("steelyard_endpoint_attempts_total", ANY),
                             rate("process_cpu_seconds_total", ANY)), ONE)], size=(12, 8))]


def _http2():
    return "HTTP/2", [
        series("Requests by version of HTTP", "That clients sent, a second.", "reqps",
               [_rates("steelyard_client_requests_total", "protocol")], size=(12, 8)),
        series("Connections of HTTP/2", "Open now, by side.", "short",
               [target(total("instance, side", select("steelyard_http2_connections_open", ANY)),
                       "{{instance}} {{side}}")], size=(12, 8)),
        series("Streams", "Opened, and those that were reset by their reason, a second.", "cps", [
            _rates("steelyard_http2_streams_total", "side"),
            target(total("instance, side, reason",
                         rate("steelyard_http2_stream_resets_total", ANY)) + " > 0",
                   "{{instance}} {{side}} reset: {{reason}}")], size=(12, 8)),
        series("Connections of HTTP/2 that ended", "By reason, a second: the peer, in good order, or "
               "because of what the peer did.", "cps",
               [target(total("instance, side, reason",
                             rate("steelyard_http2_connections_ended_total", ANY)) + " > 0",
                       "{{instance}} {{side}} {{reason}}")], size=(12, 8))]


def _delay():
    turn, overhead = "steelyard_worker_turn_seconds", "steelyard_request_overhead_seconds"
    return "What steelyard adds", [
        series("Turn of an event loop", "p50 and p99: what steelyard adds to a byte at most, "
               "each way.", "s", [
                   target(quantile(0.5, "instance", turn, ANY), f"{ONE} p50"),
                   target(quantile(0.99, "instance", turn, ANY), f"{ONE} p99")],
               size=(12, 8), log=True),
        series("Overhead of a request", "p50 and p99 of the time until an endpoint had the "
               "request, without the queue: connecting and failed attempts are in it.", "s", [
                   target(quantile(0.5, "instance", overhead, ANY), f"{ONE} p50"),
                   target(quantile(0.99, "instance", overhead, ANY), f"{ONE} p99")],
               size=(12, 8), log=True)]


def _controller():
    failed = rate("steelyard_scrape_failures_total", ANY)
    return "Controller", [
        series("Scrapes", "Of endpoints' metrics pages, begun and failed, a second.", "ops", [
            _rates("steelyard_scrape_attempts_total"),
            target(total("instance, reason", failed), "{{instance}} failed: {{reason}}")]),
        series("Health checks", "Begun and failed, a second.", "ops", [
            _rates("steelyard_health_probes_total"),
            target(total("instance, reason", rate("steelyard_health_failures_total", ANY)),
                   "{{instance}} failed: {{reason}}")]),
        series("Revisions", "Of the weight table: it grows with each publication, and begins "
               "anew with the process.", "short", [_most("steelyard_weight_table_revision")]),
        series("DNS questions", "For the addresses of host names of endpoints, by result.", "ops",
               [_rates("steelyard_dns_resolutions_total", "host", "result")]),
        series("Addresses of host names", "That are in use.", "short",
               [target(f"max by (instance, host) ({select('steelyard_dns_addresses', ANY)})",
                       "{{instance}} {{host}}")]),
        series("Endpoints of sources", "That a pool's sources give; api: added at run time.",
               "short",
               [target("max by (instance, pool, source) ("
                       f"{select('steelyard_discovery_endpoints', ANY)})",
                       "{{instance}} {{pool}} {{source}}"),
                target("max by (instance, pool, source) ("
                       f"{select('steelyard_discovery_endpoints_held_back', ANY)})",
                       "{{instance}} {{pool}} {{source}} held back")]),
        series("Sources that answer", "0: the last question failed; the last endpoints stay. Empty "
               "answers that are not believed are a line of their own.", "short",
               [target("min by (instance, pool, source) ("
                       f"{select('steelyard_discovery_up', ANY)})",
                       "{{instance}} {{pool}} {{source}}"),
                target("max by (instance, pool, source) ("
                       f"{select('steelyard_discovery_empty_kept', ANY)})",
                       "{{instance}} {{pool}} {{source}} empty answer")]),
        series("Questions to sources", "Good answers, and failures by reason.", "ops",
               [_rates("steelyard_discovery_answers_total", "pool", "source"),
                _rates("steelyard_discovery_failures_total", "pool", "source", "reason")]),
        series("Since a source answered", "And since its endpoints last changed.", "s",
               [target("time() - max by (instance, pool, source) ("
                       f"{select('steelyard_discovery_last_success_timestamp_seconds', ANY)})",
                       "{{instance}} {{pool}} {{source}}"),
                target("time() - max by (instance, pool, source) ("
                       f"{select('steelyard_discovery_last_change_timestamp_seconds', ANY)})",
                       "{{instance}} {{pool}} {{source}} changed")]),
        series("Since a host name had an address", "Grows while questions fail; the last good "
               "addresses stay in use.", "s",
               [target("time() - max by (instance, host) ("
                       f"{select('steelyard_dns_last_success_timestamp_seconds', ANY)})",
                       "{{instance}} {{host}}")]),
        series("Endpoints left out", "Endpoints that are not used, because as many as "
               "`limits.endpoints` are in use.", "short",
               [target(f"max by (instance) ({select('steelyard_endpoints_limit', ANY)})",
                       "{{instance}} limit"),
                target(f"max by (instance, pool) ({select('steelyard_pool_endpoints_left_out', ANY)})",
                       "{{instance}} {{pool}} left out")])]


def _limits():
    return "Rate limits", [
        series("Requests by limit", "Requests that a limit let through, and refused (429).",
               "reqps", [_rates("steelyard_rate_limit_requests_total",
                                "scope", "key", "rate", "outcome")], size=(12, 8)),
        series("Keys forgotten", "Before their bucket was full again, because too many others "
               "came: raise `max_keys`, or somebody floods.", "ops",
               [_rates("steelyard_rate_limit_forgotten_keys_total", "scope", "key")],
               size=(12, 8)),
        stat("Shared store", "Whether the store of shared limits can be asked, at the worst "
             "steelyard. 0: each uses its share.", "short",
             f"min({select('steelyard_shared_store_up', ANY)})",
             steps((1, GREEN), color=RED), graph=False),
        stat("Replicas", "Steelyards that share limits, as the one with the fewest knows.",
             "short", f"min({select('steelyard_shared_replicas', ANY)})", graph=False),
        series("Granted ahead", "Requests that the store granted, or a replica itself from its own "
               "share.", "reqps", [_rates("steelyard_shared_granted_requests_total", "by")],
               size=(12, 8)),
        series("Calls of the shared store", "Calls, and failures by reason, a second.", "ops", [
            _rates("steelyard_shared_store_calls_total"),
            target(total("instance, reason",
                         rate("steelyard_shared_store_failures_total", ANY)) + " > 0",
                   "{{instance}} failed: {{reason}}")], size=(12, 8)),
        series("Round trip to the shared store", "Of the last call. No request waits for it.", "s",
               [_most("steelyard_shared_store_round_trip_seconds")], size=(12, 8), log=True),
        series("Keys of shared limits", "Whose buckets are not full.", "short",
               [_most("steelyard_shared_keys")], size=(12, 8))]


def _words():
    return "Logs, hooks, admin", [
        series("Access log", "Lines taken, and dropped by reason: `slow` or `failing`.", "ops", [
            _rates("steelyard_access_log_lines_total"),
            target(total("instance, reason", rate("steelyard_access_log_dropped_total", ANY)),
                   "{{instance}} dropped: {{reason}}"),
            target(total("instance", rate("steelyard_access_log_write_errors_total", ANY)),
                   "{{instance}} write errors")]),
        series("Log lines", "Of steelyard's own log, by level; those that were left out because "
               "too many of a kind came at once, and those that were lost.", "ops", [
                   _rates("steelyard_log_lines_total", "level"),
                   target(total("instance", rate("steelyard_log_suppressed_total", ANY)),
                          "{{instance}} suppressed"),
                   target(total("instance, reason", rate("steelyard_log_dropped_total", ANY)),
                          "{{instance}} lost: {{reason}}")]),
        series("Hooks", "Runs by event and outcome: `ok`, `failed`, `timeout`, `dropped`.", "ops",
               [_rates("steelyard_hook_runs_total", "event", "outcome")]),
        series("Requests to the admin address", "By class of status code.", "reqps",
               [_rates("steelyard_admin_requests_total", "code")], size=(24, 8))]


def process():
    return {
        "uid": "steelyard-process", "title": "Steelyard: controller and process",
        "description": "What steelyard itself uses, adds and writes.",
        "rows": [_now(), _process(), _http2(), _delay(), _controller(), _limits(), _words()],
        "variables": [INSTANCE]}
