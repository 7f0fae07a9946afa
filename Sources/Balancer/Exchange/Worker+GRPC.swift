// Calls of gRPC (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): the time that a
// client gives, the status that says how a call went, and retries. The status is in the trailers,
// or in the head of an answer without content; the status of HTTP is always 200. Invariant: a call
// is counted, judged and repeated by its gRPC status, as a request of HTTP is by its own.
// HOT PATH: no allocation, no lock, no existential.
import CSystem
import Fleet
import HTTP
import IO
import Primitives

/// The fields of gRPC in a request.
struct CallFields {
  /// The request is a call.
  var isCall = false
  /// The time that the client gives; nil: any.
  var timeout: Nanoseconds?

  /// Reads the fields of a request that came over HTTP/2.
  init(_ fields: FieldTable) {
    for index in 0..<fields.count where fields[index].name == .other {
      let field = fields[index]
      switch field.nameEnd - field.start {
      case 12 where fields.isNamed("content-type", field):
        isCall = isGRPCType(fields.value(field))
      case 12 where fields.isNamed("grpc-timeout", field):
        timeout = Self.timeout(fields.value(field))
      default: break
      }
    }
    if !isCall { timeout = nil }
  }

  /// `TimeoutValue TimeoutUnit`: at most eight digits and a unit. nil: it is none.
  static func timeout(_ value: UnsafeRawBufferPointer) -> Nanoseconds? {
    guard value.count >= 2, value.count <= 9, let unit = value.last else { return nil }
    var number: Int64 = 0
    for byte in value.dropLast() {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      number = number * 10 + Int64(byte - 0x30)
    }
    let length: Int64
    switch unit {
    // Longer times are as good as none.
    case UInt8(ascii: "H"): length = 3_600_000_000_000
    case UInt8(ascii: "M"): length = 60_000_000_000
    case UInt8(ascii: "S"): length = 1_000_000_000
    case UInt8(ascii: "m"): length = 1_000_000
    case UInt8(ascii: "u"): length = 1_000
    case UInt8(ascii: "n"): length = 1
    default: return nil
    }
    return Nanoseconds(min(number, 86_400_000_000_000_000 / length) * length)
  }
}

extension Worker where Loop: ~Copyable {
  /// Notes that the request is a call, and its deadline. Requires: it came over HTTP/2.
  @inline(never)
  mutating func noteCall(_ id: ExchangeID, _ fields: FieldTable) {
    let call = CallFields(fields)
    let state = exchanges[id]
    state.pointee.isGRPC = call.isCall
    guard let timeout = call.timeout else { return }
    state.pointee.callEndsAt = io.now + timeout
  }

  /// The timer's time for the end of the exchange: the route's, or the client's if it is sooner.
  mutating func setEnd(_ id: ExchangeID, longest: Nanoseconds?) {
    let state = exchanges[id]
    let end = min(state.pointee.callEndsAt, longest.map { io.now + $0 } ?? .distantFuture)
    if end != .distantFuture { setTimer(id, .end, end) }
  }

  /// Brings the kept head of a call up to date for the next attempt.
  mutating func renewCall(_ id: ExchangeID) {
    renewCallTimeout(id)
    if exchanges[id].pointee.isRepeat { notePreviousAttempts(id) }
  }

