// Laws that hold for every page, whatever its bytes: a cut page, picking by name, strict mode.
import Primitives
import Testing

@testable import Exposition

/// The whole captured pages, and the OpenMetrics cases where they are there.
private func allPages() throws -> [(name: String, bytes: [UInt8])] {
  var pages = try Captures.pages().map { (name: $0, bytes: try Captures.bytes($0)) }
  guard OpenMetricsCases.exist else { return pages }
  for good in [true, false] {
    pages += try OpenMetricsCases.names(good: good).map { ($0, try OpenMetricsCases.bytes($0)) }
  }
  return pages
}

/// What a parser said about each line: its place and a digest of all that was decoded.
private struct Heard: Equatable {
  var line: Int
  /// Nil for a sample.
  var error: ParseError?
  var name: [UInt8] = []
  var digest: UInt64 = 0
}

/// Reads the page whole or by name; TYPE lines are left out. Decodes everything.
private func listen(
  _ page: UnsafeRawBufferPointer, isStrict: Bool = false, where wants: (([UInt8]) -> Bool)? = nil
) -> [Heard] {
  var heard: [Heard] = []
  var parser = SampleParser(page, isStrict: isStrict)
  func next() -> SampleParser.Item? {
    guard let wants else { return parser.next() }
    return parser.next { wants(bytes(of: $0)) }
  }
  while let item = next() {
    switch item {
    case .type: continue
    case .bad(let error): heard.append(Heard(line: error.line, error: error))
    case .sample(let sample):
      var digest = sample.value.bitPattern &* 31 &+ (sample.timestamp?.bitPattern ?? 7)
      var labels = 0
      for label in sample.labels {
        labels += 1
        for byte in bytes(of: label.name) + [0] + bytes(of: label.value) {
          digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3
        }
      }
      precondition(labels == sample.labels.count)
      heard.append(Heard(line: sample.line, name: bytes(of: sample.name), digest: digest))
    }
  }
  return heard
}

private func bytes(of text: PageText) -> [UInt8] {
  var bytes: [UInt8] = []
  text.append(to: &bytes)
  return bytes
}

@Suite struct PageLawTests {
  /// A cut page says of its whole lines what the whole page says; only the last one may differ.
  /// Every prefix of windows of whole lines; the next test cuts every line there is.
  @Test func aPageCutAtEveryByteKeepsItsWholeLines() throws {
    var prefixes = 0
    for (name, bytes) in try allPages() {
      for window in windows(bytes, byteCount: 500, countMax: 8) {
        prefixes += checkPrefixes(Array(bytes[window]), name)
      }
    }
    print("truncation: \(prefixes) prefixes")
  }

  /// Lines know nothing of each other, so this is every prefix of every page.
  @Test func everyLineCutAtEveryByteIsAtMostOneItem() throws {
    var lines: Set<ArraySlice<UInt8>> = []
    for (_, bytes) in try allPages() { lines.formUnion(bytes.split(separator: 0x0A)) }
    var cuts = 0
    for line in lines {
      let isGood = withGuardedPage(Array(line)) { page in
        (0...page.count).allSatisfy { isOneItemAtMost(page, cutAt: $0) }
      }
      cuts += line.count + 1
      if !isGood { Issue.record("\(String(decoding: line, as: UTF8.self))") }
    }
    print("truncation: \(lines.count) different lines, \(cuts) cuts")
  }

  private func isOneItemAtMost(_ page: UnsafeRawBufferPointer, cutAt count: Int) -> Bool {
    let part = UnsafeRawBufferPointer(rebasing: page[..<count])
    var parser = SampleParser(part)
    switch parser.next() {
    case nil: break
    case .type: break
    case .bad(let error): if error.line != 1 || !(1...count + 1 ~= error.column) { return false }
    case .sample(let sample):
      let end = part.baseAddress! + part.count
      if sample.line != 1 || sample.name.bytes.baseAddress! + sample.name.bytes.count > end {
        return false
      }
      for label in sample.labels
      where label.value.bytes.baseAddress! + label.value.bytes.count >= end {
        return false
      }
    }
    guard case nil = parser.next() else { return false }
    return true
  }

  /// Ranges of whole lines, of about that many bytes each, spread over the page.
  private func windows(_ bytes: [UInt8], byteCount: Int, countMax: Int) -> [Range<Int>] {
    var starts = [0]
    for (index, byte) in bytes.enumerated() where byte == 0x0A {
      if index + 1 - starts.last! >= byteCount { starts.append(index + 1) }
    }
    let all = zip(starts, starts.dropFirst() + [bytes.count]).map { $0..<$1 }
    let step = max(1, all.count / countMax)
    return stride(from: 0, to: all.count, by: step).map { all[$0] }
  }

