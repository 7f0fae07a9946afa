// A thread that writes the lines of rings to one file. If a full disk, a FIFO without a reader or a
// slow terminal blocks it, lines wait in their rings, whose size is bounded.
// Invariant: bytes of two rings are never mixed within a line.
import CSystem
public import Primitives
import Synchronization

/// Writes what producers put into rings. One controlling thread gives orders.
public final class RingWriter: Sendable {
  /// Where lines go.
  public enum Destination: Sendable, Hashable {
    case none, standardOutput, standardError
    case file(String)
  }

  /// An open destination.
  private struct Target: Sendable {
    var destination = Destination.none
    /// −1: nothing is open, and opening a FIFO is tried again.
    var fd: Int32 = -1
    var isRegular = false
    var isOwned = false
  }

  private struct Orders: Sendable {
    var target: Target?
    var stopsAt: Nanoseconds?
  }

  /// The share of a ring that is filled before the writer is woken, as a divisor.
  private static let wakeShare = 8
  private static let writeMax = 256 << 10
  /// The number of bytes that a writable pipe takes without blocking (PIPE_BUF).
  private static let pipeMax = 4_096
  private static let busyMilliseconds: Int32 = 20
  private static let calmMilliseconds: Int32 = 100

  public let rings: [LineRing]
  /// Producers wake the writer after every line, so that it sleeps while there are none.
  private let isPrompt: Bool
  private let orders = Mutex(Orders())
  private let current = Mutex(Destination.none)
  private let waker: Waker
  private let isWaiting = Atomic<Bool>(false)
  private let isEnded = Atomic<Bool>(false)
  private let failureCode = Atomic<Int32>(0)
  private let failures = Atomic<UInt64>(0)

  /// Starts the thread, which sleeps until there is a destination. Errors: those of eventfd and
  /// pthread_create.
  public init(rings: [LineRing], name: String, isPrompt: Bool = false) throws(IOError) {
    self.rings = rings
    self.isPrompt = isPrompt
    waker = try Waker()
    _ = try ThreadHandle.start(name: name) { [self] in run() }
  }

  // MARK: Producers

  /// Call after an `append`: wakes the writer if the ring is filling up.
  public func noteAppend(to ring: Int) {
    guard rings[ring].pendingCount > rings[ring].byteCount / Self.wakeShare,
      isWaiting.load(ordering: .relaxed)
    else { return }
    if isWaiting.exchange(false, ordering: .relaxed) { waker.wake() }
  }

  /// Call after every `append` if the writer is prompt.
  public func wake() { waker.wake() }

  /// Whether the last write failed. Any thread.
  public var isFailing: Bool { failureCode.load(ordering: .relaxed) != 0 }

  // MARK: The controlling thread

  /// The errno of the last write, or of opening the FIFO; 0: it succeeded.
  public var failure: Int32 { failureCode.load(ordering: .relaxed) }
  /// Failed writes since start.
  public var failureCount: UInt64 { failures.load(ordering: .relaxed) }

  /// Writes lines to another destination from now on, or to the same file opened again. Lines taken
  /// before go to the old destination if it accepts them. On an error nothing changes. Errors:
  /// those of open(2); a FIFO without a reader is no error, opening it is retried.
  public func redirect(to destination: Destination) throws(IOError) {
    let target = try Self.open(destination)
    current.withLock { $0 = destination }
    let unused = orders.withLock { orders in
      defer { orders.target = target }
      return orders.target
    }
    if let unused { Self.close(unused) }
    waker.wake()
  }

  /// Opens the present file again, as after a rotation. Errors: as for `redirect`.
  public func reopen() throws(IOError) { try redirect(to: current.withLock { $0 }) }

  /// Writes the remaining lines, until `deadline` at most, and ends the thread. Call no `append`
  /// afterwards. Returns the number of bytes that could not be written.
  public func finish(deadline: Nanoseconds) -> Int {
    orders.withLock { $0.stopsAt = deadline }
    waker.wake()
    // A blocked write must not keep the process from ending.
    while !isEnded.load(ordering: .acquiring), Clock.now < deadline + .milliseconds(200) {
      Clock.pause(.milliseconds(2))
    }
    // Without a destination, the remaining lines are no loss.
    if current.withLock({ $0 == .none }) { return 0 }
    return rings.reduce(0) { $0 + $1.pendingCount }
  }

