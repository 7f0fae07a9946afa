// What a probe asks for, as plain data. Nothing here says how it is carried out.
package import Primitives

/// One GET that is due.
package struct ProbeRequest: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    case health, prometheus, json
  }
  package var id: ProbeID
  package var address: SocketAddress
  /// What the server is called in the request; nil: by its address.
  package var host: String?
  /// Begins with "/"; may have a query.
  package var path: String
  package var kind: Kind
  /// From sending to the end.
  package var timeout: Nanoseconds
  /// More content than this is `tooLarge`; a health probe does not mind.
  package var contentBytesMax: Int

  package init(
    id: ProbeID, address: SocketAddress, path: String, kind: Kind, timeout: Nanoseconds,
    contentBytesMax: Int
  ) {
    self.id = id
    self.address = address
    self.path = path
    self.kind = kind
    self.timeout = timeout
    self.contentBytesMax = contentBytesMax
  }
}
