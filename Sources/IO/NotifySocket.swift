// The datagram socket of a service manager (sd_notify(3)): short texts, sent without blocking. The
// program decides what they say.
import CSystem

/// Sends states to the service manager. Control thread only.
package struct NotifySocket: ~Copyable {
  private let fd: Int32
  /// In the kernel's form: an abstract name begins with a NUL, a path has no terminator.
  private let name: [UInt8]

  /// The longest name (unix(7), `sun_path`).
  package static let nameByteCountMax = 108

  /// `text` is the value of `NOTIFY_SOCKET`: an absolute path, or `@` and an abstract name. Errors:
  /// EAFNOSUPPORT for anything else (such as `vsock:`), ENAMETOOLONG, those of socket(2).
  package init(_ text: String) throws(IOError) {
    var name = Array(text.utf8)
    guard name.count > 1, name[0] == UInt8(ascii: "/") || name[0] == UInt8(ascii: "@") else {
      throw IOError("NOTIFY_SOCKET", Int(EAFNOSUPPORT))
    }
    guard name.count <= Self.nameByteCountMax else {
      throw IOError("NOTIFY_SOCKET", Int(ENAMETOOLONG))
    }
    if name[0] == UInt8(ascii: "@") { name[0] = 0 }
    let opened = sy_socket_unix_datagram()
    guard opened >= 0 else { throw IOError("socket", -opened) }
    fd = Int32(opened)
    self.name = name
  }

  deinit { sy_close(fd) }

  /// Sends lines of `NAME=value` as one datagram. Errors: those of sendto(2); EAGAIN if the manager
  /// has not read earlier ones.
  package func send(_ lines: [String]) throws(IOError) {
    let text = Array(lines.joined(separator: "\n").utf8)
    let sent = sy_send_unix(fd, name, name.count, text, text.count)
    guard sent >= 0 else { throw IOError("sendto", -sent) }
  }
}

/// The environment of the process. Use only before other threads exist.
package enum Environment {
  /// The remaining variables, as `NAME=value`.
  package static var lines: [String] {
    var found: [String] = []
    while let line = sy_environment(Int32(found.count)) { found.append(String(cString: line)) }
    return found
  }

  /// Returns a variable's value and removes it, so that no child inherits it.
  package static func take(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    unsetenv(name)
    return text
  }

  /// This process's id.
  package static var processID: Int32 { getpid() }
}
