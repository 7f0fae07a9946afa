"""The overview: is the service well, and if not, where to look next."""

from grafana import (
    ANY, ENDPOINT, ENDPOINTS, INSTANCE, ORANGE, POOL, POOLS, RED, annotation, heatmap, level, mean,
    quantile, rate, ratio, select, series, stat, steps, table, target, total)

REQUESTS = "steelyard_requests_total"
REFUSALS = "steelyard_pool_refusals_total"
DURATION = "steelyard_request_duration_seconds"
FIRST_BYTE = "steelyard_request_first_byte_seconds"
ARRIVALS = "steelyard_pool_requests_total"
GIVEN_UP = "steelyard_pool_given_up_total"
TOO_MANY = "steelyard_endpoint_too_many_requests_total"
FAILED = 'code=~"5xx|truncated"'
ANSWERED = 'code!="canceled"'
FAULT = 'code="4xx"'
CALLS = "steelyard_grpc_calls_total"
FAILED_CALL = 'grpc_status=~"UNKNOWN|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|DATA_LOSS"'
NO_LIMIT = 'reason!="rate_limited"'
FIRING = 'ALERTS{alertstate="firing", alertname=~"Steelyard.+|Inference.+"}'


USUAL = "steelyard_pool_usual_response_seconds"
MEAN = 'statistic="mean"'


def _whole(part, whole):
    return f"sum({part}) / (sum({whole}) > 0)"


def _failures():
    return (rate(REQUESTS, POOL, FAILED) + " or " + rate(REFUSALS, POOL, NO_LIMIT) + " or "
            + rate(GIVEN_UP, POOL, 'stage="overdue"'))


def _demands():
    return (rate(REQUESTS, POOL, ANSWERED) + " or " + rate(REFUSALS, POOL, NO_LIMIT) + " or "
            + rate(GIVEN_UP, POOL))


def _client_errors():
    """Answers of 4xx, 429 apart."""
    return (total("pool", rate(REQUESTS, POOL, FAULT)) + " - "
            + total("pool", rate(TOO_MANY, POOL)))


def _bad_attempts():
    """Attempts that failed or were answered 4xx, 429 apart."""
    names = "pool, endpoint"
    return (total(names, rate("steelyard_endpoint_failures_total", ENDPOINT)) + " + "
            + total(names, rate(REQUESTS, ENDPOINT, FAULT)) + " - "
            + total(names, rate(TOO_MANY, ENDPOINT)))


def _now():
    ready = select("steelyard_endpoint_eligibility", ENDPOINT, 'state="ready"')
    return "Now", [
        stat("Arrivals", "Requests that came for the pools, a second, whatever became of them.",
             "reqps", f"sum({rate(ARRIVALS, POOL)})"),
        stat("Answered", "By endpoints, with whatever status.", "reqps",
             f"sum({rate(REQUESTS, ENDPOINT, ANSWERED)})"),
        stat("4xx", "Of those answered: the client's fault, says the endpoint.", "reqps",
             f"sum({rate(REQUESTS, ENDPOINT, FAULT)})"),
        stat("5xx", "Of those answered: with 5xx, or cut.", "reqps",
             f"sum({rate(REQUESTS, ENDPOINT, FAILED)})"),
        stat("Refused", "By steelyard, without an endpoint's answer; by rate limits too.", "reqps",
             f"sum({rate(REFUSALS, POOL)})"),
        stat("Given up", "Their clients left before the answer was whole.", "reqps",
             f"sum({rate(GIVEN_UP, POOL)})"),
        stat("Failed", "Share of the requests whose clients did not get what they asked for: 5xx "
             "or cut, refused, given up after a long wait.",
             "percentunit", _whole(_failures(), _demands())),
        stat("Mean duration", "From the whole request head to the last byte of the response.",
             "s", _whole(rate(DURATION + "_sum", ENDPOINT), rate(DURATION + "_count", ENDPOINT))),
        stat("p99 duration", "99 of 100 exchanges were shorter.", "s",
             quantile(0.99, "", DURATION, ENDPOINT)),
        stat("Endpoints ready", "Share of the endpoints that may take new exchanges.",
             "percentunit", f"avg({ready})", steps((0.5, ORANGE), (0.999, "green"), color=RED)),
        stat("Alerts firing", "Alerts of the rules for steelyard and for inference servers.",
             "short", f"count({FIRING}) or vector(0)", steps((1, RED)))]


