// What is told of the certificates in use, and of changes of their files.
package import IO
package import Primitives

/// A certificate in use.
package struct CertificateStatus: Sendable, Equatable {
  /// Which side shows the certificate, and to whom.
  package enum Use: String, Sendable, CaseIterable, Comparable {
    /// Steelyard, to clients.
    case listener
    /// Steelyard, at the admin address.
    case admin
    /// Steelyard, to servers that it connects to.
    case client

    package static func < (a: Use, b: Use) -> Bool { a.rawValue < b.rawValue }
  }

  /// The certificate's file.
  package let file: String
  package let use: Use
  package let facts: CertificateFacts

  package init(file: String, use: Use, facts: CertificateFacts) {
    self.file = file
    self.use = use
    self.facts = facts
  }
}

/// What a look at the files came to.
package enum CredentialChange: Sendable, Equatable {
  /// The files of a description have changed, and new handshakes use them. `place` is like
  /// `listener 0.0.0.0:8443`.
  case replaced(place: String, certificates: [CertificateFacts])
  /// The files have changed and cannot be used: what was read before stays in use.
  case refused(place: String, reason: String)
  /// Files that could not be used are as they were when they were read last, or were read.
  case mended(place: String)
  /// Session ticket keys were made anew.
  case ticketKeysMade
}

extension CertificateFacts {
  /// The time for which the certificate is still valid; below zero: it has expired. `wall` is the
  /// time since 1970.
  package func left(wall: Nanoseconds) -> Nanoseconds { .seconds(Double(notAfter)) - wall }
}
