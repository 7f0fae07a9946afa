"""Weights: what they are, why, and whether traffic follows them."""

from grafana import (
    BLUE, ENDPOINT, ENDPOINTS, GRAY, GREEN, INSTANCE, ORANGE, POOL, POOLS, PURPLE, RED, YELLOW,
    annotation, level, rate, ratio, repeated, select, series, stat, steps, target, timeline, total,
    variable)

REASONS = [
    ("law", GREEN), ("slew", "light-green"), ("base", BLUE), ("blackout", PURPLE),
    ("stale", ORANGE), ("expired", RED), ("frozen", "light-blue"), ("pinned", YELLOW),
    ("scaled", "light-yellow"), ("dry_run", GRAY)]
STATES = [
    ("ready", GREEN), ("starting", BLUE), ("draining", YELLOW), ("drained", GRAY),
    ("ejected", ORANGE), ("stalled", PURPLE), ("unhealthy", RED)]
# What comes and goes many times a minute with a law at work is no news.
NEWS = 'reason!~"law|slew"'


def state_number(family, label, states):
    """Families with a 1 for the present state, as one number for each endpoint."""
    chosen = [select(family, ENDPOINT, f'{label}="{name}"') for name, _ in states]
    parts = [f"{number} * {one}" for number, one in enumerate(chosen, 1)]
    return f"max by (pool, endpoint) ({' or '.join(parts)})"


def named(states):
    return [(number, name, color) for number, (name, color) in enumerate(states, 1)]


def reasons_panel(size=(12, 8)):
    return timeline(
        "Reason of the weight", "Why each weight is what it is. `law` and `slew`: the law steers; "
        "`stale`, `expired`, `blackout`: its numbers are old or missing; the others are said by "
        "an operator or the configuration.",
        state_number("steelyard_endpoint_weight_reason", "reason", REASONS),
        "{{pool}} {{endpoint}}", named(REASONS), size)


def eligibility_panel(size=(12, 8)):
    return timeline(
        "Eligibility", "May the endpoint take new exchanges. Health beats the watchdog, the "
        "watchdog beats drain, drain beats weight.",
        state_number("steelyard_endpoint_eligibility", "state", STATES),
        "{{pool}} {{endpoint}}", named(STATES), size)


def change_annotations():
    # Grafana marks nothing where the value is 0, so the number of changes comes first.
    reason = select("steelyard_endpoint_weight_reason", ENDPOINT, NEWS)
    state = select("steelyard_endpoint_eligibility", ENDPOINT)
    return [
        annotation(
            "Weight reasons", f"changes({reason}[1m]) > 0 and {reason} == 1",
            "{{endpoint}}: {{reason}}", "The weight's reason became {{reason}}.", BLUE),
        annotation(
            "Weight reasons that ended", f"changes({reason}[1m]) > 0 and {reason} == 0",
            "{{endpoint}}: no longer {{reason}}", "The weight's reason was {{reason}}.", GRAY),
        annotation(
            "Eligibility", f"changes({state}[1m]) > 0 and {state} == 1",
            "{{endpoint}}: {{state}}", "The endpoint became {{state}}.", ORANGE)]


def _each(family, title, description):
    return series(title, description, "short", [
        target(f"max by (pool, endpoint) ({select(family, ENDPOINT)})", "{{pool}} {{endpoint}}")])


def _weights():
    base, now = "steelyard_endpoint_base_weight", "steelyard_endpoint_weight"
    return "Weights", [
        _each(base, "Base weight", "The operator's number."),
        _each("steelyard_endpoint_target_weight", "Target weight", "What the law wants."),
        _each(now, "Effective weight", "What picks use, after slew, slow start and pins."),
        series("Weight of named endpoints", "The effective weight, by the names of the configuration.",
               "short", [target(
                   f"max by (pool, name) ({select(now, ENDPOINT)} * on (instance, pool, endpoint) "
                   f"group_left (name) {select('steelyard_endpoint_info', ENDPOINT)})",
                   "{{pool}} {{name}}")]),
        series("Effective over base weight", "1: the endpoint has what the operator gave it.",
               "percentunit", [target(
                   f"max by (pool, endpoint) ({select(now, ENDPOINT)} / "
                   f"({select(base, ENDPOINT)} > 0))", "{{pool}} {{endpoint}}")], size=(12, 8)),
        series("How far the weight is from the law", "Effective less target weight. It returns "
               "to 0 unless something holds the weight: see the reasons.", "short", [target(
                   f"max by (pool, endpoint) ({select(now, ENDPOINT)} - "
                   f"{select('steelyard_endpoint_target_weight', ENDPOINT)})",
                   "{{pool}} {{endpoint}}")], size=(12, 8), low=None)]


