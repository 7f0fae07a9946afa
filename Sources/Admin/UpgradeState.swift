// How far an upgrade is, as the API tells it.

/// The answer to a question for upgrades, of the process in charge.
package struct UpgradeState: Codable, Equatable {
  /// The present or the last upgrade of this process.
  package enum Phase: String, Codable {
    /// There was none.
    case none
    /// The new process starts.
    case starting
    /// It did not take over; this process goes on.
    case failed
    /// It has taken over, and this process ends.
    case replaced
  }
  /// One process.
  package struct Process: Codable, Equatable {
    /// Its process id.
    package var id: Int
    /// The version of its program; nil: not known yet.
    package var version: String?
    package init(id: Int, version: String?) { (self.id, self.version) = (id, version) }
  }

  package var phase = Phase.none
  /// The process that answers.
  package var process: Process
  /// The process that starts; nil: none does.
  package var next: Process?
  /// The process that this one has replaced and that has not ended; nil: there is none.
  package var previous: Process?
  /// Why the last upgrade failed, as a sentence; nil: it did not.
  package var reason: String?
  /// What the new process said: sentences, or the errors of the configuration.
  package var errors: [String] = []

  package init(process: Process) { self.process = process }
}
