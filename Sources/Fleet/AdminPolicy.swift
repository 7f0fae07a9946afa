// Sources of secrets. Admin tokens are read at start and at each reload and are not stored here;
// the values of header fields are filled in at the same times.

/// The source of a token or of the secret value of a header field.
public enum TokenSource: Sendable, Hashable {
  /// The content of a file.
  case file(String)
  /// The value of an environment variable.
  case environment(String)
}

/// The tokens that reading from the admin address and changing things there require.
public struct AdminTokens: Sendable, Equatable {
  /// nil: reading requires no token.
  public var read: TokenSource?
  /// nil: changes are refused, except on a loopback listener that has no token at all.
  public var write: TokenSource?
  public init() {}
}
