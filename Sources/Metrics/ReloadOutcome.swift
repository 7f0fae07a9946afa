// The result of the last reload, for metrics and conditions.
import Exposition
package import Primitives

package struct ReloadOutcome {
  /// The time when the present configuration was applied, since 1970.
  package private(set) var takenAt: Nanoseconds
  /// Why a later configuration was refused; nil: there was none.
  package private(set) var failure: String?

  /// The result at the start: the configuration was applied.
  package init(startedAt: Nanoseconds) { takenAt = startedAt }

  /// `failure` is the reason of a refused reload; nil: it was applied.
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
