// The datagram socket at which a service manager listens (sd_notify(3)): short texts, sent without
// blocking. What they say is the program's business.
import CSystem

/// Sends states to the service manager. Control thread only.
package struct NotifySocket: ~Copyable {
  private let fd: Int32
  /// As the kernel has it: an abstract name begins with a NUL, a path has no end.
  private let name: [UInt8]

  /// The longest name (unix(7), `sun_path`).
  package static let nameByteCountMax = 108

  /// `NOTIFY_SOCKET`'s value: an absolute path, or `@` and an abstract name. Errors: EAFNOSUPPORT
  /// for anything else (such as `vsock:`), ENAMETOOLONG, socket(2)'s.
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

  /// Sends lines of `NAME=value` as one datagram. Errors: sendto(2)'s; EAGAIN where the manager
  /// has not read those before.
  package func send(_ lines: [String]) throws(IOError) {
    let text = Array(lines.joined(separator: "\n").utf8)
    let sent = sy_send_unix(fd, name, name.count, text, text.count)
    guard sent >= 0 else { throw IOError("sendto", -sent) }
  }
}

/// The process's environment. Only before other threads exist.
package enum Environment {
  /// What is left of it, `NAME=value` each.
  package static var lines: [String] {
    var found: [String] = []
    while let line = sy_environment(Int32(found.count)) { found.append(String(cString: line)) }
    return found
  }

  /// A variable's value; it is taken out, so that no child inherits it.
  package static func take(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    unsetenv(name)
    return text
  }

  /// This process's number.
  package static var processID: Int32 { getpid() }
}
