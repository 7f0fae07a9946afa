// What a metrics page is made of.
import Balancer
import Controller
import Events
import Fleet
import Primitives
import Status

/// Boards, counters and states, all of one moment. Control thread only.
struct MetricsSources {
  /// steelyard's own.
  var version: String
  var table: WeightTable
  var evidence: EvidenceBoard
  var traffic: TrafficMetrics
  var admission: AdmissionBoard
  /// Of all workers.
  var connectionsMax: Int
  /// Of all workers.
  var bufferedBytesMax: Int
  var controller: Controller
  var names: NameWatch
  var status: StatusHistory
  var accessLog: AccessLogDriver
  var log: LogDriver
  var hooks: HookQueue
  var admin: AdminCounts
  var reload: ReloadOutcome
  var now: Nanoseconds
  var wall: Nanoseconds
}
