// What keeps related requests at one endpoint: the key of a hash, and the affinity cookie.
public import Primitives

/// What `balance: hash` uses as the key.
public enum HashSource: Sendable, Equatable {
  /// The first non-empty field with that name; names match in any case.
  case header(String)
  /// The first non-empty cookie with that name.
  case cookie(String)
  /// The first non-empty query parameter with that name, compared without decoding.
  case query(String)
  /// The path without the query.
  case path
  /// What the client's certificate says, where the listener asks for one.
  case clientCertificate(ClientCertificatePart)
}

/// The part of a client's certificate that is a key of hashes and rate limits.
public enum ClientCertificatePart: String, Sendable, CaseIterable {
  case subject
  /// The subject alternative names.
  case names = "san"
}

/// How `hash` and `ip_hash` pick an endpoint.
public struct HashPolicy: Sendable, Equatable {
  /// nil: no source is needed (`ip_hash`, or another policy).
  public var source: HashSource?
  /// An endpoint takes at most this many times its share of the requests in flight; further
  /// requests go to the key's next choice (Mirrokni, Thorup, Zadimoghaddam 2016). Range 1...10.
  public var loadFactor = 1.25
  public init() {}
}

/// A cookie that leads a client back to the endpoint that answered it first.
public struct AffinityPolicy: Sendable, Equatable {
  /// The name of the cookie: a token, 1 to 64 bytes.
  public var cookie: String
  /// How long the client keeps the cookie after it was set; 0: until the browser is closed.
  public var maxAge: Nanoseconds = .zero
  /// The `Path` attribute of the cookie.
  public var path = "/"
  public var sameSite = SameSite.lax
  public var secure = Secure.auto

  /// Whether the browser sends the cookie over HTTPS only (`Secure`).
  public enum Secure: String, Sendable, Equatable, CaseIterable {
    /// If the client came by TLS.
    case auto
    case always = "true"
    case never = "false"
  }

  /// The `SameSite` attribute, RFC 6265bis §5.6.7.
  public enum SameSite: String, Sendable, Equatable, CaseIterable {
    case lax, strict, none
  }

  public init(cookie: String) { self.cookie = cookie }
}
