// Notes an exchange for the access log, and writes its line at the end. Invariant: an exchange that
// is not logged costs one check of a flag.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Begins the record of an exchange; `route` nil: no route matched.
  mutating func beginRecord(
    _ id: ExchangeID, _ head: RequestHead, _ fields: FieldTable, route: Int?
  ) {
    let index = id.index
    let policy = plan.accessLog
    let isLogged =
      policy.destination != .none && (route.map { plan.routes[$0].logsAccess } ?? true)
    exchanges[id].pointee.isLogged = isLogged
    guard isLogged else { return }
    records.begin(index)
    func slice(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(rebasing: fields.bytes[start..<end])
    }
    records.set(.method, index, slice(head.start, head.methodEnd))
    let end = policy.hasQuery ? head.targetEnd : head.pathEnd
    let target = slice(head.targetStart, end)
    let root: StaticString = "/"
    records.set(
      .target, index,
      target.isEmpty ? UnsafeRawBufferPointer(start: root.utf8Start, count: 1) : target)
    for number in 0..<fields.count {
      guard let text = Self.loggedField(fields[number], fields) else { continue }
      records.set(text, index, fields.value(number))
    }
    let given = requestID(id)
    if !given.isEmpty { records.set(.requestID, index, given) }
    if let route, plan.routes[route].pool >= 0 {
      let name = plan.pools[plan.routes[route].pool].name
      _ = name.utf8.withContiguousStorageIfAvailable {
        records.set(.pool, index, UnsafeRawBufferPointer($0))
      }
    }
    records[index].pointee.receivedCount = head.end
  }

  private static func loggedField(_ field: Field, _ fields: FieldTable) -> AccessRecord.Text? {
    switch field.nameEnd - field.start {
    case 7: return fields.isNamed("referer", field) ? .referer : nil
    case 10: return fields.isNamed("user-agent", field) ? .userAgent : nil
    case 12: return field.name == .xRequestID ? .requestID : nil
    default: return nil
    }
  }

  /// Counts received content of the request.
  mutating func noteReceived(_ id: ExchangeID, _ count: Int) {
    let index = id.index
    if exchanges[id].pointee.isLogged { records[index].pointee.receivedCount += count }
  }

  /// Notes an attempt at an endpoint.
  mutating func noteAttempt(_ id: ExchangeID, endpointIndex: Int) {
    let index = id.index
    guard exchanges[id].pointee.isLogged else { return }
    records[index].pointee.attempts += 1
    plan.endpointTexts[endpointIndex].withUnsafeBytes { records.set(.endpoint, index, $0) }
  }

  /// Notes the time of the response's head. Requires: the lease is held.
  mutating func noteFirstByte(_ id: ExchangeID) {
    let index = id.index
    if exchanges[id].pointee.isLogged { records[index].pointee.firstByteAt = io.now }
  }

  /// Counts bytes that were sent to the client.
  mutating func noteSent(_ id: ExchangeID, head: Int, content: Int) {
    let index = id.index
    guard exchanges[id].pointee.isLogged else { return }
    records[index].pointee.sentHeadCount += head
    records[index].pointee.sentContentCount += content
  }

  /// Writes the line of an exchange that ended with the code class.
  mutating func logEnd(_ id: ExchangeID, _ code: CodeClass) {
    switch code {
    case .canceled: logEnd(id, "canceled", isCut: true)
    case .truncated: logEnd(id, "truncated", isCut: true)
    default: logEnd(id, "completed", isCut: false)
    }
  }

  /// Writes the line of an exchange that ended with steelyard's own answer, which was sent as
  /// `answer`. The request may have had no readable head.
  mutating func logAnswer(
    _ id: ExchangeID, _ status: Int, _ termination: StaticString,
    _ answer: UnsafeRawBufferPointer
  ) {
    let index = id.index
    let state = exchanges[id]
    if slab.downstream[clientID(id).index].phase == .head, plan.accessLog.destination != .none {
      state.pointee.isLogged = true
      state.pointee.startedAt = io.now
      records.begin(index)
    }
    guard state.pointee.isLogged else { return }
    state.pointee.status = status
    let head = Self.headCount(answer)
    noteSent(id, head: head, content: answer.count - head)
    logEnd(id, termination, isCut: false)
  }

  private static func headCount(_ answer: UnsafeRawBufferPointer) -> Int {
    var index = 3
    while index < answer.count {
      if answer[index] == 0x0A, answer[index - 1] == 0x0D, answer[index - 2] == 0x0A {
        return index + 1
      }
      index += 1
    }
    return answer.count
  }

  mutating func logEnd(_ id: ExchangeID, _ termination: StaticString, isCut: Bool) {
    let index = id.index
    let state = exchanges[id]
    guard state.pointee.isLogged else { return }
    state.pointee.isLogged = false
    let record = records[index]
    // Without an answer the status is 499, the number that nginx gives to clients that left.
    let hasAnswer = state.pointee.machine.hasAnswer || !isCut
    // Bytes that are still unsent do not count if the exchange was cut.
    let unsent = isCut ? unsentByteCount(clientStream(id)) : 0
    let sent = record.pointee.sentHeadCount + record.pointee.sentContentCount
    let line = LogLine(
      client: clientText(id),
      method: records.text(.method, index), target: records.text(.target, index),
      referer: records.text(.referer, index), userAgent: records.text(.userAgent, index),
      requestID: records.text(.requestID, index), pool: records.text(.pool, index),
      endpoint: records.text(.endpoint, index), version: state.pointee.version,
      status: hasAnswer ? state.pointee.status : 499, sentCount: max(0, sent - unsent),
      sentContentCount: max(0, record.pointee.sentContentCount - unsent),
      receivedCount: record.pointee.receivedCount, duration: io.now - state.pointee.startedAt,
      firstByte: record.pointee.firstByteAt.map { $0 - state.pointee.startedAt },
      attempts: record.pointee.attempts, termination: termination)
    var writer = ByteWriter(
      UnsafeMutableRawBufferPointer(start: lineRoom, count: LogLine.byteCountMax))
    line.write(plan.accessLog.format, at: Clock.wall, &logTime, to: &writer)
    guard !writer.hasOverflowed else { return }
    context.accessLog.append(writer.written, worker: workerIndex)
  }
}
