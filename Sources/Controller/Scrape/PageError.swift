// Why a whole page could not be read, in words that help the person who configured it.

/// The page cannot be used. Its samples, if any, are not read.
package enum PageError: Error, Sendable, Equatable {
  case empty
  /// JSON where Prometheus text was expected, with the beginning of the page.
  case isJSON(String)
  /// HTML, with the beginning of the page.
  case isHTML(String)
  /// Compressed content, although none was asked for.
  case isCompressed
  /// No line is a sample or a comment; with the first error.
  case noSamples(String)
  /// A line is malformed, and the source is strict; with the first error.
  case malformed(String)
  /// Something else where JSON was expected, with the beginning of the page.
  case notJSON(String)
  /// The page begins like JSON but is malformed.
  case badJSON
  /// JSON deeper than `JSONPage.depthMax` or with more values than `JSONPage.valueMax`.
  case tooDeep, tooManyValues
  /// JSON of more than `JSONPage.byteCountMax`.
  case jsonTooLarge

  /// The value of a metric label, finite by construction.
  package var label: String {
    switch self {
    case .empty: "empty"
    case .isJSON: "is_json"
    case .isHTML: "is_html"
    case .isCompressed: "is_compressed"
    case .noSamples: "no_samples"
    case .malformed: "malformed"
    case .notJSON: "not_json"
    case .badJSON: "bad_json"
    case .tooDeep: "too_deep"
    case .tooManyValues: "too_many_values"
    case .jsonTooLarge: "json_too_large"
    }
  }

  /// For people.
  package var detail: String {
    switch self {
    case .empty: "the page is empty"
    case .isJSON(let start):
      "JSON instead of Prometheus text (still loading, or `format: json` is needed): \(start)"
    case .isHTML(let start): "HTML instead of metrics (wrong port or path?): \(start)"
    case .isCompressed: "the page is compressed although `identity` was asked for"
    case .noSamples(let error): "no line is a sample; \(error)"
    case .malformed(let error): "\(error) (the source is `strict`)"
    case .notJSON(let start): "no JSON object (`format: prometheus` is needed?): \(start)"
    case .badJSON: "the page begins like JSON but is not valid"
    case .tooDeep: "JSON nested deeper than \(JSONPage.depthMax)"
    case .tooManyValues: "JSON with more than \(JSONPage.valueMax) values"
    case .jsonTooLarge: "a JSON page of more than \(JSONPage.byteCountMax) bytes"
    }
  }
}
