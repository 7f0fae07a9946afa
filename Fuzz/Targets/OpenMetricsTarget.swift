// Laws of the check for OpenMetrics: an error is on the page; a document is read without an error
// by the parser for scraping, has its end, and no beginning of it is one.
import Exposition
import Primitives

enum OpenMetricsTarget {
  static let target = FuzzTarget(
    "openmetrics", byteCountMax: 1_500, words: PageWords.all,
    check: { data throws(Finding) in try OpenMetricsTarget.check(data) },
    seeds: { _ in (PageWords.documents + PageWords.pages).map { Array($0.utf8) } })

  static func check(_ page: UnsafeRawBufferPointer) throws(Finding) {
    if let error = error(of: page) {
      let lines = page.split(separator: 0x0A, omittingEmptySubsequences: false)
      // A missing end is on the line behind the last one.
      try require(error.line >= 1 && error.line <= lines.count + 1, "the line: \(error)")
      let count = error.line <= lines.count ? lines[error.line - 1].count : 0
      try require(error.column >= 1 && error.column <= count + 1, "the column: \(error)")
      try require(!error.label.isEmpty, "a label")
      return
    }
    var parser = SampleParser(page, isStrict: true)
    var hasSamples = false
    while let item = parser.next() {
      switch item {
      case .bad(let error):
        throw Finding(description: "a document, but not for scraping: \(error)")
      case .sample: hasSamples = true
      case .type: break
      }
    }
    try require(parser.sawEOF, "a document without an end")
    let text = page.last == 0x0A ? page.count - 1 : page.count
    var random = RandomSource(seed: UInt64(page.count))
    for cut in [text - 1, random.index(below: text), random.index(below: text)] {
      let part = try page.withCopy(of: 0..<cut) { copy throws(Finding) in
        error(of: UnsafeRawBufferPointer(copy))
      }
      try require(part != nil, "a document after \(cut) of \(page.count) bytes")
    }
    // Whoever wants less gets an error of the limit.
    var limits = SampleParser.Limits()
    limits.sampleCount = 0
    let limited = error(of: page, limits)
    try require(
      hasSamples ? limited?.kind == .syntax(.tooManySamples) : limited == nil,
      "over the limit: \(limited.map { "\($0)" } ?? "nothing")")
  }

  private static func error(
    of page: UnsafeRawBufferPointer, _ limits: SampleParser.Limits = SampleParser.Limits()
  ) -> OpenMetricsError? {
    do throws(OpenMetricsError) {
      try OpenMetricsValidator.check(page, limits: limits)
      return nil
    } catch {
      return error
    }
  }
}