  private static func open(_ destination: Destination) throws(IOError) -> Target {
    var target = Target(destination: destination)
    switch destination {
    case .none: return target
    case .standardOutput: target.fd = 1
    case .standardError: target.fd = 2
    case .file(let path):
      let opened = sy_open_log(path)
      if opened == -Int(ENXIO) { return target }
      guard opened >= 0 else { throw IOError("open", -opened) }
      target.fd = Int32(opened)
      target.isOwned = true
    }
    var isRegular: Int32 = 0
    _ = sy_fstat_size(target.fd, &isRegular)
    target.isRegular = isRegular != 0
    return target
  }

  private static func close(_ target: Target) { if target.isOwned { sy_close(target.fd) } }

  // MARK: The writing thread

  private func run() {
    var target = Target()
    var first = 0
    var isMidLine = false
    while true {
      let order = orders.withLock { orders in
        defer { orders.target = nil }
        return orders
      }
      if let next = order.target {
        _ = drain(target, &first, &isMidLine)
        // The remainder of a line that was begun at another destination is useless.
        if isMidLine { skipLine(first) }
        isMidLine = false
        Self.close(target)
        target = next
        failureCode.store(0, ordering: .relaxed)
      }
      if target.fd < 0, case .file = target.destination { retry(&target) }
      let moved = drain(target, &first, &isMidLine)
      if let stopsAt = order.stopsAt {
        let isEmpty = rings.allSatisfy { $0.pendingCount == 0 }
        if isEmpty || target.destination == .none || Clock.now >= stopsAt { break }
      }
      wait(target, moved)
    }
    Self.close(target)
    isEnded.store(true, ordering: .releasing)
  }

  private func wait(_ target: Target, _ moved: Int) {
    var milliseconds = moved > 0 ? Self.busyMilliseconds : Self.calmMilliseconds
    let isIdle = isPrompt && rings.allSatisfy { $0.pendingCount == 0 }
    if target.destination == .none || isIdle { milliseconds = -1 }
    isWaiting.store(true, ordering: .relaxed)
    waker.wait(milliseconds: milliseconds)
    isWaiting.store(false, ordering: .relaxed)
  }

  private func retry(_ target: inout Target) {
    do throws(IOError) {
      target = try Self.open(target.destination)
      if target.fd < 0 { failureCode.store(ENXIO, ordering: .relaxed) }
    } catch {
      fail(error.code)
    }
  }

  private func fail(_ code: Int32) {
    failureCode.store(code, ordering: .relaxed)
    failures.wrappingAdd(1, ordering: .relaxed)
  }

  /// Writes what the rings hold now, beginning with ring `first`. Returns the number of bytes
  /// written; if the destination accepts no more, `first` is the ring to continue with.
  private func drain(_ target: Target, _ first: inout Int, _ isMidLine: inout Bool) -> Int {
    guard target.fd >= 0 else { return 0 }
    var moved = 0
    for offset in rings.indices {
      let index = (first + offset) % rings.count
      let ring = rings[index]
      // Whole lines only, and only those present now, so that the other rings get their turn.
      var rest = ring.readableCount()
      while rest > 0 {
        let bytes = ring.next()
        let count = write(target, bytes, min(rest, bytes.count))
        guard count > 0 else {
          first = index
          return moved
        }
        isMidLine = bytes[count - 1] != 0x0A
        ring.release(count)
        rest -= count
        moved += count
      }
    }
    return moved
  }

  /// The number of bytes that the destination accepted; 0: none now.
  private func write(_ target: Target, _ bytes: UnsafeRawBufferPointer, _ limit: Int) -> Int {
    if !target.isRegular, sy_poll(target.fd, 1, 0) == 0 { return 0 }
    var count = min(limit, target.isRegular ? Self.writeMax : Self.pipeMax)
    // Other processes may write to the same pipe: lines up to this length stay in one piece.
    if !target.isRegular {
      let head = UnsafeRawBufferPointer(rebasing: bytes[..<count])
      if let last = head.lastIndex(of: 0x0A) { count = last + 1 }
    }
    let written = sy_write(target.fd, bytes.baseAddress, count)
    if written > 0 {
      failureCode.store(0, ordering: .relaxed)
      return written
    }
    if written < 0, written != -Int(EAGAIN) { fail(Int32(-written)) }
    return 0
  }

  private func skipLine(_ index: Int) {
    let ring = rings[index]
    while ring.readableCount() > 0 {
      let bytes = ring.next()
      let newline = bytes.firstIndex(of: 0x0A)
      ring.release(newline.map { $0 + 1 } ?? bytes.count)
      if newline != nil { return }
    }
  }
}
