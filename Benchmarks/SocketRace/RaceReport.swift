// What a race says at its end: each contestant's numbers, and how well the race itself kept time.
// Pure; instants count from the start of the measured window.
import Demo
import Primitives

/// Keys become snake_case.
struct RaceReport: Encodable {
  struct Share: Encodable {
    var label: String
    /// The endpoint's part of the requests that endpoints took; nil where they took none.
    var share: Double?
    var fairShare: Double
  }

  struct Contestant: Encodable {
    var name: String
    /// Requests due in the measured window.
    var measured: RaceStatistics
    /// Of those, the ones due since the first fault.
    var sinceFault: RaceStatistics?
    /// Of faults that heal: the requests due while one lasted.
    var duringFault: RaceStatistics?
    /// From the fault until the endpoint was left alone; nil where it never was.
    var shiftSeconds: Double?
    /// From the healing until the endpoint took a request; nil where it took none.
    var returnSeconds: Double?
    /// Each endpoint's part of the requests taken in the measured window.
    var shares: [Double]?
    /// The part of the endpoint that suffers, in stretches since the event.
    var faultedShares: [Share]
  }

  var scenario: RaceScenario
  var seed: UInt64
  var ratePerSecond: Double
  var loadRatio: Double
  var faultedEndpoint: Int?
  /// How much later than due requests were sent.
  var sendLagP99Seconds: Double?
  var sendLagMaxSeconds: Double?
  /// CPU time of clients and endpoints ÷ time, over the measured window.
  var ownCoreRatio: Double
  var contestants: [Contestant]

  init(
    _ spec: RaceSpec, records: [[RequestRecord]], arrivals: [EndpointArrival],
    measuredAt start: Nanoseconds, ownCoreRatio: Double
  ) {
    let end = start + .seconds(spec.seconds)
    let field = spec.field
    scenario = spec.scenario
    seed = spec.seed
    ratePerSecond = spec.rate
    loadRatio = spec.loadRatio ?? spec.scenario.loadRatio
    faultedEndpoint = spec.scenario.endpoint(of: field)
    self.ownCoreRatio = ownCoreRatio
    let lags = records.joined().map { ($0.sentAt - $0.dueAt).seconds }.sorted()
    sendLagP99Seconds = RaceStatistics.quantile(0.99, ofSorted: lags)
    sendLagMaxSeconds = lags.last
    let firstFault = spec.scenario.steps(seconds: spec.seconds).first
    let windows = spec.scenario.windows(seconds: spec.seconds, field: field)
    let outage = spec.scenario.outage(seconds: spec.seconds)
    let faulted = faultedEndpoint
    contestants = spec.contestants.indices.map { index in
      func statistics(from: Nanoseconds, to: Nanoseconds? = nil) -> RaceStatistics {
        RaceStatistics(
          records[index], from: from, to: to ?? end, requestTimeout: LoadDriver.requestTimeout)
      }
      let server = faulted.map { index * field.speeds.count + $0 } ?? 0
      func shares(from: Nanoseconds, to: Nanoseconds) -> [Double]? {
        let servers = index * field.speeds.count..<(index + 1) * field.speeds.count
        return RaceStatistics.shares(arrivals, servers: servers, from: from, to: to)
      }
      return Contestant(
        name: spec.contestants[index].name, measured: statistics(from: start),
        sinceFault: firstFault.map { statistics(from: start + $0.at) },
        duringFault: outage.map {
          statistics(from: start + $0.lowerBound, to: start + $0.upperBound)
        },
        shiftSeconds: outage.flatMap {
          RaceStatistics.secondsUntilLeft(
            arrivals, server: server, from: start + $0.lowerBound, to: start + $0.upperBound)
        },
        returnSeconds: outage.flatMap {
          RaceStatistics.secondsUntilTaken(
            arrivals, server: server, from: start + $0.upperBound, to: end)
        },
        shares: shares(from: start, to: end),
        faultedShares: windows.map { window in
          let part = shares(from: start + window.from, to: start + window.to)
          return Share(
            label: window.label, share: faulted.flatMap { part?[$0] }, fairShare: window.fairShare)
        })
    }
  }
}
