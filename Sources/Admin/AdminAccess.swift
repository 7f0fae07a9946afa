// Who may do what at the admin address, decided from the request alone: tokens, and where there
// are none, what keeps web pages out. Tokens are compared in constant time.
import HTTP
package import Primitives

/// The rules of one admin listener.
package struct AdminAccess: Sendable {
  /// What a client showed that it may do.
  package enum Scope: String, Sendable {
    /// Nothing was asked for.
    case open
    case read, write
  }

  /// How changes may be made, for the status.
  package enum Writing: String, Sendable {
    case open, token, none
  }

  package var readToken: Secret?
  package var writeToken: Secret?
  /// Nobody but this machine's users gets here.
  package var isLoopback: Bool

  package init(readToken: Secret? = nil, writeToken: Secret? = nil, isLoopback: Bool = true) {
    (self.readToken, self.writeToken) = (readToken, writeToken)
    self.isLoopback = isLoopback
  }

  private static let realm = #"Bearer realm="steelyard""#

  /// How changes may be made.
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

  /// Lets a request in, and says with what.
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

  /// What the request's token allows; `.open` where it has none, or none is asked for.
  private func held(_ request: AdminRequest) throws(Problem) -> Scope {
    if readToken == nil, writeToken == nil { return .open }
    switch BearerCredentials(request.fields["authorization"]) {
    case .none: return .open
    case .unusable:
      throw Self.unauthorized("Authorization must be `Bearer` and a token", error: "invalid_token")
    case .token(let bytes):
      // Both are always compared, so that the time does not tell which one it was nearly.
      let isWrite = writeToken?.matches(bytes) ?? false
      let isRead = readToken?.matches(bytes) ?? false
      if isWrite { return .write }
      if isRead { return .read }
      throw Self.unauthorized("the token is not known here", error: "invalid_token")
    }
  }

  /// A page of another site can let its own host name point at 127.0.0.1 and then read what it
  /// gets; with such a name in Host, that is the only thing it could be.
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
