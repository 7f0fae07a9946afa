// The one error type for failed system calls: the call and its errno.
import CSystem

/// A system call that failed.
public struct IOError: Error, Sendable, Equatable, CustomStringConvertible {
  public let call: StaticString
  /// The errno value, positive.
  public let code: Int32

  public init(_ call: StaticString, _ code: Int) {
    self.call = call
    self.code = Int32(truncatingIfNeeded: code)
  }

  public var isAddressInUse: Bool { code == EADDRINUSE }
  /// The machine or the process lacks a resource; the peer is not the cause.
  public var isLocalShortage: Bool {
    switch code {
    case EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN: true
    default: false
    }
  }
  /// No descriptor is available in the process or in the system.
  public var isDescriptorShortage: Bool { code == EMFILE || code == ENFILE }
  /// Nothing listens at the address.
  public var isRefused: Bool { code == ECONNREFUSED }
  /// `FileReader` throws it for a pipe, a terminal, a device or a directory.
  public var isNoRegularFile: Bool { code == ESPIPE }
  public var isMissingFile: Bool { code == ENOENT }
  public var isAccessDenied: Bool { code == EACCES }

  /// The system's description of the errno. Allocates.
  public var reason: String { Self.reason(code) }

  /// The system's description of an errno. Allocates.
  public static func reason(_ code: Int32) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { room in
      guard let base = room.baseAddress else { return "error \(code)" }
      _ = sy_error_text(code, base, 128)
      return String(cString: base)
    }
  }

  public var description: String { "\(call): \(reason)" }

  public static func == (a: IOError, b: IOError) -> Bool {
    a.code == b.code && a.call.description == b.call.description
  }
}
