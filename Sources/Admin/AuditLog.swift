// Log lines for all changes that were requested at the admin address, refused ones included. Lines
// of changes that were made are never left out; ten refused ones a minute are logged, the others
// counted. Tokens are never logged: only parameters that exist, and their values.
import Events
import Fleet
import HTTP
import Primitives

struct AuditLog {
  /// The content of a line.
  struct Entry: Equatable {
    var client: String
    /// The rights of the client; nil: it was not admitted.
    var scope: AdminAccess.Scope?
    var action: String
    var pool: String?
    var endpoint: String?
    /// The parameters, sorted by name.
    var parameters: String
    var status: Int
    /// Why the change was refused; nil: it was made.
    var refusal: String?
  }

  private static let window = Nanoseconds.seconds(60)
  private static let refusalsMax = 10
  private static let bytesMax = 64
  private static let parameterNames = [
    "backup", "deadline", "drain", "dry_run", "factor", "floor", "for", "labels", "law", "name",
    "persist", "slew", "uid", "weight",
  ]

  private var windowEnd = Nanoseconds.zero
  private var refusals = 0
  private var leftOut = 0

  /// The entry of a request for a change; nil: the resource is not a change.
  static func entry(_ request: AdminRequest, _ resource: AdminResource) -> Entry? {
    var entry = Entry(
      client: request.client, action: "", parameters: parameters(request.query), status: 200)
    switch resource {
    case .reload: entry.action = "reload"
    case .upgrade where request.method == .post: entry.action = "upgrade"
    case .pool(let pool, let verb): (entry.action, entry.pool) = (verb, cut(pool))
    case .endpoint(let address, let pool, let verb):
      (entry.action, entry.pool, entry.endpoint) = (verb, cut(pool), cut(address))
    case .member(let address, let pool):
      entry.action = request.method == .delete ? "remove" : "set"
      (entry.pool, entry.endpoint) = (cut(pool), cut(address))
    default: return nil
    }
    return entry
  }

  /// Writes a line, unless there were too many of its kind.
  mutating func write(_ entry: Entry, to log: LogDriver, now: Nanoseconds) {
    if entry.refusal != nil {
      if now >= windowEnd {
        windowEnd = now + Self.window
        refusals = 0
      }
      guard refusals < Self.refusalsMax else {
        leftOut += 1
        return
      }
      refusals += 1
    }
    log.write(
      .info, "audit",
      [
        "client": entry.client, "scope": entry.scope?.rawValue ?? "none",
        "action": entry.action, "pool": entry.pool ?? "none",
        "endpoint": entry.endpoint ?? "none",
        "parameters": entry.parameters.isEmpty ? "none" : entry.parameters,
        "status": entry.status, "outcome": entry.refusal == nil ? "done" : "refused",
        "detail": entry.refusal ?? "none", "left_out": leftOut,
      ], isLimited: false)
    leftOut = 0
  }

  private static func parameters(_ query: String) -> String {
    guard var given = try? AdminParameters(query) else { return "unreadable" }
    return parameterNames.compactMap { name in given.take(name).map { "\(name)=\(cut($0))" } }
      .joined(separator: " ")
  }

  private static func cut(_ text: String) -> String {
    text.utf8.count <= bytesMax ? text : text.prefix(bytesMax / 4) + "…"
  }
}
