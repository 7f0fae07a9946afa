// Families of refused messages and failed attempts, by reason. Catalogue.swift says how one is
// added.
import Exposition

extension MetricSection {
  static let failures = MetricSection(
    "Failures",
    text: "The log has a line for the first of each endpoint and reason ([logs.md](logs.md)).",
    [.malformedMessagesTotal, .endpointConnectionFailuresTotal])
}

extension MetricFamily {
  static let malformedMessagesTotal = MetricFamily(
    "steelyard_malformed_messages_total", .counter, ["side", "reason"],
    help: "Messages that broke a rule of HTTP, by who sent them and the rule.",
    meaning:
      "Messages that broke a rule of HTTP, and were refused or cut there: `side` is `client` "
      + "(requests) or `endpoint` (answers); `reason` is the rule, as `bare_lf` or "
      + "`several_transfer_encodings`")
  static let endpointConnectionFailuresTotal = MetricFamily(
    "steelyard_endpoint_connection_failures_total", .counter, ["pool", "endpoint", "reason"],
    help: "Attempts that failed at an endpoint by its connection, by how it failed.",
    meaning: "Attempts that failed by the connection: `refused`, `unreachable`, `connect_timeout`, "
      + "`closed_before_head`, `reset_before_head`, `closed_in_head`, `reset_in_head`, "
      + "`send_timeout`, `first_byte_timeout`, `closed_in_content`, `reset_in_content`, "
      + "`content_timeout`")
}
