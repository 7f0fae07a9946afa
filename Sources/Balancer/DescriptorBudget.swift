// Divides the open files that the system allows among workers, admin address and health checks.
// Pure. Invariant: a worker gets at least 4 connections (or `limits.connections`, if fewer), the
// admin address at least 2.
package import Fleet

/// The number of descriptors that each part of the process may open.
package struct DescriptorBudget: Sendable, Equatable {
  /// Descriptors of the standard streams, the logs, the control thread's timers and wake-ups, one
  /// run of a hook, and one name lookup.
  static let fixedCount = 28
  /// Descriptors of each worker: an epoll instance, a wake-up, and the two ends of a pipe.
  static let countPerWorker = 4
  /// The fewest connections with which a worker can serve a request.
  static let connectionsMin = 4

  /// Connections per worker: `limits.connections`, or fewer if the system allows fewer.
  package let connectionsMax: Int
  /// Connections of the admin address. Scrapes and health checks have the same number.
  package let adminConnectionsMax: Int
  /// The number of open files that `limits.connections` needs.
  package let wantedCount: Int

  /// `openFilesMax` is the limit in force (RLIMIT_NOFILE). The admin address has a share of its
  /// own, so that it answers however many clients are connected.
  package init(_ fleet: Fleet, workerCount: Int, openFilesMax: Int) {
    let adminWanted = 64
    let fixed =
      Self.fixedCount + workerCount * (Self.countPerWorker + fleet.listeners.count)
    let probes = 2 * fleet.endpointCount
    wantedCount =
      fixed + 2 * adminWanted + probes + workerCount * fleet.limits.connectionsMax
    guard wantedCount > openFilesMax else {
      // The admin address also takes half of the files that remain.
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
