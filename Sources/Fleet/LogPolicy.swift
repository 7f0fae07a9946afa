// Steelyard's own log on standard error: its lowest level and its format.

/// Steelyard's own log.
public struct LogPolicy: Sendable, Equatable {
  /// The severity of a line.
  public enum Level: String, Sendable, CaseIterable, Comparable {
    case debug, info, warning, error

    private var rank: Int {
      switch self {
      case .debug: 0
      case .info: 1
      case .warning: 2
      case .error: 3
      }
    }

    public static func < (a: Level, b: Level) -> Bool { a.rank < b.rank }
  }

  /// The format of a line.
  public enum Format: String, Sendable, CaseIterable {
    /// `key=value`.
    case logfmt
    /// One JSON object a line.
    case json
  }

  /// The lowest level that is written.
  public var level = Level.info
  public var format = Format.logfmt
  public init() {}
}
