// What came of the last reload, for metrics and conditions.
import Exposition
import Primitives

struct ReloadOutcome {
  /// When the configuration in force was taken, since 1970.
  private(set) var takenAt: Nanoseconds
  /// Why a later one was refused; nil where none was.
  private(set) var failure: String?

  /// The start: its configuration was taken.
  init(startedAt: Nanoseconds) { takenAt = startedAt }

  mutating func note(_ result: ReloadResult, wall: Nanoseconds) {
    switch result {
    case .success: (takenAt, failure) = (wall, nil)
    case .failure(let problem): failure = problem.errors.first ?? problem.detail
    }
  }

  func write(to writer: inout MetricsWriter) {
    writer.open(.configLastReloadSuccessful)
    writer.sample(failure == nil ? 1 : 0)
    writer.open(.configLastReloadSuccessTimestampSeconds)
    writer.sample(takenAt.seconds)
  }
}
