/// The version of the program, and what is set when it is built.
package enum Version {
  package static let number = "0.1.0"
  /// What requests of our own say in `User-Agent`.
  package static let userAgent = "steelyard/\(number)"
  /// Where links of alerts and dashboards to runbooks lead, unless `steelyard rules --runbooks` or
  /// `scripts/dashboards --runbooks` says otherwise. To be changed by who builds.
  package static let runbooks = "https://steelyard.example/docs/runbooks.md"
}
