// Errors of the admin server as problem details (RFC 9457).
import FoundationEssentials

/// An answer that is an error, with the content type application/problem+json.
package struct Problem: Error, Equatable {
  static let contentType = "application/problem+json"

  package var status: Int
  /// The error as a sentence.
  package var detail: String
  /// The errors of a configuration file.
  package var errors: [String] = []
  /// Further fields of the answer: Allow, WWW-Authenticate.
  var fields: [String: String] = [:]

  package init(_ status: Int, _ detail: String) {
    self.status = status
    self.detail = detail
  }

  /// `about:blank` (RFC 9457 §4.2.1): the status says what kind of problem it is.
  private struct Content: Codable {
    var type = "about:blank"
    var title: String
    var status: Int
    var detail: String
    var errors: [String]?
  }

  /// The problem as JSON.
  package var json: [UInt8] {
    AdminJSON.bytes(
      Content(
        title: Self.phrase(status), status: status, detail: detail,
        errors: errors.isEmpty ? nil : errors))
  }

  /// The detail and the errors of an answer; nil: it is not a problem.
  package static func read(_ json: [UInt8]) -> Problem? {
    guard let content = AdminJSON.read(Content.self, json) else { return nil }
    var problem = Problem(content.status, content.detail)
    problem.errors = content.errors ?? []
    return problem
  }

  /// The reason phrase of a status (RFC 9110 §15).
  package static func phrase(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 409: "Conflict"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Content"
    case 431: "Request Header Fields Too Large"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: "Error"
    }
  }
}

/// JSON of the admin API, both ways.
package enum AdminJSON {
  static func bytes(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    // Encoding fails only for numbers that are not finite, and there are none.
    guard let data = try? encoder.encode(value) else { return Array("{}\n".utf8) }
    return Array(data) + [0x0A]
  }

  /// The value; nil: the content is not JSON of that type.
  package static func read<Value: Decodable>(_ type: Value.Type, _ json: [UInt8]) -> Value? {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try? decoder.decode(type, from: Data(json))
  }
}

/// The answer to a change.
package struct ChangeAnswer: Codable, Equatable {
  /// The result, such as `drain: in force`.
  package var result: String
}

/// The answer to a reload.
package struct ReloadChanges: Codable, Equatable {
  /// A line for each listener, pool, endpoint or host name that changed.
  package var changes: [String]
}
