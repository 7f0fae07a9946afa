// What is written down of an exchange: lease, durations, deadlines; and the pages on which it is
// read.
import Balancer
import Exposition
import Fleet
import IO
import Primitives

enum BookCases {
  static var all: [Case] {
    [
      leases, observations, deadlinesLater, deadlinesSooner,
      page("metrics page, 100 endpoints", 100, count: 2),
      page("metrics page, 1000 endpoints", 1_000, count: 1),
    ]
  }

  private static var leases: Case {
    Case(name: "lease taken and ended", count: 500) { count, sink in
      var bench = PickBench(.leastRequest, endpointCount: 4)
      let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 4)
      var book = LeaseBook(evidence: evidence, pickBoard: bench.pickBoard, workerIndex: 0)
      for index in 0..<count {
        let lease = book.take(index & 3, now: .seconds(1))
        book.end(lease, .completed, &bench.picker, index & 3, now: .milliseconds(1_250))
        sink.take(book.count)
      }
    }
  }

  private static var observations: Case {
    Case(name: "duration observed", count: 500) { count, sink in
      let cells = CellBlock(count: DurationHistogram.cellCount)
      for index in 0..<count {
        DurationHistogram.observe(Nanoseconds(Int64(index) &* 1_234_567), in: cells, at: 0)
      }
      sink.take(Int(cells[0]))
    }
  }

  private static var deadlinesLater: Case {
    Case(name: "deadline moved later", count: 500) { count, sink in
      var wheel = TimerWheel(capacity: 64, now: .zero)
      for index in 0..<64 { wheel.set(index, at: .seconds(1)) }
      for index in 0..<count { wheel.set(index & 63, at: .milliseconds(2_000 + index)) }
      sink.take(Int(truncatingIfNeeded: wheel.nextTick().rawValue))
    }
  }

  private static var deadlinesSooner: Case {
    Case(name: "deadline moved sooner", count: 500) { count, sink in
      var wheel = TimerWheel(capacity: 64, now: .zero)
      for index in 0..<count {
        // Always before the last one of the same index: the entry has to be linked anew.
        wheel.set(index & 63, at: .milliseconds(16_000 - (index >> 6) * 100))
      }
      sink.take(Int(truncatingIfNeeded: wheel.nextTick().rawValue))
    }
  }

  /// A page of the families that grow with the endpoints, as the program writes them.
  private static func page(_ name: String, _ endpointCount: Int, count: Int) -> Case {
    let cells = CellBlock(count: DurationHistogram.cellCount)
    for index in 0..<1_000 {
      DurationHistogram.observe(Nanoseconds(Int64(index) &* 1_234_567), in: cells, at: 0)
    }
    let labels = (0..<endpointCount).map { index in
      Labels(["pool": "text", "endpoint": "10.0.\(index / 256).\(index % 256):8000"])
    }
    let codes = ["2xx", "4xx", "5xx", "canceled"].map { Labels(["code": $0, "method": "POST"]) }
    return Case(name: name, count: count) { count, sink in
      for _ in 0..<count {
        var writer = MetricsWriter(byteCapacity: 65_536)
        writer.open(
          MetricFamily("steelyard_requests_total", .counter, help: "Exchanges that ended."))
        for each in labels {
          for code in codes { writer.sample(UInt64(123_456), each, code) }
        }
        writer.open(
          MetricFamily("steelyard_request_duration_seconds", .histogram, help: "How long."))
        for each in labels {
          writer.histogram(DurationHistogram.snapshot(of: [cells], at: 0), each)
        }
        writer.open(
          MetricFamily("steelyard_endpoint_weight", .gauge, help: "The effective weight."))
        for (index, each) in labels.enumerated() { writer.sample(Double(index) / 7, each) }
        sink.take(writer.finished().count)
      }
    }
  }
}
