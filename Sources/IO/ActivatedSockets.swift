// Sockets that a service manager has opened for this process (sd_listen_fds(3)).
import CSystem

/// The sockets that a service manager passes.
package enum ActivatedSockets {
  private static let first: Int32 = 3

  /// Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, removes them from the environment, and adds
  /// the sockets. Returns the reasons why some cannot be used. Requires: no other thread exists.
  package static func take(into sockets: InheritedSockets) -> [String] {
    let process = Environment.take("LISTEN_PID")
    let count = Environment.take("LISTEN_FDS")
    let names = Environment.take("LISTEN_FDNAMES")?.split(
      separator: ":", omittingEmptySubsequences: false)
    guard let count, process == "\(Environment.processID)" else { return [] }
    guard let number = Int32(count), number >= 0, number <= 1_024 else {
      return ["LISTEN_FDS is no number of sockets: \(count)"]
    }
    var faults: [String] = []
    for descriptor in first..<first + number {
      do throws(IOError) {
        try sockets.add(descriptor, of: nil)
      } catch {
        let index = Int(descriptor - first)
        let name = names.flatMap { index < $0.count ? String($0[index]) : nil } ?? "unknown"
        faults.append("socket \(descriptor) (\(name)) is none that listens for TCP")
      }
    }
    return faults
  }
}
