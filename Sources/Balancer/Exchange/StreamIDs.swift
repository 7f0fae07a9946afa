// Identifiers of the two sides of an exchange, the client's and the endpoint's. A stream of HTTP/2
// is a connection of the loop like any other (`StreamLoop`).
// Invariant: separate types keep the kinds of identifiers apart, at no cost at run time.
// HOT PATH: no allocation, no lock, no existential, no clock.
import IO

/// A client connection.
struct ClientID: Equatable {
  let connection: ConnectionID

  init(_ connection: ConnectionID) { self.connection = connection }

  static var none: ClientID { ClientID(.none) }

  /// The index of its state in the slab.
  var index: Int { Int(connection.index) }
}

/// An endpoint connection.
struct EndpointConnectionID: Equatable {
  let connection: ConnectionID

  init(_ connection: ConnectionID) { self.connection = connection }

  static var none: EndpointConnectionID { EndpointConnectionID(.none) }

  /// The index of its state in the slab.
  var index: Int { Int(connection.index) }
}

/// What the request comes from and the answer goes to: a connection of HTTP/1, or a stream of
/// HTTP/2.
struct ClientStream: Equatable {
  let connection: ClientID

  init(_ connection: ClientID) { self.connection = connection }

  static var none: ClientStream { ClientStream(.none) }
}

/// What an attempt's request goes to and its answer comes from: a connection of HTTP/1, or a stream
/// of HTTP/2.
struct EndpointStream: Equatable {
  let connection: EndpointConnectionID

  init(_ connection: EndpointConnectionID) { self.connection = connection }

  static var none: EndpointStream { EndpointStream(.none) }
}

/// A running exchange of a worker. The generation distinguishes it from earlier ones at the same
/// index.
struct ExchangeID: Equatable {
  private let rawIndex: Int32
  let generation: UInt32

  init(index: Int, generation: UInt32) {
    rawIndex = Int32(truncatingIfNeeded: index)
    self.generation = generation
  }

  static var none: ExchangeID { ExchangeID(index: -1, generation: 0) }

  /// The index of the exchange in its slab, in the queue and in the records of the access log.
  var index: Int { Int(rawIndex) }
}
