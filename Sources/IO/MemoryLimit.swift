// How much memory this process may use: the limit of its control group, or the memory of the
// machine.
import CSystem

/// The limit, read once at start.
public enum MemoryLimit {
  /// In bytes: the lowest of the machine's memory and of the limits of the process's control group
  /// and of its parents, in cgroup v2 (memory.max) and v1 (memory.limit_in_bytes).
  public static var byteCount: Int {
    let pages = Int(sysconf(Int32(_SC_PHYS_PAGES)))
    let machine = max(1 << 20, pages * Int(sysconf(Int32(_SC_PAGESIZE))))
    let groups = text("/proc/self/cgroup") ?? ""
    return paths(groups).reduce(machine) { least, path in
      min(least, text(path).flatMap(limit) ?? least)
    }
  }

  /// The files that may hold limits, derived from the lines of /proc/self/cgroup (cgroups(7)).
  package static func paths(_ groups: String) -> [String] {
    var paths: [String] = []
    for line in groups.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isV2 = parts[0] == "0" && parts[1].isEmpty
      guard isV2 || parts[1].split(separator: ",").contains("memory") else { continue }
      let file = isV2 ? "memory.max" : "memory.limit_in_bytes"
      let roots = isV2 ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : ["/sys/fs/cgroup/memory"]
      // A container sees its own group at the root, whatever the file calls it.
      var group = parts[2].split(separator: "/").prefix(32)
      while true {
        for root in roots {
          paths.append(([root] + group.map(String.init) + [file]).joined(separator: "/"))
        }
        guard group.popLast() != nil else { break }
      }
    }
    return paths
  }

  /// A limit in bytes; nil: the file says that there is none.
  package static func limit(_ text: String) -> Int? {
    guard let value = Int(text.prefix { $0.isNumber }), value > 0 else { return nil }
    return value
  }

  private static func text(_ path: String) -> String? {
    guard let bytes = try? FileReader.read(path, byteCountMax: 1 << 16) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}
