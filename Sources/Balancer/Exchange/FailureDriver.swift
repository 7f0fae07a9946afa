// Refused messages and failed attempts. Each worker counts them in its own cells and passes them
// through a ring of fixed size to the control thread, which writes log lines. Invariant: a note
// that finds the ring full is only counted.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import HTTP
import IO
import Primitives

/// Counters and notes of all workers.
package final class FailureDriver: Sendable {
  /// The sender of the malformed message.
  package enum Side: Int, CaseIterable, Sendable {
    case client, endpoint

    /// The label for metrics; a finite set.
    package var label: String { self == .client ? "client" : "endpoint" }
  }

  /// The most notes of one worker that can wait in its ring.
  private static let pendingMax = 1_024
  private static let noteBytes = MemoryLayout<FailureNote>.size

  private let blocks: [CellBlock]
  private let rings: [LineRing]
  private let malformedBase: Int
  private let lostBase: Int

  init(workerCount: Int, endpointLimit: Int) {
    malformedBase = endpointLimit * ConnectionFailure.allCases.count
    let lostBase = malformedBase + Side.allCases.count * HeadError.allCases.count
    self.lostBase = lostBase
    blocks = (0..<workerCount).map { _ in CellBlock(count: lostBase + 1) }
    // A whole number of notes, so that no note is split.
    rings = (0..<workerCount).map { _ in LineRing(byteCount: Self.pendingMax * Self.noteBytes) }
  }

  // MARK: Writing, each worker to its own cells

  /// Counts a note and passes it on.
  func report(_ note: FailureNote, worker: Int) {
    switch note.reason {
    case .malformed(let error):
      blocks[worker].add(1, at: malformed(note.endpointIndex < 0 ? .client : .endpoint, error))
    case .connection(let failure):
      if note.endpointIndex >= 0 {
        blocks[worker].add(1, at: connection(Int(note.endpointIndex), failure))
      }
    case .tls:
      if note.endpointIndex >= 0 {
        blocks[worker].add(1, at: connection(Int(note.endpointIndex), .tlsFailed))
      }
    }
    let isTaken = withUnsafeBytes(of: note) { rings[worker].append($0) }
    if !isTaken { blocks[worker].add(1, at: lostBase) }
  }

  /// Sets every cell of an endpoint to 0. Control thread only. Requires: no worker writes to them.
  func clear(endpointIndex: Int) {
    for block in blocks {
      for failure in ConnectionFailure.allCases {
        block.store(0, at: connection(endpointIndex, failure))
      }
    }
  }

  // MARK: The control thread

  /// Passes every waiting note to `body` and removes it.
  package func take(_ body: (FailureNote) -> Void) {
    for ring in rings {
      ring.takeAll { bytes in
        var offset = 0
        while offset + Self.noteBytes <= bytes.count {
          body(bytes.loadUnaligned(fromByteOffset: offset, as: FailureNote.self))
          offset += Self.noteBytes
        }
      }
    }
  }

  // MARK: Reading, any thread

  /// Messages refused since start.
  package func malformed(_ side: Side, _ error: HeadError) -> UInt64 {
    sum(malformed(side, error))
  }

  /// Failed attempts at one endpoint since start.
  package func connections(endpointIndex: Int, _ failure: ConnectionFailure) -> UInt64 {
    sum(connection(endpointIndex, failure))
  }

  /// Notes that found the ring full.
  package var lostCount: UInt64 { sum(lostBase) }

  private func malformed(_ side: Side, _ error: HeadError) -> Int {
    malformedBase + side.rawValue * HeadError.allCases.count + Int(error.rawValue)
  }

  private func connection(_ endpointIndex: Int, _ failure: ConnectionFailure) -> Int {
    endpointIndex * ConnectionFailure.allCases.count + Int(failure.rawValue)
  }

  private func sum(_ index: Int) -> UInt64 { blocks.reduce(0) { $0 &+ $1[index] } }
}
