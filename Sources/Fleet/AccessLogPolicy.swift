// The access log: where its lines go and what a line looks like.

/// The access log of all listeners. A route can leave its exchanges out (`Route.logsAccess`).
public struct AccessLogPolicy: Sendable, Equatable {
  public enum Destination: Sendable, Hashable {
    case none, standardOutput, standardError
    /// Lines are appended. The file is opened again after a log rotation.
    case file(String)
  }
  public enum Format: String, Sendable, CaseIterable {
    /// `key=value` pairs, as in steelyard's own log.
    case logfmt
    /// One JSON object a line.
    case json
    /// The combined format of nginx and Apache.
    case combined
  }
  public var destination = Destination.none
  public var format = Format.logfmt
  /// Whether request targets are written with their query, which may hold secrets.
  public var hasQuery = true
  public init() {}
}
