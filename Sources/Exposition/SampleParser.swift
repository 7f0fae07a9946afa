// Reads a metrics page line by line: Prometheus text 0.0.4, and what OpenMetrics pages add (EOF,
// exemplars, UNIT, fractional timestamps), and quoted UTF-8 names. A malformed line costs only that
// line, or in strict mode the remaining page. More lenient than Prometheus: CRLF, names are not
// checked for clashes; stricter: a comma between labels, a blank after a bare name, no line break
// in a label value.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem

/// A pull parser over a page in memory, which the caller keeps alive and unchanged.
public struct SampleParser {
  /// Limits of a page. What exceeds one becomes an error item; memory never grows beyond them.
  public struct Limits: Sendable {
    /// Each longer line is rejected.
    public var lineByteCount = 65_536
    /// Each line with more labels is rejected.
    public var labelCount = 64
    /// The page ends after this many lines that should be samples.
    public var sampleCount = 100_000

    public init() {}
  }

  /// The content of a line. HELP, UNIT, comments and blank lines are skipped.
  public enum Item {
    case sample(Sample)
    /// A TYPE line. Samples need not follow.
    case type(name: PageText, MetricType)
    case bad(ParseError)
  }

  /// A line up to its metric name, or the whole content of a line that is no sample. It has no room
  /// for a sample, since it is passed on for every line.
  @usableFromInline enum LineStart {
    case name(PageText)
    case type(name: PageText, MetricType)
    case bad(ParseError)
    case pageEnd
  }

  private(set) var limits: Limits
  private let pageEnd: Position
  private var nextLine: Position
  private var lineStart: Position
  private(set) var lineEnd: Position
  /// The position after the metric name of the present line.
  private var nameEnd: Position
  /// The metric name is inside braces, which are still open at `nameEnd`.
  private var isInBraces = false
  private var sampleLineCount = 0
  private let isStrict: Bool

  /// The number of lines rejected so far.
  public private(set) var badLineCount = 0
  /// The last line read, counted from 1; 0 at first.
  public private(set) var line = 0
  /// Whether `# EOF` has been read. An OpenMetrics page without it is incomplete.
  public internal(set) var sawEOF = false

  /// `isStrict`: the first malformed line is the last item, and exemplars are checked instead of
  /// skipped. Errors of an OpenMetrics page as a whole are left to `OpenMetricsValidator`.
  /// Requires: `page` outlives the parser and everything it returns.
  public init(_ page: UnsafeRawBufferPointer, limits: Limits = Limits(), isStrict: Bool = false) {
    self.isStrict = isStrict
    self.limits = limits
    self.limits.lineByteCount = min(max(0, limits.lineByteCount), Int(Int32.max))
    // An empty buffer may have no address; this one is never read.
    let start = page.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!
    nextLine = start.assumingMemoryBound(to: UInt8.self)
    pageEnd = nextLine + page.count
    // A byte order mark is not part of the first line.
    if page.starts(with: [0xEF, 0xBB, 0xBF]) { nextLine += 3 }
    lineStart = nextLine
    lineEnd = nextLine
    nameEnd = nextLine
  }

  /// The next item; nil at the end of the page.
  public mutating func next() -> Item? {
    switch beginLine() {
    case .name(let name): finishLine(name)
    case .type(let name, let type): .type(name: name, type)
    case .bad(let error): .bad(error)
    case .pageEnd: nil
    }
  }

  /// The next item, skipping every sample whose name `wants` rejects. Such a line is not read
  /// beyond its name, so that errors in its remainder go unnoticed.
  @inlinable public mutating func next(where wants: (PageText) -> Bool) -> Item? {
    while true {
      switch beginLine() {
      case .name(let name): if wants(name) { return finishLine(name) }
      case .type(let name, let type): return .type(name: name, type)
      case .bad(let error): return .bad(error)
      case .pageEnd: return nil
      }
    }
  }

  // MARK: The line

  /// Moves to the next line that is not empty, and reads its metric name.
  @usableFromInline mutating func beginLine() -> LineStart {
    while nextLine < pageEnd {
      takeLine()
      guard lineEnd - lineStart <= limits.lineByteCount else {
        return bad(error(.lineTooLong, at: lineStart + limits.lineByteCount))
      }
      let position = skipBlanks(lineStart, lineEnd)
      guard position < lineEnd else { continue }
      if position.pointee == UInt8(ascii: "#") {
        if let start = readComment(position + 1) { return start }
        continue
      }
      guard sampleLineCount < limits.sampleCount else {
        nextLine = pageEnd
        return bad(error(.tooManySamples, at: position))
      }
      sampleLineCount += 1
      do throws(ParseError) {
        return .name(try readName(position))
      } catch {
        return bad(error)
      }
    }
    return .pageEnd
  }