  /// Writes the number of attempts before this one into the kept head (gRPC A6). A client that
  /// counts attempts itself is left to it.
  private mutating func notePreviousAttempts(_ id: ExchangeID) {
    let state = exchanges[id]
    state.pointee.callRepeats += 1
    let held = state.pointee.replay.first
    guard let block = held.block, let end = held.endOfFirst(Self.headEnd) else { return }
    // The content may look like the field.
    let head = HeldBytes(block: block, end: end - block)
    let known = head.endOfFirst(Self.attemptsName)
    // A route allows seven repeats at most.
    let digit = 0x30 + state.pointee.callRepeats
    if state.pointee.callRepeats > 1 {
      if state.pointee.hasRepeatsField { known?.storeBytes(of: digit, as: UInt8.self) }
      return
    }
    let added = Self.attemptsName.count + 1
    guard known == nil, let source = Self.attemptsName.baseAddress,
      held.end + added <= Self.blockBytes
    else { return }
    let at = end - Self.headEnd.count
    memmove(at + added, at, block + held.end - at)
    at.copyMemory(from: source, byteCount: Self.attemptsName.count)
    at.storeBytes(of: digit, toByteOffset: Self.attemptsName.count, as: UInt8.self)
    state.pointee.replay.first.end += added
    state.pointee.hasRepeatsField = true
  }

  private static var headEnd: UnsafeRawBufferPointer { bytes("\r\n\r\n") }
  private static var attemptsName: UnsafeRawBufferPointer {
    bytes("\r\ngrpc-previous-rpc-attempts: ")
  }
  private static var timeoutName: UnsafeRawBufferPointer { bytes("\r\ngrpc-timeout: ") }

  private static func bytes(_ text: StaticString) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
  }

  /// Writes the time that is left of a call over the one in the kept head: eight digits and a unit.
  mutating func renewCallTimeout(_ id: ExchangeID) {
    let state = exchanges[id]
    guard state.pointee.callEndsAt != .distantFuture else { return }
    // Steelyard has written it, so that it is in the head, before the content.
    guard let value = state.pointee.replay.first.endOfFirst(Self.timeoutName) else { return }
    CallTimeout.write(state.pointee.callEndsAt - io.now, to: value)
  }

  /// The status of the call, as far as the endpoint's stream has given it; nil: the exchange is no
  /// call, or there is none yet.
  private mutating func callStatus(
    _ id: ExchangeID, _ upstream: EndpointConnectionID
  ) -> GRPCStatus? {
    guard exchanges[id].pointee.isGRPC else { return nil }
    let number = io.grpcStatus(upstream.connection)
    return number < 0 ? nil : GRPCStatus(number: number)
  }

  /// The status of a call whose answer is whole; nil: the exchange is no call, or the answer is an
  /// error of HTTP. A 200 without a status is what clients call UNKNOWN.
  mutating func finalCallStatus(
    _ id: ExchangeID, _ upstream: EndpointConnectionID
  ) -> GRPCStatus? {
    if let status = callStatus(id, upstream) { return status }
    return exchanges[id].pointee.isGRPC && exchanges[id].pointee.status == 200 ? .unknown : nil
  }

  /// Repeats a call that was answered at once with a status that says that the endpoint cannot take
  /// it now, if the rules for retries allow it. Returns whether it did.
  mutating func repeatsCall(
    _ id: ExchangeID, _ upstream: EndpointConnectionID, _ head: ResponseHead, _ fields: FieldTable
  ) -> Bool {
    guard let status = callStatus(id, upstream),
      head.framing == .none || head.framing == .length(0),
      let endpointIndex = exchanges[id].pointee.lease?.endpointIndex,
      let pool = exchanges[id].pointee.pool
    else { return false }
    switch status {
    case .unavailable: guard plan.pools[pool].retries.statuses.contains(503) else { return false }
    case .resourceExhausted:
      guard plan.pools[pool].retries.statuses.contains(429) else { return false }
    default: return false
    }
    // The server may forbid it (gRPC A6).
    if let pushback = Self.pushback(fields), pushback.first == 0x2D { return false }
    guard mayRepeat(id, .status, endpointIndex, isOverload: status == .resourceExhausted)
    else { return false }
    context.metrics.streams.countGRPC(worker: workerIndex, endpointIndex: endpointIndex, status)
    keepAnswer(id, head, fields, endpointIndex)
    releaseAttempt(id, AttemptOutcome(status))
    exchanges[id].pointee.isRepeat = true
    attempt(id)
    return true
  }

  /// The wait before a retry that the server asks for, or a negative number: none at all.
  private static func pushback(_ fields: FieldTable) -> UnsafeRawBufferPointer? {
    for index in 0..<fields.count where fields.isNamed("grpc-retry-pushback-ms", fields[index]) {
      return fields.value(index)
    }
    return nil
  }
}

