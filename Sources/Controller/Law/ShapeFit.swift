// Learns how the endpoints of a pool slow down from the durations of requests by the number in
// flight when each was sent: flat up to a number of slots, a straight line, or neither. Needed only
// if the number of slots is known neither from the file nor from the kind of server nor from a
// page.
// A pure value; docs/control.md evaluates it.
import Fleet
import Primitives

struct ShapeFit: Sendable, Equatable {
  /// The largest number of endpoints whose evidence is used.
  static let endpointsMax = 64
  /// The decay time, seconds; twenty mean response times if that is longer.
  static let tau = 60.0
  /// The fewest answers with which a bucket, an endpoint and a pool count.
  static let bucketMin = 2.0
  static let endpointMin = 10.0
  static let poolMin = 50.0

  /// By bucket: the answers and the sum of their durations in seconds, and the cells they were read
  /// from.
  private struct Row: Sendable, Equatable {
    var endpointIndex: Int
    var counts = [Double](repeating: 0, count: OccupancyBucket.count)
    var sums = [Double](repeating: 0, count: OccupancyBucket.count)
    var lastCounts = [Double](repeating: -1, count: OccupancyBucket.count)
    var lastSeconds = [Double](repeating: 0, count: OccupancyBucket.count)
  }
  private var rows: [Row] = []

  /// The shapes that are compared.
  enum Candidate: Equatable {
    /// Shares its speed: requests take m times as long with m in flight.
    case sharing
    case knee(Double, slope: Double)
    case line(slope: Double)

    var shape: ServiceShape {
      switch self {
      case .sharing: ServiceShape(knee: 1, slope: 1, marginal: 0)
      case .knee(let knee, let slope): ServiceShape(knee: knee, slope: slope, marginal: 0)
      case .line(let slope): ServiceShape(knee: .infinity, slope: slope, marginal: 0)
      }
    }
  }

  static let candidates: [Candidate] = {
    let knees = Array(2...12).map(Double.init) + [14, 16, 18, 20, 24, 28, 32]
    let lines = [1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64]
    return [.sharing]
      + knees.flatMap { knee in
        [knee, 2 * knee, .infinity].map { Candidate.knee(knee, slope: $0) }
      } + lines.map { .line(slope: $0) }
  }()

  /// Takes the cells of the endpoints at `endpointIndexes`, `passed` seconds after the last call.
  mutating func take(
    _ board: EvidenceBoard, endpointIndexes: [Int], passed: Double, fleetResponse: Double
  ) {
    if rows.map(\.endpointIndex) != endpointIndexes {
      rows = endpointIndexes.map { Row(endpointIndex: $0) }
    }
    let keep = exponential(-passed / max(Self.tau, 20 * fleetResponse))
    for index in rows.indices {
      for bucket in 0..<OccupancyBucket.count {
        let (count, seconds) = board.occupancy(rows[index].endpointIndex, bucket)
        let fresh = count - rows[index].lastCounts[bucket]
        let spent = seconds - rows[index].lastSeconds[bucket]
        let isFirst = rows[index].lastCounts[bucket] < 0
        rows[index].lastCounts[bucket] = count
        rows[index].lastSeconds[bucket] = seconds
        rows[index].counts[bucket] *= keep
        rows[index].sums[bucket] *= keep
        guard !isFirst, fresh > 0, spent >= 0 else { continue }
        rows[index].counts[bucket] += fresh
        rows[index].sums[bucket] += spent
      }
    }
  }

  /// A bucket with enough answers.
  private struct Point {
    var row: Int
    var count: Double
    var mean: Double
    var occupancy: Double
  }

  /// The most plausible shape; `unknown` if there is none. `marginal` is the price of delay if the
  /// endpoints have slots.
  func shape(marginal: Double) -> ServiceShape {
    let points = usablePoints()
    let total = points.reduce(0) { $0 + $1.count }
    guard total >= Self.poolMin else { return .unknown }
    let top = quantile(0.98, points, total)
    let found = Self.candidates.filter {
      if case .knee(let knee, _) = $0 { return knee <= max(top, 2) }
      return true
    }
    let misfits = found.map { misfit($0.shape, points) }
    let rowCount = Set(points.map(\.row)).count
    let freedom = Double(max(1, points.count - rowCount))
    guard let least = misfits.min() else { return .unknown }
    let variance = max(0.2, least / freedom)
    // The simplest shape gets the benefit of the doubt.
    let weights = zip(found, misfits).map { candidate, misfit in
      exponential(-(misfit - least) / (4 * variance))
        * (candidate == .sharing ? 2 * Double(found.count) : 1)
    }
    return read(found, weights, top: top, marginal: marginal)
  }

  private func usablePoints() -> [Point] {
    var points: [Point] = []
    for (index, row) in rows.enumerated() {
      guard row.counts.reduce(0, +) >= Self.endpointMin else { continue }
      for bucket in row.counts.indices where row.counts[bucket] > Self.bucketMin {
        points.append(
          Point(
            row: index, count: row.counts[bucket], mean: row.sums[bucket] / row.counts[bucket],
            occupancy: OccupancyBucket.middle(bucket)))
      }
    }
    return points
  }

  private func quantile(_ share: Double, _ points: [Point], _ total: Double) -> Double {
    var left = share * total
    for point in points.sorted(by: { $0.occupancy < $1.occupancy }) {
      left -= point.count
      if left <= 0 { return point.occupancy }
    }
    return points.last?.occupancy ?? 1
  }

  /// χ² of a shape, with a speed fitted to each endpoint.
  private func misfit(_ shape: ServiceShape, _ points: [Point]) -> Double {
    var sum = 0.0
    var begin = 0
    while begin < points.count {
      var end = begin
      var (scale, count) = (0.0, 0.0)
      while end < points.count, points[end].row == points[begin].row {
        scale += points[end].count * points[end].mean / shape.stretch(points[end].occupancy)
        count += points[end].count
        end += 1
      }
      scale /= count
      for index in begin..<end where scale > 0 {
        let ratio = points[index].mean / (scale * shape.stretch(points[index].occupancy))
        sum += points[index].count * (ratio - 1) * (ratio - 1)
      }
      begin = end
    }
    return sum
  }

  /// The most plausible kind of shape and its number, averaged over the candidates of that kind.
  private func read(
    _ found: [Candidate], _ weights: [Double], top: Double, marginal: Double
  ) -> ServiceShape {
    var (unknown, knees, lines) = (0.0, 0.0, 0.0)
    var (kneeLogs, lineLogs) = (0.0, 0.0)
    for (candidate, weight) in zip(found, weights) {
      switch candidate {
      case .sharing: unknown += weight
      case .knee(let knee, _) where knee >= 0.9 * top: unknown += weight
      case .knee(let knee, _):
        knees += weight
        kneeLogs += weight * logarithm(knee)
      case .line(let slope):
        lines += weight
        lineLogs += weight * logarithm(slope)
      }
    }
    if knees > unknown, knees > lines {
      return .slots(Self.rounded(exponential(kneeLogs / knees)), marginal: marginal)
    }
    // Because picks react to load, a server that shares its speed looks flatter than it is.
    let slope = lines > 0 ? Self.rounded(exponential(lineLogs / lines) / 4) : 1
    guard lines > unknown, slope > 1 else { return .unknown }
    return ServiceShape(knee: .infinity, slope: slope, marginal: 1)
  }

  /// Rounds to halves, so that the workers' tables are not rebuilt every second.
  private static func rounded(_ value: Double) -> Double { (2 * value).rounded() / 2 }
}
