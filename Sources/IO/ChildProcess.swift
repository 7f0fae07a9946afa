// Runs a program to its end on a thread that does nothing else: no shell, a process group of its
// own, no input, the beginning of its output kept.
// Invariant: after a time-out no process of the group is left. The child's process id is not
// released before that, so that no other process can receive the signal.
import CSystem
public import Primitives

/// The result of running a program.
public struct ChildProcess: Sendable {
  /// How the program ended.
  public enum Ending: Sendable, Equatable {
    case exited(Int)
    case signaled(Int)
    /// It took too long and was killed.
    case timedOut
    /// Steelyard is shutting down, and the program was killed.
    case stopped
  }

  /// The time between SIGTERM and SIGKILL.
  public static let grace = Nanoseconds.seconds(2)
  /// After its beginning was kept, output is read at a limited rate: one read per pause.
  private static let pause = Nanoseconds.milliseconds(10)
  private static let pollMilliseconds: Int32 = 20

  private let pid: Int32
  private var output: Int32
  private let outputBytesMax: Int
  private var kept: [UInt8] = []

  /// Runs `words[0]`, a path, with these arguments and this environment (`NAME=value`). Blocks
  /// until it has ended, at most for `timeout` plus twice the grace. Processes that it leaves
  /// behind when it ends by itself continue. Errors: those of posix_spawn and pipe2. No text may
  /// contain a NUL.
  public static func run(
    _ words: [String], environment: [String], timeout: Nanoseconds, outputBytesMax: Int,
    isStopped: () -> Bool
  ) throws(IOError) -> (ending: Ending, output: [UInt8]) {
    var output: Int32 = -1
    let started = withStrings(words) { words in
      withStrings(environment) { sy_spawn(words, $0, &output) }
    }
    guard started > 0 else { throw IOError("posix_spawn", -started) }
    var child = ChildProcess(
      pid: Int32(started), output: output, outputBytesMax: outputBytesMax)
    let ending = child.wait(until: Clock.now + timeout, isStopped)
    return (ending, child.kept)
  }

  /// Keeps ended children of this process until they are waited for.
  public static func prepare() { sy_keep_children() }

  static func withStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { all in
      guard let base = all.baseAddress else { preconditionFailure("the list has an end") }
      return body(base)
    }
  }

  private mutating func wait(until deadline: Nanoseconds, _ isStopped: () -> Bool) -> Ending {
    while sy_has_ended(pid) == 0 {
      let stops = isStopped()
      if stops || Clock.now >= deadline {
        end()
        return stops ? .stopped : .timedOut
      }
      turn()
    }
    // Read the last output.
    while read() {}
    close()
    let code = Int(sy_reap(pid))
    return code < 256 ? .exited(code) : .signaled(code - 256)
  }

  private mutating func end() {
    sy_kill_group(pid, SIGTERM)
    // Other processes of the group may take longer although the first one has ended.
    let deadline = Clock.now + Self.grace
    while Clock.now < deadline { turn() }
    sy_kill_group(pid, SIGKILL)
    close()
    _ = sy_reap(pid)
  }

  /// Waits a moment, or until there is output.
  private mutating func turn() {
    guard output >= 0, kept.count < outputBytesMax else {
      _ = read()
      Clock.pause(Self.pause)
      return
    }
    if sy_poll(output, 0, Self.pollMilliseconds) != 0 { _ = read() }
  }

  /// Reads once; returns false if there is no output now or enough was kept.
  private mutating func read() -> Bool {
    guard output >= 0 else { return false }
    return withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { room in
      let count = sy_read(output, room.baseAddress, room.count)
      if count == 0 { close() }
      guard count > 0 else { return false }
      kept += room[..<min(count, outputBytesMax - kept.count)]
      return kept.count < outputBytesMax
    }
  }

  private mutating func close() {
    if output >= 0 { sy_close(output) }
    output = -1
  }
}