def _traffic():
    return "Rate and errors", [
        series("Requests by pool", "That came. Dashed: what was configured to be "
               "expected (`thresholds.request_rate`).", "reqps", [
                   target(total("pool", rate(ARRIVALS, POOL)), "{{pool}}"),
                   level("steelyard_pool_expected_requests_per_second", label=None,
                         legend="{{pool}} expected")]),
        series("Requests by endpoint", "Exchanges that ended, by the endpoint that answered.",
               "reqps",
               [target(total("pool, endpoint", rate(REQUESTS, ENDPOINT)), "{{pool}} {{endpoint}}")],
               stacked=True),
        series("Requests by outcome", "`canceled`: the client went away first. `truncated`: the "
               "endpoint cut a response that had begun.", "reqps",
               [target(total("code", rate(REQUESTS, ENDPOINT)), "{{code}}")], stacked=True),
        series("Error ratio by pool", "5xx and cut responses over all answers, and the pool's "
               "thresholds.", "percentunit", [
                   target(ratio("pool", rate(REQUESTS, POOL, FAILED),
                                rate(REQUESTS, POOL, ANSWERED)), "{{pool}}"),
                   level("steelyard_pool_threshold_error_ratio")]),
        series("Failed attempts by endpoint", "Attempts that were refused, cut, timed out or "
               "answered 5xx, over all attempts: what clients would see without retries; "
               "and the pool's thresholds for errors.", "percentunit",
               [target(ratio("pool, endpoint", rate("steelyard_endpoint_failures_total", ENDPOINT),
                             rate("steelyard_endpoint_attempts_total", ENDPOINT)),
                       "{{pool}} {{endpoint}}"),
                level("steelyard_pool_threshold_error_ratio")]),
        series("Success ratio and objective", "Of all requests, those that steelyard refused and "
               "those that were given up too; the pool's thresholds for it, and the objective "
               "that error budgets are made of.", "percentunit", [
                   target("1 - " + ratio("pool", _failures(), _demands()), "{{pool}}"),
                   level("steelyard_pool_threshold_success_ratio"),
                   level("steelyard_pool_threshold_objective_ratio", label=None,
                         legend="{{pool}} objective")], low=None, high=1),
        series("Local answers", "Answers that steelyard gave in an endpoint's place, by reason: "
               "nothing to send the request to, time-outs, full queues, limits, bad requests.",
               "reqps", [target(
                   total("reason, status", rate("steelyard_local_responses_total", ANY)) + " > 0",
                   "{{status}} {{reason}}")], size=(12, 8), stacked=True),
        series("Malformed messages", "Requests of clients and answers of endpoints that broke a rule "
               "of HTTP, by the rule. The log says from whom.", "ops",
               [target(total("side, reason", rate("steelyard_malformed_messages_total", ANY))
                       + " > 0", "{{side}} {{reason}}")], size=(12, 8), stacked=True),
        series("Refusals by pool", "Requests answered 503 because no endpoint could be asked, by "
               "reason: nobody is there, queue or breaker refused them.", "reqps",
               [target(total("pool, reason", rate(REFUSALS, POOL)) + " > 0",
                       "{{pool}} {{reason}}")], size=(12, 8), stacked=True),
        series("Answers of routes", "Redirects and fixed answers that routes give.", "reqps",
               [target(total("action, code", rate("steelyard_route_answers_total", ANY)),
                       "{{action}} {{code}}")], size=(12, 8), stacked=True),
        series("gRPC calls by status", "Calls that ended at endpoints, by `grpc-status`.", "reqps",
               [target(total("grpc_status", rate(CALLS, ENDPOINT)), "{{grpc_status}}")],
               size=(12, 8), stacked=True),
        series("gRPC errors by endpoint", "Share of the calls that end with UNKNOWN, "
               "DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE or DATA_LOSS, and the pool's thresholds for "
               "errors.", "percentunit", [
                   target(ratio("pool, endpoint", rate(CALLS, ENDPOINT, FAILED_CALL),
                                rate(CALLS, ENDPOINT)), "{{pool}} {{endpoint}}"),
                   level("steelyard_pool_threshold_error_ratio")], size=(12, 8))]


