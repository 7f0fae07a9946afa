// Untrusted text on a terminal: control sequences are removed, and the remaining text has a known
// width. Widths after Unicode 15.1 (East Asian Width W and F, emoji presentation), as in wcwidth;
// ambiguous ones are narrow.

/// Text that may be written to a terminal.
package enum SafeText {
  /// The most marks on one character; further ones are left out.
  private static let marksMax = 2

  /// `text` without control characters, direction overrides, joiners and the like; each is shown as
  /// a replacement character. Accepts any text; ASCII takes one pass.
  package static func of(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
    var result = String.UnicodeScalarView()
    var marks = 0
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .nonspacingMark, .enclosingMark, .spacingMark:
        marks += 1
        // A mark needs a base character; a variation selector would change widths.
        let isSelector = (0xFE00...0xFE0F).contains(scalar.value)
        if marks <= marksMax, !result.isEmpty, !isSelector { result.append(scalar) }
      case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
        .paragraphSeparator:
        marks = 0
        result.append("\u{FFFD}")
      case .spaceSeparator:
        marks = 0
        result.append(" ")
      default:
        marks = 0
        result.append(scalar)
      }
    }
    return String(result)
  }

  /// `text` made safe line by line; line ends stay.
  package static func lines(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { of(String($0)) }.joined(separator: "\n")
  }

  /// The number of columns of safe text.
  package static func width(_ text: String) -> Int {
    var width = 0
    for scalar in text.unicodeScalars { width += Self.width(scalar) }
    return width
  }

  /// Safe text of at most so many columns; an ellipsis shows that it was cut.
  package static func cut(_ text: String, to columns: Int) -> String {
    if text.utf8.count <= columns || width(text) <= columns { return text }
    guard columns > 0 else { return "" }
    var result = String.UnicodeScalarView()
    var used = 0
    for scalar in text.unicodeScalars {
      let width = Self.width(scalar)
      if used + width > columns - 1 { break }
      used += width
      result.append(scalar)
    }
    return String(result) + "…"
  }

  /// The same with the ellipsis in the middle: beginning and end stay.
  package static func cutWithin(_ text: String, to columns: Int) -> String {
    guard columns > 2, width(text) > columns else { return cut(text, to: columns) }
    let head = cut(text, to: columns / 2 + 1)
    var end = String.UnicodeScalarView()
    var left = columns - width(head)
    for scalar in text.unicodeScalars.reversed() {
      left -= width(scalar)
      if left < 0 { break }
      end.append(scalar)
    }
    // A mark without its base character would combine with the ellipsis.
    while let last = end.last, width(last) == 0 { end.removeLast() }
    return head + String(String.UnicodeScalarView(end.reversed()))
  }

  /// Safe text padded or cut to exactly so many columns.
  package static func fitted(_ text: String, to columns: Int, isRight: Bool = false) -> String {
    let cut = cut(text, to: columns)
    let gap = String(repeating: " ", count: max(0, columns - width(cut)))
    return isRight ? gap + cut : cut + gap
  }

  private static func width(_ scalar: Unicode.Scalar) -> Int {
    if scalar.value < 0x300 { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: break
    }
    if scalar.properties.isEmojiPresentation { return 2 }
    return wide.contains { $0.contains(scalar.value) } ? 2 : 1
  }

  private static let wide: [ClosedRange<UInt32>] = [
    0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF,
    0xA000...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19,
    0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18CFF, 0x1AFF0...0x1B2FF,
    0x1F200...0x1F2FF, 0x20000...0x3FFFD,
  ]
}
