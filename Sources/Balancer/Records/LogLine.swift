// Formats an exchange as one line of the access log. docs/operations.md lists the fields. Pure:
// every value is an argument. Invariant: the line is written into the caller's memory, in at most
// `byteCountMax` bytes.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
import HTTP
import Primitives

/// The fields of a line. An empty buffer means that the field has no value.
struct LogLine {
  var client = UnsafeRawBufferPointer(start: nil, count: 0)
  var method = UnsafeRawBufferPointer(start: nil, count: 0)
  var target = UnsafeRawBufferPointer(start: nil, count: 0)
  var referer = UnsafeRawBufferPointer(start: nil, count: 0)
  var userAgent = UnsafeRawBufferPointer(start: nil, count: 0)
  var requestID = UnsafeRawBufferPointer(start: nil, count: 0)
  var pool = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The endpoint of the last attempt.
  var endpoint = UnsafeRawBufferPointer(start: nil, count: 0)
  var version = HTTPVersion.http11
  var status = 0
  /// Bytes sent to the client: heads and content in `sentCount`, content alone in
  /// `sentContentCount`.
  var sentCount = 0
  var sentContentCount = 0
  /// Bytes received from the client: the head, and the content with its framing.
  var receivedCount = 0
  var duration = Nanoseconds.zero
  /// The time from the request head to the response head; nil: no response head came.
  var firstByte: Nanoseconds?
  var attempts = 0
  /// `completed`, `canceled`, `truncated`, or the reason of steelyard's own answer.
  var termination: StaticString = "completed"

  /// The bytes of the longest line: each byte of each text escaped (6 for 1), and the other fields.
  static let byteCountMax = 6 * AccessRecord.textBytesMax + 1_024

  func write(
    _ format: AccessLogPolicy.Format, at wall: Nanoseconds, _ time: inout LogTime,
    to writer: inout ByteWriter
  ) {
    switch format {
    case .logfmt: writeLogfmt(wall, &time, to: &writer)
    case .json: writeJSON(wall, &time, to: &writer)
    case .combined: writeCombined(wall, &time, to: &writer)
    }
  }

  // Numbers are always written, and texts only if they are not empty.
  private func writeLogfmt(
    _ wall: Nanoseconds, _ time: inout LogTime, to writer: inout ByteWriter
  ) {
    func text(_ key: StaticString, _ bytes: UnsafeRawBufferPointer) {
      if bytes.isEmpty { return }
      writer.append(key)
      writer.append(logfmt: bytes)
    }
    func number(_ key: StaticString, _ value: Int) {
      writer.append(key)
      writer.append(number: value)
    }
    writer.append("time=")
    time.writeRFC3339(wall, to: &writer)
    text(" client=", client)
    text(" method=", method)
    text(" target=", target)
    writer.append(" protocol=")
    writer.append(versionText)
    number(" status=", status)
    number(" sent_bytes=", sentCount)
    number(" received_bytes=", receivedCount)
    writer.append(" duration_seconds=")
    writer.append(seconds: duration)
    if let firstByte {
      writer.append(" first_byte_seconds=")
      writer.append(seconds: firstByte)
    }
    text(" pool=", pool)
    text(" endpoint=", endpoint)
    number(" attempts=", attempts)
    text(" request_id=", requestID)
    text(" user_agent=", userAgent)
    text(" referer=", referer)
    writer.append(" termination=")
    writer.append(termination)
    writer.append("\n")
  }

  /// As nginx writes it in its logs.
  private var versionText: StaticString {
    switch version {
    case .http10: "HTTP/1.0"
    case .http11: "HTTP/1.1"
    case .http2: "HTTP/2.0"
    }
  }

  // Every key is always written, and a missing value is null.
  private func writeJSON(_ wall: Nanoseconds, _ time: inout LogTime, to writer: inout ByteWriter) {
    func text(_ key: StaticString, _ bytes: UnsafeRawBufferPointer) {
      writer.append(key)
      if bytes.isEmpty {
        writer.append("null")
        return
      }
      writer.append("\"")
      writer.append(json: bytes)
      writer.append("\"")
    }
    func number(_ key: StaticString, _ value: Int) {
      writer.append(key)
      writer.append(number: value)
    }
    writer.append("{\"time\":\"")
    time.writeRFC3339(wall, to: &writer)
    text("\",\"client\":", client)
    text(",\"method\":", method)
    text(",\"target\":", target)
    writer.append(",\"protocol\":\"")
    writer.append(versionText)
    writer.append("\"")
    number(",\"status\":", status)
    number(",\"sent_bytes\":", sentCount)
    number(",\"received_bytes\":", receivedCount)
    writer.append(",\"duration_seconds\":")
    writer.append(seconds: duration)
    writer.append(",\"first_byte_seconds\":")
    if let firstByte { writer.append(seconds: firstByte) } else { writer.append("null") }
    text(",\"pool\":", pool)
    text(",\"endpoint\":", endpoint)
    number(",\"attempts\":", attempts)
    text(",\"request_id\":", requestID)
    text(",\"user_agent\":", userAgent)
    text(",\"referer\":", referer)
    writer.append(",\"termination\":\"")
    writer.append(termination)
    writer.append("\"}\n")
  }

  // $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent
  // "$http_referer" "$http_user_agent"
  private func writeCombined(
    _ wall: Nanoseconds, _ time: inout LogTime, to writer: inout ByteWriter
  ) {
    writer.append(combined: client)
    writer.append(" - - [")
    time.writeCommon(wall, to: &writer)
    writer.append("] \"")
    if method.isEmpty {
      writer.append("-")
    } else {
      writer.append(combined: method)
      writer.append(" ")
      writer.append(combined: target)
      writer.append(" ")
      writer.append(versionText)
    }
    writer.append("\" ")
    writer.append(number: status)
    writer.append(" ")
    writer.append(number: sentContentCount)
    writer.append(" \"")
    writer.append(combined: referer)
    writer.append("\" \"")
    writer.append(combined: userAgent)
    writer.append("\"\n")
  }
}

extension ByteWriter {
  /// Appends seconds with six decimal places. A negative value is written as 0.
  fileprivate mutating func append(seconds span: Nanoseconds) {
    let micros = Int(max(0, span.rawValue) / 1_000)
    append(number: micros / 1_000_000)
    append(".")
    var rest = micros % 1_000_000
    var weight = 100_000
    while weight > 0 {
      append(number: rest / weight)
      rest %= weight
      weight /= 10
    }
  }
}
