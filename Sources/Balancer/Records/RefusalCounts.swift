// Requests of one pool that were refused because no endpoint, or no further one, could take them,
// or because of a rate limit, in cells of each worker. Failures in which an endpoint was involved
// are counted there instead.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

/// The refusals of one pool. It lives as long as the process, also across reloads.
package final class RefusalCounts: Sendable {
  /// Why a request was refused.
  package enum Reason: Int, CaseIterable, Sendable {
    case noEndpoint, overloaded, shed, breakerOpen, queueFull, queueTimeout, rateLimited

    /// A limit that the operator set for clients, and no failure of the service.
    package var isLimit: Bool { self == .rateLimited }

    /// The same label as that of local answers.
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

    /// nil: the client or an endpoint is the cause.
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

  /// Each worker counts in its own cells.
  func count(_ reason: Reason, worker: Int) { blocks[worker].add(1, at: reason.rawValue) }

  /// Since start. Any thread.
  package func sum(_ reason: Reason) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[reason.rawValue] }
  }
}
