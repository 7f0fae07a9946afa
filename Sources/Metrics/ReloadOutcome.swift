// What came of the last reload, for metrics and conditions.
import Exposition
package import Primitives

package struct ReloadOutcome {
  /// When the configuration in force was taken, since 1970.
  package private(set) var takenAt: Nanoseconds
  /// Why a later one was refused; nil where none was.
  package private(set) var failure: String?

  /// The start: its configuration was taken.
  package init(startedAt: Nanoseconds) { takenAt = startedAt }

  /// `failure` says why a reload was refused; nil: it was taken.
  package mutating func note(failure: String?, wall: Nanoseconds) {
    if failure == nil { takenAt = wall }
    self.failure = failure
  }

  func write(to writer: inout MetricsWriter) {
    writer.open(.configLastReloadSuccessful)
    writer.sample(failure == nil ? 1 : 0)
    writer.open(.configLastReloadSuccessTimestampSeconds)
    writer.sample(takenAt.seconds)
  }
}
