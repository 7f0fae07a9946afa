// The answers that steelyard itself gives: status, text and JSON body for each reason, from one
// table. The body has the format that OpenAI-style clients expect. Invariant: the reasons are
// finite, so that labels are.
// HOT PATH: no allocation, no lock, no existential.
import HTTP

/// The reason why steelyard answered instead of an endpoint.
package enum LocalReason: UInt8, CaseIterable, Sendable {
  case malformedRequest, noRoute, headTimeout, contentTimeout, contentTooLarge, targetTooLong
  case headTooLarge, unknownExpectation, notImplemented, unsupportedVersion
  case noEndpoint, overloaded, shed, breakerOpen, connectFailed, badResponse, connectTimeout
  case firstByteTimeout, sendTimeout, exchangeTimeout, endpointDown
  case rateLimited, tooManyConnections, queueFull, queueTimeout
  case plainHTTP, misdirected

  /// The status code of the answer (RFC 9110 §15, RFC 6585).
  package var status: Int {
    switch self {
    case .malformedRequest, .plainHTTP: 400
    case .noRoute: 404
    case .headTimeout, .contentTimeout: 408
    case .contentTooLarge: 413
    case .targetTooLong: 414
    case .unknownExpectation: 417
    case .misdirected: 421
    case .rateLimited, .tooManyConnections: 429
    case .headTooLarge: 431
    case .notImplemented: 501
    case .connectFailed, .badResponse: 502
    case .noEndpoint, .overloaded, .shed, .breakerOpen, .queueFull, .queueTimeout: 503
    case .endpointDown: 503
    case .connectTimeout, .firstByteTimeout, .sendTimeout, .exchangeTimeout: 504
    case .unsupportedVersion: 505
    }
  }

  /// The label for metrics; a finite set.
  package var label: String { "\(staticLabel)" }

  var staticLabel: StaticString {
    switch self {
    case .malformedRequest: "malformed_request"
    case .noRoute: "no_route"
    case .headTimeout: "head_timeout"
    case .contentTimeout: "content_timeout"
    case .contentTooLarge: "content_too_large"
    case .targetTooLong: "target_too_long"
    case .headTooLarge: "head_too_large"
    case .unknownExpectation: "unknown_expectation"
    case .notImplemented: "not_implemented"
    case .unsupportedVersion: "unsupported_version"
    case .noEndpoint: "no_endpoint"
    case .overloaded: "overloaded"
    case .shed: "shed"
    case .breakerOpen: "breaker_open"
    case .connectFailed: "connect_failed"
    case .badResponse: "bad_response"
    case .connectTimeout: "connect_timeout"
    case .firstByteTimeout: "first_byte_timeout"
    case .sendTimeout: "send_timeout"
    case .exchangeTimeout: "exchange_timeout"
    case .endpointDown: "endpoint_down"
    case .rateLimited: "rate_limited"
    case .tooManyConnections: "too_many_connections"
    case .queueFull: "queue_full"
    case .queueTimeout: "queue_timeout"
    case .plainHTTP: "plain_http"
    case .misdirected: "misdirected"
    }
  }

  var message: StaticString {
    switch self {
    case .malformedRequest: "the request is not valid HTTP"
    case .noRoute: "no route matches the request"
    case .headTimeout: "the request head did not arrive in time"
    case .contentTimeout: "the request content stopped arriving"
    case .contentTooLarge: "the request content is larger than this server takes"
    case .targetTooLong: "the request target is longer than this server takes"
    case .headTooLarge: "the request head is larger than this server takes"
    case .unknownExpectation: "only the expectation 100-continue is known"
    case .notImplemented: "the method or transfer coding is not supported here"
    case .unsupportedVersion: "this version of HTTP is not spoken here"
    case .noEndpoint: "no endpoint may take this request now"
    case .overloaded: "the load balancer is out of connections"
    case .shed: "the request would have to wait too long"
    case .breakerOpen: "as many requests as may run at once are running"
    case .connectFailed: "the endpoint could not be reached or cut the connection"
    case .badResponse: "the endpoint's answer is not valid HTTP"
    case .connectTimeout: "the endpoint did not accept the connection in time"
    case .firstByteTimeout: "the endpoint did not answer in time"
    case .sendTimeout: "the endpoint did not take the request in time"
    case .exchangeTimeout: "the exchange took longer than it may"
    case .endpointDown: "the endpoint went down before it had answered"
    case .rateLimited: "too many requests; try again later"
    case .tooManyConnections: "the client has too many connections"
    case .queueFull: "too many requests wait already"
    case .queueTimeout: "the request waited too long for its turn"
    case .plainHTTP: "the request is plain HTTP, but this port speaks HTTPS"
    case .misdirected: "the connection's certificate is not for the request's host"
    }
  }

  var phrase: StaticString {
    switch status {
    case 400: "Bad Request"
    case 404: "Not Found"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    default: "HTTP Version Not Supported"
    }
  }

  init(_ error: HeadError) {
    switch error.status {
    case 413: self = .contentTooLarge
    case 414: self = .targetTooLong
    case 417: self = .unknownExpectation
    case 431: self = .headTooLarge
    case 501: self = .notImplemented
    case 505: self = .unsupportedVersion
    default: self = .malformedRequest
    }
  }

  /// Writes the whole answer; `retryAfter` is in seconds (RFC 9110 §10.2.3). For HEAD the body is
  /// omitted and its length is given.
  func write(
    to writer: inout ByteWriter, date: UnsafeRawBufferPointer, isHead: Bool, closes: Bool,
    retryAfter: Int = 1, added: ResponseFields = ResponseFields()
  ) {
    writer.append("HTTP/1.1 ")
    writer.append(number: status)
    writer.append(" ")
    writer.append(phrase)
    writer.append("\r\nServer: steelyard\r\nDate: ")
    writer.append(date)
    writer.append("\r\nContent-Type: application/json\r\nContent-Length: ")
    let fixed: StaticString = "{\"error\":{\"code\":500,\"type\":\"\",\"message\":\"\"}}\n"
    writer.append(
      number: fixed.utf8CodeUnitCount + staticLabel.utf8CodeUnitCount + message.utf8CodeUnitCount)
    if status == 503 || status == 429 {
      writer.append("\r\nRetry-After: ")
      writer.append(number: retryAfter)
    }
    if closes { writer.append("\r\nConnection: close") }
    writer.append("\r\n")
    added.write(to: &writer)
    writer.append("\r\n")
    if isHead { return }
    writer.append("{\"error\":{\"code\":")
    writer.append(number: status)
    writer.append(",\"type\":\"")
    writer.append(staticLabel)
    writer.append("\",\"message\":\"")
    writer.append(message)
    writer.append("\"}}\n")
  }
}
