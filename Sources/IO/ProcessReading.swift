// What the kernel reports about this process and the machine.
import CSystem

/// Values of /proc/self, named as in Prometheus clients.
public struct ProcessReading: Sendable {
  /// User and system time of all threads.
  public var cpuSeconds = 0.0
  public var residentBytes = 0
  public var virtualBytes = 0
  public var openFDs = 0
  public var maxFDs = 0
  /// Since 1970.
  public var startTimeSeconds = 0.0
  public var threads = 0

  /// Reads /proc. Values that cannot be read stay 0.
  public static func now() -> ProcessReading {
    var reading = ProcessReading()
    let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    // The command in parentheses may contain blanks: fields are counted after it (proc(5)).
    if let stat = text("/proc/self/stat"), let end = stat.lastIndex(of: ")") {
      let fields = stat[stat.index(after: end)...].split(separator: " ")
      func field(_ number: Int) -> Double {
        number - 3 < fields.count ? Double(fields[number - 3]) ?? 0 : 0
      }
      reading.cpuSeconds = (field(14) + field(15)) / ticks
      reading.threads = Int(field(20))
      reading.virtualBytes = Int(field(23))
      reading.residentBytes = Int(field(24)) * Int(sysconf(Int32(_SC_PAGESIZE)))
      reading.startTimeSeconds = bootTimeSeconds() + field(22) / ticks
    }
    reading.openFDs = max(0, Int(sy_count_entries("/proc/self/fd")) - 1)
    reading.maxFDs = max(0, Int(sy_open_files_limit()))
    return reading
  }

  private static func bootTimeSeconds() -> Double {
    guard let stat = text("/proc/stat") else { return 0 }
    for line in stat.split(separator: "\n") where line.hasPrefix("btime ") {
      return Double(line.dropFirst(6)) ?? 0
    }
    return 0
  }

  private static func text(_ path: String) -> String? {
    guard let bytes = try? FileReader.read(path, byteCountMax: 1 << 20) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The properties of the machine that defaults depend on.
public enum Machine {
  /// The number of processors that this process may use.
  public static var processorCount: Int { max(1, Int(sy_processor_count())) }

  /// Raises the limit of open files as far as possible; returns the limit in force.
  @discardableResult
  public static func raiseOpenFilesLimit() -> Int {
    _ = sy_raise_open_files()
    let limit = Int(sy_open_files_limit())
    // RLIM_INFINITY is negative as a long.
    return limit < 0 ? .max : limit
  }
}
