// One line of an OpenMetrics page, checked strictly against the grammar: single blanks, no trailing
// comma, no carriage return. Quoted UTF-8 names are accepted too. Allocates: for checking only.
// Source: OpenMetrics 1.0, "ABNF".

/// Unescaped bytes of a name or value: strings would treat different bytes that look alike as
/// equal.
typealias OpenMetricsText = [UInt8]

/// The parts of a sample that the rules of a family use.
struct OpenMetricsSample {
  struct Label: Hashable {
    var name: OpenMetricsText
    var value: OpenMetricsText
  }

  var name: OpenMetricsText = []
  /// Sorted by name; names are distinct.
  var labels: [Label] = []
  var value = 0.0
  var timestamp: Double?
  var hasExemplar = false
  var line = 0
  var valueColumn = 1

  func label(_ name: OpenMetricsText) -> OpenMetricsText? {
    labels.first { $0.name == name }?.value
  }

  func error(_ kind: OpenMetricsError.Kind, column: Int = 1) -> OpenMetricsError {
    OpenMetricsError(kind, line: line, column: column)
  }
}

/// A TYPE, HELP or UNIT line.
struct OpenMetricsMetadata {
  enum Keyword: Equatable {
    case type(MetricType)
    case help
    case unit(OpenMetricsText)
  }

  var keyword: Keyword
  var name: OpenMetricsText
}

/// Reads one line from its first byte.
struct OpenMetricsLine {
  private static let exemplarCharactersMax = 128
  private static let space = UInt8(ascii: " ")
  private static let type = Array("TYPE".utf8)
  private static let help = Array("HELP".utf8)
  private static let unit = Array("UNIT".utf8)

  private let start: Position
  private let end: Position
  private let number: Int
  private let labelsMax: Int
  private var position: Position

  /// Requires: the bytes are a line without its end, in UTF-8.
  init(_ start: Position, _ end: Position, number: Int, labelsMax: Int) {
    self.start = start
    self.end = end
    self.number = number
    self.labelsMax = labelsMax
    position = start
  }

  // MARK: Metadata

  /// Requires: the line begins with `#` and is not the end mark.
  mutating func readMetadata() throws(OpenMetricsError) -> OpenMetricsMetadata {
    position += 1
    try take(Self.space, or: .badMetadata)
    let wordStart = position
    while position < end, position.pointee != Self.space { position += 1 }
    let word = bytes(wordStart, position)
    guard word == Self.type || word == Self.help || word == Self.unit else {
      throw error(.badMetadata, at: wordStart)
    }
    try take(Self.space, or: .badMetadata)
    let name =
      at(ByteClass.quote) ? try readQuoted(or: .badName) : try readWord(isMetricName: true)
    try take(Self.space, or: .badMetadata)
    switch word {
    case Self.help: return OpenMetricsMetadata(keyword: .help, name: name)
    case Self.unit:
      let start = position
      while position < end, ByteClass.isName(position.pointee) { position += 1 }
      guard position == end else { throw error(.badUnit) }
      return OpenMetricsMetadata(keyword: .unit(bytes(start, end)), name: name)
    default:
      guard let type = SampleParser.type(position, end), type != .untyped else {
        throw error(.syntax(.badType))
      }
      return OpenMetricsMetadata(keyword: .type(type), name: name)
    }
  }

  // MARK: Sample

  /// Requires: the line is not empty.
  mutating func readSample() throws(OpenMetricsError) -> OpenMetricsSample {
    var sample = OpenMetricsSample(line: number)
    if at(UInt8(ascii: "{")) {
      position += 1
      guard at(ByteClass.quote) else { throw error(.syntax(.badName)) }
      sample.name = try readQuoted(or: .badName)
      if at(UInt8(ascii: ",")) {
        position += 1
        sample.labels = try readLabels(mayBeEmpty: false)
      } else {
        try take(UInt8(ascii: "}"), or: .syntax(.missingComma))
      }
    } else {
      sample.name = try readWord(isMetricName: true)
      if at(UInt8(ascii: "{")) {
        position += 1
        sample.labels = try readLabels(mayBeEmpty: true)
      } else if position < end, position.pointee != Self.space {
        throw error(.syntax(.badName))
      }
    }
    guard position < end else { throw error(.syntax(.missingValue)) }
    try take(Self.space, or: .badLayout)
    sample.valueColumn = position - start + 1
    sample.value = try readNumber(.badNumber).value
    if position < end, !(end - position > 1 && position[1] == UInt8(ascii: "#")) {
      try take(Self.space, or: .badLayout)
      sample.timestamp = try readTimestamp()
    }
    if position < end {
      try take(Self.space, or: .badLayout)
      try readExemplar()
      sample.hasExemplar = true
    }
    return sample
  }