/// The value of `grpc-timeout` in a fixed number of bytes, so that it can be written anew for each
/// attempt.
enum CallTimeout {
  static let byteCount = 9

  /// Writes what is left. Requires: room for `byteCount` bytes.
  static func write(_ left: Nanoseconds, to target: UnsafeMutableRawPointer) {
    let nanoseconds = max(0, left.rawValue)
    var (number, unit) = (nanoseconds / 1_000, UInt8(ascii: "u"))
    if number > 99_999_999 { (number, unit) = (nanoseconds / 1_000_000, UInt8(ascii: "m")) }
    if number > 99_999_999 { (number, unit) = (nanoseconds / 1_000_000_000, UInt8(ascii: "S")) }
    number = min(number, 99_999_999)
    for offset in stride(from: 7, through: 0, by: -1) {
      target.storeBytes(
        of: UInt8(0x30 + number % 10), toByteOffset: offset, as: UInt8.self)
      number /= 10
    }
    target.storeBytes(of: unit, toByteOffset: 8, as: UInt8.self)
  }
}

extension AttemptOutcome {
  /// The outcome of a call. The client's own deadline and its leaving say nothing of the endpoint.
  init(_ status: GRPCStatus) {
    switch status {
    case .ok: self = .completed
    case .unknown, .internal, .unavailable, .dataLoss: self = .failed(.status)
    case .resourceExhausted: self = .overloaded(.zero)
    case .cancelled, .deadlineExceeded: self = .abandoned
    default: self = .rejected
    }
  }
}

extension GRPCStatus {
  /// The status of HTTP that means the same (google/rpc/code.proto). Calls are counted by it.
  var httpStatus: Int {
    switch self {
    case .ok: 200
    case .cancelled: 499
    case .invalidArgument, .failedPrecondition, .outOfRange: 400
    case .deadlineExceeded: 504
    case .notFound: 404
    case .alreadyExists, .aborted: 409
    case .permissionDenied: 403
    case .unauthenticated: 401
    case .resourceExhausted: 429
    case .unimplemented: 501
    case .unavailable: 503
    case .unknown, .internal, .dataLoss, .other: 500
    }
  }
}

extension LocalReason {
  /// The status that a call gets instead of an answer.
  var grpcStatus: GRPCStatus {
    switch self {
    case .noRoute, .notImplemented, .unknownExpectation, .unsupportedVersion: .unimplemented
    case .malformedRequest, .plainHTTP: .internal
    case .contentTooLarge, .headTooLarge, .targetTooLong, .rateLimited, .tooManyConnections:
      .resourceExhausted
    case .headTimeout, .contentTimeout: .cancelled
    case .firstByteTimeout, .sendTimeout, .exchangeTimeout: .deadlineExceeded
    case .noEndpoint, .overloaded, .shed, .breakerOpen, .connectFailed, .badResponse,
      .connectTimeout, .endpointDown, .queueFull, .queueTimeout, .misdirected:
      .unavailable
    }
  }

  /// Writes the answer to a call: a head that has the status, without content (Trailers-Only).
  func writeCall(
    to writer: inout ByteWriter, date: UnsafeRawBufferPointer, added: ResponseFields
  ) {
    writer.append("HTTP/1.1 200 OK\r\nServer: steelyard\r\nDate: ")
    writer.append(date)
    writer.append("\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\ngrpc-status: ")
    writer.append(number: Int(grpcStatus.rawValue))
    writer.append("\r\ngrpc-message: ")
    writer.append(message)
    writer.append("\r\n")
    added.write(to: &writer)
    writer.append("\r\n")
  }
}
