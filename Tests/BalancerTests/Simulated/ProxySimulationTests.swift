// The proxy core on simulated connections, case by case: retries, timeouts, early answers,
// pipelining, clients that leave. Times are exact, because no real clock runs.
import Fleet
import Primitives
import Testing

@testable import Balancer

private func get(_ name: String) -> ClientRequestPlan { ClientRequestPlan(name: name) }

private func post(_ name: String, _ count: Int = 500) -> ClientRequestPlan {
  ClientRequestPlan(name: name, method: "POST", contentCount: count)
}

private func answered(by name: String) -> ClientResult { .answered(status: 200, by: name) }

extension SimulatedProxy {
  /// Sets what endpoint 0 does with every request.
  fileprivate func first(_ act: EndpointAct) { endpoints[0].act = { _ in act } }

  fileprivate var executionCount: Int {
    endpoints.reduce(0) { $0 + $1.executions.values.reduce(0, +) }
  }

  fileprivate func retries(_ endpoint: Int = 0) -> UInt64 { evidence.sum(.retries, endpoint) }
}

@Suite struct ProxySimulationTests {
  @Test func requestsAreAnsweredByBothEndpoints() throws {
    let proxy = SimulatedProxy()
    let client = proxy.client([get("a"), post("b"), get("c"), post("d", 100_000)])
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == ["e0", "e1", "e0", "e1"].map(answered))
    // Each endpoint gets one connection, which is kept for the second request.
    #expect(proxy.endpoints.map(\.connectionCount) == [1, 1])
  }

  // MARK: Retries

  @Test(arguments: [
    EndpointAct.closeBeforeHead, .resetBeforeHead, .closeInHead, .resetInHead, .malformed,
    .unavailable, .failure,
  ])
  func anIdempotentRequestIsMadeAgainElsewhere(act: EndpointAct) throws {
    let proxy = SimulatedProxy()
    proxy.first(act)
    let client = proxy.client([get("a")])
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [answered(by: "e1")])
    #expect(proxy.endpoints.map { $0.executions["a"] } == [1, 1])
    #expect(proxy.retries() == 1)
  }

  @Test func aRequestThatMayHaveBeenDoneIsNotMadeAgain() throws {
    for (act, result) in [
      (EndpointAct.closeBeforeHead, ClientResult.refused(status: 502, reason: "connect_failed")),
      (.resetInHead, .refused(status: 502, reason: "connect_failed")),
      (.malformed, .refused(status: 502, reason: "bad_response")),
      (.failure, .answered(status: 500, by: "e0")),
      (.unavailable, .answered(status: 503, by: "e0")),
    ] {
      let proxy = SimulatedProxy()
      proxy.first(act)
      let client = proxy.client([post("a")])
      try proxy.run()
      #expect(proxy.problems == [])
      #expect(client.results == [result], "\(act)")
      #expect(proxy.executionCount == 1)
    }
  }

  @Test(arguments: [ConnectAct.refuse, .silent])
  func whatWasNotSentIsSentElsewhere(connect: ConnectAct) throws {
    let proxy = SimulatedProxy()
    proxy.endpoints[0].connectAct = { connect }
    let client = proxy.client([post("a"), post("b")])
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [answered(by: "e1"), answered(by: "e1")])
    #expect(proxy.executionCount == 2)
  }

  @Test func anAnswerIsKeptForWhenNoBetterOneComes() throws {
    let proxy = SimulatedProxy()
    for endpoint in proxy.endpoints { endpoint.act = { _ in .failure } }
    let client = proxy.client([get("a")])
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [.answered(status: 500, by: "e1")])
    #expect(proxy.executionCount == 2)
  }

  @Test func aKeptConnectionThatWasClosedCostsNothing() throws {
    let proxy = SimulatedProxy(endpoints: 1)
    proxy.first(.answerThenCloseIdle)
    let names = (0..<40).map { "r\($0)" }
    let client = proxy.client(names.map(get))
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == names.map { _ in answered(by: "e0") })
    #expect(proxy.retries() == 0)
  }

  @Test func bytesAfterAnAnswerAreNobodysAnswer() throws {
    let proxy = SimulatedProxy(endpoints: 1)
    proxy.first(.surplus)
    // Turns so long that the bytes and the next request are often found in the same one.
    let network = proxy.network
    network.delay = .milliseconds(5)
    proxy.endpoints[0].surplusPause = { network.between(.zero, .milliseconds(5)) }
    proxy.turnTime = .milliseconds(40)
    let client = proxy.client((0..<200).map { get("r\($0)") })
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results.allSatisfy { $0 == answered(by: "e0") })
  }

  // MARK: Timeouts

  @Test func anEndpointThatDoesNotAnswerIsGivenUpInTime() throws {
    let proxy = SimulatedProxy { $0.pools[0].timeouts.firstByte = .seconds(2) }
    proxy.first(.silent)
    let client = proxy.client([get("a")])
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [.refused(status: 504, reason: "first_byte_timeout")])
    #expect(client.doneAt.seconds - 1_000 >= 2 && client.doneAt.seconds - 1_000 < 2.2)
    #expect(proxy.executionCount == 1)
  }

  @Test func anExchangeEndsAtItsTime() throws {
    let proxy = SimulatedProxy(endpoints: 1) { fleet in
      fleet.pools[0].timeouts.exchange = .seconds(3)
    }
    proxy.endpoints[0].delay = { .seconds(10) }
    let client = proxy.client([get("a")])
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [.refused(status: 504, reason: "exchange_timeout")])
    #expect(client.doneAt.seconds - 1_000 >= 3 && client.doneAt.seconds - 1_000 < 3.2)
  }

  @Test func aStoppedProcessIsNobodysFault() throws {
    let proxy = SimulatedProxy(endpoints: 1) { fleet in
      fleet.pools[0].timeouts.firstByte = .seconds(2)
      fleet.pools[0].timeouts.exchange = .seconds(3)
    }
    proxy.endpoints[0].delay = { .seconds(1) }
    let client = proxy.client([get("a"), get("b")])
    proxy.stops = [(.milliseconds(300), .seconds(60))]
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [answered(by: "e0"), answered(by: "e0")])
  }

  @Test func aClientThatStopsSendingIsAnsweredAndLetGo() throws {
    let proxy = SimulatedProxy(endpoints: 1) { fleet in
      fleet.listeners[0].bodyTimeout = .seconds(1)
      fleet.limits.requestBufferBytes = 0
    }
    let client = proxy.client([post("a", 60_000)]) { client in
      client.pieceCount = 30_000
      client.piecePause = .seconds(30)
    }
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [.refused(status: 408, reason: "content_timeout")])
    #expect(proxy.executionCount == 0)
  }

  @Test func aClientThatStopsReadingIsCut() throws {
    let proxy = SimulatedProxy(endpoints: 1) { $0.listeners[0].sendTimeout = .seconds(2) }
    proxy.endpoints[0].size = { 900_000 }
    let client = proxy.client([get("a")]) { $0.readPause = .seconds(60) }
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [.cut])
  }

  // MARK: Uploads and early answers

  @Test func anEarlyAnswerReachesAClientThatStillSends() throws {
    let proxy = SimulatedProxy(endpoints: 1) { $0.limits.requestBufferBytes = 0 }
    proxy.first(.early)
    let client = proxy.client([post("a", 200_000)]) { client in
      client.pieceCount = 10_000
      client.piecePause = .milliseconds(5)
    }
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [.answered(status: 413, by: "e0")])
    #expect(proxy.executionCount == 0)
  }

  @Test func aClientThatAsksMayGoOn() throws {
    var plan = post("a", 4_000)
    plan.expectsContinue = true
    let proxy = SimulatedProxy(endpoints: 1)
    let client = proxy.client([plan])
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == [answered(by: "e0")])
    // The client did not have to wait for "100 Continue".
    #expect(client.doneAt.seconds - 1_000 < 0.5)
  }

  // MARK: Pipelining and leaving

  @Test func pipelinedRequestsAreAnsweredInOrder() throws {
    let proxy = SimulatedProxy()
    proxy.first(.answerInChunks)
    proxy.endpoints[0].delay = { .milliseconds(90) }
    let client = proxy.client([get("a"), post("b"), get("c"), get("d")]) { $0.isPipelining = true }
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(client.results == ["e0", "e1", "e0", "e1"].map(answered))
  }

  @Test(arguments: [false, true]) func whoLeavesFreesItsPlace(byReset: Bool) throws {
    let proxy = SimulatedProxy(endpoints: 1) { fleet in
      fleet.pools[0].queue.concurrency = .total(1)
      fleet.pools[0].queue.timeout = .seconds(20)
    }
    proxy.endpoints[0].act = { $0.target == "/hangs" ? .silent : .answer }
    proxy.client([get("hangs")]) { client in
      client.leavesAfter = .seconds(5)
      client.leavesByReset = byReset
    }
    // One client leaves while it waits, and one is admitted.
    proxy.client([get("left")], after: .seconds(1)) { client in
      client.leavesAfter = .seconds(2)
      client.leavesByReset = byReset
    }
    let last = proxy.client([get("last")], after: .seconds(2))
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(last.results == [answered(by: "e0")])
    #expect(last.doneAt.seconds - 1_000 >= 5 && last.doneAt.seconds - 1_000 < 5.2)
    #expect(proxy.endpoints[0].executions["left"] == nil)
  }

  @Test func whoWaitsTooLongIsTold() throws {
    let proxy = SimulatedProxy(endpoints: 1) { fleet in
      fleet.pools[0].queue.concurrency = .total(1)
      fleet.pools[0].queue.timeout = .seconds(2)
    }
    proxy.endpoints[0].delay = { .seconds(10) }
    proxy.client([get("a")])
    let waiting = proxy.client([get("b")], after: .milliseconds(100))
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(waiting.results == [.refused(status: 503, reason: "queue_timeout")])
    #expect(waiting.doneAt.seconds - 1_000 >= 2.1 && waiting.doneAt.seconds - 1_000 < 2.3)
  }

  // MARK: Endpoints that come and go

  @Test(arguments: [false, true]) func anEndpointThatLeavesEndsWhatItHas(isDelta: Bool) throws {
    let proxy = SimulatedProxy()
    proxy.endpoints[0].delay = { .seconds(2) }
    let running = proxy.client([get("a")])
    proxy.changes = [(.seconds(1), isDelta, { $0.removeFirst() })]
    let later = proxy.client((0..<6).map { get("b\($0)") }, after: .milliseconds(1_200))
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(running.results == [answered(by: "e0")])
    #expect(later.results.allSatisfy { $0 == answered(by: "e1") })
  }

  @Test(arguments: [false, true]) func whoWaitsGoesToAnEndpointThatComes(isDelta: Bool) throws {
    let proxy = SimulatedProxy { fleet in
      fleet.pools[0].queue.concurrency = .slots
      for index in 0..<2 { fleet.pools[0].endpoints[index].concurrency = 1 }
      fleet.pools[0].queue.timeout = .seconds(20)
    }
    proxy.endpoints[0].delay = { .seconds(10) }
    proxy.changes = [
      (.zero, isDelta, { $0.removeLast() }), (.seconds(3), isDelta, { _ in }),
    ]
    let first = proxy.client([get("a")], after: .milliseconds(100))
    let waiting = proxy.client([get("b")], after: .milliseconds(200))
    try proxy.run()
    #expect(proxy.problems == [])
    #expect(first.results == [answered(by: "e0")])
    #expect(waiting.results == [answered(by: "e1")])
    #expect(waiting.doneAt.seconds - 1_000 >= 3 && waiting.doneAt.seconds - 1_000 < 3.2)
  }
}
