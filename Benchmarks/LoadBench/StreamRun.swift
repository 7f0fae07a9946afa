// The numbers of one run of streams. Measured is the time in which all of them run: from the last
// one's first token to the first one's end.
struct StreamRun: ~Copyable {
  var order = StreamOrder()
  var delays = LatencyHistogram()
  /// From sending the request to the first token.
  var firstTokens = LatencyHistogram()
  var startedCount = 0
  /// Streams that had their first token.
  var runningCount = 0
  var endedCount = 0
  var tokensAll = 0
  var isMeasuring = false
  var measuredFrom: Int64 = 0
  var measuredTo: Int64 = 0

  mutating func begin(_ order: StreamOrder) {
    self.order = order
    delays.clear()
    firstTokens.clear()
    startedCount = 0
    runningCount = 0
    endedCount = 0
    tokensAll = 0
    isMeasuring = false
    measuredFrom = 0
    measuredTo = 0
  }
}

/// The numbers of connections that are only held.
struct IdleRun {
  /// Requests that run at a time: it is idle connections that are looked at, not a stampede.
  static let unansweredMax = 64
  var order = IdleOrder()
  /// Connections whose one request was answered.
  var heldCount = 0
  var toOpen = 0
  /// Connections that failed to come up, or were closed by the other side.
  var lostCount = 0
  /// Connections on which the request still runs.
  var unansweredCount: Int { order.connections - toOpen - heldCount - lostCount }
}
