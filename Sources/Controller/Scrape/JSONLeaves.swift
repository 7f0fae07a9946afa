// The scalars of a small JSON text with their paths (keys and positions joined by dots), in its
// order. One pass over bytes, strict after RFC 8259, no recursion. Depth and count are bounded, and
// the caller bounds the bytes. For metrics pages and answers to health checks, which are untrusted.

/// Reads the scalars of JSON.
package struct JSONLeaves {
  package static let depthMax = 32
  package static let countMax = 4_096
  /// Values with longer paths are skipped: nothing can refer to them.
  package static let pathBytesMax = 512

  package enum Kind: Equatable { case text, number, word }

  package struct Leaf: Equatable {
    package var path: String
    package var kind: Kind
    /// A string without its escapes, a number as written, `true`, `false` or `null`.
    package var text: String
  }

  /// Why the JSON was rejected.
  package struct Malformed: Error, Equatable {
    package enum Reason: Equatable { case syntax, tooDeep, tooManyValues }
    let reason: Reason
    /// For people.
    let detail: String
  }

  private enum Container {
    case object(key: String)
    case list(position: Int)
  }

  private let bytes: UnsafeRawBufferPointer
  private let depthMax: Int
  private let countMax: Int
  private var offset = 0
  private var path: [Container] = []
  private var leaves: [Leaf] = []

  private init(_ bytes: UnsafeRawBufferPointer, _ depthMax: Int, _ countMax: Int) {
    (self.bytes, self.depthMax, self.countMax) = (bytes, depthMax, countMax)
  }

  /// All scalars of an object or a list. Allocates.
  package static func read(
    _ bytes: UnsafeRawBufferPointer, depthMax: Int = depthMax, countMax: Int = countMax
  ) throws(Malformed) -> [Leaf] {
    var reader = JSONLeaves(bytes, depthMax, countMax)
    try reader.readAll()
    return reader.leaves
  }

  private mutating func readAll() throws(Malformed) {
    skipBlanks()
    guard let first = peek, first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else {
      throw wrong("no JSON object")
    }
    repeat {
      try readValue()
      try closeContainers()
    } while !path.isEmpty
    skipBlanks()
    if offset < bytes.count { throw wrong("bytes after the end") }
  }

  // MARK: Values and containers

  /// Opens containers down to the first scalar, or to an empty container, which is closed.
  private mutating func readValue() throws(Malformed) {
    while true {
      skipBlanks()
      switch peek {
      case UInt8(ascii: "{"):
        try open(.object(key: ""))
        if take(UInt8(ascii: "}")) { return drop() }
        try readKey()
      case UInt8(ascii: "["):
        try open(.list(position: 0))
        if take(UInt8(ascii: "]")) { return drop() }
      case UInt8(ascii: "\""): return try append(.text, readString())
      case .some(UInt8(ascii: "0")...UInt8(ascii: "9")), UInt8(ascii: "-"):
        return try append(.number, readNumber())
      case UInt8(ascii: "t"): return try append(.word, readWord("true"))
      case UInt8(ascii: "f"): return try append(.word, readWord("false"))
      case UInt8(ascii: "n"): return try append(.word, readWord("null"))
      default: throw wrong("no value")
      }
    }
  }

  private mutating func open(_ container: Container) throws(Malformed) {
    guard path.count < depthMax else { throw wrong("more than \(depthMax) levels", .tooDeep) }
    offset += 1
    path.append(container)
    skipBlanks()
  }

  private mutating func drop() { path.removeLast() }

  /// Reads what follows a value: a comma, or the end of its container.
  private mutating func closeContainers() throws(Malformed) {
    while let last = path.last {
      skipBlanks()
      switch last {
      case .object:
        if take(UInt8(ascii: ",")) { return try readKey() }
        guard take(UInt8(ascii: "}")) else { throw wrong("no `,` or `}`") }
      case .list(let position):
        if take(UInt8(ascii: ",")) {
          path[path.count - 1] = .list(position: position + 1)
          return
        }
        guard take(UInt8(ascii: "]")) else { throw wrong("no `,` or `]`") }
      }
      drop()
    }
  }

  private mutating func readKey() throws(Malformed) {
    skipBlanks()
    guard peek == UInt8(ascii: "\"") else { throw wrong("no key") }
    path[path.count - 1] = .object(key: try readString())
    skipBlanks()
    guard take(UInt8(ascii: ":")) else { throw wrong("no `:`") }
  }

  private mutating func append(_ kind: Kind, _ text: String) throws(Malformed) {
    guard leaves.count < countMax else {
      throw wrong("more than \(countMax) values", .tooManyValues)
    }
    let pathBytes = path.reduce(path.count) { sum, container in
      if case .object(let key) = container { sum + key.utf8.count } else { sum + 4 }
    }
    guard pathBytes <= Self.pathBytesMax else { return }
    let names = path.map { container in
      switch container {
      case .object(let key): key
      case .list(let position): "\(position)"
      }
    }
    leaves.append(Leaf(path: names.joined(separator: "."), kind: kind, text: text))
  }

  // MARK: Scalars

  private mutating func readString() throws(Malformed) -> String {
    offset += 1
    var text: [UInt8] = []
    while let byte = peek {
      offset += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let whole = String(validating: text, as: UTF8.self) else { throw wrong("no UTF-8") }
        return whole
      case UInt8(ascii: "\\"): try readEscape(into: &text)
      case 0..<0x20: throw wrong("a control character in a string")
      default: text.append(byte)
      }
    }
    throw wrong("an unfinished string")
  }

  private mutating func readEscape(into text: inout [UInt8]) throws(Malformed) {
    guard let byte = peek else { throw wrong("an unfinished string") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var value = try readHex()
      if value & 0xFC00 == 0xD800, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
        let low = try readHex()
        guard low & 0xFC00 == 0xDC00 else { throw wrong("half a character") }
        value = 0x10000 + (value & 0x3FF) << 10 + low & 0x3FF
      }
      guard let scalar = Unicode.Scalar(value) else { throw wrong("half a character") }
      text += Array(String(Character(scalar)).utf8)
    default: throw wrong("an unknown escape")
    }
  }

  private mutating func readHex() throws(Malformed) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw wrong("an unknown escape")
      }
      offset += 1
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  private mutating func readNumber() throws(Malformed) -> String {
    let start = offset
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) { try readDigits() }
    if take(UInt8(ascii: ".")) { try readDigits() }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try readDigits()
    }
    return String(decoding: bytes[start..<offset], as: UTF8.self)
  }

  private mutating func readDigits() throws(Malformed) {
    let start = offset
    while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { offset += 1 }
    if offset == start { throw wrong("no digit") }
  }

  private mutating func readWord(_ word: String) throws(Malformed) -> String {
    for byte in word.utf8 {
      guard take(byte) else { throw wrong("no value") }
    }
    return word
  }

  // MARK: Bytes

  private var peek: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    offset += 1
    return true
  }

  private mutating func skipBlanks() {
    while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
      offset += 1
    }
  }

  private func wrong(_ what: String, _ reason: Malformed.Reason = .syntax) -> Malformed {
    Malformed(reason: reason, detail: "\(what) at byte \(offset)")
  }
}
