// The answer of a route without a pool: a redirect or a fixed response. It is rendered once when
// the plan is made. Invariant: only the date, the end of the connection and the client's host and
// target are written per request.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
import HTTP

/// A redirect or fixed response, ready to be written.
struct RouteAnswer {
  let isRedirect: Bool
  let status: Int
  var code: CodeClass { CodeClass(status: status) }
  /// Status line and fields up to the date.
  private let start: [UInt8]
  /// Fields after the date; for a redirect, up to the host or target.
  private let fields: [UInt8]
  /// Whether the host of the request is part of the answer. A request without one cannot have it.
  let takesHost: Bool
  private let fieldsAfterHost: [UInt8]
  private let takesTarget: Bool
  private let fieldsAfterTarget: [UInt8]
  private let body: [UInt8]

  init(_ redirect: Redirect) {
    isRedirect = true
    status = redirect.status
    start = Self.start(redirect.status)
    let (beforeTarget, afterTarget) = Self.split(redirect.location[...], Redirect.placeholder)
    let (beforeHost, afterHost) = Self.split(beforeTarget, Redirect.hostPlaceholder)
    fields = Array("\r\nContent-Length: 0\r\nLocation: \(beforeHost)".utf8)
    takesHost = afterHost != nil
    fieldsAfterHost = Array((afterHost ?? "").utf8)
    takesTarget = afterTarget != nil
    fieldsAfterTarget = Array((afterTarget ?? "").utf8)
    body = []
  }

  init(_ answer: FixedAnswer) {
    isRedirect = false
    status = answer.status
    start = Self.start(answer.status)
    body = Array(answer.body.utf8)
    // RFC 9110 §8.6: no Content-Length with 204.
    let length = answer.status == 204 ? "" : "\r\nContent-Length: \(body.count)"
    let type = body.isEmpty ? "" : "\r\nContent-Type: \(answer.contentType)"
    fields = Array((type + length).utf8)
    (takesHost, fieldsAfterHost) = (false, [])
    (takesTarget, fieldsAfterTarget) = (false, [])
  }

  /// The text before the placeholder, and that after it; nil: it has none.
  private static func split(
    _ text: Substring, _ placeholder: String
  ) -> (before: Substring, after: Substring?) {
    guard let range = text.firstRange(of: placeholder) else { return (text, nil) }
    return (text[..<range.lowerBound], text[range.upperBound...])
  }

  /// Writes the whole answer, without its body for HEAD. `host` is that of the request without its
  /// port, `target` is path and query as received; the parser has ensured that nothing in them ends
  /// a field line.
  func write(
    to writer: inout ByteWriter, date: UnsafeRawBufferPointer, host: UnsafeRawBufferPointer,
    target: UnsafeRawBufferPointer, isHead: Bool, closes: Bool
  ) {
    writer.append(start)
    writer.append(date)
    writer.append(fields)
    if takesHost {
      writer.append(host)
      writer.append(fieldsAfterHost)
    }
    if takesTarget {
      // The path of the absolute form may be empty.
      if target.first != 0x2F { writer.append("/") }
      writer.append(target)
      writer.append(fieldsAfterTarget)
    }
    if closes { writer.append("\r\nConnection: close") }
    writer.append("\r\n\r\n")
    if !isHead { writer.append(body) }
  }

  private static func start(_ status: Int) -> [UInt8] {
    Array("HTTP/1.1 \(status) \(phrase(status))\r\nServer: steelyard\r\nDate: ".utf8)
  }

  /// RFC 9110 §15; empty for a status without a standard phrase.
  private static func phrase(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 410: "Gone"
    case 429: "Too Many Requests"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    default: ""
    }
  }
}

extension ByteWriter {
  mutating func append(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { append($0) }
  }
}
