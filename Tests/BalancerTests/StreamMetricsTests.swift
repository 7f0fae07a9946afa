import HTTP
import Testing

@testable import Balancer

@Suite struct StreamMetricsTests {
  private let metrics = StreamMetrics(workerCount: 2, endpointLimit: 3)

  @Test func everyReasonHasACellAndALabelOfItsOwn() {
    typealias Metrics = StreamMetrics
    let (resets, ends) = (Metrics.Reset.allCases, Metrics.End.allCases)
    #expect(Set(resets.map(\.label)).count == resets.count)
    #expect(Set(ends.map(\.label)).count == ends.count)
    #expect(resets.count + ends.count == StreamFault.allCases.count + 7)
    for side in ConnectionSide.allCases {
      for (number, reset) in resets.enumerated() {
        for _ in 0...number { metrics.countReset(worker: number % 2, side, reset) }
      }
      for (number, end) in ends.enumerated() {
        for _ in 0..<(100 + number) { metrics.countEnd(worker: number % 2, side, end) }
      }
      metrics.countStream(worker: 1, side)
    }
    for version in HTTPVersion.allCases { metrics.countRequest(worker: 0, version) }
    for side in ConnectionSide.allCases {
      #expect(resets.map { metrics.resets(side, $0) } == (1...UInt64(resets.count)).map { $0 })
      #expect(ends.map { metrics.ends(side, $0) } == (0..<UInt64(ends.count)).map { $0 + 100 })
      #expect(metrics.streams(side) == 1)
    }
    #expect(HTTPVersion.allCases.map(metrics.requests) == [1, 1, 1])
  }

  @Test func whatHasBegunAndNotEndedIsOpen() {
    #expect(metrics.connectionsOpen(.client) == 0)
    for worker in [0, 0, 1] { metrics.countConnection(worker: worker, .client) }
    metrics.countConnection(worker: 1, .endpoint)
    metrics.countEnd(worker: 0, .client, .maxAge)
    metrics.countEnd(worker: 1, .client, .fault(.resetFlood))
    #expect(metrics.connectionsOpen(.client) == 1)
    #expect(metrics.connectionsOpen(.endpoint) == 1)
    // Cells that are read while they are written never make it wrap around.
    metrics.countEnd(worker: 1, .client, .peer)
    #expect(metrics.connectionsOpen(.client) == 1)
  }

  @Test func outcomesOfCallsAreCountedByEndpoint() {
    for status in GRPCStatus.allCases {
      metrics.countGRPC(worker: 0, endpointIndex: 1, status)
      metrics.countGRPC(worker: 1, endpointIndex: 1, status)
    }
    metrics.countGRPC(worker: 0, endpointIndex: 2, .ok)
    for status in GRPCStatus.allCases {
      #expect(metrics.calls(endpointIndex: 0, status) == 0)
      #expect(metrics.calls(endpointIndex: 1, status) == 2)
    }
    metrics.clear(endpointIndex: 1)
    #expect(metrics.calls(endpointIndex: 1, .unavailable) == 0)
    #expect(metrics.calls(endpointIndex: 2, .ok) == 1)
    #expect(HTTPVersion.allCases.map(metrics.requests) == [0, 0, 0])
  }

  /// Names and numbers as in gRPC's document.
  @Test func statusesAreNamed() {
    let names = [
      "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
      "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
      "UNAUTHENTICATED",
    ]
    for number in -2...300 {
      let expected = names.indices.contains(number) ? names[number] : "other"
      #expect(GRPCStatus(number: number).label == expected)
    }
    #expect(
      GRPCStatus.allCases.filter(\.isFailure).map(\.label)
        == ["UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"])
  }
}
