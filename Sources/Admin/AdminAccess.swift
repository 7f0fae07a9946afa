// Access to the admin address, decided from the request alone: by tokens, or, if there are none, by
// rules that keep web pages out. Tokens are compared in constant time.
import HTTP
package import Primitives

/// The access rules of one admin listener.
package struct AdminAccess: Sendable {
  /// The rights that a client has proved.
  package enum Scope: String, Sendable {
    /// No token is needed.
    case open
    case read, write
  }

  /// Who may make changes, as the status shows it.
  package enum Writing: String, Sendable {
    case open, token, none
  }

  package var readToken: Secret?
  package var writeToken: Secret?
  /// The listener is on a loopback address: only users of this machine reach it.
  package var isLoopback: Bool

  package init(readToken: Secret? = nil, writeToken: Secret? = nil, isLoopback: Bool = true) {
    (self.readToken, self.writeToken) = (readToken, writeToken)
    self.isLoopback = isLoopback
  }

  private static let realm = #"Bearer realm="steelyard""#

  /// Who may make changes.
  package var writing: Writing {
    if writeToken != nil { return .token }
    return isLoopback && readToken == nil ? .open : .none
  }

  /// Whether the tokens are those of `other`.
  package func hasTokens(of other: AdminAccess) -> Bool {
    func isSame(_ a: Secret?, _ b: Secret?) -> Bool {
      guard let a, let b else { return a == nil && b == nil }
      return a.matches(b)
    }
    return isSame(readToken, other.readToken) && isSame(writeToken, other.writeToken)
  }

  /// Admits a request and returns the rights that it has. Errors: it is refused.
  package func check(
    _ request: AdminRequest, needs need: AdminResource.Need
  ) throws(Problem) -> Scope {
    if need == .nothing { return .open }
    let held = try held(request)
    if need == .read {
      if held != .open { return held }
      if readToken != nil { throw Self.unauthorized("this needs a read or write token") }
      try checkHost(request)
      return .open
    }
    switch writing {
    case .token:
      if held == .write { return held }
      if held == .read { throw Self.insufficient("the read token may change nothing") }
      throw Self.unauthorized("changes need the write token")
    case .none:
      throw Self.insufficient(
        "nobody may change anything here: there is no write token, and "
          + (isLoopback ? "there is a read token" : "this address is not a loopback one")
          + "; configure `admin: {write_token: {file: PATH}}`")
    case .open:
      if request.hasOrigin {
        throw Problem(403, "web pages may not change anything here without a write token")
      }
      try checkHost(request)
      return .open
    }
  }

  /// The rights of the request's token; `.open` if it has none or none is needed.
  private func held(_ request: AdminRequest) throws(Problem) -> Scope {
    if readToken == nil, writeToken == nil { return .open }
    switch BearerCredentials(request.fields["authorization"]) {
    case .none: return .open
    case .unusable:
      throw Self.unauthorized("Authorization must be `Bearer` and a token", error: "invalid_token")
    case .token(let bytes):
      // Both tokens are always compared, so that the time taken tells nothing about either.
      let isWrite = writeToken?.matches(bytes) ?? false
      let isRead = readToken?.matches(bytes) ?? false
      if isWrite { return .write }
      if isRead { return .read }
      throw Self.unauthorized("the token is not known here", error: "invalid_token")
    }
  }

  /// A web page of another site can let its own host name point to 127.0.0.1 and then read the
  /// answers (DNS rebinding). Its requests have that name in Host; so only addresses and known
  /// names are accepted there.
  private func checkHost(_ request: AdminRequest) throws(Problem) {
    guard isLoopback, let host = request.fields["host"],
      !HostName.isAddressOrLocalhost(host)
    else { return }
    throw Problem(
      421,
      "Host must be an IP address or localhost here, so that no web page reads or changes things "
        + "by a name of its own that points here (DNS rebinding); with a token any Host will do")
  }

  private static func unauthorized(_ detail: String, error: String? = nil) -> Problem {
    var problem = Problem(401, "\(detail): send `Authorization: Bearer TOKEN`")
    problem.fields["WWW-Authenticate"] = realm + (error.map { #", error="\#($0)""# } ?? "")
    return problem
  }

  private static func insufficient(_ detail: String) -> Problem {
    var problem = Problem(403, detail)
    problem.fields["WWW-Authenticate"] =
      realm + #", error="insufficient_scope", scope="write""#
    return problem
  }
}
