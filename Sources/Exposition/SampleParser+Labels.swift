// The content of a sample's braces, and quoted texts.
// HOT PATH: no allocation, no lock, no existential, no clock.

extension SampleParser {
  /// Reads up to and including the closing brace. `followsName`: a quoted metric name precedes, so
  /// that a comma has to come before the first label.
  func readLabels(_ position: inout Position, followsName: Bool) throws(ParseError)
    -> SampleLabels
  {
    let start = position
    var needsComma = followsName
    var count = 0
    while true {
      position = skipBlanks(position, lineEnd)
      guard position < lineEnd else { throw error(.unterminatedLabels, at: position) }
      let byte = position.pointee
      if byte == UInt8(ascii: "}") { break }
      if needsComma {
        guard byte == UInt8(ascii: ",") else { throw error(.missingComma, at: position) }
        position += 1
        needsComma = false
        continue
      }
      guard count < limits.labelCount else { throw error(.tooManyLabels, at: position) }
      try readLabel(&position)
      count += 1
      needsComma = true
    }
    position += 1
    return SampleLabels(start, position - 1, count: count)
  }

  @inline(__always) private func readLabel(_ position: inout Position) throws(ParseError) {
    if position.pointee == ByteClass.quote {
      let quote = position
      guard try !readQuoted(quote, behind: &position).bytes.isEmpty else {
        throw error(.badLabelName, at: quote)
      }
    } else {
      guard ByteClass.isLabelStart(position.pointee) else {
        throw error(.badLabelName, at: position)
      }
      position += 1
      while position < lineEnd, ByteClass.isLabel(position.pointee) { position += 1 }
    }
    position = skipBlanks(position, lineEnd)
    guard position < lineEnd, position.pointee == UInt8(ascii: "=") else {
      throw error(.badLabelValue, at: position)
    }
    position = skipBlanks(position + 1, lineEnd)
    guard position < lineEnd, position.pointee == ByteClass.quote else {
      throw error(.badLabelValue, at: position)
    }
    _ = try readQuoted(position, behind: &position)
  }

  /// Requires: `quote` is an opening quote. `behind` becomes the byte after the closing quote.
  @inline(__always) func readQuoted(_ quote: Position, behind: inout Position)
    throws(ParseError) -> PageText
  {
    let start = quote + 1
    let scan = scanQuoted(start, lineEnd)
    guard scan.end < lineEnd else { throw error(.unterminatedText, at: quote) }
    if scan.hasNonASCII, !isUTF8(start, scan.end) { throw error(.notUTF8, at: quote) }
    behind = scan.end + 1
    return text(start, scan.end, hasEscapes: scan.hasEscapes)
  }
}
