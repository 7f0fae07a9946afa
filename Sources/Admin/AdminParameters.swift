// The parameters of a query, and the orders that they make. Every value has a range, and unknown
// names are refused.
import Configuration
package import Controller
import Fleet
import HTTP
import Primitives

/// The parameters of a query such as `a=1&b=2`. Each name may occur once.
struct AdminParameters {
  private static let byteCountMax = 4_096
  private static let durationMax = Nanoseconds.seconds(31_536_000)
  private var values: [String: String] = [:]

  init(_ query: String) throws(Problem) {
    guard query.utf8.count <= Self.byteCountMax else {
      throw Problem(414, "a query has at most \(Self.byteCountMax) bytes here")
    }
    for pair in query.split(separator: "&") {
      let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = PercentText.decoded(halves[0]),
        let value = PercentText.decoded(halves.count == 2 ? halves[1] : "")
      else {
        throw Problem(400, "the query has an escape that is none, a control character or no UTF-8")
      }
      guard values.updateValue(value, forKey: name) == nil else {
        throw Problem(400, "\(Self.shown(name)) is given twice")
      }
    }
  }

  func has(_ name: String) -> Bool { values[name] != nil }
  mutating func take(_ name: String) -> String? { values.removeValue(forKey: name) }

  mutating func number(_ name: String, _ range: ClosedRange<Double>) throws(Problem) -> Double {
    let text = take(name)
    // Numbers as JSON writes them: no `0x10`, no `inf`.
    let isDecimal =
      text?.utf8.allSatisfy { (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) } ?? false
    guard let text, isDecimal, text.utf8.count <= 64, let value = Double(text),
      range.contains(value)
    else {
      throw Problem(
        400,
        "\(name) must be a number from \(Decimal.text(range.lowerBound)) to "
          + Decimal.text(range.upperBound) + (text.map { ", not \(Self.shown($0))" } ?? ""))
    }
    // -0 would be shown as such.
    return value == 0 ? 0 : value
  }

  mutating func duration(_ name: String) throws(Problem) -> Nanoseconds? {
    guard let text = take(name) else { return nil }
    guard let value = DurationText.read(text), value > .zero, value <= Self.durationMax else {
      throw Problem(
        400, "\(name) must be a duration like 10m or 1h, a year at most, not \(Self.shown(text))")
    }
    return value
  }

  func requireNoOther() throws(Problem) {
    if let name = values.keys.min() {
      throw Problem(400, "there is no parameter \(Self.shown(name)) here")
    }
  }

  /// The beginning of a text of the client, for an answer.
  static func shown(_ text: String) -> String {
    text.count <= 60 ? text : text.prefix(60) + "…"
  }
}

extension TuningRequest {
  /// The order of a POST to a pool or an endpoint; nil for another resource.
  package init?(_ resource: AdminResource, _ query: String) throws(Problem) {
    var parameters = try AdminParameters(query)
    let pool: String
    var address: SocketAddress?
    let action: TuningAction
    switch resource {
    case .pool(let name, let verb):
      pool = name
      action = try Self.poolAction(verb, &parameters)
    case .endpoint(let text, let name, let verb):
      guard let found = SocketAddress(text) else {
        throw Problem(404, "\(AdminParameters.shown(text)) is no address like 10.0.0.1:8000")
      }
      (pool, address) = (name, found)
      action = try Self.endpointAction(verb, &parameters)
    default: return nil
    }
    let lasts = action == .reset ? nil : try parameters.duration("for")
    let persists = try Self.persists(&parameters)
    if persists, lasts != nil {
      throw Problem(409, "persist and for exclude each other")
    }
    let deadline = action == .drain ? try parameters.duration("deadline") : nil
    if let lasts, let deadline, deadline >= lasts {
      throw Problem(400, "deadline must come before the end of the drain: it is less than for")
    }
    try parameters.requireNoOther()
    self.init(pool: pool, endpoint: address, action, lasts: lasts, deadline: deadline)
    self.persists = persists
  }

  private static func persists(_ parameters: inout AdminParameters) throws(Problem) -> Bool {
    switch parameters.take("persist") {
    case nil, "false": return false
    case "true": return true
    default: throw Problem(400, "persist is true or false")
    }
  }

  private static func endpointAction(
    _ verb: String, _ parameters: inout AdminParameters
  ) throws(Problem) -> TuningAction {
    switch verb {
    case "pin": .pin(try parameters.number("weight", 0...1_000_000))
    case "scale": .scale(try parameters.number("factor", 0...1_000))
    case "drain": .drain
    default: .reset
    }
  }

  private static func poolAction(
    _ verb: String, _ parameters: inout AdminParameters
  ) throws(Problem) -> TuningAction {
    guard verb == "set" else { return verb == "freeze" ? .freeze : .reset }
    if let name = parameters.take("law") {
      guard let law = Law(rawValue: name) else {
        let names = Law.allCases.map(\.rawValue).joined(separator: ", ")
        throw Problem(400, "law is one of \(names), not \(AdminParameters.shown(name))")
      }
      return .set(.law(law))
    }
    if parameters.has("floor") { return .set(.floor(try parameters.number("floor", 0...1))) }
    if parameters.has("slew") { return .set(.slew(try parameters.number("slew", 0.01...100))) }
    switch parameters.take("dry_run") {
    case "true": return .set(.dryRun(true))
    case "false": return .set(.dryRun(false))
    default: throw Problem(400, "set what? law, floor, slew or dry_run (true or false)")
    }
  }
}