def _clients():
    return "Clients", [
        series("What became of requests", "Answered, refused, given up: together all that came, "
               "but for those that still run.", "reqps", [
                   target(f"sum({rate(REQUESTS, POOL, ANSWERED)})", "answered"),
                   target(total("reason", rate(REFUSALS, POOL)), "refused: {{reason}}"),
                   target(total("stage", rate(GIVEN_UP, POOL)), "given up: {{stage}}")],
               stacked=True),
        series("Given up by pool", "Share of the requests whose clients left `overdue`: without a byte of "
               "an answer, after a longer wait than the pool's patience; and the threshold.",
               "percentunit", [
                   target(ratio("pool", rate(GIVEN_UP, POOL, 'stage="overdue"'), _demands()),
                          "{{pool}}"),
                   level("steelyard_pool_threshold_give_up_ratio")]),
        series("Patience", "How long a client may wait for a first byte before its leaving counts "
               "as a failure.", "s",
               [target(f"max by (pool) ({select('steelyard_pool_patience_seconds', POOL)})",
                       "{{pool}}")]),
        series("4xx by pool", "Share of the answers that are 4xx, 429 apart, and the threshold.",
               "percentunit", [
                   target(f"({_client_errors()}) / "
                          f"({total('pool', rate(REQUESTS, POOL, ANSWERED))} > 0)", "{{pool}}"),
                   level("steelyard_pool_threshold_client_error_ratio")]),
        series("429 by pool", "Too Many Requests: from endpoints, and from steelyard's rate limits.",
               "reqps", [
                   target(total("pool", rate(TOO_MANY, POOL)), "{{pool}} endpoints"),
                   target(total("pool", rate(REFUSALS, POOL, 'reason="rate_limited"')),
                          "{{pool}} rate limits")]),
        series("Bad attempts by endpoint", "Share of the attempts that failed or were answered "
               "4xx, 429 apart. The dashed line is by how much it may exceed twice that of the "
               "other endpoints.", "percentunit", [
                   target(f"({_bad_attempts()}) / ("
                          + total("pool, endpoint",
                                  rate("steelyard_endpoint_attempts_total", ENDPOINT))
                          + " > 0)", "{{pool}} {{endpoint}}"),
                   level("steelyard_pool_threshold_endpoint_error_ratio")])]


def _duration():
    return "Duration", [
        series("Mean duration by pool", "From the whole request head to the last byte of the "
               "response, and the pool's thresholds; `usual` is what they are learned from.", "s", [
                   target(mean("pool", DURATION, POOL), "{{pool}}"),
                   target(f"max by (pool) ({select(USUAL, POOL, MEAN)})", "{{pool}} usual"),
                   level("steelyard_pool_threshold_response_time_seconds")]),
        series("p50 and p99 duration by pool", "Half of the exchanges, and 99 of 100, were "
               "shorter. Points are exemplars: they carry the trace of one exchange.", "s", [
                   target(quantile(0.5, "pool", DURATION, POOL), "{{pool}} p50"),
                   target(quantile(0.99, "pool", DURATION, POOL), "{{pool}} p99", exemplar=True),
                   level("steelyard_pool_threshold_p99_seconds")]),
        series("First byte by pool", "From the whole request head to the first byte of the "
               "response: how long a client waits for its first token.", "s", [
                   target(quantile(0.5, "pool", FIRST_BYTE, POOL), "{{pool}} p50"),
                   target(quantile(0.99, "pool", FIRST_BYTE, POOL), "{{pool}} p99"),
                   level("steelyard_pool_threshold_first_byte_seconds")]),
        series("Mean duration by endpoint", "And the pool's thresholds.", "s",
               [target(mean("pool, endpoint", DURATION, ENDPOINT), "{{pool}} {{endpoint}}"),
                level("steelyard_pool_threshold_response_time_seconds")]),
        series("p99 duration by endpoint", "And the pool's threshold.", "s",
               [target(quantile(0.99, "pool, endpoint", DURATION, ENDPOINT),
                       "{{pool}} {{endpoint}}"),
                level("steelyard_pool_threshold_p99_seconds")]),
        series("p99 first byte by endpoint", "Slow prefills and queues inside an endpoint show "
               "here first.", "s",
               [target(quantile(0.99, "pool, endpoint", FIRST_BYTE, ENDPOINT),
                       "{{pool}} {{endpoint}}")]),
        heatmap("Durations", "How many exchanges took how long. Points are exemplars.", "s",
                f"sum by (le) (increase({select(DURATION + '_bucket', ENDPOINT)}"
                "[$__rate_interval]))", size=(24, 8))]


