// What steelyard says of itself on standard error: from which level on, and in which form.

/// Steelyard's own log.
public struct LogPolicy: Sendable, Equatable {
  /// How much a line matters.
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

  /// How a line looks.
  public enum Format: String, Sendable, CaseIterable {
    /// `key=value`.
    case logfmt
    /// One object a line.
    case json
  }

  /// Lines below it are not written.
  public var level = Level.info
  public var format = Format.logfmt
  public init() {}
}
