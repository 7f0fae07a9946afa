// The order `drive`: requests on N connections, as fast as they are answered or at a rate.
// Latency counts from sending (closed loop), from the planned arrival (open loop) or from the
// beginning of the connection (fresh, closed).
// HOT PATH: no lock, no existential.
import CSystem
import IO

extension LoadLoop {
  /// Connections that wait for the other side to close; beyond that they are reset.
  private static let partingMax = 256
  /// Between two tries to connect.
  private static let retryPause: Int64 = 20_000_000
  private static let timeout: Int64 = 10_000_000_000

  /// Runs it. Prints when it measures, and what it measured.
  mutating func run(_ order: DriveOrder) {
    drive.begin(order)
    clients.aim(
      order.to, path: order.path, fields: order.fields, upload: order.upload,
      isPersistent: !order.fresh)
    let begun = sy_monotonic()
    while drive.upCount < order.connections {
      keepConnecting()
      if drive.upCount >= order.connections { break }
      turn(until: min(begun + Self.timeout, drive.toOpen > 0 ? drive.openAt : .max))
      if drive.upCount < order.connections, now - begun > Self.timeout {
        let reason = IOError.reason(clients.connectCode)
        say(
          Report.error(
            "\(drive.upCount) of \(order.connections) connections came up in 10 s: \(reason)"))
        return endDrive()
      }
    }
    if drive.isOpenLoop { drive.arrivalAt = now }
    let warm = now + Int64(order.warmup * 1e9)
    workDrive(until: warm)
    clients.errors = ErrorTally()
    drive.reconnects = 0
    drive.resets = 0
    let (down, up) = (clients.bytesDown, clients.bytesUp)
    let cpu = Report.cpuSeconds()
    drive.from = sy_monotonic()
    drive.to = drive.from + Int64(order.seconds * 1e9)
    say(Report.measuring)
    workDrive(until: drive.to)
    say(
      Report.drive(
        drive, clients.errors, bytesDown: clients.bytesDown - down,
        bytesUp: clients.bytesUp - up, cpuSeconds: Report.cpuSeconds() - cpu))
    endDrive()
  }

  private mutating func endDrive() {
    drive.begin(DriveOrder())
    drive.toOpen = 0
    _ = dropAll(.drive)
    _ = dropAll(.parting)
  }

  private mutating func workDrive(until end: Int64) {
    while now < end {
      var next = min(end, drive.toOpen > 0 ? drive.openAt : .max)
      if drive.isOpenLoop, !drive.free.isEmpty { next = min(next, drive.arrivalAt) }
      turn(until: next)
      keepConnecting()
      if drive.isOpenLoop { sendArrivals(before: min(end, drive.to)) }
    }
  }

  private mutating func keepConnecting() {
    while drive.toOpen > 0, clients.connectingCount < Clients.connectingMax, now >= drive.openAt {
      drive.toOpen -= 1
      // The places of a fresh open loop exist without a connection.
      if drive.order.fresh, drive.isOpenLoop {
        drive.upCount += 1
        drive.free.append(-1)
      } else {
        openDrive(startedAt: sy_monotonic())
      }
    }
  }

  private mutating func openDrive(startedAt: Int64) {
    if drive.order.fresh { drive.outstanding += 1 }
    guard !openClient(.drive, startedAt: startedAt) else { return }
    if drive.order.fresh { drive.outstanding -= 1 }
    if drive.isMeasured(now) { clients.errors.add(.connect) }
    lose()
  }

  /// A place has no connection: another try, after a pause.
  private mutating func lose() {
    drive.toOpen += 1
    drive.openAt = now + Self.retryPause
  }

  private mutating func sendArrivals(before end: Int64) {
    var instant = sy_monotonic()
    while drive.arrivalAt <= instant, drive.arrivalAt < end, let fd = drive.free.popLast() {
      let due = drive.takeArrival()
      if fd < 0 {
        openDrive(startedAt: due)
      } else {
        drive.outstanding += 1
        beginRequest(fd, startedAt: due)
      }
      instant = sy_monotonic()
    }
  }

  mutating func driveConnected(_ fd: Int32) {
    let peer = peers + Int(fd)
    if drive.upCount < drive.order.connections { drive.upCount += 1 }
    if drive.order.fresh {
      beginRequest(fd, startedAt: peer.pointee.startedAt)
    } else if drive.isOpenLoop {
      drive.free.append(fd)
    } else {
      drive.outstanding += 1
      beginRequest(fd, startedAt: sy_monotonic())
    }
  }

  mutating func driveCompleted(_ fd: Int32) {
    let peer = peers + Int(fd)
    let instant = sy_monotonic()
    drive.outstanding -= 1
    if drive.isMeasured(instant) {
      if peer.pointee.answer.status == 200 {
        drive.requests += 1
        drive.histogram.record(instant - peer.pointee.startedAt)
      } else {
        clients.errors.add(status: peer.pointee.answer.status)
      }
    }
    // An early answer: what is left of the content must not be taken for a request.
    let isWhole = peer.pointee.outCount + peer.pointee.fill == 0
    if drive.order.fresh || !peer.pointee.answer.isPersistent || !isWhole {
      part(fd)
      if !drive.order.fresh { drive.reconnects += 1 }
      if drive.order.fresh, drive.isOpenLoop {
        drive.free.append(-1)
      } else {
        openDrive(startedAt: instant)
      }
    } else if drive.isOpenLoop {
      drive.free.append(fd)
    } else {
      drive.outstanding += 1
      beginRequest(fd, startedAt: instant)
    }
  }

  /// Lets the other side close first, so that no port of ours waits in TIME_WAIT.
  private mutating func part(_ fd: Int32) {
    if clients.partingCount >= Self.partingMax || peers[Int(fd)].fill > 0 {
      sy_reset_on_close(fd)
      drive.resets += 1
      return drop(fd)
    }
    clients.partingCount += 1
    peers[Int(fd)].kind = .parting
  }

  mutating func driveFailed(_ peer: Peer, _ fd: Int32, _ kind: ErrorTally.Kind) {
    if peer.phase == .free {
      // Between two requests the other side may close.
      drive.reconnects += 1
      drive.free.removeAll { $0 == fd }
      drive.toOpen += 1
      return
    }
    if drive.order.fresh || peer.phase != .connecting { drive.outstanding -= 1 }
    if drive.isMeasured(now) { clients.errors.add(kind) }
    if drive.order.fresh, drive.isOpenLoop {
      drive.free.append(-1)
    } else if kind == .connect {
      lose()
    } else {
      drive.toOpen += 1
    }
  }
}
