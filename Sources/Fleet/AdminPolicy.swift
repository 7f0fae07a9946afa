// Where secrets come from. Tokens of the admin API are read at the start and at each reload, and
// never kept here; values of header fields are put in place then.

/// Where a token, or the secret value of a header field, stands.
public enum TokenSource: Sendable, Hashable {
  /// The content of a file.
  case file(String)
  /// The value of an environment variable.
  case environment(String)
}

/// Who may read at the admin address, and who may change things.
public struct AdminTokens: Sendable, Equatable {
  /// nil: everybody may read.
  public var read: TokenSource?
  /// nil: nobody may change things, but on a loopback listener without any token everybody may.
  public var write: TokenSource?
  public init() {}
}
