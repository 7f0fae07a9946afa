// The credentials of an Authorization field (RFC 6750 §2.1).
import Primitives

/// The bearer token of a request.
package enum BearerCredentials: Equatable, Sendable {
  case none
  case token([UInt8])
  /// Another scheme, several of them, or no token of visible ASCII.
  case unusable

  /// `field` is the value of Authorization, nil where there is none. Allocates.
  package init(_ field: String?) {
    guard let field else {
      self = .none
      return
    }
    let bytes = Array(field.utf8)
    let end = bytes.firstIndex(of: 0x20) ?? bytes.count
    let scheme = String(decoding: bytes[..<end], as: UTF8.self)
    let token = bytes[end...].drop { $0 == 0x20 }
    let isToken = !token.isEmpty && token.allSatisfy(Secret.isVisible)
    self = scheme.lowercased() == "bearer" && isToken ? .token(Array(token)) : .unusable
  }
}
