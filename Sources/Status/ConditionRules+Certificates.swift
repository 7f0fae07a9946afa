// Conditions of certificates: those that expire, and changed files that cannot be used.
import Fleet
import Primitives

extension ConditionRules {
  static func addCertificates(_ reading: StatusReading, _ found: inout [Finding]) {
    if let first = reading.certificateTroubles.first {
      let more = reading.certificateTroubles.count - 1
      found.append(
        Finding(
          .certificateFilesRefused, nil,
          "changed certificate files cannot be used, those before stay in use: \(first)"
            + (more > 0 ? "; and \(more) more" : "")))
    }
    let ending = reading.certificates.filter { CertificateExpiry(left: $0.left) > .distant }
    guard let next = ending.min(by: { ($0.left, $0.file) < ($1.left, $1.file) }) else { return }
    let others = Set(ending.map(\.file)).count - 1
    let isNear = CertificateExpiry(left: next.left) > .soon
    found.append(
      Finding(
        isNear ? .certificateExpiresVerySoon : .certificateExpiresSoon, nil,
        "the certificate \(next.file) \(CertificateExpiry.words(left: next.left))"
          + (others > 0 ? "; and \(others) more within 14 days" : "")))
  }
}
