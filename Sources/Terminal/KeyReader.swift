// Converts the bytes of a terminal's keyboard to keys: UTF-8, CSI and SS3 sequences (ECMA-48,
// xterm), bracketed pastes. Bounded: an endless sequence is dropped.

/// A key that was pressed.
package enum Key: Sendable, Equatable {
  case character(Character)
  case enter, escape, backspace, clearLine, redraw
  case up, down, left, right, pageUp, pageDown, home, end
}

/// Reads keys from bytes that arrive in pieces.
package struct KeyReader: Sendable {
  private static let sequenceMax = 16
  private var pending: [UInt8] = []
  private var isPasting = false

  package init() {}

  /// A sequence is incomplete: if no more bytes come soon, call `flush`.
  package var isWaiting: Bool { !pending.isEmpty }

  /// The keys that these bytes complete. Pasted text counts as typed if text is asked for;
  /// otherwise it is ignored.
  package mutating func read(_ bytes: some Sequence<UInt8>, takesPaste: Bool) -> [Key] {
    var keys: [Key] = []
    for byte in bytes {
      pending.append(byte)
      guard let key = next() else { continue }
      pending = []
      switch key {
      case .key(let key):
        if !isPasting {
          keys.append(key)
        } else if takesPaste, case .character = key {
          keys.append(key)
        }
      case .paste(let begins): isPasting = begins
      case .nothing: break
      }
    }
    return keys
  }

  /// No more bytes come: an escape alone is the key.
  package mutating func flush() -> [Key] {
    defer { pending = [] }
    return pending == [0x1B] ? [.escape] : []
  }

  private enum Found {
    case key(Key)
    case paste(Bool)
    case nothing
  }

  /// nil: incomplete.
  private func next() -> Found? {
    let first = pending[0]
    switch first {
    case 0x1B: return sequence()
    case 0x0D, 0x0A: return .key(.enter)
    case 0x7F, 0x08: return .key(.backspace)
    case 0x15: return .key(.clearLine)
    case 0x0C: return .key(.redraw)
    case 0x02: return .key(.pageUp)
    case 0x06: return .key(.pageDown)
    case 0x0E: return .key(.down)
    case 0x10: return .key(.up)
    case 0x20...0x7E: return .key(.character(Character(Unicode.Scalar(first))))
    case 0xC2...0xF4: return scalar(byteCount: first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4)
    default: return .nothing
    }
  }

  private func scalar(byteCount: Int) -> Found? {
    if let last = pending.dropFirst().last, last & 0xC0 != 0x80 { return .nothing }
    guard pending.count == byteCount else { return nil }
    guard let text = String(validating: pending, as: UTF8.self),
      let scalar = text.unicodeScalars.first,
      scalar.properties.generalCategory != .control
    else { return .nothing }
    return .key(.character(Character(scalar)))
  }

  private func sequence() -> Found? {
    guard pending.count > 1 else { return nil }
    switch pending[1] {
    case UInt8(ascii: "O"):
      guard pending.count > 2 else { return nil }
      return Self.letters[pending[2]].map { .key($0) } ?? .nothing
    case UInt8(ascii: "["):
      guard pending.count > 2, let last = pending.last else { return nil }
      guard (0x40...0x7E).contains(last) else {
        return pending.count < Self.sequenceMax && (0x20...0x3F).contains(last) ? nil : .nothing
      }
      guard last == UInt8(ascii: "~") else {
        return Self.letters[last].map { .key($0) } ?? .nothing
      }
      switch String(decoding: pending[2..<pending.count - 1], as: UTF8.self) {
      case "1", "7": return .key(.home)
      case "4", "8": return .key(.end)
      case "5": return .key(.pageUp)
      case "6": return .key(.pageDown)
      case "200": return .paste(true)
      case "201": return .paste(false)
      default: return .nothing
      }
    // Alt and a key has no meaning here.
    default: return .nothing
    }
  }

  private static let letters: [UInt8: Key] = [
    UInt8(ascii: "A"): .up, UInt8(ascii: "B"): .down, UInt8(ascii: "C"): .right,
    UInt8(ascii: "D"): .left, UInt8(ascii: "H"): .home, UInt8(ascii: "F"): .end,
  ]
}
