// The numbers of answers of the admin server, by class of status. Control thread only.
import Exposition

package final class AdminCounts {
  private static let labels = ["2xx", "3xx", "4xx", "5xx"]
  private var counts = [UInt64](repeating: 0, count: labels.count)

  package init() {}

  /// Counts an answer.
  package func note(_ status: Int) {
    let index = status / 100 - 2
    if counts.indices.contains(index) { counts[index] += 1 }
  }

  func write(to writer: inout MetricsWriter) {
    writer.open(.adminRequestsTotal)
    for (label, count) in zip(Self.labels, counts) {
      writer.sample(count, Labels(["code": label]))
    }
  }
}
