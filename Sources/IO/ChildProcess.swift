// A program that is run to its end, by a thread that has nothing else to do: no shell, a process
// group of its own, nothing on its input, the beginning of its output kept.
// Invariant: after a time-out no process of the group is left. The child's id is not given back to
// the system before that, so that no other process is hit.
import CSystem
public import Primitives

/// How a program was run.
public struct ChildProcess: Sendable {
  /// How it ended.
  public enum Ending: Sendable, Equatable {
    case exited(Int)
    case signaled(Int)
    /// It took too long and was ended.
    case timedOut
    /// We are ending, and it was ended.
    case stopped
  }

  /// From SIGTERM to SIGKILL.
  public static let grace = Nanoseconds.seconds(2)
  /// Output is read that fast at most, once the beginning is known: so much every pause.
  private static let pause = Nanoseconds.milliseconds(10)
  private static let pollMilliseconds: Int32 = 20

  private let pid: Int32
  private var output: Int32
  private let outputBytesMax: Int
  private var kept: [UInt8] = []

  /// Runs `words[0]`, a path, with these arguments and this environment (`NAME=value`). Blocks
  /// until it has ended, at most `timeout` and twice the grace. What it leaves running when it
  /// ends by itself goes on. Errors: posix_spawn's and pipe2's. No text may hold a NUL.
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

  /// Ended children of this process wait until they are asked for.
  public static func prepare() { sy_keep_children() }

  private static func withStrings<Result>(
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
    // What it wrote last.
    while read() {}
    close()
    let code = Int(sy_reap(pid))
    return code < 256 ? .exited(code) : .signaled(code - 256)
  }

  private mutating func end() {
    sy_kill_group(pid, SIGTERM)
    // Others of the group may take their time although the first has ended.
    let deadline = Clock.now + Self.grace
    while Clock.now < deadline { turn() }
    sy_kill_group(pid, SIGKILL)
    close()
    _ = sy_reap(pid)
  }

  /// A moment, or until there is output.
  private mutating func turn() {
    guard output >= 0, kept.count < outputBytesMax else {
      _ = read()
      Clock.pause(Self.pause)
      return
    }
    if sy_poll(output, 0, Self.pollMilliseconds) != 0 { _ = read() }
  }

  /// Reads once; false where there is nothing now, and where enough was kept.
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
