// Counts connections and streams of HTTP/2 and why they ended, requests by version of HTTP, and the
// outcomes of gRPC calls. Invariant: each worker writes only its own cells.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import HTTP
import Primitives

/// The cells of all workers.
package final class StreamMetrics: Sendable {
  /// Why a stream was reset.
  package enum Reset: Sendable, Hashable, CaseIterable {
    /// By steelyard, because of what the peer did.
    case fault(StreamFault)
    /// By the peer.
    case peer
    /// By steelyard, because the exchange was over: its other side left, or a time-out.
    case canceled

    package static var allCases: [Reset] {
      StreamFault.allCases.filter { !$0.endsConnection }.map(Reset.fault) + [.peer, .canceled]
    }

    /// The label for metrics.
    package var label: String {
      switch self {
      case .fault(let fault): fault.label
      case .peer: "peer"
      case .canceled: "canceled"
      }
    }

    fileprivate var index: Int {
      switch self {
      case .fault(let fault): Int(fault.rawValue)
      case .peer: faultRoom
      case .canceled: faultRoom + 1
      }
    }
  }

  /// Why a connection was ended.
  package enum End: Sendable, Hashable, CaseIterable {
    /// By steelyard, because of what the peer did.
    case fault(StreamFault)
    /// By steelyard, with GOAWAY.
    case maxAge, maxRequests, idle, shutdown
    /// By the peer.
    case peer

    package static var allCases: [End] {
      StreamFault.allCases.filter(\.endsConnection).map(End.fault)
        + [.maxAge, .maxRequests, .idle, .shutdown, .peer]
    }

    /// The label for metrics.
    package var label: String {
      switch self {
      case .fault(let fault): fault.label
      case .maxAge: "max_age"
      case .maxRequests: "max_requests"
      case .idle: "idle"
      case .shutdown: "shutdown"
      case .peer: "peer"
      }
    }

    fileprivate var index: Int {
      switch self {
      case .fault(let fault): Int(fault.rawValue)
      case .maxAge: faultRoom
      case .maxRequests: faultRoom + 1
      case .idle: faultRoom + 2
      case .shutdown: faultRoom + 3
      case .peer: faultRoom + 4
      }
    }
  }

  // Versions of HTTP, then the sides, then endpoints. A side's cells: connections opened, streams
  // opened, resets, ends.
  private static let resets = 2
  private static let ends = resets + faultRoom + 2
  private static let stride = ends + faultRoom + 5
  private static let sides = Int(HTTPVersion.http2.rawValue) + 1
  private static let endpoints = sides + (ConnectionSide.endpoint.rawValue + 1) * stride
  private static let statusCount = Int(GRPCStatus.other.rawValue) + 1

  private let blocks: [CellBlock]

  /// Makes cells of 0 for endpoint indexes below `endpointLimit`. Allocates.
  init(workerCount: Int, endpointLimit: Int) {
    precondition(StreamFault.allCases.count <= faultRoom)
    let count = Self.endpoints + endpointLimit * Self.statusCount
    blocks = (0..<workerCount).map { _ in CellBlock(count: count) }
  }

  private static func cell(_ side: ConnectionSide, _ index: Int) -> Int {
    sides + side.rawValue * stride + index
  }

  private static func cell(_ endpointIndex: Int, _ status: GRPCStatus) -> Int {
    endpoints + endpointIndex * statusCount + Int(status.rawValue)
  }

  // MARK: Writing, each worker to its own cells

  /// Counts a connection of HTTP/2 that has begun.
  func countConnection(worker: Int, _ side: ConnectionSide) {
    blocks[worker].add(1, at: Self.cell(side, 0))
  }

  /// Counts the end of a connection that was counted when it began. Requires: called once for each.
  func countEnd(worker: Int, _ side: ConnectionSide, _ end: End) {
    blocks[worker].add(1, at: Self.cell(side, Self.ends + end.index))
  }

  /// Counts a stream that was opened, by either end.
  func countStream(worker: Int, _ side: ConnectionSide) {
    blocks[worker].add(1, at: Self.cell(side, 1))
  }

  func countReset(worker: Int, _ side: ConnectionSide, _ reset: Reset) {
    blocks[worker].add(1, at: Self.cell(side, Self.resets + reset.index))
  }

  /// Counts a client's request whose head was complete.
  func countRequest(worker: Int, _ version: HTTPVersion) {
    blocks[worker].add(1, at: Int(version.rawValue))
  }

  /// Counts the outcome of a gRPC call at the endpoint.
  func countGRPC(worker: Int, endpointIndex: Int, _ status: GRPCStatus) {
    blocks[worker].add(1, at: Self.cell(endpointIndex, status))
  }

  /// Sets every cell of an endpoint to 0. Control thread only. Requires: no worker writes to them.
  func clear(endpointIndex: Int) {
    for block in blocks {
      for status in GRPCStatus.allCases { block.store(0, at: Self.cell(endpointIndex, status)) }
    }
  }

  // MARK: Reading, any thread

  /// The connections of HTTP/2 that are open now.
  package func connectionsOpen(_ side: ConnectionSide) -> UInt64 {
    blocks.reduce(0) { open, block in
      var ended: UInt64 = 0
      for index in Self.ends..<Self.stride { ended &+= block[Self.cell(side, index)] }
      // Read after the ends, so that it does not lag behind them.
      let begun = block[Self.cell(side, 0)]
      return open &+ (begun > ended ? begun - ended : 0)
    }
  }

  /// The streams opened since start.
  package func streams(_ side: ConnectionSide) -> UInt64 { sum(Self.cell(side, 1)) }

  package func resets(_ side: ConnectionSide, _ reset: Reset) -> UInt64 {
    sum(Self.cell(side, Self.resets + reset.index))
  }

  package func ends(_ side: ConnectionSide, _ end: End) -> UInt64 {
    sum(Self.cell(side, Self.ends + end.index))
  }

  package func requests(_ version: HTTPVersion) -> UInt64 {
    sum(Int(version.rawValue))
  }

  package func calls(endpointIndex: Int, _ status: GRPCStatus) -> UInt64 {
    sum(Self.cell(endpointIndex, status))
  }

  private func sum(_ index: Int) -> UInt64 { blocks.reduce(0) { $0 &+ $1[index] } }
}

/// Room for every `StreamFault`, a constant so that finding a cell takes no call.
private let faultRoom = 32
