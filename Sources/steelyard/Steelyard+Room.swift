// Lines of the log for connections, descriptors and buffers that run short: when a shortage begins
// and when it ends.
import Balancer
import Events
import Fleet
import IO
import Primitives

/// The resources that can be short.
struct RoomWatches {
  var connections = ShortageWatch()
  var accepting = ShortageWatch()
  var descriptors = ShortageWatch()
  var buffers = ShortageWatch()
}

extension Steelyard {
  /// Logs, at the start, where the system allows less than the configuration asks for.
  func noteDescriptorBudget(_ budget: DescriptorBudget, openFilesMax: Int) {
    let wanted = configured.limits.connectionsMax
    guard budget.connectionsMax < wanted else { return }
    log.write(
      .warning, "limits.connections is more than the limit of open files allows",
      [
        "configured": wanted, "in_force": budget.connectionsMax, "open_files_max": openFilesMax,
        "open_files_needed": budget.wantedCount,
      ], isLimited: false)
  }

  /// Logs the shortages that began or ended since the last call.
  func noteRoom(now: Nanoseconds) {
    let room = balancer.metrics.room
    let closed = RoomMetrics.Count.allCases.reduce(0 as UInt64) {
      $1.closedState == nil ? $0 : $0 &+ room.sum($1)
    }
    let limit = balancer.connectionsMax * evidence.workerCount
    switch watches.connections.look(closed, now: now) {
    case .began(let count):
      log.write(
        .warning, "connections are short",
        ["closed": count, "open": balancer.metrics.openConnections, "limit": limit])
    case .ended(let count, let lasted):
      log.write(
        .info, "connections suffice again", ["closed": count, "seconds": Int(lasted.seconds)])
    case nil: break
    }
    switch watches.accepting.look(room.sum(.pauses), now: now) {
    case .began:
      log.write(
        .error, "clients wait to be accepted",
        ["open": balancer.metrics.openConnections, "limit": limit])
    case .ended(_, let lasted):
      log.write(.info, "clients are accepted again", ["seconds": Int(lasted.seconds)])
    case nil: break
    }
    switch watches.descriptors.look(room.sum(.shortages), now: now) {
    case .began:
      let process = ProcessReading.now()
      log.write(
        .error, "out of descriptors",
        ["open_files": process.openFDs, "open_files_max": process.maxFDs])
    case .ended(let count, let lasted):
      log.write(
        .info, "descriptors suffice again", ["count": count, "seconds": Int(lasted.seconds)])
    case nil: break
    }
    switch watches.buffers.look(room.sum(.bufferCuts), now: now) {
    case .began(let count):
      log.write(
        .error, "buffers are full: the clients that hold most are cut",
        ["cut": count, "limit_bytes": balancer.bufferedBytesMax * evidence.workerCount])
    case .ended(let count, let lasted):
      log.write(.info, "buffers suffice again", ["cut": count, "seconds": Int(lasted.seconds)])
    case nil: break
    }
  }
}
