// The health check of gRPC: the message of the call `grpc.health.v1.Health/Check`, and what the
// answer says. A server that says in so many words that it does not serve is not ready: that needs
// no repetition.
// Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md, and for the five bytes
// before a message https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
import Client
import Fleet
import HTTP

enum GRPCHealth {
  /// `HealthCheckRequest` as it is sent. Requires: at most 256 bytes of `service`.
  static func request(service: String) -> [UInt8] {
    let name = Array(service.utf8)
    let message = name.isEmpty ? [] : [0x0A] + varint(name.count) + name
    return [0, 0, 0, UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message
  }

  /// Why the endpoint is not well; nil where it is. `status`: that of HTTP.
  static func failure(
    _ status: Int, _ call: CallEnd?, _ content: UnsafeRawBufferPointer, service: String
  ) -> PollFailure? {
    guard let call else {
      let what = "\(status) without grpc-status"
      return PollFailure(
        .status, content.isEmpty ? what : "\(what): \(Wording.snippet(content))")
    }
    guard call.status == .ok else { return failure(call, service: service) }
    guard status == 200 else { return PollFailure(.status, "\(status) with grpc-status OK") }
    guard let message = message(content) else {
      return PollFailure(.content, "the answer is not one message of gRPC")
    }
    guard let serving = serving(message) else {
      return PollFailure(.content, "the message is no HealthCheckResponse")
    }
    let subject = service.isEmpty ? "the server" : "service `\(service)`"
    switch serving {
    case 0: return PollFailure(.content, "\(subject) is UNKNOWN")
    case 1: return nil
    case 2: return PollFailure(.notReady, "\(subject) is NOT_SERVING")
    case 3: return PollFailure(.notReady, "\(subject) is SERVICE_UNKNOWN")
    default: return PollFailure(.content, "\(subject) has the unknown status \(serving)")
    }
  }

  private static func failure(_ call: CallEnd, service: String) -> PollFailure {
    let said = Array(call.message.utf8).withUnsafeBytes { Wording.snippet($0) }
    let text = said.isEmpty ? call.status.label : "\(call.status.label): \(said)"
    return switch call.status {
    case .unimplemented:
      PollFailure(.status, "UNIMPLEMENTED: the server has no grpc.health.v1")
    case .notFound:
      PollFailure(.notReady, "NOT_FOUND: the server knows no service `\(service)`")
    // The time is ours: the server gave the call up before we did.
    case .deadlineExceeded: PollFailure(.timeout, text)
    case .other: PollFailure(.status, "a grpc-status that gRPC does not define")
    default: PollFailure(.status, text)
    }
  }

  /// The only message of the content; nil: it is none, or compressed, which nobody offered.
  private static func message(_ content: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
    guard content.count >= 5, content[0] == 0 else { return nil }
    let count = content[1..<5].reduce(0) { $0 << 8 | Int($1) }
    return count == content.count - 5 ? content[5...] : nil
  }

  /// `HealthCheckResponse.status`; nil: the message is malformed. Unknown fields are skipped, the
  /// last status counts, and none is 0.
  /// Source: https://protobuf.dev/programming-guides/encoding
  private static func serving(_ message: Slice<UnsafeRawBufferPointer>) -> UInt64? {
    var rest = message
    var status: UInt64 = 0
    while !rest.isEmpty {
      guard let tag = takeVarint(&rest), tag >> 3 > 0, tag <= UInt64(UInt32.max) else { return nil }
      switch (tag >> 3, tag & 7) {
      case (1, 0):
        guard let value = takeVarint(&rest) else { return nil }
        status = value
      case (1, _): return nil
      case (_, 0): guard takeVarint(&rest) != nil else { return nil }
      case (_, 1): guard skip(8, &rest) else { return nil }
      case (_, 2): guard let count = takeVarint(&rest), skip(count, &rest) else { return nil }
      case (_, 5): guard skip(4, &rest) else { return nil }
      default: return nil
      }
    }
    return status
  }

  private static func skip(_ count: UInt64, _ rest: inout Slice<UnsafeRawBufferPointer>) -> Bool {
    guard count <= UInt64(rest.count) else { return false }
    rest = rest.dropFirst(Int(count))
    return true
  }

  /// At most ten bytes that give 64 bits.
  private static func takeVarint(_ rest: inout Slice<UnsafeRawBufferPointer>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 63, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      if shift == 63, byte > 1 { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }

  private static func varint(_ number: Int) -> [UInt8] {
    number < 128 ? [UInt8(number)] : [UInt8(number & 0x7F | 0x80), UInt8(number >> 7)]
  }
}
