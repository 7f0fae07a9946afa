// How many connections the system's limit of open files allows, and how they are divided. Pure.
package import Fleet

/// The number of descriptors that each part of the process may open.
package struct DescriptorBudget: Sendable, Equatable {
  /// Standard streams, the logs, timers and wakers of the control thread, one run of a hook, one
  /// lookup.
  static let fixedCount = 28
  /// A worker's epoll instance, its waker and the two ends of its pipe.
  static let countPerWorker = 4
  /// The fewest connections with which a worker can serve a request.
  static let connectionsMin = 4

  /// Connections per worker: `limits.connections`, or fewer.
  package let connectionsMax: Int
  /// Connections of the admin address. Scrapes and checks have as many.
  package let adminConnectionsMax: Int
  /// The number of open files that `limits.connections` needs.
  package let wantedCount: Int

  /// `openFilesMax` is the limit in force (RLIMIT_NOFILE). The admin address has a share of its
  /// own, so that it answers whatever the clients do.
  package init(_ fleet: Fleet, workerCount: Int, openFilesMax: Int) {
    let adminWanted = 64
    let fixed =
      Self.fixedCount + workerCount * (Self.countPerWorker + fleet.listeners.count)
    let probes = 2 * fleet.endpointCount
    wantedCount =
      fixed + 2 * adminWanted + probes + workerCount * fleet.limits.connectionsMax
    guard wantedCount > openFilesMax else {
      // The files that the workers leave.
      connectionsMax = fleet.limits.connectionsMax
      adminConnectionsMax = min(
        1_024, adminWanted + (openFilesMax - wantedCount) / 2)
      return
    }
    let free = max(0, openFilesMax - fixed)
    let control = min(2 * adminWanted + probes, free / 3)
    adminConnectionsMax = max(2, min(adminWanted, control / 2))
    connectionsMax = min(
      fleet.limits.connectionsMax,
      max(Self.connectionsMin, (free - control) / max(1, workerCount)))
  }
}