def _queue():
    lengths = "steelyard_queue_length"
    return "Queue", [
        series("Requests that wait", "For room in the pool, over all workers; the thresholds, "
               "and how many may wait before more are refused.", "short", [
                   target(total("pool", select(lengths, POOL)), "{{pool}}"),
                   level("steelyard_pool_threshold_queue_length"),
                   target(total("pool", select("steelyard_queue_length_limit", POOL)),
                          "{{pool}} limit")], log=True),
        series("Time in the queue", "p50 and p99 of those that were let in, and how long the one "
               "has waited that waits longest now.", "s", [
                   target(quantile(0.5, "pool", "steelyard_queue_wait_seconds", POOL),
                          "{{pool}} p50"),
                   target(quantile(0.99, "pool", "steelyard_queue_wait_seconds", POOL),
                          "{{pool}} p99"),
                   target(f"max by (pool) ({select('steelyard_queue_oldest_wait_seconds', POOL)})",
                          "{{pool}} oldest")]),
        series("How requests fared", "`full` and `timeout` are answered 503; `canceled`: the "
               "client went away, or a reload took the pool.", "reqps",
               [target(total("pool, outcome", rate("steelyard_queue_requests_total", POOL)),
                       "{{pool}} {{outcome}}")], stacked=True)]


def _demand():
    forecast = "steelyard_pool_forecast_requests_per_second"
    upper = "steelyard_pool_forecast_upper_requests_per_second"
    error = "steelyard_pool_forecast_error_requests_per_second"
    return "Demand and capacity", [
        series("Demand, forecast and capacity", "Attempts a second now, what is expected, and "
               "what the eligible endpoints can do.", "reqps", [
                   target(total("pool", select("steelyard_pool_requests_per_second", POOL)),
                          "{{pool}} now"),
                   target(total("pool, horizon", select(forecast, POOL)),
                          "{{pool}} in {{horizon}}"),
                   target(total("pool, basis",
                                select("steelyard_pool_capacity_requests_per_second", POOL)),
                          "{{pool}} by {{basis}} capacity")]),
        series("Demand ratio", "Requests a second expected in 5 minutes over capacity. The lines "
               "are 0.8 and 1, which is full.", "percentunit",
               [target(f"max by (pool, basis) ({select('steelyard_pool_demand_ratio', POOL)})",
                       "{{pool}} by {{basis}}")], limits=steps((0.8, ORANGE), (1, RED))),
        series("Trust in the forecast", "What demand will not exceed, nine times of ten, and the "
               "mean error of the last six hours.", "reqps", [
                   target(total("pool, horizon", select(upper, POOL)),
                          "{{pool}} in {{horizon}} at most"),
                   target(total("pool, horizon", select(error, POOL)),
                          "{{pool}} in {{horizon}} error")])]


def _fleet():
    weight = select("steelyard_endpoint_weight", ENDPOINT)
    return "Alerts and weights", [
        table("Firing alerts", "Alerts of the rules for steelyard and for inference servers. "
              "Their runbooks are linked above.", FIRING, [
                  ("severity", "Severity"), ("alertname", "Alert"), ("pool", "Pool"),
                  ("endpoint", "Endpoint"), ("instance", "Steelyard")]),
        series("Effective weights", "What picks use; the dashboard of weights says why.", "short",
               [target(f"max by (pool, endpoint) ({weight})", "{{pool}} {{endpoint}}")],
               size=(12, 8))]


def overview():
    return {
        "uid": "steelyard-overview", "title": "Steelyard: overview",
        "description": "Rate, errors, duration, queues, demand and alerts of pools and endpoints.",
        "rows": [_now(), _traffic(), _clients(), _duration(), _queue(), _demand(), _fleet()],
        "variables": [INSTANCE, POOLS, ENDPOINTS],
        "annotations": [
            annotation(
                "Alerts", FIRING, "{{alertname}}", "{{severity}} {{pool}} {{endpoint}}", RED)]}
