// How near the end of a certificate's validity is, in the steps of conditions and alerts.
public import Primitives

/// The time left, as a step that somebody has to know of.
public enum CertificateExpiry: Int, Sendable, Comparable {
  case distant
  /// 14 days are left at most.
  case soon
  /// Two days are left at most.
  case verySoon
  case expired

  public static let soonSpan = Nanoseconds.seconds(14 * 86_400)
  public static let verySoonSpan = Nanoseconds.seconds(2 * 86_400)

  public init(left: Nanoseconds) {
    self =
      left <= .zero
      ? .expired : left <= Self.verySoonSpan ? .verySoon : left <= Self.soonSpan ? .soon : .distant
  }

  public static func < (a: CertificateExpiry, b: CertificateExpiry) -> Bool {
    a.rawValue < b.rawValue
  }

  /// Like "expires in 13 days", "expires in 5 hours", "has expired".
  public static func words(left: Nanoseconds) -> String {
    let hours = Int(left.seconds / 3_600)
    switch hours {
    case _ where left <= .zero: return "has expired"
    case 0: return "expires within an hour"
    case 1..<48: return "expires in \(hours) \(hours == 1 ? "hour" : "hours")"
    default: return "expires in \(hours / 24) days"
    }
  }
}
