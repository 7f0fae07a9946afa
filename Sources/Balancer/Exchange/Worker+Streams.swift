// Operations of an exchange on its two sides, each a connection of HTTP/1 or a stream of HTTP/2.
// Invariant: the loop tells them apart, the exchange does not.
// HOT PATH: no allocation, no lock, no existential, no clock.
import IO

extension Worker where Loop: ~Copyable {
  /// The stream that the request comes from.
  @inline(__always)
  mutating func clientStream(_ id: ExchangeID) -> ClientStream { exchanges[id].pointee.client }

  /// Pauses or resumes reading.
  @inline(__always)
  mutating func setPaused(_ stream: ClientStream, _ isPaused: Bool) {
    io.setPaused(stream.connection.connection, isPaused)
  }

  @inline(__always)
  mutating func setPaused(_ stream: EndpointStream, _ isPaused: Bool) {
    io.setPaused(stream.connection.connection, isPaused)
  }

  /// Ends the sending side after every byte was sent.
  mutating func finish(_ stream: ClientStream) { io.finish(stream.connection.connection) }

  mutating func finish(_ stream: EndpointStream) { io.finish(stream.connection.connection) }

  /// Makes the peer see an error instead of a regular end when the stream is closed.
  mutating func reset(_ stream: ClientStream) { io.resetOnClose(stream.connection.connection) }

  mutating func reset(_ stream: EndpointStream) { io.resetOnClose(stream.connection.connection) }

  /// The number of bytes that wait in the process to be sent.
  @inline(__always)
  mutating func unsentByteCount(_ stream: ClientStream) -> Int {
    io.unsentByteCount(stream.connection.connection)
  }

  @inline(__always)
  mutating func unsentByteCount(_ stream: EndpointStream) -> Int {
    io.unsentByteCount(stream.connection.connection)
  }

  /// The number of bytes that the peer has not acknowledged. Makes a system call.
  mutating func untakenByteCount(_ stream: ClientStream) -> Int {
    io.untakenByteCount(stream.connection.connection)
  }
}
