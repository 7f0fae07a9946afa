// Identifiers of the streams of an exchange: one of a client connection and one of an endpoint
// connection. Invariant: separate types keep the kinds of identifiers apart, at no cost at run
// time.
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

/// A stream of a connection. An HTTP/1 connection has one stream, `only`.
struct StreamID: Equatable {
  let rawValue: Int32

  static var only: StreamID { StreamID(rawValue: 0) }
}

/// The stream that the request comes from and the answer goes to.
struct ClientStream: Equatable {
  let connection: ClientID
  let stream: StreamID

  init(_ connection: ClientID, _ stream: StreamID = .only) {
    self.connection = connection
    self.stream = stream
  }

  static var none: ClientStream { ClientStream(.none) }
}

/// The stream that an attempt's request goes to and its answer comes from.
struct EndpointStream: Equatable {
  let connection: EndpointConnectionID
  let stream: StreamID

  init(_ connection: EndpointConnectionID, _ stream: StreamID = .only) {
    self.connection = connection
    self.stream = stream
  }

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
