// Where a line for every exchange goes, and how it looks.

/// The access log of all listeners; a route may be left out of it.
public struct AccessLogPolicy: Sendable, Equatable {
  public enum Destination: Sendable, Hashable {
    case none, standardOutput, standardError
    /// Appended to; opened anew when the log was rotated.
    case file(String)
  }
  public enum Format: String, Sendable, CaseIterable {
    /// `key=value`, as steelyard's own log.
    case logfmt
    /// One object a line.
    case json
    /// What nginx and Apache call combined.
    case combined
  }
  public var destination = Destination.none
  public var format = Format.logfmt
  /// Whether targets are written with their query, which may hold keys.
  public var hasQuery = true
  public init() {}
}
