// The admin API, version 1: pools as JSON, explanations as text, tuning by POST with parameters in
// the query. Requests that a browser makes for another page carry `Origin` and are refused.
//   GET  /api/v1/pools                               every pool
//   GET  /api/v1/pools/NAME/explain                  from samples to weights, in words
//   POST /api/v1/reload                              the configuration file, read again
//   POST /api/v1/pools/NAME/{freeze|set|reset}       ?law= floor= slew= dry_run= for=
//   POST /api/v1/pools/NAME/endpoints/ADDRESS/{pin|scale|drain|reset}   ?weight= factor= deadline=
// for=
import Configuration
import Controller
import Fleet
import Primitives

/// What an API request asks for.
enum APICall: Equatable {
  case pools
  case explain(pool: String)
  case tune(TuningRequest)
  case reload

  /// What is wrong with an API request.
  struct Refusal: Error, Equatable {
    var status = 400
    var message: String
  }

  static let prefix = "/api/v1/"

  /// Requires: a path that begins with `prefix`.
  static func read(_ request: AdminRequest) throws(Refusal) -> APICall {
    let parts = request.path.dropFirst(prefix.count)
      .split(separator: "/", omittingEmptySubsequences: false).map(decoded)
    if request.isPost, request.hasOrigin {
      throw Refusal(status: 403, message: "web pages may not change anything here")
    }
    if parts == ["reload"] {
      guard request.isPost else { throw Refusal(status: 405, message: "reload takes POST") }
      return .reload
    }
    guard parts.first == "pools" else { throw unknown }
    if request.isPost {
      return .tune(try tuning(Array(parts.dropFirst()), request.query))
    }
    if parts.count == 1 { return .pools }
    guard parts.count == 3, parts[2] == "explain" else { throw unknown }
    return .explain(pool: parts[1])
  }

  private static var unknown: Refusal {
    Refusal(
      status: 404,
      message: "no such resource; there are /api/v1/pools, …/NAME/explain, /api/v1/reload and POSTs"
    )
  }

  private static func tuning(_ parts: [String], _ query: String) throws(Refusal) -> TuningRequest {
    var parameters = try Parameters(query)
    var address: SocketAddress?
    let action: TuningAction
    if parts.count == 4, parts[1] == "endpoints" {
      guard let found = SocketAddress(parts[2]) else {
        throw Refusal(message: "\(parts[2]) is no address like 10.0.0.1:8000")
      }
      address = found
      action = try endpointAction(parts[3], &parameters)
    } else if parts.count == 2 {
      action = try poolAction(parts[1], &parameters)
    } else {
      throw unknown
    }
    let lasts = try parameters.duration("for")
    let deadline = action == .drain ? try parameters.duration("deadline") : nil
    if let lasts, let deadline, deadline >= lasts {
      throw Refusal(message: "deadline must come before the end of the drain: it is less than for")
    }
    try parameters.requireNoOther()
    return TuningRequest(
      pool: parts[0], endpoint: address, action, lasts: lasts, deadline: deadline)
  }

  private static func endpointAction(
    _ verb: String, _ parameters: inout Parameters
  ) throws(Refusal) -> TuningAction {
    switch verb {
    case "pin": return .pin(try parameters.number("weight", 0...1_000_000))
    case "scale": return .scale(try parameters.number("factor", 0...1_000))
    case "drain": return .drain
    case "reset": return .reset
    default: throw unknown
    }
  }

  private static func poolAction(
    _ verb: String, _ parameters: inout Parameters
  ) throws(Refusal) -> TuningAction {
    switch verb {
    case "freeze": return .freeze
    case "reset": return .reset
    case "set":
      if let name = parameters.take("law") {
        guard let law = Law(rawValue: name) else {
          let names = Law.allCases.map(\.rawValue).joined(separator: ", ")
          throw Refusal(message: "law is one of \(names), not \(name)")
        }
        return .set(.law(law))
      }
      if parameters.has("floor") { return .set(.floor(try parameters.number("floor", 0...1))) }
      if parameters.has("slew") { return .set(.slew(try parameters.number("slew", 0.01...100))) }
      switch parameters.take("dry_run") {
      case "true": return .set(.dryRun(true))
      case "false": return .set(.dryRun(false))
      default: throw Refusal(message: "set what? law, floor, slew or dry_run (true or false)")
      }
    default: throw unknown
    }
  }

  /// `a=1&b=2`, each name once.
  private struct Parameters {
    private var values: [String: String] = [:]

    init(_ query: String) throws(Refusal) {
      for pair in query.split(separator: "&") {
        let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = APICall.decoded(halves[0])
        let value = halves.count == 2 ? APICall.decoded(halves[1]) : ""
        guard values.updateValue(value, forKey: name) == nil else {
          throw Refusal(message: "\(name) is given twice")
        }
      }
    }

    func has(_ name: String) -> Bool { values[name] != nil }
    mutating func take(_ name: String) -> String? { values.removeValue(forKey: name) }

    mutating func number(_ name: String, _ range: ClosedRange<Double>) throws(Refusal) -> Double {
      let text = take(name)
      guard let text, let value = Double(text), range.contains(value) else {
        throw Refusal(
          message: "\(name) must be a number from \(range.lowerBound) to \(range.upperBound)"
            + (text.map { ", not \($0)" } ?? ""))
      }
      return value
    }

    mutating func duration(_ name: String) throws(Refusal) -> Nanoseconds? {
      guard let text = take(name) else { return nil }
      guard let value = DurationText.read(text), value > .zero, value <= .seconds(31_536_000)
      else { throw Refusal(message: "\(name) must be a duration like 10m or 1h, not \(text)") }
      return value
    }

    func requireNoOther() throws(Refusal) {
      if let name = values.keys.min() { throw Refusal(message: "unknown parameter \(name)") }
    }
  }

  /// Percent-decoding (RFC 3986 §2.1); what is not well formed stays as it is.
  static func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest.removeFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What `decoded` undoes, for one segment of a path or one value of a query.
  static func encoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E, 0x3A:
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
    return result
  }
}
