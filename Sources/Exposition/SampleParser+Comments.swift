// Lines that begin with `#`: only TYPE and EOF have a meaning here.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem

extension SampleParser {
  /// nil: a comment without meaning here. `start` is after the `#`.
  mutating func readComment(_ start: Position) -> LineStart? {
    let keyword = skipBlanks(start, lineEnd)
    guard keyword > start, lineEnd - keyword >= 3 else { return nil }
    if lineEnd - keyword == 3 {
      if isWord("EOF", at: keyword) { sawEOF = true }
      return nil
    }
    guard isWord("TYPE", at: keyword), lineEnd - keyword > 4, ByteClass.isBlank(keyword[4]) else {
      return nil
    }
    do throws(ParseError) {
      return try readType(skipBlanks(keyword + 4, lineEnd))
    } catch {
      return bad(error)
    }
  }

  private func readType(_ start: Position) throws(ParseError) -> LineStart {
    guard start < lineEnd else { throw error(.badType, at: start) }
    var position = start
    let name: PageText
    if start.pointee == ByteClass.quote {
      name = try readQuoted(start, behind: &position)
    } else {
      while position < lineEnd, ByteClass.isName(position.pointee) { position += 1 }
      name = text(start, position, hasEscapes: false)
    }
    guard !name.bytes.isEmpty, position < lineEnd, ByteClass.isBlank(position.pointee) else {
      throw error(.badType, at: position)
    }
    let word = skipBlanks(position, lineEnd)
    var wordEnd = word
    while wordEnd < lineEnd, !ByteClass.isBlank(wordEnd.pointee) { wordEnd += 1 }
    guard skipBlanks(wordEnd, lineEnd) == lineEnd, let type = Self.type(word, wordEnd) else {
      throw error(.badType, at: word)
    }
    return .type(name: name, type)
  }

  static func type(_ start: Position, _ end: Position) -> MetricType? {
    func isWord(_ word: StaticString) -> Bool {
      end - start == word.utf8CodeUnitCount && memcmp(start, word.utf8Start, end - start) == 0
    }
    if isWord("gauge") { return .gauge }
    if isWord("counter") { return .counter }
    if isWord("histogram") { return .histogram }
    if isWord("summary") { return .summary }
    if isWord("untyped") { return .untyped }
    if isWord("unknown") { return .unknown }
    if isWord("info") { return .info }
    if isWord("stateset") { return .stateset }
    return isWord("gaugehistogram") ? .gaugehistogram : nil
  }

  /// Requires: the line has that many bytes there.
  private func isWord(_ word: StaticString, at position: Position) -> Bool {
    memcmp(position, word.utf8Start, word.utf8CodeUnitCount) == 0
  }
}
