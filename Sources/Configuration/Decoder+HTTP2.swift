// HTTP/2: `http2` of a listener, `protocol` of a pool.
import Fleet
import Primitives

extension Decoder {
  /// `true` or a mapping: HTTP/2 beside HTTP/1; `false`: HTTP/1 alone.
  func decodeHTTP2(_ listener: inout Listener, in scope: inout Scope) {
    let node = scope.claim("http2")
    var settings: Node?
    var isOn = listener.http2 != nil
    if let node {
      if case .mapping = node.content {
        (settings, isOn) = (node, true)
      } else if let given = scope.decode(node, "`http2`", .truthOrMapping) {
        isOn = given
      }
    }
    guard isOn else {
      listener.http2 = nil
      scope.put("http2", .value("false", isDefault: node == nil))
      return
    }
    var policy = HTTP2Policy()
    var section = Scope(settings, "`http2`", report)
    section.read("streams", &policy.streamsMax, .count(Self.streamsRange))
    section.read(
      "max_age", &policy.ageMax,
      Form<Nanoseconds>.duration(.seconds(1) ... .seconds(86_400)).or("none"))
    section.read(
      "max_requests", &policy.requestsMax, Form<Int>.count(1...1_000_000_000).or("none"))
    listener.http2 = policy
    scope.put("http2", section.finish())
  }

  /// Requires: `proxy_protocol` and `tls` are decoded.
  func decodeProtocol(_ pool: inout Pool, in scope: inout Scope) {
    scope.read("protocol", &pool.endpointProtocol, .choice)
    guard pool.endpointProtocol != .http1 else { return }
    if pool.endpointProtocol == .auto, pool.tls == nil,
      !scope.has("tls") || scope.isWord("false", at: "tls")
    {
      report.error(
        at: scope.offset(of: "protocol"),
        "`protocol: auto` needs `tls`: an endpoint chooses the protocol in the TLS handshake",
        hint: "write `tls: true`, or `protocol: http2` if all endpoints speak HTTP/2 in the clear")
    }
    if pool.proxyProtocol != .none {
      report.error(
        at: scope.offset(of: "proxy_protocol"),
        "`proxy_protocol` needs `protocol: http1`: an HTTP/2 connection carries requests of many"
          + " clients",
        hint: "remove it; `X-Forwarded-For` names the client of each request")
    }
  }

  /// Requests at once on a connection.
  static let streamsRange = 1...1_000
}

extension Form<Bool> {
  /// `true` or `false`, where a mapping is possible too.
  fileprivate static var truthOrMapping: Form {
    Form(
      read: { scalar throws(Misfit) in
        switch scalar.isPlain ? scalar.text : "" {
        case "true": return true
        case "false": return false
        default:
          throw .expected(
            "`true`, `false` or a mapping",
            hint: "without HTTP/2 it is `http2: false`; `{streams: 100}` is a mapping")
        }
      },
      write: { "\($0)" })
  }
}
