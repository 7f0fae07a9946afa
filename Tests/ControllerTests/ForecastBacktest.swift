// Days of synthetic traffic, and how the forecast and the naive one ("as now") fared on them.
import Controller
import Glibc
import Primitives

/// Traffic whose rate is known.
struct SyntheticTraffic: Sendable, CustomStringConvertible {
  let description: String
  let hours: Double
  /// How much better than naive the forecast has to be, by horizon: its error ÷ the naive one's.
  let goals: [Double]
  /// Requests a second, from the hour of the run and whether the chain below is hot.
  let rate: @Sendable (_ hour: Double, _ isHot: Bool) -> Double
  /// Mean seconds cold, and hot, of a two-state chain; 0: always cold.
  var chain: (cold: Double, hot: Double) = (0, 0)
  /// The rate is multiplied by e^x, x an Ornstein-Uhlenbeck process of this deviation and an hour's
  /// memory.
  var wander = 0.0

  init(
    _ name: String, hours: Double, goals: [Double] = [1.05, 1.05, 1.05],
    chain: (cold: Double, hot: Double) = (0, 0), wander: Double = 0,
    rate: @escaping @Sendable (_ hour: Double, _ isHot: Bool) -> Double
  ) {
    description = name
    self.hours = hours
    self.goals = goals
    self.chain = chain
    self.wander = wander
    self.rate = rate
  }

  private static func day(_ hour: Double) -> Double { 10 - 8 * cos(2 * .pi * hour / 24) }

  static let all: [SyntheticTraffic] = [
    .init("constant 20/s", hours: 24, goals: [0.85, 0.85, 0.85]) { _, _ in 20 },
    .init("one in 20 s", hours: 24, goals: [0.9, 0.9, 0.9]) { _, _ in 0.05 },
    .init("idle", hours: 2, goals: [1, 1, 1]) { _, _ in 0 },
    .init("daily 2…18/s", hours: 96, goals: [0.85, 0.85, 0.75]) { hour, _ in day(hour) },
    .init("daily, third day half", hours: 96, goals: [0.85, 0.85, 0.8]) { hour, _ in
      day(hour) * (hour >= 48 && hour < 72 ? 0.5 : 1)
    },
    .init("office hours 5, 30/s", hours: 96, goals: [0.85, 0.9, 0.9]) { hour, _ in
      let time = hour.truncatingRemainder(dividingBy: 24)
      return time > 9 && time < 17 ? 30 : 5
    },
    .init("growth 5→50/s in 6 h", hours: 6, goals: [0.9, 0.85, 0.7]) { hour, _ in 5 + 7.5 * hour },
    .init("growth 5→100/s in 4 d", hours: 96, goals: [0.85, 0.85, 0.9]) { hour, _ in 5 + hour },
    .init("step 10→30/s", hours: 24, goals: [0.85, 0.9, 0.95]) { hour, _ in hour < 12 ? 10 : 30 },
    .init("steps 10, 25/s of 2 h", hours: 24) { hour, _ in Int(hour) / 2 % 2 == 0 ? 10 : 25 },
    .init("bursts 10, 50/s", hours: 48, chain: (600, 60)) { _, isHot in isHot ? 50 : 10 },
    .init("on/off 20 min", hours: 48) { hour, _ in Int(hour * 3) % 2 == 0 ? 20 : 0 },
    .init("on/off at random", hours: 48, chain: (1_200, 1_200)) { _, isHot in isHot ? 20 : 0 },
    .init("wandering around 20/s", hours: 48, wander: 0.4) { _, _ in 20 },
  ]

  /// Requests in each bin of 10 s.
  func counts(seed: UInt64) -> [Double] {
    var random = RandomSource(seed: seed)
    var isHot = false
    var x = 0.0
    return (0..<Int(hours * 360)).map { index in
      if chain.cold > 0, random.unit() < 10 / (isHot ? chain.hot : chain.cold) { isHot.toggle() }
      if wander > 0 { x += -x / 360 + wander * (2 / 360.0).squareRoot() * Self.normal(&random) }
      return Self.poisson(10 * exp(x) * rate(Double(index) / 360, isHot), &random)
    }
  }

  private static func normal(_ random: inout RandomSource) -> Double {
    (-2 * log(1 - random.unit())).squareRoot() * cos(2 * .pi * random.unit())
  }

  /// Knuth's product below 30, a rounded normal above.
  private static func poisson(_ mean: Double, _ random: inout RandomSource) -> Double {
    if mean > 30 {
      return max(0, (mean + mean.squareRoot() * normal(&random)).rounded())
    }
    let floor = exp(-mean)
    var product = random.unit()
    var count = 0.0
    while product > floor {
      product *= random.unit()
      count += 1
    }
    return count
  }
}

/// Mean absolute errors at one horizon, and how often what came was below `upper`.
struct BacktestResult {
  var naive = 0.0
  var forecast = 0.0
  var covered = 0.0
  /// Of those that had an upper bound.
  var bounded = 0.0
  var count = 0.0

  /// Forecast ÷ naive.
  var ratio: Double { naive == 0 ? (forecast == 0 ? 1 : .infinity) : forecast / naive }
}

enum Backtest {
  /// By horizon. The first two hours are for learning, half an hour where there are but two.
  static func run(_ traffic: SyntheticTraffic, seed: UInt64) -> [BacktestResult] {
    var forecast = Forecast()
    var results = ForecastHorizon.allCases.map { _ in BacktestResult() }
    // What was said, by bin: naive, forecast, upper bound.
    var said = ForecastHorizon.allCases.map { _ in [(Double, Double, Double?)?]() }
    var margins = ForecastHorizon.allCases.map { _ in Double?.none }
    forecast.take(0, now: .zero)
    let counts = traffic.counts(seed: seed)
    let learning = traffic.hours > 2 ? 720 : 180
    for (index, count) in counts.enumerated() {
      forecast.take(count, now: .seconds(10 * (index + 1)))
      let rate = forecast.rate ?? 0
      for horizon in ForecastHorizon.allCases {
        let each = horizon.rawValue
        if index > learning, let (naive, expected, upper) = said[each][index - horizon.binCount] {
          results[each].naive += abs(naive - rate)
          results[each].forecast += abs(expected - rate)
          if let upper {
            results[each].bounded += 1
            if rate <= upper { results[each].covered += 1 }
          }
          results[each].count += 1
        }
        // The error is asked for now and then: it sorts.
        if index % 30 == 0 { margins[each] = forecast.error(horizon)?.upper }
        said[each].append(
          forecast.expected(horizon).map { expected in
            (rate, expected, margins[each].map { max(0, expected + $0) })
          })
      }
    }
    for each in results.indices {
      results[each].naive /= results[each].count
      results[each].forecast /= results[each].count
      results[each].covered /= results[each].bounded
    }
    return results
  }

  /// A row of the table in docs/forecast.md.
  static func row(_ traffic: SyntheticTraffic, _ results: [BacktestResult]) -> String {
    func text(_ value: Double, _ digits: Int) -> String {
      var room = [CChar](repeating: 0, count: 32)
      withVaList([digits, value]) { _ = vsnprintf(&room, 32, "%.*f", $0) }
      return String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    let cells = results.map {
      "\(text($0.naive, 3)) → \(text($0.forecast, 3)) | \(text($0.ratio, 2)) "
        + "| \(text($0.covered * 100, 0)) %"
    }
    return "| \(traffic) | " + cells.joined(separator: " | ") + " |"
  }
}