def _share():
    weights = select("steelyard_endpoint_weight", POOL)
    attempts = rate("steelyard_endpoint_attempts_total", POOL)

    def share(number):
        return (f"sum by (pool, endpoint) ({number}) / on (pool) group_left () "
                f"(sum by (pool) ({number}) > 0)")

    backups = (f"{attempts} * on (instance, pool, endpoint) "
               f"{select('steelyard_endpoint_backup', POOL)}")
    return "Traffic and weight", [
        series("Share of traffic", "Of the pool's attempts.", "percentunit",
               [target(share(attempts), "{{pool}} {{endpoint}}")], size=(12, 8), stacked=True),
        series("Share of weight", "Of the pool's effective weights.", "percentunit",
               [target(share(weights), "{{pool}} {{endpoint}}")], size=(12, 8), stacked=True),
        series("Traffic less weight", "Share of traffic less share of weight. Away from 0 where "
               "the pick follows what is in flight (`least_request`), a hash or a session, and "
               "where an endpoint may take nothing new.", "percentunit",
               [target(f"({share(attempts)}) - ({share(weights)})", "{{pool}} {{endpoint}}")],
               size=(12, 8), low=None),
        series("Traffic of backups", "Share of the pool's attempts that went to backups: above 0 "
               "while none of the others may be used.", "percentunit",
               [target(ratio("pool", backups, attempts), "{{pool}}")], size=(12, 8))]


def _why():
    return "Why", [reasons_panel(), eligibility_panel()]


def _signals():
    value = select("steelyard_signal_value", ENDPOINT)

    def limit(name):
        return select("steelyard_signal_threshold", ENDPOINT, f'level="{name}"')

    normal, alarm = limit("normal"), limit("alarm")
    load = (f"({value} - ignoring (level) {normal}) / "
            f"ignoring (level) ({alarm} - ignoring (level) {normal})")
    one = 'signal=~"$signal"'
    freshness = select("steelyard_signal_freshness", ENDPOINT)
    return "Signals", [
        series("Signals against normal and alarm", "Each signal's place between its normal (0) "
               "and its alarm (1): all of them on one scale. Whoever is above 0 loses weight "
               "with the laws `headroom` and `steps`.", "percentunit",
               [target(f"max by (pool, endpoint, signal) ({load})",
                       "{{pool}} {{endpoint}} {{signal}}")],
               size=(12, 9), limits=steps((0, ORANGE), (1, RED)), low=None),
        series("Freshness", "How many signals may be believed how far.", "short",
               [target(total("freshness", freshness), "{{freshness}}")], size=(12, 9),
               stacked=True),
        repeated(series(
            "$signal", "The number that the law reads, and its normal and alarm.", "short", [
                target(f"max by (pool, endpoint) "
                       f"({select('steelyard_signal_value', ENDPOINT, one)})",
                       "{{pool}} {{endpoint}}"),
                level("steelyard_signal_threshold", f"{ENDPOINT}, {one}", by="pool")],
            low=None), "signal"),
        series("Age of the last page", "Since the last scrape that brought a page ended.", "s",
               [target("time() - max by (pool, endpoint, page) "
                       f"({select('steelyard_scrape_last_success_timestamp_seconds', ENDPOINT)})",
                       "{{pool}} {{endpoint}} {{page}}")], size=(24, 8))]


def _tuning():
    reason = select("steelyard_endpoint_weight_reason", ENDPOINT,
                    'reason=~"pinned|scaled|frozen|dry_run"')
    state = select("steelyard_endpoint_eligibility", ENDPOINT, 'state=~"draining|drained"')
    stale = select("steelyard_endpoint_weight_reason", ENDPOINT,
                   'reason=~"stale|expired|blackout"')
    return "Tuning", [
        stat("Weights on old numbers", "Endpoints whose weight rests on numbers that are stale, "
             "expired or not there yet.", "short", f"sum({stale})", steps((1, ORANGE)),
             size=(6, 8)),
        series("Tuned by operators", "Endpoints whose weight is pinned, scaled or frozen, or in "
               "a pool that only computes (`dry_run`).", "short",
               [target(total("pool, reason", reason), "{{pool}} {{reason}}")], size=(6, 8)),
        series("Drains", "Endpoints that take nothing new, and those that have nothing left.",
               "short", [target(total("pool, state", state), "{{pool}} {{state}}")],
               size=(6, 8)),
        series("Weight tables published", "Revisions a second: how often any weight or "
               "eligibility changed.", "ops",
               [target(total("instance", rate("steelyard_weight_table_revision",
                                              'instance=~"$instance"')), "{{instance}}")],
               size=(6, 8))]


def weights():
    return {
        "uid": "steelyard-weights", "title": "Steelyard: weights",
        "description": "Base, target and effective weights, their reasons and the signals behind.",
        "rows": [_weights(), _share(), _why(), _signals(), _tuning()],
        "variables": [
            INSTANCE, POOLS, ENDPOINTS,
            variable("signal", "Signal",
                     f"label_values(steelyard_signal_value{{{POOL}}}, signal)")],
        "annotations": change_annotations()}
