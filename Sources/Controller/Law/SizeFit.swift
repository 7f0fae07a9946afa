// Whether a request's duration depends on the length of its content: within an endpoint, the slope
// of duration (in means of the endpoint) over length (in means of the pool). 0 if length does not
// matter, as with LLM prompts beside long answers; 1 if a request of twice the length takes twice
// as long.
// A pure value; docs/control.md says what it is for.
import Fleet
import Primitives

struct SizeFit: Sendable, Equatable {
  /// The decay time of evidence, seconds.
  static let tau = 60.0
  /// The fewest requests that a result needs.
  static let countMin = 20.0

  private struct Sums: Sendable, Equatable {
    var count = 0.0
    var size = 0.0
    var squares = 0.0
    var seconds = 0.0
    var products = 0.0
  }
  private struct Row: Sendable, Equatable {
    var endpointIndex: Int
    var sums = Sums()
    var last: [UInt64]?
  }
  private var rows: [Row] = []

  private static let columns: [EvidenceBoard.Column] = [
    .sizedCount, .sizes, .sizeSquares, .sizedMicros, .sizeMicros,
  ]

  /// Takes the cells of the endpoints at `endpointIndexes`, `passed` seconds after the last call.
  mutating func take(_ board: EvidenceBoard, endpointIndexes: [Int], passed: Double) {
    if rows.map(\.endpointIndex) != endpointIndexes {
      rows = endpointIndexes.map { Row(endpointIndex: $0) }
    }
    let keep = exponential(-passed / Self.tau)
    for index in rows.indices {
      let cells = Self.columns.map { board.sum($0, rows[index].endpointIndex) }
      defer { rows[index].last = cells }
      guard let last = rows[index].last else { continue }
      func fresh(_ column: Int) -> Double { Double(cells[column] &- last[column]) }
      rows[index].sums.count = rows[index].sums.count * keep + fresh(0)
      rows[index].sums.size = rows[index].sums.size * keep + fresh(1)
      rows[index].sums.squares = rows[index].sums.squares * keep + fresh(2)
      rows[index].sums.seconds = rows[index].sums.seconds * keep + fresh(3) / 1e6
      rows[index].sums.products = rows[index].sums.products * keep + fresh(4) / 1e6
    }
  }

  /// The mean length of a request's content, in `EvidenceBoard.sizeUnits`; nil while unknown.
  var meanSize: Double? {
    let count = rows.reduce(0) { $0 + $1.sums.count }
    let size = rows.reduce(0) { $0 + $1.sums.size }
    return count >= Self.countMin && size > 0 ? size / count : nil
  }

  /// The slope, 0…1; nil while unknown.
  var slope: Double? {
    guard let mean = meanSize else { return nil }
    var (covariance, variance) = (0.0, 0.0)
    for row in rows where row.sums.count > 2 && row.sums.seconds > 0 {
      let sums = row.sums
      let response = sums.seconds / sums.count
      covariance += (sums.products - sums.size * sums.seconds / sums.count) / (response * mean)
      variance += (sums.squares - sums.size * sums.size / sums.count) / (mean * mean)
    }
    guard variance > 0, covariance.isFinite else { return nil }
    return min(max(covariance / variance, 0), 1)
  }
}
