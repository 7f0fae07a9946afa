// Counts the requests of one pool that were refused because no endpoint, or no further one, could
// take them, or because of a rate limit, in cells of each worker. Invariant: a failure that
// involves an endpoint is counted at that endpoint instead.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

/// The refusals of one pool. It lives as long as the process, also across reloads.
package final class RefusalCounts: Sendable {
  /// The reason why a request was refused.
  package enum Reason: Int, CaseIterable, Sendable {
    case noEndpoint, overloaded, shed, breakerOpen, queueFull, queueTimeout, rateLimited

    /// Whether the reason is a limit that the operator set for clients, and no failure of the
    /// service.
    package var isLimit: Bool { self == .rateLimited }

    /// The label, which is the same as that of local answers.
    package var label: String { local.label }

    var local: LocalReason {
      switch self {
      case .noEndpoint: .noEndpoint
      case .overloaded: .overloaded
      case .shed: .shed
      case .breakerOpen: .breakerOpen
      case .queueFull: .queueFull
      case .queueTimeout: .queueTimeout
      case .rateLimited: .rateLimited
      }
    }

    /// The refusal that the answer stands for; nil: the client or an endpoint is the cause.
    init?(_ reason: LocalReason) {
      switch reason {
      case .noEndpoint: self = .noEndpoint
      case .overloaded: self = .overloaded
      case .shed: self = .shed
      case .breakerOpen: self = .breakerOpen
      case .queueFull: self = .queueFull
      case .queueTimeout: self = .queueTimeout
      case .rateLimited: self = .rateLimited
      default: return nil
      }
    }
  }

  /// The pool's name.
  package let name: String
  private let blocks: [CellBlock]

  init(name: String, workerCount: Int) {
    self.name = name
    blocks = (0..<workerCount).map { _ in CellBlock(count: Reason.allCases.count) }
  }

  /// Counts a refusal in the worker's own cells.
  func count(_ reason: Reason, worker: Int) { blocks[worker].add(1, at: reason.rawValue) }

  /// The number of refusals since start. Any thread.
  package func sum(_ reason: Reason) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[reason.rawValue] }
  }
}
