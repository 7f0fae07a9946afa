// The exit codes, after sysexits.h; README lists them.

package enum ExitCode: Int32, Sendable {
  case ok = 0
  /// A wrong or missing option or word.
  case usage = 64
  /// A running steelyard refused an order.
  case refused = 65
  /// The file is missing or cannot be read.
  case noInput = 66
  /// An address cannot be listened on, such as a port in use; nobody answers; a page is not a
  /// metrics page, or not a valid one.
  case unavailable = 69
  /// The system refused something that it never should.
  case internalError = 70
  /// An output cannot be written.
  case cannotCreate = 73
  /// The admin server needs a token, or one with more rights.
  case noPermission = 77
  /// The configuration has errors.
  case configuration = 78
}
