// The log: lines from the control thread go to standard error through a ring and a thread, so that
// a pipe that nobody reads or a full disk never delays the control loop. Invariant: a line is
// written, or suppressed and counted, or dropped and counted.
package import Fleet
import HTTP
package import IO
package import Primitives

/// The log. Control thread only.
package final class LogDriver {
  /// Why a line was lost.
  package enum Drop: Int, CaseIterable {
    /// Standard error takes lines slower than they come, or not at all.
    case slow
    /// Writing fails: it is closed, or its disk is full.
    case failing

    package var label: String {
      switch self {
      case .slow: "slow"
      case .failing: "failing"
      }
    }
  }

  /// The size of the ring: the most bytes that wait to be written.
  private static let ringBytes = 128 << 10
  /// The time that `finish` waits for lines that are not written yet.
  private static let finishTime = Nanoseconds.seconds(1)

  /// Only errors are written: the table of the demo owns the terminal.
  private let isQuiet: Bool
  private let ring: LineRing
  private let writer: RingWriter
  private let room: UnsafeMutableRawBufferPointer
  private var policy = LogPolicy()
  private var limiter = LineLimiter()
  /// The number of lines lost since the log last named it.
  private var lostCount = 0
  /// Lines written, by level.
  package private(set) var lineCounts: [LogPolicy.Level: UInt64] = [:]
  /// Lines that were suppressed because there were too many of their kind.
  package private(set) var suppressedCount: UInt64 = 0
  private var dropCounts = [UInt64](repeating: 0, count: Drop.allCases.count)

  /// Errors: eventfd's and pthread_create's.
  package init(isQuiet: Bool = false) throws(IOError) {
    self.isQuiet = isQuiet
    ring = LineRing(byteCount: Self.ringBytes)
    writer = try RingWriter(rings: [ring], name: "log", isPrompt: true)
    try writer.redirect(to: .standardError)
    room = .allocate(byteCount: EventLine.byteCountMax, alignment: 8)
  }

  deinit { room.deallocate() }

  /// Applies a policy to all further lines.
  package func use(_ policy: LogPolicy) { self.policy = policy }

  /// Whether lines of this level are written.
  package func shows(_ level: LogPolicy.Level) -> Bool {
    level >= policy.level && (!isQuiet || level == .error)
  }

  /// Writes a line with the keys in this order. The message is a constant; values that vary have
  /// keys. Lines of orders by operators are not `isLimited`.
  package func write(
    _ level: LogPolicy.Level, _ message: String,
    _ pairs: KeyValuePairs<String, any LogValue> = [:], name: String? = nil,
    isLimited: Bool = true
  ) {
    guard shows(level) else { return }
    if isLimited, !limiter.admits(message, now: Clock.now) {
      suppressedCount += 1
      return
    }
    append(level, message, pairs, name)
  }

  /// Counts events of this message that were lost before they could be logged.
  package func addLost(_ level: LogPolicy.Level, _ message: String, _ count: Int) {
    guard shows(level), count > 0 else { return }
    suppressedCount += UInt64(count)
    limiter.addLost(message, count, now: Clock.now)
  }

  /// Logs from time to time how many lines were suppressed and lost.
  package func turn(now: Nanoseconds) {
    for each in limiter.ended(now: now) where shows(.warning) {
      append(.warning, "lines suppressed", ["of": each.message, "count": each.count])
    }
    guard lostCount > 0, ring.pendingCount == 0, shows(.warning) else { return }
    let count = lostCount
    lostCount = 0
    append(.warning, "lines lost", ["count": count])
  }

  /// Writes the remaining lines, for at most a second. No line may follow.
  package func finish() { _ = writer.finish(deadline: Clock.now + Self.finishTime) }

  /// The number of lines lost for this reason since the start.
  package func dropCount(_ drop: Drop) -> UInt64 { dropCounts[drop.rawValue] }

  private func append(
    _ level: LogPolicy.Level, _ message: String, _ pairs: KeyValuePairs<String, any LogValue>,
    _ name: String? = nil
  ) {
    var line = ByteWriter(room)
    EventLine.write(policy.format, level, message, pairs, name: name, at: Clock.wall, to: &line)
    if ring.append(line.written) {
      lineCounts[level, default: 0] += 1
      writer.wake()
    } else {
      dropCounts[(writer.isFailing ? Drop.failing : .slow).rawValue] += 1
      lostCount += 1
    }
  }
}
