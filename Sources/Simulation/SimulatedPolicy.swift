// The interface between the virtual world and policies, ours and those of other balancers: what a
// balancer in the simulator decides and what it is told.
import Balancer
import Controller
import Primitives

/// A request in the simulator.
final class SimulatedRequest {
  let arrivedAt: Nanoseconds
  let work: Double
  let balancer: Int
  /// The index of its kind, if there are kinds: what its method and path tell.
  var kind = 0
  /// Whether it takes a slot at the endpoint.
  var takesSlot = true
  /// For a request to an engine.
  var promptTokens = 0
  var outputTokens = 0
  /// The bytes of its content, if it declares them.
  var contentLength: Int?
  /// The seconds that its client takes to read the answer after the endpoint's last byte.
  var readingSeconds = 0.0
  /// It takes no slot, and waits because the endpoint is stopped.
  var isHeldUp = false
  /// The first token of an engine has come.
  var hasAnswer = false
  /// The endpoint has finished; the client is still reading.
  var isRead = false
  var tried = TriedSet()
  var retriesLeft = 2
  /// Whether it may be retried at another endpoint after a failure.
  let isRepeatable: Bool
  /// The endpoint that it was sent to.
  var endpoint = -1
  var sentAt = Nanoseconds.zero
  /// What its refusal says about the endpoint.
  var refusal = AttemptOutcome.abandoned
  /// The real balancer's lease, if there is one.
  var lease: InFlightLease?

  init(arrivedAt: Nanoseconds, work: Double, balancer: Int, isRepeatable: Bool = false) {
    self.isRepeatable = isRepeatable
    self.arrivedAt = arrivedAt
    self.work = work
    self.balancer = balancer
  }
}

/// A scrape to be sent by a balancer.
struct ScrapeOrder {
  let endpoint: Int
  /// The balancer's identifier for it.
  let id: UInt64
}

/// The result of a scrape before it becomes text: the numbers that the endpoint exports; nil: it
/// does not export the number.
struct EndpointSample {
  var running: Double?
  var waiting: Double?
  var completed: Double?
  var failed: Double?
  var seconds: Double?
  /// The integral of the busy share, seconds.
  var busySeconds: Double?
  /// The used share of the cache, 0…1.
  var cacheRatio: Double?
  /// For an engine, since start: steps, and tokens of answers.
  var steps: Double?
  var tokens: Double?
  var startedAt = 0.0
}

/// The true state of an endpoint, which no balancer can know.
struct EndpointTruth {
  let group: EndpointGroup
  /// The requests it has, running or waiting.
  var requests: Int
  /// The work in seconds that it does per second now: of one slot, or in all if it shares its
  /// speed.
  var speed: Double
  /// Whether it is dead, hangs, or answers some requests with errors.
  var isFaulty: Bool
  var engine: EngineTruth?
}

/// The true state of an engine.
struct EngineTruth {
  /// The requests that decode, the cached tokens that these read in a step, and the requests that
  /// wait for room in the cache.
  var decoding: Int
  var decodingTokens: Int
  var waiting: Int
  /// Tokens of prompts still to be computed.
  var backlogTokens: Int
  /// Tokens of the cache that are not reserved.
  var freeTokens: Int
}

/// The policy of one balancer.
protocol SimulatedPolicy: AnyObject {
  /// Picks the endpoint for a request, which counts as sent; nil: there is none.
  func pick(_ request: SimulatedRequest, now: Nanoseconds) -> Int?
  /// A piece of the answer came from `request.endpoint`; it is the first one if `request.hasAnswer`
  /// is still false. For engines only: a token.
  func pieceCame(_ request: SimulatedRequest, now: Nanoseconds)
  /// The last byte of a good answer came from the endpoint. `ended` follows when the client has it,
  /// possibly much later.
  func endpointDone(_ request: SimulatedRequest, now: Nanoseconds)
  /// What it says about the endpoint that the request's client goes away.
  func outcomeOfLeaving(_ request: SimulatedRequest, now: Nanoseconds) -> AttemptOutcome
  /// The request sent to `request.endpoint` has ended.
  func ended(_ request: SimulatedRequest, _ outcome: AttemptOutcome, now: Nanoseconds)
  /// Whether the client can be spared a failed answer by a retry at another endpoint.
  func repeatsTrial(_ request: SimulatedRequest) -> Bool
  /// The next time at which `control` has to be called.
  var nextControl: Nanoseconds { get }
  /// Runs timers that are due; returns the scrapes to send now.
  func control(now: Nanoseconds) -> [ScrapeOrder]
  /// A scrape has ended; nil: it failed.
  func scraped(_ order: ScrapeOrder, _ sample: EndpointSample?, now: Nanoseconds)
  /// Whether the policy is told the true state of each endpoint before each pick, which no balancer
  /// can know.
  var isOracle: Bool { get }
  func reveal(_ world: [EndpointTruth])
  /// The shares of the requests that it intends for each endpoint, for the record; their sum is 1.
  var shares: [Double] { get }
}

extension SimulatedPolicy {
  func pieceCame(_ request: SimulatedRequest, now: Nanoseconds) {}
  func endpointDone(_ request: SimulatedRequest, now: Nanoseconds) {}
  func outcomeOfLeaving(_ request: SimulatedRequest, now: Nanoseconds) -> AttemptOutcome {
    .abandoned
  }
  var isOracle: Bool { false }
  func reveal(_ world: [EndpointTruth]) {}
  func repeatsTrial(_ request: SimulatedRequest) -> Bool { false }
  var nextControl: Nanoseconds { .distantFuture }
  func control(now: Nanoseconds) -> [ScrapeOrder] { [] }
  func scraped(_ order: ScrapeOrder, _ sample: EndpointSample?, now: Nanoseconds) {}
}