  /// Reads the line after its metric name.
  @usableFromInline mutating func finishLine(_ name: PageText) -> Item {
    do throws(ParseError) {
      return .sample(try readSample(name))
    } catch {
      countBadLine()
      return .bad(error)
    }
  }

  mutating func bad(_ error: ParseError) -> LineStart {
    countBadLine()
    return .bad(error)
  }

  private mutating func countBadLine() {
    badLineCount += 1
    if isStrict { nextLine = pageEnd }
  }

  private mutating func takeLine() {
    lineStart = nextLine
    line += 1
    if let newline = sy_memchr(lineStart, 0x0A, pageEnd - lineStart) {
      lineEnd = newline.assumingMemoryBound(to: UInt8.self)
      nextLine = lineEnd + 1
    } else {
      lineEnd = pageEnd
      nextLine = pageEnd
    }
    if lineEnd > lineStart, lineEnd[-1] == 0x0D { lineEnd -= 1 }
  }

  private mutating func readName(_ start: Position) throws(ParseError) -> PageText {
    isInBraces = start.pointee == UInt8(ascii: "{")
    if isInBraces {
      let quote = skipBlanks(start + 1, lineEnd)
      guard quote < lineEnd, quote.pointee == ByteClass.quote else {
        throw error(.badName, at: quote)
      }
      let name = try readQuoted(quote, behind: &nameEnd)
      guard !name.bytes.isEmpty else { throw error(.badName, at: quote) }
      return name
    }
    guard ByteClass.isNameStart(start.pointee) else { throw error(.badName, at: start) }
    var position = start + 1
    while position < lineEnd, ByteClass.isName(position.pointee) { position += 1 }
    guard
      position == lineEnd || ByteClass.isBlank(position.pointee)
        || position.pointee == UInt8(ascii: "{")
    else { throw error(.badName, at: position) }
    nameEnd = position
    return text(start, position, hasEscapes: false)
  }

  private func readSample(_ name: PageText) throws(ParseError) -> Sample {
    var position = skipBlanks(nameEnd, lineEnd)
    var labels = SampleLabels(position, position, count: 0)
    if isInBraces {
      labels = try readLabels(&position, followsName: true)
    } else if position < lineEnd, position.pointee == UInt8(ascii: "{") {
      position += 1
      labels = try readLabels(&position, followsName: false)
    }
    position = skipBlanks(position, lineEnd)
    guard position < lineEnd else { throw error(.missingValue, at: position) }
    guard let number = NumberText(position, lineEnd) else { throw error(.badNumber, at: position) }
    position = skipBlanks(number.end, lineEnd)
    var timestamp: NumberText?
    if position < lineEnd, position.pointee != UInt8(ascii: "#") {
      timestamp = NumberText(position, lineEnd)
      guard let timestamp, timestamp.isFinite else { throw error(.badTimestamp, at: position) }
      position = skipBlanks(timestamp.end, lineEnd)
    }
    if position < lineEnd { try passExemplar(position) }
    return Sample(name: name, labels: labels, number: number, timestamp: timestamp, line: line)
  }

  /// An exemplar begins with `# {`. Its content is checked in strict mode only, since the sample
  /// before it is valid either way.
  private func passExemplar(_ start: Position) throws(ParseError) {
    guard start.pointee == UInt8(ascii: "#") else { throw error(.trailingBytes, at: start) }
    let brace = skipBlanks(start + 1, lineEnd)
    guard brace < lineEnd, brace.pointee == UInt8(ascii: "{") else {
      throw error(.trailingBytes, at: start)
    }
    guard isStrict else { return }
    var position = brace + 1
    _ = try readLabels(&position, followsName: false)
    position = skipBlanks(position, lineEnd)
    guard position < lineEnd else { throw error(.missingValue, at: position) }
    guard let value = NumberText(position, lineEnd) else { throw error(.badNumber, at: position) }
    position = skipBlanks(value.end, lineEnd)
    guard position < lineEnd else { return }
    guard let timestamp = NumberText(position, lineEnd), timestamp.isFinite else {
      throw error(.badTimestamp, at: position)
    }
    position = skipBlanks(timestamp.end, lineEnd)
    guard position == lineEnd else { throw error(.trailingBytes, at: position) }
  }

  // MARK: Parts of a line

  @inline(__always) func text(_ start: Position, _ end: Position, hasEscapes: Bool)
    -> PageText
  {
    PageText(
      bytes: UnsafeRawBufferPointer(start: start, count: end - start), hasEscapes: hasEscapes)
  }

  func error(_ kind: ParseError.Kind, at position: Position) -> ParseError {
    ParseError(kind, line: line, column: position - lineStart + 1)
  }
}
