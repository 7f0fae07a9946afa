// What a balancer in the simulator has to decide and what it gets to know: the seam between the
// virtual world and policies, ours and those of peers.
import Balancer
import Controller
import Primitives

/// A request on its way.
final class SimulatedRequest {
  let arrivedAt: Nanoseconds
  let work: Double
  let balancer: Int
  /// Index of its kind, where there are kinds: what its method and path say.
  var kind = 0
  /// It takes a slot at the endpoint.
  var takesSlot = true
  /// Of a request to an engine.
  var promptTokens = 0
  var outputTokens = 0
  /// Bytes of its content, where it says so.
  var contentLength: Int?
  /// Seconds that its client takes for the answer after the endpoint's last byte.
  var readingSeconds = 0.0
  /// It takes no slot, and waits because nothing moves there.
  var isHeldUp = false
  /// The first of an engine's tokens came.
  var hasAnswer = false
  /// The endpoint is done with it; its client reads.
  var isRead = false
  var tried = TriedSet()
  var retriesLeft = 2
  /// What one endpoint fails may be asked of another.
  let isRepeatable: Bool
  /// The endpoint that has it.
  var endpoint = -1
  var sentAt = Nanoseconds.zero
  /// What it says of the endpoint that it was not taken.
  var refusal = AttemptOutcome.abandoned
  /// The real balancer's count of it, where there is one.
  var lease: InFlightLease?

  init(arrivedAt: Nanoseconds, work: Double, balancer: Int, isRepeatable: Bool = false) {
    self.isRepeatable = isRepeatable
    self.arrivedAt = arrivedAt
    self.work = work
    self.balancer = balancer
  }
}

/// A scrape that a balancer sends.
struct ScrapeOrder {
  let endpoint: Int
  /// The balancer's own name for it.
  let id: UInt64
}

/// What a scrape finds, before it becomes text: numbers as the endpoint would export them; nil
/// where it exports none.
struct EndpointSample {
  var running: Double?
  var waiting: Double?
  var completed: Double?
  var failed: Double?
  var seconds: Double?
  /// Integral of the busy share, seconds.
  var busySeconds: Double?
  /// Of the cache, 0…1.
  var cacheRatio: Double?
  /// Of an engine, ever: steps, and tokens of answers.
  var steps: Double?
  var tokens: Double?
  var startedAt = 0.0
}

/// What is true of an endpoint, which no balancer can know.
struct EndpointTruth {
  let group: EndpointGroup
  /// Requests that it has, running or waiting.
  var requests: Int
  /// Work in seconds that it does in a second now: of one slot, or all of it where it shares.
  var speed: Double
  /// It is dead, hangs, or answers some of what it gets with errors.
  var isFaulty: Bool
  var engine: EngineTruth?
}

/// What an engine has.
struct EngineTruth {
  /// Requests that decode, the tokens of the cache that these read in a step, and what waits for
  /// room in the cache.
  var decoding: Int
  var decodingTokens: Int
  var waiting: Int
  /// Of prompts, to be computed still.
  var backlogTokens: Int
  /// Of the cache, kept for nobody.
  var freeTokens: Int
}

/// One balancer's mind.
protocol SimulatedPolicy: AnyObject {
  /// The endpoint for a request, which counts as sent; nil where there is none.
  func pick(_ request: SimulatedRequest, now: Nanoseconds) -> Int?
  /// A piece of the answer came from `request.endpoint`; the first one where `request.hasAnswer` is
  /// still false. Of engines alone: a token.
  func pieceCame(_ request: SimulatedRequest, now: Nanoseconds)
  /// The last byte of a good answer came from the endpoint. `ended` follows when the client has
  /// it, which may be much later.
  func endpointDone(_ request: SimulatedRequest, now: Nanoseconds)
  /// What it says of the endpoint that the client of the request goes away.
  func outcomeOfLeaving(_ request: SimulatedRequest, now: Nanoseconds) -> AttemptOutcome
  /// The request that was sent to `request.endpoint` came to an end there.
  func ended(_ request: SimulatedRequest, _ outcome: AttemptOutcome, now: Nanoseconds)
  /// A failed answer to it may be kept from the client, by asking another endpoint.
  func repeatsTrial(_ request: SimulatedRequest) -> Bool
  /// When `control` has something to do.
  var nextControl: Nanoseconds { get }
  /// Timers; gives the scrapes to be sent now.
  func control(now: Nanoseconds) -> [ScrapeOrder]
  /// A scrape's end; nil where it failed.
  func scraped(_ order: ScrapeOrder, _ sample: EndpointSample?, now: Nanoseconds)
  /// What no balancer can know, of each endpoint. Told before each pick where `isOracle`.
  var isOracle: Bool { get }
  func reveal(_ world: [EndpointTruth])
  /// Shares of the requests that it wants each endpoint to have, for the record; sum 1.
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
