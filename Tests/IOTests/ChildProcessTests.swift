import CSystem
import IO
import Primitives
import Testing

private func run(
  _ words: String..., environment: [String] = [], timeout: Nanoseconds = .seconds(30),
  kept: Int = 1_000
) throws(IOError) -> (ending: ChildProcess.Ending, text: String) {
  let (ending, output) = try ChildProcess.run(
    words, environment: environment, timeout: timeout, outputBytesMax: kept, isStopped: { false })
  return (ending, String(decoding: output, as: UTF8.self))
}

@Suite struct ChildProcessTests {
  @Test func wordsAndEnvironmentArriveAsTheyAre() throws {
    let hostile = "a b\n$(id) `id` \"quoted\" 'x' *"
    let echoed = try run("/usr/bin/printf", "[%s]", hostile, "")
    #expect(echoed == (.exited(0), "[\(hostile)][]"))
    let environment = try run("/usr/bin/env", environment: ["A=1", "B=\(hostile)"])
    #expect(environment == (.exited(0), "A=1\nB=\(hostile)\n"))
  }

  @Test(arguments: [
    ("exit 0", ChildProcess.Ending.exited(0)), ("exit 3", .exited(3)),
    ("kill -9 $$", .signaled(9)), ("exit 255", .exited(255)),
  ])
  func theEndIsTold(_ script: String, _ expected: ChildProcess.Ending) throws {
    #expect(try run("/bin/sh", "-c", script).ending == expected)
  }

  @Test func nothingOfOursIsInherited() throws {
    let found = try run(
      "/bin/sh", "-c", "ls /proc/self/fd; cat; readlink /proc/self/fd/0; trap '' PIPE")
    // ls has its own descriptor 3 for the directory.
    #expect(found == (.exited(0), "0\n1\n2\n3\n/dev/null\n"))
    let status = try run("/bin/grep", "Sig\\(Blk\\|Ign\\)", "/proc/self/status").text
    let masks = status.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0, radix: 16) }
    // Two signals of glibc's own stay ignored.
    #expect(masks.count == 2 && masks.allSatisfy { $0 & 0x7FFF_FFFF == 0 })
  }

  @Test(arguments: ["/nowhere/at/all", "/", "/etc/passwd"])
  func whatCannotBeStartedIsAnError(_ path: String) {
    #expect(throws: IOError.self) { _ = try run(path) }
  }

  @Test func outputIsBoundedAndAFloodEnds() throws {
    let flood = try run("/usr/bin/yes", timeout: .seconds(3), kept: 100)
    #expect(flood == (.timedOut, String(repeating: "y\n", count: 50)))
    let much = try run("/bin/sh", "-c", "seq 1 40000; exit 4", kept: 10)
    #expect(much == (.exited(4), "1\n2\n3\n4\n5\n"))
  }

  @Test func aTimeOutEndsTheWholeGroup() throws {
    let script = """
      trap '' TERM
      (trap '' TERM; sleep 1000) &
      echo $!
      exec sleep 1000
      """
    let found = try run("/bin/sh", "-c", script, timeout: .milliseconds(500))
    #expect(found.ending == .timedOut)
    let pid = try #require(Int32(found.text.split(separator: "\n").first ?? ""))
    var isGone = false
    for _ in 0..<3_000 where !isGone {
      isGone = kill(pid, 0) != 0
      if !isGone { Clock.pause(.milliseconds(10)) }
    }
    #expect(isGone)
  }

  @Test func whatItLeavesRunningGoesOn() throws {
    let found = try run("/bin/sh", "-c", "sleep 30 & echo $!")
    #expect(found.ending == .exited(0))
    let pid = try #require(Int32(found.text.dropLast()))
    #expect(kill(pid, 0) == 0)
    kill(pid, SIGKILL)
  }
}
