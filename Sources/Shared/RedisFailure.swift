// Why the common store cannot be used.

/// What went wrong, and the words of the system or of the server.
package struct RedisFailure: Error, Sendable, Equatable {
  /// The kind, for metrics.
  package enum Kind: String, Sendable, CaseIterable {
    /// The name has no address.
    case name
    /// Refused, unreachable, or closed by the server.
    case connection
    case tls
    /// No answer in time.
    case timeout
    /// User or password are wrong or missing, or the user may not do it.
    case login
    /// The server is a replica, or is loading its data.
    case notReady = "not_ready"
    /// No sentinel knows the master.
    case sentinel
    /// What came is no answer of Redis.
    case protocolError = "protocol"
    /// Any other error of the server.
    case server

    /// The kind of a server's error, by its first word.
    init(error text: String) {
      switch text.prefix(while: { $0 != " " }) {
      case "NOAUTH", "WRONGPASS", "NOPERM": self = .login
      case "READONLY", "LOADING", "MASTERDOWN", "UNKILLABLE", "BUSY": self = .notReady
      // Before Redis 6.
      case "ERR" where text.contains("invalid password"): self = .login
      case "ERR" where text.contains("without any password"): self = .login
      default: self = .server
      }
    }
  }

  package let kind: Kind
  package let detail: String

  package init(_ kind: Kind, _ detail: String) {
    self.kind = kind
    self.detail = detail
  }

  /// An error that the server answered with.
  init(error text: String) {
    self.init(Kind(error: text), String(text.prefix(200)))
  }
}
