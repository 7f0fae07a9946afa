// The families of what several steelyards share.
import Exposition
import Primitives
import Shared

struct SharedMetrics {
  let status: SharedStatus

  func write(to writer: inout MetricsWriter) {
    let isUsed = status.isConfigured
    writer.open(.sharedStoreUp)
    if isUsed { writer.sample(status.isLinked ? 1 : 0) }
    writer.open(.sharedReplicas)
    if isUsed { writer.sample(status.replicas) }
    writer.open(.sharedStoreFailuresTotal)
    for kind in RedisFailure.Kind.allCases where isUsed {
      writer.sample(status.failures[kind] ?? 0, Labels(["reason": kind.rawValue]))
    }
    writer.open(.sharedStoreRoundTripSeconds)
    if let roundTrip = status.roundTrip { writer.sample(roundTrip.seconds) }
    writer.open(.sharedStoreCallsTotal)
    if isUsed { writer.sample(status.calls) }
    writer.open(.sharedGrantedRequestsTotal)
    if isUsed {
      writer.sample(status.grants, Labels(["by": "store"]))
      writer.sample(status.ownGrants, Labels(["by": "own"]))
    }
    writer.open(.sharedKeys)
    if isUsed { writer.sample(status.keyCount) }
  }
}
