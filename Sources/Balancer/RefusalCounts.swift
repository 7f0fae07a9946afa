// How many requests of one pool were refused because no endpoint could be asked, or no further one,
// or because a rate limit held them back, in cells of each worker. What an endpoint had a part in
// is counted there instead.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

/// One pool's refusals. It lives as long as the process, whatever reloads do.
package final class RefusalCounts: Sendable {
  /// Why no endpoint was asked.
  package enum Reason: Int, CaseIterable, Sendable {
    case noEndpoint, overloaded, shed, breakerOpen, queueFull, queueTimeout, rateLimited

    /// The operator's own limit for a client, and no failure of the service.
    package var isLimit: Bool { self == .rateLimited }

    /// As in the reasons of local answers.
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

    /// nil where it is the client's doing, or an endpoint's.
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

  /// Each worker its own.
  func count(_ reason: Reason, worker: Int) { blocks[worker].add(1, at: reason.rawValue) }

  /// Since the start. Any thread.
  package func sum(_ reason: Reason) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[reason.rawValue] }
  }
}
