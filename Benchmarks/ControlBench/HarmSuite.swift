// The effects of realistic traffic on a law: the default must not be worse than what operators have
// without it, the law `static` of the same balancer and nginx's least_conn.
import Simulation

enum HarmSuite {
  static let peers = [PolicyName.static, .nginx]
  static let figures = [Figure.goodput, .failuresPer10000, .mean, .p99]

  static let suite = BenchSuite(
    scenarios: scenarios,
    goals: scenarios.flatMap { scenario in
      peers.flatMap { peer in
        figures.map {
          Goal(scenario: scenario.name, figure: $0, bound: .ratio(peer, atMost: 1.05))
        }
      }
    }, seeds: Array(901...910), policies: [.steelyard], hasTable: false)

  private static let scenarios: [Scenario] =
    overload + errors + mixed + pages + slowPhases + clients + equals + rhythms + shapes

  /// Four slots of 0.4 s each and room for four more requests; further ones get 503 or 429 at once.
  private static let overload: [Scenario] = {
    func full(_ status: Int, _ count: Int, _ load: Int, retryAfter: Double? = nil) -> Scenario {
      var group = Fleets.group(count, 1, slots: 4)
      group.queueMax = 4
      group.fullStatus = status
      group.retryAfter = retryAfter
      let name = "full-\(status)-\(count)-\(load)" + (retryAfter == nil ? "" : "-retry-after")
      return Fleets.batch(name, [group], load: Double(load) / 100) { $0.work.mean = 0.4 }
    }
    return [503, 429].flatMap { status in
      [2, 4, 8].flatMap { count in [110, 150, 200].map { full(status, count, $0) } }
        + [full(status, 4, 150, retryAfter: 2)]
    }
  }()

  private static let errors: [Scenario] = [
    Fleets.batch("fast-404-one-of-three", [Fleets.group(3, 2)], load: 0.3) {
      $0.faults = [Fault(at: 0, endpoints: [1], kind: .reject(1))]
    },
    Fleets.batch("fast-404-70-one-of-three", [Fleets.group(3, 2)], load: 0.3) {
      $0.faults = [Fault(at: 0, endpoints: [1], kind: .reject(0.7))]
    },
    Fleets.batch("4xx-spread-evenly", load: 0.7) {
      $0.faults = [Fault(at: 0, endpoints: Array(0..<8), kind: .reject(0.1, status: 400))]
    },
    // Restarted every minute for three seconds, cold for ten.
    Fleets.batch("restart-each-minute", [Fleets.group(4, 2)], load: 0.6) {
      $0.measured = 240
      $0.isReplayable = true
      $0.faults = [
        Fault(at: 50, until: 53, every: 60, endpoints: [1], kind: .dead(coldSeconds: 10))
      ]
    },
  ]

  private static let mixed: [Scenario] = [
    Fleets.batch("quick-and-slow", [Fleets.group(3, 1, slots: 4)]) {
      var quick = RequestKind()
      quick.share = 0.9
      quick.work.mean = 0.002
      quick.takesSlot = false
      var slow = RequestKind()
      slow.share = 0.1
      slow.work.mean = 4
      $0.kinds = [quick, slow]
      $0.rates = [RateStep(at: 0, rate: 27)]
      $0.timeout = 120
      $0.measured = 240
    },
    // The same without variation, as an operator's trial would have it.
    Fleets.batch("quick-and-slow-constant", [Fleets.group(3, 1, slots: 4)]) {
      var quick = RequestKind()
      quick.share = 0.9
      quick.work.mean = 0.002
      quick.work.shape = .constant
      quick.takesSlot = false
      var slow = quick
      slow.share = 0.1
      slow.work.mean = 4
      slow.takesSlot = true
      $0.kinds = [quick, slow]
      $0.rates = [RateStep(at: 0, rate: 27)]
      $0.timeout = 120
      $0.measured = 240
    },
  ]

