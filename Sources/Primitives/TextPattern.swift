// A regular expression for a whole text, compiled once: POSIX extended (regex(7)), anchored at both
// ends as in Prometheus. The lengths of pattern and text and the repetitions are bounded, and there
// are no backreferences, so that no page can make a match take long.
import Glibc

/// Why a pattern was rejected, for people.
public struct TextPatternError: Error, Equatable {
  /// Continues a sentence that begins with the pattern's name: "… is too long".
  public let problem: String
  public let hint: String?
}

public final class TextPattern: @unchecked Sendable {
  // SAFETY: written in init alone; regexec takes it as const, and glibc guards its caches by a
  // lock.
  private let compiled: UnsafeMutablePointer<regex_t>
  /// The pattern as written, without anchors.
  public let text: String

  /// Longer patterns are rejected.
  public static let byteCountMax = 256
  /// Longer texts match nothing.
  public static let textBytesMax = 1_024
  /// The largest product of the upper bounds of all `{…}` in a pattern, because the matcher unrolls
  /// them.
  static let repetitionMax = 1_000

  public init(_ text: String) throws(TextPatternError) {
    try Self.check(Array(text.utf8))
    // `compiled` is set last: an error before that leaves nothing for deinit to free.
    compiled = try Self.compile(text)
    self.text = text
  }

  private static func compile(
    _ text: String
  ) throws(TextPatternError) -> UnsafeMutablePointer<regex_t> {
    let compiled = UnsafeMutablePointer<regex_t>.allocate(capacity: 1)
    let code = regcomp(compiled, "^(" + text + ")$", REG_EXTENDED | REG_NOSUB)
    guard code == 0 else {
      let problem = reason(code, compiled)
      compiled.deallocate()
      throw TextPatternError(problem: problem, hint: nil)
    }
    return compiled
  }

  deinit {
    regfree(compiled)
    compiled.deallocate()
  }

  /// Whether the pattern matches all of the text. Works on bytes, not characters; `.` is any byte.
  public func matches(_ text: UnsafeRawBufferPointer) -> Bool {
    guard text.count <= Self.textBytesMax else { return false }
    var range = regmatch_t(rm_so: 0, rm_eo: regoff_t(text.count))
    guard let start = text.assumingMemoryBound(to: CChar.self).baseAddress else {
      return regexec(compiled, "", 0, &range, REG_STARTEND) == 0
    }
    return regexec(compiled, start, 0, &range, REG_STARTEND) == 0
  }

  /// The same for a string.
  public func matches(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { matches(UnsafeRawBufferPointer($0)) }
  }

  /// Rejects what regcomp interprets differently from Prometheus, what would change the group put
  /// around the pattern, and what costs too much.
  private static func check(_ bytes: [UInt8]) throws(TextPatternError) {
    func refuse(_ problem: String, _ hint: String? = nil) -> TextPatternError {
      TextPatternError(problem: problem, hint: hint)
    }
    guard bytes.count <= byteCountMax else {
      throw refuse("is longer than \(byteCountMax) bytes")
    }
    if bytes.contains(0) { throw refuse("holds a NUL byte") }
    var repetitions = 1
    var depth = 0
    var index = 0
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\\"):
        index += 1
        guard index < bytes.count else { throw refuse("ends in a backslash") }
        if isWord(bytes[index]) {
          throw refuse(
            "has `\\\(Character(Unicode.Scalar(bytes[index])))`, which is not POSIX",
            "write `[0-9]` for `\\d`, `[A-Za-z0-9_]` for `\\w`, `[[:space:]]` for `\\s`")
        }
      case UInt8(ascii: "("):
        if index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "?") {
          throw refuse("has `(?`, which is not POSIX", "groups are written `(…)`")
        }
        depth += 1
      case UInt8(ascii: ")"):
        depth -= 1
        guard depth >= 0 else { throw refuse("has a `)` without its `(`") }
      case UInt8(ascii: "["):
        index = try bracketEnd(bytes, index)
      case UInt8(ascii: "{"):
        let count = repetition(bytes, index)
        repetitions *= max(1, min(count, repetitionMax + 1))
        guard repetitions <= repetitionMax else {
          throw refuse("repeats too much", "all `{…}` together at most \(repetitionMax) times")
        }
      default: break
      }
      index += 1
    }
  }

  /// The index of the `]` that ends the bracket expression (regex(7)); a `]` in first position is a
  /// member.
  private static func bracketEnd(_ bytes: [UInt8], _ start: Int) throws(TextPatternError) -> Int {
    var index = start + 1
    if index < bytes.count, bytes[index] == UInt8(ascii: "^") { index += 1 }
    let first = index
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "]") where index > first: return index
      case UInt8(ascii: "\\"):
        throw TextPatternError(
          problem: "has a backslash within `[…]`, where it stands for itself",
          hint: "put `]` first and `-` last: `[]a-]`; for a backslash outside write `\\\\`")
      case UInt8(ascii: "["):
        let isClass = index + 1 < bytes.count && ":.=".utf8.contains(bytes[index + 1])
        if isClass {
          let kind = bytes[index + 1]
          index += 2
          while index + 1 < bytes.count, bytes[index] != kind || bytes[index + 1] != 0x5D {
            index += 1
          }
          index += 1
        }
      default: break
      }
      index += 1
    }
    throw TextPatternError(problem: "has a `[` without its `]`", hint: nil)
  }

  /// The largest number in `{…}`.
  private static func repetition(_ bytes: [UInt8], _ start: Int) -> Int {
    var largest = 0
    var number = 0
    for byte in bytes[(start + 1)...] {
      switch byte {
      case 0x30...0x39: number = min(number * 10 + Int(byte - 0x30), repetitionMax + 1)
      case UInt8(ascii: ","): number = 0
      default: return largest
      }
      largest = max(largest, number)
    }
    return largest
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "<"), UInt8(ascii: ">"),
      UInt8(ascii: "`"), UInt8(ascii: "'"):
      true
    default: false
    }
  }

  private static func reason(_ code: Int32, _ compiled: UnsafeMutablePointer<regex_t>) -> String {
    var room = [CChar](repeating: 0, count: 128)
    let count = regerror(code, compiled, &room, room.count)
    let text = String(
      decoding: room.prefix(max(0, min(count, room.count) - 1)).map { UInt8(bitPattern: $0) },
      as: UTF8.self)
    return "is no regular expression: \(text)"
  }
}
