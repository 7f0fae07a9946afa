// Interim answers (1xx, RFC 9110 §15.2): which of them are passed to the client, and how many bytes
// of them an endpoint may send. Invariant: the client gets the interim answers of one attempt only,
// except a 100.
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP
import IO

extension Worker where Loop: ~Copyable {
  /// The most bytes of interim heads in one attempt. More are refused with 502.
  static var interimBytesMax: Int { 65_536 }

  /// Passes an interim answer on if the client can read it. 100 and 103 belong to one attempt: of a
  /// later attempt only a 100 is of use, to a client that waits with its content. Returns false if
  /// the endpoint has sent too many bytes; the attempt is then over.
  mutating func passInterim(
    _ exchangeID: ExchangeID, _ head: ResponseHead, _ bytes: UnsafeRawBufferPointer
  ) -> Bool {
    let exchange = exchanges[exchangeID]
    exchange.pointee.interimByteCount += Int32(head.end)
    guard exchange.pointee.interimByteCount <= Self.interimBytesMax else {
      answerRefused(exchangeID, .interimsTooLarge)
      return false
    }
    guard exchange.pointee.version != .http10 else { return true }
    if exchange.pointee.interims == .sentBefore {
      guard head.status == 100, !exchange.pointee.request.isComplete else { return true }
    } else {
      exchange.pointee.interims = .sent
    }
    var writer = ByteWriter(scratch)
    let forwarded = ForwardedResponse(
      head: head, fields: responses.table(in: bytes), isChunked: false, confirmsKeepAlive: false,
      closes: false)
    forwarded.write(to: &writer)
    if !writer.hasOverflowed {
      io.send(clientID(exchangeID).connection, writer.written)
      noteSent(exchangeID, head: writer.count, content: 0)
    }
    return true
  }
}
