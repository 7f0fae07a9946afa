// A form is one kind of scalar: how it is read, its range, and how it is written. Law:
// `read(write(x)) == x` for every x that `read` returns.
import Fleet
package import Primitives

/// Why a scalar does not fit the form.
package enum Misfit: Error {
  /// "`key` must be \(what), not `text`".
  case expected(_ what: String, hint: String? = nil)
  /// A complete message.
  case problem(_ message: String, hint: String? = nil)
}

/// Converts text to a value and back.
package struct Form<Value> {
  package let read: (Scalar) throws(Misfit) -> Value
  /// YAML, quoted if necessary.
  package let write: (Value) -> String

  /// Law: `read(write(x)) == x`.
  package init(
    read: @escaping (Scalar) throws(Misfit) -> Value, write: @escaping (Value) -> String
  ) {
    self.read = read
    self.write = write
  }

  /// This form, with nil written as `word`.
  package func or(_ word: String) -> Form<Value?> {
    Form<Value?>(
      read: { scalar throws(Misfit) in
        if scalar.text == word { return nil }
        do throws(Misfit) {
          return try read(scalar)
        } catch {
          guard case .expected(let what, let hint) = error else { throw error }
          throw .expected("\(what), or `\(word)`", hint: hint)
        }
      },
      write: { $0.map(write) ?? word })
  }
}

extension Form<Int> {
  /// A whole number.
  package static func count(_ range: ClosedRange<Int>) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        let what = "a whole number \(range.lowerBound) to \(range.upperBound)"
        guard Decimal.isInteger(scalar.text), let value = Int(scalar.text), range.contains(value)
        else { throw .expected(what) }
        try scalar.requirePlain(what)
        return value
      },
      write: { "\($0)" })
  }

  /// Bytes: `65536`, `64KiB`, `10MB`.
  static func size(_ range: ClosedRange<Int>) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        guard let value = Decimal.read(scalar.text, units: Decimal.sizes, bare: 1) else {
          throw .expected("a size", hint: "sizes look like `65536`, `64KiB` or `10MB`")
        }
        guard range.contains(Int(value)) else {
          throw .expected(
            "\(Decimal.size(range.lowerBound)) to \(Decimal.size(range.upperBound))")
        }
        return Int(value)
      },
      write: Decimal.size)
  }
}

extension Form<UInt16> {
  /// A TCP port.
  static var port: Form {
    let count = Form<Int>.count(1...65_535)
    return Form(
      read: { scalar throws(Misfit) in UInt16(try count.read(scalar)) }, write: { "\($0)" })
  }
}

extension Form<Nanoseconds> {
  /// `250ms`, `2s`, `1.5m`, `1h`.
  package static func duration(_ range: ClosedRange<Nanoseconds>) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        guard let value = Decimal.read(scalar.text, units: Decimal.durations) else {
          let isBare = Decimal.isInteger(scalar.text) && Printable.isTame(scalar.text)
          throw .expected(
            "a duration",
            hint: isBare
              ? "it needs a unit: `\(scalar.text)s` or `\(scalar.text)ms`"
              : "durations look like `250ms`, `2s`, `5m` or `1h`")
        }
        guard range.contains(Nanoseconds(value)) else {
          throw .expected(
            "\(Decimal.duration(range.lowerBound)) to \(Decimal.duration(range.upperBound))")
        }
        return Nanoseconds(value)
      },
      write: Decimal.duration)
  }
}

extension Form<Double> {
  /// A finite number.
  package static func number(_ range: ClosedRange<Double>) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        guard let value = Decimal.double(scalar.text) else {
          throw .expected("a number", hint: percentHint(scalar.text))
        }
        try scalar.requirePlain("a number")
        guard range.contains(value) else {
          throw .expected("\(Decimal.text(range.lowerBound)) to \(Decimal.text(range.upperBound))")
        }
        return value
      },
      write: Decimal.text)
  }

  private static func percentHint(_ text: String) -> String? {
    guard text.hasSuffix("%"), let percent = Decimal.double(String(text.dropLast())) else {
      return nil
    }
    return "write it as a ratio: `\(Decimal.text(percent / 100))`"
  }
}

extension Form<Bool> {
  /// `true` or `false`.
  package static var truth: Form {
    Form(
      read: { scalar throws(Misfit) in
        try scalar.requirePlain("`true` or `false`")
        switch scalar.text {
        case "true": return true
        case "false": return false
        default: throw .expected("`true` or `false`")
        }
      },
      write: { "\($0)" })
  }
}

extension Form where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
  /// One of the words of the cases.
  package static var choice: Form {
    Form(
      read: { scalar throws(Misfit) in
        if let value = Value(rawValue: scalar.text) { return value }
        let words = Value.allCases.map(\.rawValue)
        throw .expected(
          Suggestion.list(words), hint: Suggestion.hint(for: scalar.text, among: words))
      },
      write: { $0.rawValue })
  }
}

extension Form<String> {
  /// The name of a pool or signal: 1 to 64 letters, digits, `_`, `-`, `.`.
  static var name: Form {
    Form(
      read: { scalar throws(Misfit) in
        let isGood = scalar.text.utf8.allSatisfy {
          switch $0 {
          case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D, 0x2E: true
          default: false
          }
        }
        guard isGood, (1...64).contains(scalar.text.utf8.count), !scalar.isNull else {
          throw .expected("a name: 1 to 64 letters, digits, `_`, `-` or `.`")
        }
        return scalar.text
      },
      write: YAMLText.scalar)
  }

  /// Text that may stand in a request line: `/` and visible ASCII (RFC 9112 §3.2.1), without `#`,
  /// and without `?` if it is compared with a path alone.
  static func path(query: Bool) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        let text = scalar.text.utf8
        guard text.first == 0x2F else {
          throw .expected(
            "a path", hint: Printable.isTame(scalar.text) ? "write `/\(scalar.text)`" : nil)
        }
        let isGood = text.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x23 }
        guard isGood, text.count <= 2_048, query || !text.contains(0x3F) else {
          throw .expected(
            "a path of at most 2048 visible ASCII characters, without `#`"
              + (query ? "" : " and `?`"),
            hint: "other characters are written as `%` and two digits")
        }
        return scalar.text
      },
      write: YAMLText.scalar)
  }

  /// Any text that is not empty, without control characters, up to 256 bytes.
  package static func text(_ what: String) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        guard !scalar.isNull, (1...256).contains(scalar.text.utf8.count),
          !scalar.text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
        else { throw .expected(what) }
        return scalar.text
      },
      write: YAMLText.scalar)
  }
}

extension Scalar {
  // Numbers in quotes are text, as in JSON.
  fileprivate func requirePlain(_ what: String) throws(Misfit) {
    if !isPlain { throw .expected("\(what), without quotes") }
  }
}
