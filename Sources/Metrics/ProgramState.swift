// The data of the metrics page and the status.
package import Balancer
package import Certificates
package import Controller
package import Discovery
package import Events
package import Fleet
package import Primitives
package import Shared
package import Status

/// Boards, counters and states of one moment. Control thread only.
package struct ProgramState {
  /// The version of steelyard.
  package var version: String
  package var table: WeightTable
  package var evidence: EvidenceBoard
  package var traffic: TrafficMetrics
  package var admission: AdmissionBoard
  /// Of all workers.
  package var connectionsMax: Int
  /// Of all workers.
  package var bufferedBytesMax: Int
  package var controller: Controller
  package var names: NameSource
  package var sources: [SourceState]
  package var runtime: RuntimeMembers
  package var membership: Membership
  package var status: StatusHistory
  package var accessLog: AccessLogDriver
  package var log: LogDriver
  package var hooks: HookQueue
  package var admin: AdminCounts
  package var reload: ReloadOutcome
  package var certificates: CertificateReport
  package var shared: SharedStatus
  package var now: Nanoseconds
  package var wall: Nanoseconds

  package init(
    version: String, table: WeightTable, evidence: EvidenceBoard, traffic: TrafficMetrics,
    admission: AdmissionBoard, connectionsMax: Int, bufferedBytesMax: Int, controller: Controller,
    names: NameSource, sources: [SourceState] = [], runtime: RuntimeMembers = RuntimeMembers(),
    membership: Membership, status: StatusHistory,
    accessLog: AccessLogDriver, log: LogDriver, hooks: HookQueue, admin: AdminCounts,
    reload: ReloadOutcome, certificates: CertificateReport = CertificateReport(),
    shared: SharedStatus = SharedStatus(), now: Nanoseconds, wall: Nanoseconds
  ) {
    self.version = version
    self.table = table
    self.evidence = evidence
    self.traffic = traffic
    self.admission = admission
    self.connectionsMax = connectionsMax
    self.bufferedBytesMax = bufferedBytesMax
    self.controller = controller
    self.names = names
    self.sources = sources
    self.runtime = runtime
    self.membership = membership
    self.status = status
    self.accessLog = accessLog
    self.log = log
    self.hooks = hooks
    self.admin = admin
    self.reload = reload
    self.certificates = certificates
    self.shared = shared
    self.now = now
    self.wall = wall
  }

  /// Why the common store of several steelyards cannot be reached, and for how long; nil: it can.
  package var sharedTrouble: String? {
    guard let lostAt = shared.lostAt, let failure = shared.failure else { return nil }
    return "\(failure.detail), for \(NumberWords.fixed((now - lostAt).seconds, 0)) s"
  }
}
