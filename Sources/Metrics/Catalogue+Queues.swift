// Families of queues and rate limits.
import Exposition

extension MetricSection {
  static let queues = MetricSection(
    "Queues and rate limits",
    text: """
      [overload.md](overload.md) says what they do. A pool without `max_concurrent` has no sample
      of the queue families. `scope` is `pool NAME` or `route LISTENER PREFIX`; `key` is what a
      limit's key is made of (`client_ip`, `path`, `none`, `header NAME`), never a key itself;
      `rate` is as it was configured.
      """,
    [
      .queueLength,
      .queueLengthLimit,
      .queueOldestWaitSeconds,
      .queueWaitSeconds,
      .queueRequestsTotal,
      .poolRefusalsTotal,
      .rateLimitRequestsTotal,
      .rateLimitForgottenKeysTotal,
    ])
}

extension MetricFamily {
  static let queueLength = MetricFamily(
    "steelyard_queue_length", .gauge, ["pool"],
    help: "Requests that wait now.")
  static let queueLengthLimit = MetricFamily(
    "steelyard_queue_length_limit", .gauge, ["pool"],
    help: "How many may wait.",
    meaning: "How many may wait: `max_length`")
  static let queueOldestWaitSeconds = MetricFamily(
    "steelyard_queue_oldest_wait_seconds", .gauge, ["pool"],
    help: "How long the request has waited that waits longest.",
    meaning: "How long the one has waited that waits longest, 0 where none does")
  static let queueWaitSeconds = MetricFamily(
    "steelyard_queue_wait_seconds", .histogram, ["pool"],
    help: "How long requests waited that were let in, 0 included.",
    meaning: "How long those waited that were let in; those that did not have to wait count with 0")
  static let queueRequestsTotal = MetricFamily(
    "steelyard_queue_requests_total", .counter, ["pool", "outcome"],
    help: "How requests of a queue fared.",
    meaning: "How requests fared: `admitted`, `full` (refused at once), `timeout`, `canceled` (the "
      + "client went away, or a reload took the pool)")
  static let poolRefusalsTotal = MetricFamily(
    "steelyard_pool_refusals_total", .counter, ["pool", "reason"],
    help: "Requests of a pool that steelyard refused without an endpoint's answer, by reason.",
    meaning: "Requests refused with 503 because no endpoint could be asked, or no further one: "
      + "`no_endpoint`, `overloaded`, `shed`, `breaker_open`, `queue_full`, `queue_timeout`; with "
      + "429 because of a limit: `rate_limited`")
  static let rateLimitRequestsTotal = MetricFamily(
    "steelyard_rate_limit_requests_total", .counter, ["scope", "key", "rate", "outcome"],
    help: "Requests that a rate limit allowed or limited.",
    meaning: "Requests that a limit `allowed` or `limited` (429)")
  static let rateLimitForgottenKeysTotal = MetricFamily(
    "steelyard_rate_limit_forgotten_keys_total", .counter, ["scope", "key", "rate"],
    help: "Keys that were forgotten before their bucket was full again.",
    meaning:
      "Keys forgotten before their bucket was full again, because too many others came: then "
      + "`max_keys` is too small, or somebody floods")
}
