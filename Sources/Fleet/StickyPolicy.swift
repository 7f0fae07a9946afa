// What keeps requests of one kind at one endpoint: the key of a hash, and the affinity cookie.
public import Primitives

/// What `balance: hash` takes from a request.
public enum HashSource: Sendable, Equatable {
  /// The first field of that name with a value; the name in any case.
  case header(String)
  /// The first cookie of that name with a value.
  case cookie(String)
  /// The first parameter of that name with a value, compared as it is written.
  case query(String)
  /// The path without the query.
  case path
}

/// How `hash` and `ip_hash` find an endpoint.
public struct HashPolicy: Sendable, Equatable {
  /// nil: of no use here (`ip_hash`, or another policy).
  public var source: HashSource?
  /// An endpoint takes at most this much more than its share of what is in flight; the next choice
  /// of the key takes the rest (Mirrokni, Thorup, Zadimoghaddam 2016). Range 1...10.
  public var loadFactor = 1.25
  public init() {}
}

/// A cookie that brings a client back to the endpoint that answered it first.
public struct AffinityPolicy: Sendable, Equatable {
  /// A token, 1 to 64 bytes.
  public var cookie: String
  /// How long the client keeps it, from when it was set; 0 until it is closed.
  public var maxAge: Nanoseconds = .zero
  /// `Path` of the cookie.
  public var path = "/"
  public var sameSite = SameSite.lax
  /// For HTTPS only.
  public var isSecure = false

  /// RFC 6265bis §5.6.7.
  public enum SameSite: String, Sendable, Equatable, CaseIterable {
    case lax, strict, none
  }

  public init(cookie: String) { self.cookie = cookie }
}
