// One line of orders, `name key=value key=value…`: what there is to be given, within which limits.
// Pure; what is wrong is an error for a person.
import Primitives

struct OrderError: Error, Equatable {
  let message: String
}

/// What a run of requests is to be.
struct DriveOrder: Equatable {
  var to = SocketAddress.loopback(port: 0)
  var connections = 64
  var seconds = 3.0
  var warmup = 0.5
  var path = "/bytes/1024"
  /// Ten more fields in requests and answers.
  var fields = false
  /// Bytes of content of each request; 0 is GET.
  var upload = 0
  /// Arrivals a second; 0 is a closed loop.
  var rate = 0.0
  /// A connection for each request.
  var fresh = false
  var seed: UInt64 = 1
}

struct StreamOrder: Equatable {
  var to = SocketAddress.loopback(port: 0)
  var streams = 1_000
  var tokens = 200
  var intervalMilliseconds = 50
  var rampSeconds = 2.0
  var fields = false
}

struct IdleOrder: Equatable {
  var to = SocketAddress.loopback(port: 0)
  var connections = 10_000
  var path = "/bytes/1024"
}

enum Order: Equatable {
  case drive(DriveOrder)
  case stream(StreamOrder)
  case idle(IdleOrder)
  case close

  init(_ line: String) throws(OrderError) {
    var words = Words(line)
    switch words.name {
    case "drive": self = .drive(try words.drive())
    case "stream": self = .stream(try words.stream())
    case "idle": self = .idle(try words.idle())
    case "close": self = .close
    default:
      throw OrderError(
        message: "there is no order \"\(words.name)\"; there are drive, stream, idle, close")
    }
    try words.end()
  }
}

/// The words of one line; each key is taken once.
private struct Words {
  let name: String
  private var values: [(key: String, value: String)] = []

  init(_ line: String) {
    let words = line.split(separator: " ").map(String.init)
    name = words.first ?? ""
    for word in words.dropFirst() {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      values.append((String(parts[0]), parts.count == 2 ? String(parts[1]) : ""))
    }
  }

  mutating func drive() throws(OrderError) -> DriveOrder {
    var order = DriveOrder()
    order.to = try address("to")
    order.connections = try whole("connections", 1...10_000) ?? order.connections
    order.seconds = try number("seconds", 0.1...3_600) ?? order.seconds
    order.warmup = try number("warmup", 0...600) ?? order.warmup
    order.path = try path() ?? order.path
    order.fields = try flag("fields")
    order.upload = try whole("upload", 0...(64 << 20)) ?? 0
    order.rate = try number("rate", 0...1e7) ?? 0
    order.fresh = try flag("fresh")
    order.seed = UInt64(try whole("seed", 0...Int.max) ?? 1)
    return order
  }

  mutating func stream() throws(OrderError) -> StreamOrder {
    var order = StreamOrder()
    order.to = try address("to")
    order.streams = try whole("streams", 1...9_500) ?? order.streams
    order.tokens = try whole("tokens", 1...1_000_000) ?? order.tokens
    order.intervalMilliseconds =
      try whole("interval_ms", 1...60_000) ?? order.intervalMilliseconds
    order.rampSeconds = try number("ramp_seconds", 0...600) ?? order.rampSeconds
    order.fields = try flag("fields")
    return order
  }

  mutating func idle() throws(OrderError) -> IdleOrder {
    var order = IdleOrder()
    order.to = try address("to")
    order.connections = try whole("connections", 1...100_000) ?? order.connections
    order.path = try path() ?? order.path
    return order
  }

  func end() throws(OrderError) {
    guard let first = values.first else { return }
    throw OrderError(message: "\(name) has no key \"\(first.key)\", or it is given twice")
  }

  private mutating func take(_ key: String) -> String? {
    guard let index = values.firstIndex(where: { $0.key == key }) else { return nil }
    return values.remove(at: index).value
  }

  private mutating func address(_ key: String) throws(OrderError) -> SocketAddress {
    guard let text = take(key), let address = SocketAddress(text) else {
      throw OrderError(message: "\(name) needs \(key)=ADDRESS:PORT")
    }
    return address
  }

  private mutating func whole(
    _ key: String, _ range: ClosedRange<Int>
  ) throws(OrderError) -> Int? {
    guard let text = take(key) else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw OrderError(
        message: "\(key) is a whole number, \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  private mutating func number(
    _ key: String, _ range: ClosedRange<Double>
  ) throws(OrderError) -> Double? {
    guard let text = take(key) else { return nil }
    guard let value = Double(text), range.contains(value) else {
      throw OrderError(message: "\(key) is a number, \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  private mutating func flag(_ key: String) throws(OrderError) -> Bool {
    try whole(key, 0...1) == 1
  }

  private mutating func path() throws(OrderError) -> String? {
    guard let text = take("path") else { return nil }
    let isText = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    guard text.hasPrefix("/"), isText, text.utf8.count <= 1_024 else {
      throw OrderError(message: "path begins with \"/\"; 1024 printable bytes at most")
    }
    return text
  }
}