  private func checkPrefixes(_ bytes: [UInt8], _ name: String) -> Int {
    withGuardedPage(bytes) { page in
      let whole = listen(page)
      var lines = 0
      for count in 0...bytes.count {
        if count > 0, bytes[count - 1] == 0x0A { lines += 1 }
        // The page's own memory goes on behind the cut, so one that reads on would be found out.
        let heard = listen(UnsafeRawBufferPointer(rebasing: page[..<count]))
        let complete = whole.prefix { $0.line <= lines }
        if !heard.starts(with: complete)
          || heard.dropFirst(complete.count).contains(where: { $0.line != lines + 1 })
          || heard.count > complete.count + 1
        {
          Issue.record("\(name) cut at \(count)")
        }
      }
      return bytes.count + 1
    }
  }

  @Test func picksAgreeWithFullDecodingOnEveryPage() throws {
    for (name, bytes) in try allPages() {
      check(bytes, seed: 1, "\(name)")
    }
  }

  /// Mutations of every page. A failure prints the seed that makes it again.
  @Test func mutatedPagesKeepTheLaws() throws {
    let pages = try allPages()
    var count = 0
    for (index, page) in pages.enumerated() where !page.bytes.isEmpty {
      for round in 0..<(page.bytes.count < 2_000 ? 12 : 40) {
        let seed = UInt64(index) << 16 | UInt64(round)
        var random = RandomSource(seed: seed)
        let other = pages[random.index(below: pages.count)].bytes
        check(
          mutated(page.bytes, with: other, &random), seed: seed, "\(page.name) seed \(seed)")
        count += 1
      }
    }
    print("fuzzing: \(count) mutated pages")
  }

  private func mutated(_ page: [UInt8], with other: [UInt8], _ random: inout RandomSource)
    -> [UInt8]
  {
    func piece(_ bytes: [UInt8], _ max: Int) -> ArraySlice<UInt8> {
      guard !bytes.isEmpty else { return [] }
      let start = random.index(below: bytes.count)
      return bytes[start..<min(bytes.count, start + 1 + random.index(below: max))]
    }
    var bytes = Array(piece(page, 8_000))
    let special = Array("{}\",\\=#\n\r\t \u{0}\u{7F}.eE+-09aZ_:".utf8) + [0x80, 0xC3, 0xFF]
    for _ in 0..<1 + random.index(below: 40) where bytes.count > 1 {
      let index = random.index(below: bytes.count)
      switch random.index(below: 6) {
      case 0: bytes[index] ^= 1 << UInt8(random.index(below: 8))
      case 1: bytes[index] = special[random.index(below: special.count)]
      case 2: bytes.insert(special[random.index(below: special.count)], at: index)
      case 3: bytes.removeSubrange(index..<min(bytes.count, index + 1 + random.index(below: 60)))
      case 4: bytes.insert(contentsOf: piece(bytes, 80), at: index)
      default: bytes.insert(contentsOf: piece(other, 200), at: index)
      }
    }
    return bytes
  }

  /// The laws: errors in line order and within the page, picks as full decoding has them, strict
  /// mode as far as the first error, and a document by OpenMetrics read without an error.
  private func check(_ bytes: [UInt8], seed: UInt64, _ note: String) {
    withGuardedPage(bytes) { page in
      let all = listen(page)
      let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
      var last = 0
      for heard in all {
        if heard.line <= last || heard.line > lines.count { Issue.record("order: \(note)") }
        last = heard.line
        if let error = heard.error,
          error.column < 1 || error.column > lines[error.line - 1].count + 1
        {
          Issue.record("column: \(note)")
        }
      }
      let names = Set(all.filter { $0.error == nil }.map(\.name)).sorted {
        $0.lexicographicallyPrecedes($1)
      }
      var random = RandomSource(seed: seed)
      let wanted = Set(names.filter { _ in random.index(below: 3) == 0 })
      let picked = listen(page, where: wanted.contains)
      if picked.filter({ $0.error == nil })
        != all.filter({ $0.error == nil && wanted.contains($0.name) })
      {
        Issue.record("picks: \(note)")
      }
      if !picked.allSatisfy({ $0.error == nil || all.contains($0) }) {
        Issue.record("errors of picks: \(note)")
      }
      checkStrict(page, all, note)
    }
  }

  private func checkStrict(_ page: UnsafeRawBufferPointer, _ all: [Heard], _ note: String) {
    let strict = listen(page, isStrict: true)
    let good = strict.prefix { $0.error == nil }
    let errors = strict.filter { $0.error != nil }.count
    if !all.starts(with: good) || strict.count - good.count > 1 || errors > 1 {
      Issue.record("strict: \(note)")
    }
    do throws(OpenMetricsError) {
      try OpenMetricsValidator.check(page)
      if errors > 0 || all.contains(where: { $0.error != nil }) {
        Issue.record("a document with an error: \(note)")
      }
    } catch {
      if error.line < 1 || error.column < 1 { Issue.record("place: \(note)") }
    }
  }
}