  private static let pages: [Scenario] = {
    // Two or three equal endpoints of which one has such a page, and three that all have it.
    func pages(_ name: String, _ change: (inout EndpointGroup) -> Void) -> [Scenario] {
      [("one-of-two", 1, 1), ("one-of-three", 1, 2), ("all", 3, 0)].map { words, odd, others in
        var group = Fleets.group(odd, 1)
        change(&group)
        return Fleets.batch(
          name + "-" + words, others > 0 ? [group, Fleets.group(others, 1)] : [group], load: 0.7)
      }
    }
    return pages("page-of-2-workers") { $0.pageWorkers = 2 }
      + pages("page-of-4-workers") { $0.pageWorkers = 4 }
      + pages("page-counts-3-times") { $0.pageCounts = 3 } + [
        Fleets.batch("page-says-10000-wait", [Fleets.group(4, 1)], load: 0.7) {
          $0.faults = [Fault(at: 60, until: 68, endpoints: [1], kind: .metricsQueue(10_000))]
        }
      ]
  }()

  /// One endpoint of a small pool is slow from the beginning; the time after that is measured.
  private static let slowPhases: [Scenario] = [2, 3, 4].flatMap { count in
    [25, 60].map { seconds in
      Fleets.batch("slow-\(seconds)s-one-of-\(count)", [Fleets.group(count, 1)], load: 0.5) {
        $0.work.mean = 0.3
        $0.warmup = Double(seconds)
        $0.faults = [Fault(at: 0, until: Double(seconds), endpoints: [0], kind: .slow(40))]
      }
    }
  }

  private static let clients: [Scenario] = [
    Fleets.batch("late-readers-5", load: 0.7) { $0.lateReaders.share = 0.05 },
    Fleets.batch("late-readers-5-sharing", Fleets.h4(.sharing), load: 0.7) {
      $0.work.mean = 0.1
      $0.lateReaders.share = 0.05
    },
    Fleets.batch("impatient-clients", load: 0.9) { $0.patience = 3 },
  ]

  private static let equals: [Scenario] =
    [3, 8].flatMap { count in
      [
        Fleets.batch("equal-batch-\(count)", [Fleets.group(count, 1)]),
        Fleets.sharing("equal-sharing-\(count)", [Fleets.group(count, 1, .sharing)]),
      ]
    } + [
      Fleets.batch("equal-batch-8-10-balancers", [Fleets.group(8, 1)]) { $0.balancers = 10 },
      Fleets.batch("unequal-batch-10-balancers") { $0.balancers = 10 },
    ]

  private static let rhythms: [Scenario] = [
    Fleets.batch("one-request-a-second", [Fleets.group(3, 1)]) {
      $0.rates = [RateStep(at: 0, rate: 1)]
      $0.measured = 600
    },
    // Measured from the end of ten idle minutes on.
    Fleets.batch("idle-then-burst") {
      $0.loads = [
        LoadStep(at: 0, load: 0.7), LoadStep(at: 60, load: 0), LoadStep(at: 660, load: 0.9),
      ]
      $0.warmup = 660
      $0.measured = 60
    },
    Fleets.batch("thundering-burst") {
      $0.loads = [
        LoadStep(at: 0, load: 0.3), LoadStep(at: 60, load: 3), LoadStep(at: 65, load: 0.3),
      ]
    },
  ]

  private static let shapes: [Scenario] =
    [2, 3].flatMap { count in
      [WorkDistribution.Shape.bimodal, .lognormal].map { shape in
        Fleets.batch("\(shape.rawValue)-\(count)", [Fleets.group(count, 1)], load: 0.7) {
          $0.work.shape = shape
        }
      }
    } + [
      Fleets.batch("two-1-to-4", [Fleets.group(1, 1), Fleets.group(1, 4)], load: 0.7),
      Fleets.batch("true-weights-h4") { $0.hasTrueWeights = true },
      Fleets.sharing("true-weights-sharing-h4") { $0.hasTrueWeights = true },
    ]
}
