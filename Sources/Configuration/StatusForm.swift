// Status codes and ranges, one by one or in a list.
import Fleet

extension Form<ClosedRange<Int>> {
  /// `500` or `500-599`, within `bounds`; `example` is a range within them.
  static func statuses(_ bounds: ClosedRange<Int> = 100...599, example: String = "200-399") -> Form
  {
    Form(
      read: { scalar throws(Misfit) in
        let parts = scalar.text.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in
          Decimal.isInteger(String(part)) ? Int(part) : nil
        }
        guard (1...2).contains(parts.count), numbers.count == parts.count,
          let low = numbers.first, let high = numbers.last, low <= high,
          low >= bounds.lowerBound, high <= bounds.upperBound
        else {
          throw .expected(
            "a status or a range such as `\(example)`, \(bounds.lowerBound) to "
              + "\(bounds.upperBound)")
        }
        return low...high
      },
      write: { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" })
  }
}

extension RetryStatuses {
  /// The set as the fewest ranges, in ascending order.
  var ranges: [ClosedRange<Int>] {
    var ranges: [ClosedRange<Int>] = []
    for status in statuses {
      if let last = ranges.last, last.upperBound == status - 1 {
        ranges[ranges.count - 1] = last.lowerBound...status
      } else {
        ranges.append(status...status)
      }
    }
    return ranges
  }
}
