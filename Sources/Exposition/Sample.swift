// A line of a metrics page that holds a value, as positions on the page. The parser has checked it,
// so that nothing here fails; numbers and escapes are decoded only when needed.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// A sample. Valid as long as the page's memory is.
public struct Sample {
  /// The metric's name, including `_bucket`, `_total` and the like.
  public let name: PageText
  /// The labels in the order of the page. Repeated names are not rejected.
  public let labels: SampleLabels
  private let number: NumberText
  /// The offset of the timestamp after the number; zero bytes long if there is none.
  private let timestampOffset: Int32
  private let timestampCount: Int32
  /// The line on the page, counted from 1.
  public let line: Int

  /// Requires: a timestamp, if any, follows the number on the same line.
  init(
    name: PageText, labels: SampleLabels, number: NumberText, timestamp: NumberText?, line: Int
  ) {
    self.name = name
    self.labels = labels
    self.number = number
    timestampOffset = timestamp.map { Int32($0.start - number.end) } ?? 0
    timestampCount = timestamp.map { Int32($0.end - $0.start) } ?? 0
    self.line = line
  }

  /// Whether the metric's name is exactly `name`. Cheap: lengths are compared first.
  @inlinable public func nameMatches(_ name: String) -> Bool { self.name.equals(name) }

  /// The value; may be NaN or infinite. Decoded at each call.
  public var value: Double { number.value }

  /// The timestamp as written: milliseconds in the text format 0.0.4, seconds in OpenMetrics.
  public var timestamp: Double? {
    guard timestampCount > 0 else { return nil }
    let start = number.end + Int(timestampOffset)
    return NumberText(start, start + Int(timestampCount))?.value
  }

  /// The value of the first label with that name; nil: there is none.
  public func label(_ name: String) -> PageText? {
    for label in labels where label.name.equals(name) { return label.value }
    return nil
  }
}

/// A label of a sample.
public struct SampleLabel {
  public let name: PageText
  public let value: PageText
}

/// The labels of a sample. Iterating reads the line again and does not allocate.
public struct SampleLabels: Sequence, IteratorProtocol {
  private var position: Position
  private let end: Position
  /// The number of labels.
  public let count: Int

  /// Requires: the bytes are the checked content of the braces, with `count` labels.
  init(_ start: Position, _ end: Position, count: Int) {
    position = start
    self.end = end
    self.count = count
  }

  public mutating func next() -> SampleLabel? {
    while position < end,
      ByteClass.isBlank(position.pointee) || position.pointee == UInt8(ascii: ",")
    {
      position += 1
    }
    guard position < end else { return nil }
    let name: PageText
    if position.pointee == ByteClass.quote {
      name = quoted()
    } else {
      let start = position
      while position < end, ByteClass.isLabel(position.pointee) { position += 1 }
      name = PageText(
        bytes: UnsafeRawBufferPointer(start: start, count: position - start), hasEscapes: false)
    }
    while position < end, position.pointee != ByteClass.quote { position += 1 }
    guard position < end else { return nil }
    return SampleLabel(name: name, value: quoted())
  }

  /// Requires: the position is at an opening quote. Ends after the closing quote.
  private mutating func quoted() -> PageText {
    let start = position + 1
    let scan = scanQuoted(start, end)
    position = scan.end < end ? scan.end + 1 : end
    return PageText(
      bytes: UnsafeRawBufferPointer(start: start, count: scan.end - start),
      hasEscapes: scan.hasEscapes)
  }
}
