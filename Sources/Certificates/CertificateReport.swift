// What metrics and the status say of certificates.

/// The certificates of the fleet in force and the state of their files.
package struct CertificateReport: Sendable, Equatable {
  /// Each file once a use, by use and file.
  package var certificates: [CertificateStatus] = []
  /// Why changed files are not in use, each with its place.
  package var troubles: [String] = []
  /// Descriptions whose changed files were taken, and refused, since the start.
  package var replacedCount: UInt64 = 0
  package var refusedCount: UInt64 = 0

  package init() {}
}
