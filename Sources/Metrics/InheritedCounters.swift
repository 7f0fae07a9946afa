// The counters of the process that this one has replaced: added to those of this process, so that
// no counter of a page goes back with an upgrade. They come as a metrics page in the text format,
// in which a sample is known by its name and labels, whatever version wrote it.
// Invariant: gauges are this process's own; a series that only the other process had stays on the
// page as long as its pool and endpoint are configured.
import Exposition
package import Fleet

/// The samples of all counters and histograms of a page.
package struct InheritedCounters {
  /// One sample, as ranges of the page.
  private struct Entry {
    /// The name and the labels.
    let head: Range<Int>
    let value: Range<Int>
  }

  private let page: [UInt8]
  private var entries: [Entry] = []
  /// The entries of each family, by its name without `_total`.
  private var families: [String: Range<Int>] = [:]
  /// The number of each entry, by its head; made when the order of two pages differs.
  private lazy var numbers = Dictionary(
    entries.indices.map { (Array(page[entries[$0].head]), $0) }, uniquingKeysWith: { $1 })

  /// `page` is in the text format. Lines that are none are left out.
  package init(_ page: [UInt8]) {
    self.page = page
    var family: String?
    var first = 0
    page.withUnsafeBytes { bytes in
      PageLine.each(bytes) { line in
        switch line {
        case .family(let name, let isCounted):
          if let family { families[family] = first..<entries.count }
          family = isCounted ? name : nil
          first = entries.count
        case .sample(let head, let value):
          if family != nil { entries.append(Entry(head: head, value: value)) }
        case .boundary: break
        }
      }
    }
    if let family { families[family] = first..<entries.count }
  }

  /// The page of this process, in either format, with the other process's counts added. `table` has
  /// the pools and endpoints that are configured.
  package mutating func added(to own: [UInt8], _ table: WeightTable) -> [UInt8] {
    if entries.isEmpty { return own }
    let present = PresentSeries(table)
    var result: [UInt8] = []
    result.reserveCapacity(own.count + page.count / 8)
    var isUsed = [Bool](repeating: false, count: entries.count)
    var family: String?
    var next = 0
    own.withUnsafeBytes { bytes in
      var copied = 0
      func copy(to end: Int) {
        result += bytes[copied..<end]
        copied = end
      }
      PageLine.each(bytes) { line in
        switch line {
        case .family(let name, let isCounted):
          // HELP stands before TYPE: the rest of a family goes before both.
          if isCounted { next = families[name]?.lowerBound ?? next }
          family = isCounted ? name : nil
        case .sample(let head, let value):
          guard family != nil, let number = number(bytes[head], next) else { return }
          isUsed[number] = true
          next = number + 1
          copy(to: value.lowerBound)
          result += Self.sum(bytes[value], page[entries[number].value])
          copied = value.upperBound
        case .boundary(let start):
          copy(to: start)
          if let ended = family { append(rest: ended, isUsed, present, to: &result) }
          family = nil
        }
      }
      if copied < bytes.count { copy(to: bytes.count) }
    }
    if let family { append(rest: family, isUsed, present, to: &result) }
    return result
  }

  /// The entry with the same name and labels; nil: there is none. `expected` is the likely one.
  private mutating func number(_ head: Slice<UnsafeRawBufferPointer>, _ expected: Int) -> Int? {
    if expected < entries.count, page[entries[expected].head].elementsEqual(head) {
      return expected
    }
    return numbers[Array(head)]
  }

  /// Writes the samples of a family that this process does not have.
  private func append(
    rest family: String, _ isUsed: [Bool], _ present: PresentSeries, to result: inout [UInt8]
  ) {
    for number in families[family] ?? 0..<0 where !isUsed[number] {
      let head = page[entries[number].head]
      guard present.has(head) else { continue }
      result += head
      result.append(UInt8(ascii: " "))
      result += page[entries[number].value]
      result.append(UInt8(ascii: "\n"))
    }
  }

  private static func sum(
    _ own: Slice<UnsafeRawBufferPointer>, _ other: ArraySlice<UInt8>
  ) -> [UInt8] {
    let (a, b) = (String(decoding: own, as: UTF8.self), String(decoding: other, as: UTF8.self))
    if let a = UInt64(a), let b = UInt64(b) { return Array("\(a &+ b)".utf8) }
    guard let a = Double(a), let b = Double(b) else { return Array(own) }
    return Array(MetricsWriter.text(a + b).utf8)
  }
}

/// A line of a page that steelyard wrote, as far as counters are concerned.
private enum PageLine {
  /// A family begins; its name without `_total`, and whether it is a counter or a histogram.
  case family(String, isCounted: Bool)
  /// A sample with its name and labels, and its value.
  case sample(head: Range<Int>, value: Range<Int>)
  /// The family before this offset is complete.
  case boundary(Int)

  private static let type = Array("# TYPE ".utf8)
  private static let unit = Array("# UNIT ".utf8)

  /// Calls `body` with each line.
  static func each(_ bytes: UnsafeRawBufferPointer, _ body: (PageLine) -> Void) {
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
      if start < end, let line = line(bytes, start..<end) { body(line) }
      start = end + 1
    }
  }

  private static func line(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> PageLine? {
    guard bytes[range.lowerBound] != UInt8(ascii: "#") else {
      if bytes[range].starts(with: unit) { return nil }
      guard bytes[range].starts(with: type) else { return .boundary(range.lowerBound) }
      let words = String(decoding: bytes[range].dropFirst(type.count), as: UTF8.self)
        .split(separator: " ")
      guard words.count == 2 else { return nil }
      let name = words[0].hasSuffix("_total") ? words[0].dropLast(6) : words[0]
      return .family(
        String(name), isCounted: words[1] == "counter" || words[1] == "histogram")
    }
    // The blank that ends the labels is the first one outside of quotes.
    var (isQuoted, isEscaped) = (false, false)
    var index = range.lowerBound
    while index < range.upperBound {
      let byte = bytes[index]
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isQuoted.toggle()
      } else if byte == UInt8(ascii: " "), !isQuoted {
        break
      }
      index += 1
    }
    let value = min(index + 1, range.upperBound)
    // In OpenMetrics an exemplar may follow.
    let end = bytes[value..<range.upperBound].firstIndex(of: UInt8(ascii: " ")) ?? range.upperBound
    return .sample(head: range.lowerBound..<index, value: value..<end)
  }
}

/// The pools and endpoints that samples may be of.
private struct PresentSeries {
  private var pools: Set<String> = []
  private var endpoints: Set<String> = []

  init(_ table: WeightTable) {
    for pool in table.fleet.pools {
      pools.insert(pool.name)
      for endpoint in pool.endpoints { endpoints.insert("\(pool.name) \(endpoint.address)") }
    }
  }

  /// Whether the sample's pool and endpoint, if it has such labels, are configured.
  func has(_ head: ArraySlice<UInt8>) -> Bool {
    let text = String(decoding: head, as: UTF8.self)
    guard let pool = Self.value("pool", text) else { return true }
    guard let endpoint = Self.value("endpoint", text) else { return pools.contains(pool) }
    return endpoints.contains("\(pool) \(endpoint)")
  }

  /// The value of a label whose values have no quotes.
  private static func value(_ label: String, _ text: String) -> String? {
    for begin in ["{\(label)=\"", ",\(label)=\""] {
      guard let start = text.firstRange(of: begin)?.upperBound,
        let end = text[start...].firstIndex(of: "\"")
      else { continue }
      return String(text[start..<end])
    }
    return nil
  }
}
