/// The version of the program, and what is set when it is built.
package enum Version {
  package static let number = "0.1.0"
  /// The `User-Agent` of requests by steelyard itself.
  package static let userAgent = "steelyard/\(number)"
  /// The address of the runbooks in links of alerts and dashboards, unless `steelyard rules
  /// --runbooks` or `scripts/dashboards --runbooks` gives another. To be changed by those who
  /// build.
  package static let runbooks = "https://steelyard.example/docs/runbooks.md"
}
