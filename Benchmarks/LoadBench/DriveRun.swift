// The numbers of one run of requests: when it measures, what it counted, and when an open loop's
// next request is due (Poisson arrivals).
import Glibc
import Primitives

struct DriveRun: ~Copyable {
  var order = DriveOrder()
  var histogram = LatencyHistogram()
  /// The measured window, ns; both `.max` until it is known.
  var from = Int64.max
  var to = Int64.max
  var requests = 0
  /// Requests that were sent and not answered yet.
  var outstanding = 0
  /// Connections (or, with `fresh`, places) that came up.
  var upCount = 0
  /// Connections that are to be opened.
  var toOpen = 0
  /// None is opened before, ns.
  var openAt: Int64 = 0
  /// Connections that the other side closed in good order.
  var reconnects = 0
  /// Connections that were cut off because too many waited for the other side's end.
  var resets = 0
  /// An open loop's connections without a request; −1 is a place of a fresh one.
  var free: [Int32] = []
  /// When an open loop's next request is due, ns.
  var arrivalAt = Int64.max
  /// Arrivals that were due in the window.
  var arrivals = 0
  private var random = RandomSource(seed: 1)

  mutating func begin(_ order: DriveOrder) {
    self.order = order
    histogram.clear()
    from = .max
    to = .max
    requests = 0
    outstanding = 0
    upCount = 0
    toOpen = order.connections
    openAt = 0
    reconnects = 0
    resets = 0
    free.removeAll(keepingCapacity: true)
    free.reserveCapacity(order.connections)
    arrivalAt = .max
    arrivals = 0
    random = RandomSource(seed: order.seed)
  }

  var isOpenLoop: Bool { order.rate > 0 }

  func isMeasured(_ instant: Int64) -> Bool { instant >= from && instant < to }

  /// The due arrival's instant; the next one is planned. Requires: an open loop.
  mutating func takeArrival() -> Int64 {
    let due = arrivalAt
    arrivalAt += max(1, Int64(-log(1 - random.unit()) / order.rate * 1e9))
    if isMeasured(due) { arrivals += 1 }
    return due
  }
}
