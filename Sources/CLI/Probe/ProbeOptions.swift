// The command line of `steelyard probe`: where to look, and how. Pure; nothing is resolved here.
import Fleet
import Primitives

/// A wrong word on the command line, for people.
struct ProbeUsageError: Error, Sendable, Equatable {
  let message: String
  init(_ message: String) { self.message = "probe: " + message }
}

/// `http://HOST[:PORT][/PATH]`; the scheme may be left out.
struct ProbeURL: Sendable, Equatable {
  /// A name or an address; IPv6 in brackets.
  var host: String
  var port: UInt16?
  /// Begins with "/"; nil where none is given, or "/" alone.
  var path: String?

  /// Throws why it is none.
  init(_ text: String) throws(ProbeUsageError) {
    var rest = text[...]
    if let end = text.range(of: "://") {
      let scheme = text[..<end.lowerBound].lowercased()
      if scheme == "https" { throw ProbeUsageError("https: \(ServerClue.tlsAdvice)") }
      guard scheme == "http" else {
        throw ProbeUsageError("URL begins with http://, not \(scheme)://")
      }
      rest = text[end.upperBound...]
    }
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    let target = rest[authority.endIndex...].prefix { $0 != "#" }
    if !target.isEmpty, target != "/" {
      path = target.first == "?" ? "/" + target : String(target)
    }
    if authority.contains("@") {
      throw ProbeUsageError("URL with a password: it would not be sent")
    }
    var name = authority
    if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
      name = authority[..<colon]
      let digits = authority[authority.index(after: colon)...]
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        let number = UInt16(digits), number > 0
      else { throw ProbeUsageError("URL with port \(digits): it is 1 to 65535") }
      port = number
    }
    guard Self.isHost(name) else {
      throw ProbeUsageError(
        name.contains(":")
          ? "URL with an IPv6 address: write it in brackets, http://[::1]:8000"
          : "URL without a host: \(text)")
    }
    host = String(name)
  }

  private static func isHost(_ name: Substring) -> Bool {
    if name.hasPrefix("[") { return SocketAddress(host: String(name), port: 1) != nil }
    return (1...253).contains(name.utf8.count)
      && name.utf8.allSatisfy {
        switch $0 {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
      }
  }
}

extension String {
  /// Where `part` stands first.
  fileprivate func range(of part: String) -> Range<String.Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(part) {
        return start..<index(start, offsetBy: part.count)
      }
      start = index(after: start)
    }
    return nil
  }
}

/// What a probe is to do.
struct ProbeOptions: Sendable, Equatable {
  var url: ProbeURL
  /// nil: the one that fits best.
  var preset: Preset?
  /// Between the two fetches.
  var interval = Nanoseconds.seconds(1)
  /// Of each fetch.
  var timeout = Nanoseconds.seconds(5)
  var isJSON = false

  static func parse(_ arguments: [String]) throws(ProbeUsageError) -> ProbeOptions {
    var options: ProbeOptions?
    var (interval, timeout) = (Nanoseconds.seconds(1), Nanoseconds.seconds(5))
    var (preset, isJSON): (Preset?, Bool) = (nil, false)
    var rest = arguments[...]
    while let word = rest.popFirst() {
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      func value() throws(ProbeUsageError) -> String {
        guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
          throw ProbeUsageError("\(parts[0]) needs a value")
        }
        return value
      }
      switch word.hasPrefix("-") ? parts[0] : "" {
      case "":
        if options != nil { throw ProbeUsageError("one URL, please") }
        options = ProbeOptions(url: try ProbeURL(word))
      case "--json": isJSON = true
      case "--preset":
        let name = try value()
        guard let named = Preset.named(name) else {
          let names = Preset.all.map(\.name).joined(separator: ", ")
          throw ProbeUsageError("there is no preset \(name); the presets are \(names)")
        }
        preset = named
      case "--interval": interval = try duration(try value(), .milliseconds(100) ... .seconds(300))
      case "--timeout": timeout = try duration(try value(), .milliseconds(10) ... .seconds(300))
      default: throw ProbeUsageError("unknown option \(word)")
      }
    }
    guard var options else { throw ProbeUsageError("URL is missing") }
    (options.preset, options.interval, options.timeout) = (preset, interval, timeout)
    options.isJSON = isJSON
    return options
  }

  private init(url: ProbeURL) { self.url = url }

  private static func duration(
    _ text: String, _ range: ClosedRange<Nanoseconds>
  ) throws(ProbeUsageError) -> Nanoseconds {
    for (unit, seconds) in [("ms", 0.001), ("s", 1), ("m", 60)] where text.hasSuffix(unit) {
      let digits = text.dropLast(unit.utf8.count)
      guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E }),
        let number = Double(digits), number < 1e6
      else { break }
      let span = Nanoseconds.seconds(number * seconds)
      if range.contains(span) { return span }
    }
    throw ProbeUsageError("\(text) is no such time; write 250ms, 1s or 2m")
  }
}
