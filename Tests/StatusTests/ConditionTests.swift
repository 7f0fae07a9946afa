import Fleet
import Primitives
import Testing

@testable import Status

/// A preset's signals.
private enum Machine: String {
  case cpu, memory, gpu
  case disk = "disk_io"
}

/// One of them with the preset's thresholds.
private func use(_ machine: Machine, _ ratio: Double) -> UtilisationReading {
  let signals = Preset.all.flatMap(\.signals)
  let thresholds = signals.first { $0.name == machine.rawValue && $0.thresholds != nil }?.thresholds
  return UtilisationReading(name: machine.rawValue, ratio: ratio, thresholds: thresholds)
}

private func certificate(_ file: String, days: Double) -> CertificateReading {
  CertificateReading(file: file, left: .seconds(days * 86_400))
}

@Suite struct ConditionTests {
  /// A fault, for how long it acts, and the alerts that hold then; `quiet` has to be silent.
  struct Row: CustomTestStringConvertible {
    let name: String
    var endpointCount = 2
    var seconds = 40
    let act: @Sendable (inout World) -> Void
    let alerts: Set<String>
    var testDescription: String { name }
  }

  static let rows: [Row] = [
    Row(name: "idle", act: { _ in }, alerts: []),
    Row(name: "busy", act: { $0.endpoints[0].serve(100, lasting: 0.02) }, alerts: []),
    Row(
      name: "two errors of few", seconds: 12,
      act: { $0.endpoints[0].serve(1, lasting: 0.02, errors: $0.now.seconds > 1_010 ? 1 : 0) },
      alerts: []),
    Row(
      name: "2 % errors", act: { $0.endpoints[0].serve(100, lasting: 0.02, errors: 2) },
      alerts: ["ErrorRateElevated", "SuccessRateLow"]),
    Row(
      name: "10 % errors", act: { $0.endpoints[0].serve(100, lasting: 0.02, errors: 10) },
      alerts: ["ErrorRateHigh", "SuccessRateVeryLow"]),
    Row(
      name: "all fails", act: { $0.endpoints[0].serve(10, lasting: 0.02, errors: 10) },
      alerts: ["ErrorRateHigh", "SuccessRateVeryLow", "ServiceInterrupted"]),
    Row(
      name: "3 % refused",
      act: {
        $0.endpoints[0].serve(97, lasting: 0.02)
        $0.pool.refusals += 3
      }, alerts: ["SuccessRateLow"]),
    Row(
      name: "all refused",
      act: {
        for i in $0.endpoints.indices { $0.endpoints[i].eligibility = .unhealthy }
        $0.pool.refusals += 10
      },
      alerts: [
        "NoEligibleEndpoint", "SuccessRateVeryLow", "ServiceInterrupted", "EndpointDown",
      ]),
    Row(
      name: "every client leaves after a long wait",
      act: {
        $0.endpoints[0].lose(10, after: 5)
        $0.pool.overdue += 10
      }, alerts: ["ClientsGiveUp", "SuccessRateVeryLow", "ServiceInterrupted"]),
    Row(
      name: "one endpoint of six hangs", endpointCount: 6,
      act: {
        for i in 1...5 { $0.endpoints[i].serve(10, lasting: 0.02) }
        $0.endpoints[0].eligibility = .stalled
      }, alerts: ["EndpointDown"]),
    Row(
      name: "one that is tried again and again", endpointCount: 6,
      act: {
        for i in 1...5 { $0.endpoints[i].serve(10, lasting: 0.02) }
        $0.endpoints[0].eligibility = Int($0.now.seconds) % 10 == 0 ? .ready : .ejected
      }, alerts: ["EndpointDown", "EndpointFlapping"]),
    Row(
      name: "drained", endpointCount: 6, act: { $0.endpoints[0].eligibility = .drained },
      alerts: []),
    Row(
      name: "4xx only", act: { for i in 0...1 { $0.endpoints[i].refuse(20) } },
      alerts: ["ClientErrorsHigh"]),
    Row(
      name: "4xx for half of the requests",
      act: {
        for i in 0...1 {
          $0.endpoints[i].refuse(10)
          $0.endpoints[i].serve(10, lasting: 0.02)
        }
      }, alerts: []),
    Row(
      name: "429 only", act: { for i in 0...1 { $0.endpoints[i].refuse(20, tooMany: 20) } },
      alerts: ["TooManyRequestsHigh"]),
    Row(
      name: "rate limits for most",
      act: {
        $0.endpoints[0].serve(10, lasting: 0.02)
        $0.pool.limited += 11
      }, alerts: ["TooManyRequestsHigh"]),
    Row(
      name: "6 % of the gRPC calls fail",
      act: {
        $0.pool.calls += 100
        $0.pool.failedCalls += 6
      }, alerts: ["GRPCErrorsHigh"]),
    Row(
      name: "4 % of the gRPC calls fail",
      act: {
        $0.pool.calls += 100
        $0.pool.failedCalls += 4
      }, alerts: []),
    Row(
      name: "two gRPC calls of few fail", seconds: 12,
      act: {
        guard $0.now.seconds > 1_010 else { return }
        $0.pool.calls += 1
        $0.pool.failedCalls += 1
      }, alerts: []),
    Row(
      name: "a model is missing at one endpoint", endpointCount: 3,
      act: {
        $0.endpoints[0].refuse(5)
        for i in 1...2 { $0.endpoints[i].serve(50, lasting: 0.02) }
      }, alerts: ["EndpointErrorsOutlier"]),
    Row(
      name: "one endpoint fails, retries hide it", endpointCount: 3,
      act: {
        $0.endpoints[0].attempts += 5
        $0.endpoints[0].failed += 2
        for i in 1...2 { $0.endpoints[i].serve(50, lasting: 0.02) }
      }, alerts: ["EndpointErrorsOutlier"]),
    Row(
      name: "clients' faults, spread over the pool", endpointCount: 3,
      act: {
        for i in 0...2 {
          $0.endpoints[i].refuse(i == 0 ? 6 : 4)
          $0.endpoints[i].serve(10, lasting: 0.02)
        }
      }, alerts: []),
    Row(
      name: "a cache nearly full",
      act: {
        $0.endpoints[0].utilisations = [
          UtilisationReading(
            name: "kv_cache", ratio: 0.96, thresholds: .init(normal: 0.8, alarm: 0.95))
        ]
      }, alerts: ["KVCacheHigh"]),
    Row(
      name: "a cache well used",
      act: {
        $0.endpoints[0].utilisations = [
          UtilisationReading(
            name: "kv_cache", ratio: 0.94, thresholds: .init(normal: 0.8, alarm: 0.95))
        ]
      }, alerts: []),
    Row(
      name: "first bytes are late",
      act: {
        $0.pool.thresholds.firstByte = .seconds(1)
        $0.endpoints[0].serve(20, lasting: 0.02, firstByte: 2)
      }, alerts: ["TimeToFirstByteHigh"]),
    Row(
      name: "more endpoints than there is room for", act: { $0.pool.leftOut = 3 },
      alerts: ["EndpointsLeftOut"]),
    Row(
      name: "a source of endpoints fails, and another one is empty",
      act: {
        $0.pool.sources = [
          SourceReading(label: "consul", failure: "refused", memberCount: 2),
          SourceReading(label: "file", failure: nil, memberCount: 2),
        ]
      }, alerts: ["DiscoveryEmpty", "DiscoveryFailing"]),
    Row(
      name: "a reload was refused", act: { $0.reloadFailure = "line 3" },
      alerts: ["ReloadFailed"]),
    Row(
      name: "certificates of 15 days",
      act: { $0.certificates = [certificate("a", days: 15), certificate("b", days: 400)] },
      alerts: []),
    Row(
      name: "a certificate of 13 days",
      act: { $0.certificates = [certificate("a", days: 13), certificate("b", days: 400)] },
      alerts: ["CertificateExpiresSoon"]),
    Row(
      name: "a certificate of a day and one of 13",
      act: { $0.certificates = [certificate("a", days: 13), certificate("b", days: 1)] },
      alerts: ["CertificateExpiresVerySoon"]),
    Row(
      name: "a certificate that has expired",
      act: { $0.certificates = [certificate("a", days: -1)] },
      alerts: ["CertificateExpiresVerySoon"]),
    Row(
      name: "changed certificate files that cannot be used",
      act: { $0.certificateTroubles = ["listener 0.0.0.0:8443: no key"] },
      alerts: ["CertificateFilesRefused"]),
    Row(
      name: "the store of shared limits is gone",
      act: { $0.sharedTrouble = "no answer in time, for 7 s" },
      alerts: ["SharedStoreUnreachable"]),
    Row(
      name: "clients change their minds",
      act: {
        $0.endpoints[0].serve(10, lasting: 0.02)
        $0.endpoints[0].lose(10, after: 0.01)
      }, alerts: []),
    Row(
      name: "4xx and refusals, nothing else",
      act: {
        $0.endpoints[0].refuse(10)
        $0.pool.refusals += 1
      },
      alerts: ["SuccessRateVeryLow", "ServiceInterrupted", "ClientErrorsHigh"]),
    Row(
      name: "a rate limit holds requests back",
      act: {
        $0.endpoints[0].serve(10, lasting: 0.02)
        $0.pool.limited += 5
      }, alerts: []),
    Row(
      name: "of any speed, while nothing is usual yet",
      act: { $0.endpoints[0].serve(100, lasting: 20) }, alerts: []),
    Row(
      name: "slow",
      act: {
        $0.pool.thresholds = ThresholdPolicy.Profile.web.policy
        $0.endpoints[0].serve(100, lasting: 0.15)
      },
      alerts: ["ResponseTimeElevated"]),
    Row(
      name: "very slow",
      act: {
        $0.pool.thresholds = ThresholdPolicy.Profile.web.policy
        $0.endpoints[0].serve(100, lasting: 0.8)
      },
      alerts: ["ResponseTimeHigh", "TailLatencyHigh"]),
    Row(
      name: "a slow tail",
      act: {
        $0.pool.thresholds = ThresholdPolicy.Profile.web.policy
        $0.endpoints[0].serve(95, lasting: 0.02)
        $0.endpoints[1].serve(5, lasting: 0.4)
      }, alerts: ["TailLatencyHigh"]),
    Row(
      name: "nobody left",
      act: { for i in $0.endpoints.indices { $0.endpoints[i].eligibility = .unhealthy } },
      alerts: ["NoEligibleEndpoint", "EndpointDown"]),
    Row(
      name: "all weights are 0",
      act: { for i in $0.endpoints.indices { $0.endpoints[i].row.effective = 0 } },
      alerts: ["NoEligibleEndpoint"]),
    Row(
      name: "primaries of weight 0 and a backup", endpointCount: 3,
      act: {
        $0.endpoints[2].isBackup = true
        for i in 0...1 { $0.endpoints[i].row.effective = 0 }
      }, alerts: ["BackupServing"]),
    Row(
      name: "one that is left, the others of weight 0", endpointCount: 3,
      act: { for i in 0...1 { $0.endpoints[i].row.effective = 0 } },
      alerts: ["SingleEndpointLeft"]),
    Row(
      name: "a backup serves", endpointCount: 3,
      act: {
        $0.endpoints[2].isBackup = true
        for i in 0...1 { $0.endpoints[i].eligibility = .ejected }
      }, alerts: ["BackupServing", "EjectedShareHigh", "EndpointDown"]),
    Row(
      name: "one left", endpointCount: 3,
      act: {
        $0.endpoints[0].eligibility = .unhealthy
        $0.endpoints[1].eligibility = .drained
      }, alerts: ["SingleEndpointLeft", "EndpointDown"]),
    Row(
      name: "half ejected", endpointCount: 4,
      act: { for i in 0...1 { $0.endpoints[i].eligibility = i == 0 ? .ejected : .stalled } },
      alerts: ["EjectedShareHigh", "EndpointDown"]),
    Row(
      name: "a pool of one", endpointCount: 1,
      act: { $0.endpoints[0].serve(10, lasting: 0.02) }, alerts: []),
    Row(
      name: "long queue",
      act: { $0.pool.queue = QueueReading(length: 11, limit: 100, oldestWait: .seconds(1)) },
      alerts: ["QueueLong"]),
    Row(
      name: "very long queue",
      act: { $0.pool.queue = QueueReading(length: 51, limit: 100, oldestWait: .seconds(1)) },
      alerts: ["QueueVeryLong"]),
    Row(
      name: "queue at its normal length",
      act: { $0.pool.queue = QueueReading(length: 10, limit: 100, oldestWait: .seconds(1)) },
      alerts: []),
    Row(name: "breaker", act: { $0.pool.breakerRefusals += 1 }, alerts: ["BreakerOpen"]),
    Row(name: "budget", act: { $0.pool.budgetRefusals += 1 }, alerts: ["RetryBudgetSpent"]),
    Row(name: "frozen", act: { $0.pool.freeze = .operator }, alerts: ["WeightsFrozen"]),
    Row(
      name: "over capacity",
      act: {
        $0.pool.demandRatio = 1.2
        $0.pool.isCapacityKnown = true
      }, alerts: ["ForecastOverCapacity"]),
    Row(name: "over a guess", act: { $0.pool.demandRatio = 1.2 }, alerts: []),
    Row(
      name: "more than expected",
      act: {
        $0.pool.thresholds.requestRate = .init(10, per: .second)
        $0.endpoints[0].serve(16, lasting: 0.01)
      }, alerts: ["RequestRateHigh"]),
    Row(
      name: "many connections", act: { $0.endpoints[1].connections = 5_001 },
      alerts: ["EndpointConnectionsHigh"]),
    Row(
      name: "scrapes fail", act: { $0.endpoints[1].scrapeFailure = "refused" },
      alerts: ["ScrapeFailing"]),
    Row(
      name: "old numbers", act: { $0.endpoints[1].row.reason = WeightReason(.stale) },
      alerts: ["SignalsStale"]),
    Row(
      name: "no numbers",
      act: { $0.endpoints[1].row.reason = WeightReason(.expired, .median(of: 1, isFirst: false)) },
      alerts: ["LawFallingBack"]),
    Row(
      name: "in and out",
      act: {
        $0.endpoints[0].eligibility = Int($0.now.seconds) % 2 == 0 ? .ready : .ejected
      }, alerts: ["EndpointFlapping", "SingleEndpointLeft", "EjectedShareHigh"]),
    Row(
      name: "drained and back",
      act: {
        $0.endpoints[0].eligibility = Int($0.now.seconds) % 5 == 0 ? .draining : .ready
      }, alerts: []),
    Row(
      name: "up and down",
      act: { $0.endpoints[0].row.effective = Int($0.now.seconds) % 4 < 2 ? 0.4 : 1 },
      alerts: ["WeightsOscillating"]),
    Row(
      name: "a weight that trembles", seconds: 280,
      act: {
        let second = Int($0.now.seconds)
        $0.endpoints[0].row.effective = [0.7, 1.2, 0.9, 1.3, 0.75][second % 5]
      }, alerts: []),
    Row(
      name: "up in steps",
      act: { $0.endpoints[0].row.effective = Double(Int($0.now.seconds) % 1000) / 100 }, alerts: []),
    Row(
      name: "machines", endpointCount: 4,
      act: {
        $0.endpoints[0].utilisations = [use(.cpu, 0.71), use(.memory, 0.91)]
        $0.endpoints[1].utilisations = [use(.cpu, 0.86), use(.memory, 0.81)]
        $0.endpoints[2].utilisations = [use(.disk, 0.71)]
        $0.endpoints[3].utilisations = [use(.disk, 0.86)]
      },
      alerts: [
        "CPUHigh", "CPUVeryHigh", "MemoryHigh", "MemoryVeryHigh", "DiskIOHigh", "DiskIOVeryHigh",
      ]),
    Row(
      name: "GPUs that work and keep nobody waiting",
      act: { $0.endpoints[0].utilisations = [use(.gpu, 1)] }, alerts: []),
    Row(
      name: "a GPU that keeps some waiting",
      act: {
        $0.endpoints[0].utilisations = [use(.gpu, 1)]
        $0.endpoints[1].waiting = 11
      }, alerts: ["GPUHigh"]),
    Row(
      name: "a GPU that keeps many waiting",
      act: {
        $0.endpoints[0].utilisations = [use(.gpu, 0.91)]
        $0.endpoints[0].waiting = 51
      }, alerts: ["GPUVeryHigh"]),
    Row(
      name: "thresholds of the file's own",
      act: {
        $0.endpoints[0].utilisations = [
          UtilisationReading(
            name: "cpu", ratio: 0.6, thresholds: .init(normal: 0.3, alarm: 0.5)),
          UtilisationReading(
            name: "memory", ratio: 0.97, thresholds: .init(normal: 0.98, alarm: 0.99)),
          UtilisationReading(name: "disk_io", ratio: 1, thresholds: nil),
        ]
      }, alerts: ["CPUVeryHigh"]),
    Row(
      name: "machines at their limits",
      act: {
        $0.endpoints[0].utilisations = [use(.cpu, 0.70), use(.memory, 0.8), use(.gpu, 0.8)]
        $0.endpoints[0].waiting = 60
      }, alerts: []),
    Row(
      name: "restarts", act: { $0.endpoints[0].restarts = UInt64($0.now.seconds) / 15 },
      alerts: ["EndpointRestarting"]),
  ]

