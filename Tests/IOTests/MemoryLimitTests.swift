import IO
import Testing

@Suite struct MemoryLimitTests {
  @Test func theOwnGroupAndThoseAboveItAreLookedAt() {
    #expect(
      MemoryLimit.paths("0::/a/b\n") == [
        "/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/unified/a/b/memory.max",
        "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/unified/a/memory.max",
        "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/unified/memory.max",
      ])
    #expect(
      MemoryLimit.paths("9:cpu,memory:/x:y\n8:pids:/\nnonsense\n") == [
        "/sys/fs/cgroup/memory/x:y/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
      ])
    #expect(MemoryLimit.paths("") == [])
  }

  @Test(arguments: [
    ("41943040\n", 41_943_040), ("max\n", nil), ("", nil), ("0\n", nil),
    ("99999999999999999999999\n", nil), ("-1\n", nil),
  ])
  func aLimitIsANumber(text: String, expected: Int?) {
    #expect(MemoryLimit.limit(text) == expected)
  }

  @Test func thisMachineHasALimit() {
    #expect(MemoryLimit.byteCount >= 1 << 20)
  }
}
