// What the admin server asks those who answer, and what it gets from them.
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
  /// There is content, which is not read.
  var hasContent = false
  /// Without the query; not decoded.
  package var path: String
  /// What stands after `?`, or nothing.
  package var query = ""
  /// Values by lower-case names of fields, several of one name joined by commas.
  package var fields: [String: String] = [:]

  var isPost: Bool { method == .post }

  /// A web page made the request.
  var hasOrigin: Bool { fields["origin"] != nil }
}

/// What the admin server answers with.
package struct AdminResponse {
  var status = 200
  var contentType = "text/plain; charset=utf-8"
  /// Further fields; a Content-Security-Policy replaces the one that allows nothing.
  var fields: [(name: String, value: String)] = []
  /// All of the content, or the beginning of a stream.
  var body: [UInt8]
  /// May be sent in the gzip coding.
  private(set) var isCompressible = false
  /// The connection stays and gets what is pushed.
  var isStream = false

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

  /// An answer of the API.
  init(json value: some Encodable) {
    self.init(contentType: "application/json", body: AdminJSON.bytes(value))
  }

  init(contentType: String, body: [UInt8]) {
    self.contentType = contentType
    self.body = body
  }

  /// The same, to be sent with gzip where the client likes that; `fields` are those of the request
  /// that decide about it.
  func compressible(varyingBy fields: String) -> AdminResponse {
    var response = self
    response.isCompressible = true
    response.fields.append(("Vary", fields))
    return response
  }
}
