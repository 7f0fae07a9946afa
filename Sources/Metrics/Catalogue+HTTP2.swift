// Families of HTTP/2 and gRPC. Catalogue.swift says how one is added.
import Balancer
import Exposition
import HTTP

extension MetricSection {
  static let http2 = MetricSection(
    "HTTP/2 and gRPC",
    text: "[http2.md](http2.md) has the limits whose violations end streams and connections.",
    [
      .clientRequestsTotal, .http2ConnectionsOpen, .http2ConnectionsEndedTotal, .http2StreamsTotal,
      .http2StreamResetsTotal, .grpcCallsTotal,
    ])
}

extension MetricFamily {
  static let clientRequestsTotal = MetricFamily(
    "steelyard_client_requests_total", .counter, ["protocol"],
    help: "Requests of clients, by the version of HTTP that they came with.",
    meaning:
      "Requests of clients whose head was complete, by version of HTTP: "
      + HTTPVersion.allCases.map { "`\($0.label)`" }.joined(separator: ", "))
  static let http2ConnectionsOpen = MetricFamily(
    "steelyard_http2_connections_open", .gauge, ["side"],
    help: "Connections of HTTP/2 open now, by side.",
    meaning: "Connections of HTTP/2 open now, with the `client` or with the `endpoint`")
  static let http2ConnectionsEndedTotal = MetricFamily(
    "steelyard_http2_connections_ended_total", .counter, ["side", "reason"],
    help: "Connections of HTTP/2 that ended, by side and reason.",
    meaning:
      "Connections of HTTP/2 that ended: by the `peer`, by steelyard in good order (`max_age`, "
      + "`max_requests`, `idle`, `shutdown`), or by steelyard because of what the peer did: "
      + words(StreamMetrics.End.allCases.filter { if case .fault = $0 { true } else { false } }) {
        $0.label
      })
  static let http2StreamsTotal = MetricFamily(
    "steelyard_http2_streams_total", .counter, ["side"],
    help: "Streams of HTTP/2 that were opened, by side.",
    meaning: "Streams of HTTP/2 that were opened: by the `client`, or at the `endpoint`")
  static let http2StreamResetsTotal = MetricFamily(
    "steelyard_http2_stream_resets_total", .counter, ["side", "reason"],
    help: "Streams of HTTP/2 that were reset, by side and reason.",
    meaning:
      "Streams of HTTP/2 that were reset: by the `peer`, by steelyard because the exchange was "
      + "over (`canceled`: its other side left, or a time-out), or by steelyard because of what the "
      + "peer did: "
      + words(StreamMetrics.Reset.allCases.filter { if case .fault = $0 { true } else { false } }) {
        $0.label
      })
  static let grpcCallsTotal = MetricFamily(
    "steelyard_grpc_calls_total", .counter, ["pool", "endpoint", "grpc_status"],
    help: "gRPC calls that ended at an endpoint, by status.",
    meaning:
      "gRPC calls that ended at an endpoint, by the name of their `grpc-status`, such as `OK` or "
      + "`UNAVAILABLE`; numbers that gRPC does not define are `other`. Endpoints of pools with "
      + "`protocol: http2` or `auto`")

  private static func words<Value>(_ values: [Value], _ label: (Value) -> String) -> String {
    values.map { "`\(label($0))`" }.joined(separator: ", ")
  }
}
