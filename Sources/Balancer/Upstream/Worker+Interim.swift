// Interim answers (1xx, RFC 9110 §15.2): which of them go to the client, and how many an endpoint
// may send before its answer.
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP
import IO

extension Worker where Loop: ~Copyable {
  /// Bytes of interim heads that an attempt may have. More is no answer (502).
  static var interimBytesMax: Int { 65_536 }

  /// Passes an interim answer on where the client can read it. 100 and 103 belong to one attempt:
  /// of a later one only a 100 is of use, to a client that waits with its content. False where the
  /// endpoint has sent too many and the attempt is over.
  mutating func passInterim(
    _ exchangeID: ExchangeID, _ head: ResponseHead, _ bytes: UnsafeRawBufferPointer
  ) -> Bool {
    let exchange = exchanges[exchangeID]
    exchange.pointee.interimByteCount += Int32(head.end)
    guard exchange.pointee.interimByteCount <= Self.interimBytesMax else {
      answerRefused(exchangeID, .interimsTooLarge)
      return false
    }
    guard exchange.pointee.minorVersion >= 1 else { return true }
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