  @Test(arguments: rows) func aFaultIsNamedAndNothingElse(row: Row) {
    var world = World(endpointCount: row.endpointCount)
    world.run(row.seconds, row.act)
    #expect(world.alerts == row.alerts)
  }

  @Test func everyAlertButTheSlowOnesHasARow() {
    let told = Self.rows.reduce(into: Set<String>()) { $0.formUnion($1.alerts) }
    let known = Set(Alert.allCases.map { World.short($0.rawValue) })
    // Needs minutes of history: it has a test of its own.
    #expect(known.subtracting(told) == ["ProcessingTimeHigh"])
  }

  @Test func theCertificateThatEndsFirstIsNamed() {
    var world = World()
    world.certificates = [
      certificate("a.pem", days: 13), certificate("b.pem", days: 5.5),
      certificate("b.pem", days: 5.5), certificate("c.pem", days: 99),
    ]
    world.run(3)
    let text = world.history.snapshot(decisions: [], weightChanges: [])?.conditions.first?.text
    #expect(text == "the certificate b.pem expires in 5 days; and 1 more within 14 days")
  }

  @Test func aMomentIsNoCondition() {
    var world = World()
    world.run(20) { $0.endpoints[0].serve(10, lasting: 0.02) }
    world.endpoints[0].eligibility = .ejected
    world.run(2)
    #expect(world.alerts.isEmpty)
    world.run(1)
    #expect(world.alerts == ["NoEligibleEndpoint"])
  }

