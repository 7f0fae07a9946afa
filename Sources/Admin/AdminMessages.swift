// Requests to the admin server and its answers.
package import HTTP
import Primitives

/// A request to the admin server.
package struct AdminRequest {
  /// The fields that are kept, by lower-case names; the others are dropped.
  static let fieldNames: Set<String> = [
    "accept", "accept-encoding", "authorization", "host", "origin",
  ]

  package var method = Method.get
  /// The client's address.
  var client = ""
  /// The request has content, which is not in `content`.
  var hasContent = false
  /// The content of a request whose resource takes some.
  package var content: [UInt8] = []
  /// The path without the query, not percent-decoded.
  package var path: String
  /// The query: the text after `?`, or nothing.
  package var query = ""
  /// Values of fields by lower-case names; several values of one name are joined by commas.
  package var fields: [String: String] = [:]

  var isPost: Bool { method == .post }

  /// Whether a web page made the request.
  var hasOrigin: Bool { fields["origin"] != nil }
}

/// An answer of the admin server.
package struct AdminResponse {
  var status = 200
  var contentType = "text/plain; charset=utf-8"
  /// Further fields; a Content-Security-Policy replaces the one that allows nothing.
  var fields: [(name: String, value: String)] = []
  /// The whole content, or the first part of a stream.
  var body: [UInt8]
  /// The content may be sent in the gzip coding.
  private(set) var isCompressible = false
  /// The answer is a stream: the connection stays open and receives every pushed event.
  var isStream = false
  /// Nothing has changed but the time of an endpoint.
  var isRenewal = false

  init(_ status: Int, _ text: String) {
    self.status = status
    body = Array((text + "\n").utf8)
  }

  init(_ problem: Problem) {
    status = problem.status
    contentType = Problem.contentType
    body = problem.json
    fields = problem.fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// An answer of the API with JSON content.
  init(json value: some Encodable) {
    self.init(contentType: "application/json", body: AdminJSON.bytes(value))
  }

  init(contentType: String, body: [UInt8]) {
    self.contentType = contentType
    self.body = body
  }

  /// The same answer, sent with gzip if the client accepts that. `fields` are the request fields
  /// that decide it.
  func compressible(varyingBy fields: String) -> AdminResponse {
    var response = self
    response.isCompressible = true
    response.fields.append(("Vary", fields))
    return response
  }
}
