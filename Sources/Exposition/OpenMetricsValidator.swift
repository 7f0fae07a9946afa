// Checks a whole page against OpenMetrics 1.0: every line strictly, families in one piece, and the
// end mark. Separate from `SampleParser`, so that scraping does not pay for it. Takes memory in
// proportion to the page, which the limits bound.
// Source: OpenMetrics 1.0 and the project's test cases for parsers.
import CSystem

/// Checks whether a page is an OpenMetrics document.
package struct OpenMetricsValidator {
  private let limits: SampleParser.Limits
  private var family: OpenMetricsFamily?
  /// The names of all families so far, and those of their possible samples.
  private var names: Set<OpenMetricsText> = []
  private var sampleCount = 0

  private init(limits: SampleParser.Limits) { self.limits = limits }

  /// Throws the first error. `SampleParser` reads a page that passes without errors. Stops at the
  /// first line over a limit. Allocates.
  package static func check(
    _ page: UnsafeRawBufferPointer, limits: SampleParser.Limits = SampleParser.Limits()
  ) throws(OpenMetricsError) {
    var validator = OpenMetricsValidator(limits: limits)
    try validator.check(page)
  }

  private mutating func check(_ page: UnsafeRawBufferPointer) throws(OpenMetricsError) {
    var number = 0
    if let base = page.baseAddress {
      var start = base.assumingMemoryBound(to: UInt8.self)
      let pageEnd = start + page.count
      while start < pageEnd {
        number += 1
        let newline = sy_memchr(start, 0x0A, pageEnd - start)
        let end = newline?.assumingMemoryBound(to: UInt8.self) ?? pageEnd
        if isEndMark(start, end) {
          let behind = newline == nil ? end : end + 1
          guard behind == pageEnd else {
            throw OpenMetricsError(.behindEnd, line: number + 1, column: 1)
          }
          try family?.close()
          return
        }
        try take(start, end, number)
        guard newline != nil else { break }
        start = end + 1
      }
    }
    throw OpenMetricsError(.missingEnd, line: number + 1, column: 1)
  }

  private func isEndMark(_ start: Position, _ end: Position) -> Bool {
    let mark: StaticString = "# EOF"
    return end - start == mark.utf8CodeUnitCount && memcmp(start, mark.utf8Start, end - start) == 0
  }

  private mutating func take(_ start: Position, _ end: Position, _ number: Int)
    throws(OpenMetricsError)
  {
    guard end > start else { throw OpenMetricsError(.blankLine, line: number, column: 1) }
    guard end - start <= limits.lineByteCount else {
      throw OpenMetricsError(
        .syntax(.lineTooLong), line: number, column: limits.lineByteCount + 1)
    }
    guard isUTF8(start, end) else {
      throw OpenMetricsError(.syntax(.notUTF8), line: number, column: 1)
    }
    var line = OpenMetricsLine(start, end, number: number, labelsMax: limits.labelCount)
    if start.pointee == UInt8(ascii: "#") {
      try take(try line.readMetadata(), number)
    } else {
      guard sampleCount < limits.sampleCount else {
        throw OpenMetricsError(.syntax(.tooManySamples), line: number, column: 1)
      }
      sampleCount += 1
      try take(try line.readSample())
    }
  }

  private mutating func take(_ metadata: OpenMetricsMetadata, _ number: Int)
    throws(OpenMetricsError)
  {
    if metadata.name != family?.name { try open(metadata.name, number) }
    try family?.take(metadata.keyword, line: number)
    guard case .type(let type) = metadata.keyword else { return }
    for suffix in OpenMetricsFamily.suffixes(type) where !suffix.isEmpty {
      try claim(metadata.name + suffix.utf8, number)
    }
  }

  private mutating func take(_ sample: OpenMetricsSample) throws(OpenMetricsError) {
    if let suffix = family?.suffix(of: sample) {
      try family?.take(sample, suffix: suffix)
    } else {
      try open(sample.name, sample.line)
      try family?.take(sample, suffix: "")
    }
  }

  /// Opens a family after closing the one that is open.
  private mutating func open(_ name: OpenMetricsText, _ number: Int) throws(OpenMetricsError) {
    try family?.close()
    try claim(name, number)
    family = OpenMetricsFamily(name: name)
  }

  private mutating func claim(_ name: OpenMetricsText, _ number: Int) throws(OpenMetricsError) {
    guard names.insert(name).inserted else {
      throw OpenMetricsError(.clashingName, line: number, column: 1)
    }
  }
}