  @Test func aConditionKeepsItsBeginningAndGoes() throws {
    var world = World()
    world.run(5)
    let begun = world.now + .seconds(1)
    world.endpoints[0].eligibility = .unhealthy
    world.run(30)
    let condition = try #require(world.conditions.first)
    #expect(condition.since == .seconds(1_763_750_000) + begun)
    #expect(condition.severity == .disaster && condition.pool == "text")
    #expect(condition.text == "none of 1 endpoints is eligible")
    // A gap of a second or two is the same fault still.
    world.endpoints[0].eligibility = .ready
    world.run(2)
    world.endpoints[0].eligibility = .unhealthy
    world.run(1)
    #expect(world.conditions.first?.since == condition.since)
    world.endpoints[0].eligibility = .ready
    world.run(4)
    #expect(!world.alerts.contains("NoEligibleEndpoint"))
  }

  @Test func aSilenceIsAnInterruptionOnlyWhereAnswersUsedToBeQuick() {
    var quick = World()
    quick.run(20) { $0.endpoints[0].serve(10, lasting: 0.1) }
    quick.run(40) { $0.endpoints[0].attempts += 1 }
    #expect(quick.alerts.contains("ServiceInterrupted"))
    var slow = World()
    slow.run(20) { $0.endpoints[0].serve(1, lasting: 60) }
    slow.run(40) { $0.endpoints[0].attempts += 1 }
    #expect(!slow.alerts.contains("ServiceInterrupted"))
  }

  @Test func twiceTheUsualTimeIsTold() {
    var world = World()
    world.run(300) { $0.endpoints[0].serve(20, lasting: 0.02) }
    #expect(world.alerts.isEmpty)
    world.run(20) { $0.endpoints[0].serve(20, lasting: 0.06) }
    #expect(world.alerts == ["ProcessingTimeHigh"])
  }

  @Test func theWorstComesFirstAndTheirNumberIsBounded() {
    var world = World(endpointCount: 150)
    for index in world.endpoints.indices {
      world.endpoints[index].scrapeFailure = "refused"
      world.endpoints[index].eligibility = .unhealthy
    }
    world.run(15)
    let snapshot = world.snapshot
    #expect(snapshot.conditionCount == 151)
    world.run(15)
    #expect(world.snapshot.conditionCount == 301)
    #expect(snapshot.conditions.count == Conditions.countMax)
    #expect(snapshot.conditions.first?.severity == .disaster)
    #expect(snapshot.conditions.dropFirst().allSatisfy { $0.severity == .warning })
  }
}
