// Trust on the wire: trusted proxies, the PROXY protocol, tracing fields, endpoint preferences; and
// how slowly a client may send.
import Fleet
import Primitives

extension Decoder {
  /// Decodes the keys of a listener that decide what its clients are trusted with.
  func decodeWire(_ listener: inout Listener, in scope: inout Scope) {
    scope.read("body_rate_min", &listener.bodyRateMin, Form.size(1...1_000_000_000).or("none"))
    readRanges("trusted_proxies", &listener.trustedProxies, in: &scope)
    scope.read("proxy_protocol", &listener.proxyProtocol, .truth)
  }

  /// Decodes `tracing` and `hints` of the file.
  mutating func decodeTracing(in scope: inout Scope) {
    scope.section("tracing") { tracing in
      tracing.read("request_id", &fleet.tracing.requestID, .choice)
      tracing.read("answer_request_id", &fleet.tracing.answersRequestID, .truth)
      tracing.read("traceparent", &fleet.tracing.traceparent, .choice)
      tracing.read("served_by", &fleet.tracing.servedBy, .truth)
    }
    scope.section("hints") { hints in
      readRanges("trusted", &fleet.hints.trusted, in: &hints)
    }
  }

  /// A list of networks; if it is absent, the default stays.
  private func readRanges(_ key: String, _ ranges: inout [AddressRange], in scope: inout Scope) {
    let isDefault = !scope.has(key)
    let nodes = scope.items(key) ?? []
    if !isDefault {
      ranges = nodes.compactMap { scope.decode($0, "an item of `\(key)`", .addressRange) }
      if nodes.count > 1_000 {
        report.error(at: nodes[1_000].offset, "`\(key)` has more than 1000 items")
      }
    }
    let outputs = ranges.map { Output.value(Form.addressRange.write($0), isDefault: isDefault) }
    scope.put(key, .value(Output.sequence(outputs).text, isDefault: isDefault))
  }
}

extension Form<AddressRange> {
  /// `10.0.0.0/8`, `fd00::/8`, `192.168.1.1`.
  static var addressRange: Form {
    Form(
      read: { scalar throws(Misfit) in
        if let range = AddressRange(scalar.text) { return range }
        let parts = scalar.text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2, let address = IPAddress(String(parts[0])),
          let bits = Int(parts[1]), bits >= 0, bits <= (address.isV4 ? 32 : 128)
        {
          let meant = AddressRange(address, bits: address.isV4 ? bits + 96 : bits)
          throw .problem(
            "\(Printable.quoted(scalar.text)) has bits set behind its prefix",
            hint: "the network is `\(meant)`")
        }
        throw .expected(
          "a network or an address", hint: "write it like `10.0.0.0/8` or `fd00::/8`")
      },
      write: { YAMLText.quoted("\($0)") })
  }
}