  private mutating func readExemplar() throws(OpenMetricsError) {
    guard at(UInt8(ascii: "#")) else { throw error(.syntax(.trailingBytes)) }
    let start = position
    position += 1
    try take(Self.space, or: .badExemplar)
    try take(UInt8(ascii: "{"), or: .badExemplar)
    let labels = try readLabels(mayBeEmpty: true)
    let characters = labels.reduce(0) {
      $0 + ($1.name + $1.value).count { $0 & 0xC0 != 0x80 }
    }
    guard characters <= Self.exemplarCharactersMax else { throw error(.badExemplar, at: start) }
    try take(Self.space, or: .badLayout)
    _ = try readNumber(.badNumber)
    guard position < end else { return }
    try take(Self.space, or: .badLayout)
    _ = try readTimestamp()
    guard position == end else { throw error(.syntax(.trailingBytes)) }
  }

  private mutating func readTimestamp() throws(OpenMetricsError) -> Double {
    let timestampStart = position
    let number = try readNumber(.badTimestamp)
    guard number.isFinite else { throw error(.syntax(.badTimestamp), at: timestampStart) }
    return number.value
  }

  /// Reads what follows an opening brace, or the comma after a quoted name, including the closing
  /// brace.
  private mutating func readLabels(mayBeEmpty: Bool) throws(OpenMetricsError)
    -> [OpenMetricsSample.Label]
  {
    var labels: [OpenMetricsSample.Label] = []
    if mayBeEmpty, at(UInt8(ascii: "}")) {
      position += 1
      return labels
    }
    while true {
      guard labels.count < labelsMax else { throw error(.syntax(.tooManyLabels)) }
      let isQuoted = at(ByteClass.quote)
      if at(UInt8(ascii: "}")) { throw error(.badLayout) }
      let name = isQuoted ? try readQuoted(or: .badLabelName) : try readWord(isMetricName: false)
      try take(UInt8(ascii: "="), or: .syntax(.badLabelValue))
      guard at(ByteClass.quote) else { throw error(.syntax(.badLabelValue)) }
      labels.append(OpenMetricsSample.Label(name: name, value: try readQuoted(or: nil)))
      guard position < end else { throw error(.syntax(.unterminatedLabels)) }
      if at(UInt8(ascii: "}")) { break }
      try take(UInt8(ascii: ","), or: .syntax(.missingComma))
    }
    let closing = position
    position += 1
    labels.sort { $0.name.lexicographicallyPrecedes($1.name) }
    for (a, b) in zip(labels, labels.dropFirst()) where a.name == b.name {
      throw error(.repeatedLabel, at: closing)
    }
    return labels
  }

  // MARK: Parts of a line

  private func at(_ byte: UInt8) -> Bool { position < end && position.pointee == byte }

  private mutating func take(_ byte: UInt8, or kind: OpenMetricsError.Kind)
    throws(OpenMetricsError)
  {
    guard at(byte) else { throw error(kind) }
    position += 1
  }

  private mutating func readNumber(_ kind: ParseError.Kind) throws(OpenMetricsError)
    -> NumberText
  {
    guard position < end else { throw error(.syntax(.missingValue)) }
    guard let number = NumberText(position, end) else { throw error(.syntax(kind)) }
    position = number.end
    return number
  }

  /// A name without quotes.
  private mutating func readWord(isMetricName: Bool) throws(OpenMetricsError) -> OpenMetricsText {
    let wordStart = position
    guard position < end,
      isMetricName
        ? ByteClass.isNameStart(position.pointee) : ByteClass.isLabelStart(position.pointee)
    else { throw error(.syntax(isMetricName ? .badName : .badLabelName)) }
    while position < end,
      isMetricName ? ByteClass.isName(position.pointee) : ByteClass.isLabel(position.pointee)
    {
      position += 1
    }
    return bytes(wordStart, position)
  }

  /// Requires: the position is at a quote. `emptyKind`: the error for an empty text; nil: it may be
  /// empty.
  private mutating func readQuoted(or emptyKind: ParseError.Kind?) throws(OpenMetricsError)
    -> OpenMetricsText
  {
    let quote = position
    let scan = scanQuoted(quote + 1, end)
    guard scan.end < end else { throw error(.syntax(.unterminatedText), at: quote) }
    if let emptyKind, scan.end == quote + 1 { throw error(.syntax(emptyKind), at: quote) }
    position = scan.end + 1
    let raw = UnsafeRawBufferPointer(start: quote + 1, count: scan.end - quote - 1)
    var text: OpenMetricsText = []
    PageText(bytes: raw, hasEscapes: scan.hasEscapes).append(to: &text)
    return text
  }

  private func bytes(_ start: Position, _ end: Position) -> OpenMetricsText {
    OpenMetricsText(UnsafeRawBufferPointer(start: start, count: end - start))
  }

  private func error(_ kind: OpenMetricsError.Kind, at place: Position? = nil) -> OpenMetricsError {
    OpenMetricsError(kind, line: number, column: (place ?? position) - start + 1)
  }
}
