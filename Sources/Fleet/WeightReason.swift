// Why a weight has its value: a kind for metrics, the numbers behind it, and the one sentence that
// log, status page, `top`, `weights` and `explain` show. The sentence is made from the numbers only
// when it is read.
import Primitives

/// Why an endpoint's weight has its value.
public struct WeightReason: Sendable, Equatable {
  /// The value of the label `reason` of `steelyard_endpoint_weight_reason`.
  public enum Kind: UInt8, Sendable, CaseIterable {
    /// The base weight: the law is static.
    case base
    /// There are no answers or pages yet to derive a weight from.
    case blackout
    /// The law's weight, from fresh numbers.
    case law
    /// The same, while the slew limit moves the weight to its target.
    case slew
    /// The law's weight from the last numbers, which are stale.
    case stale
    /// No usable numbers: the median of the other endpoints.
    case expired
    /// Weights are frozen and do not change.
    case frozen
    /// The operator pinned the weight.
    case pinned
    /// The law's weight times the operator's factor.
    case scaled
    /// Dry run: the base weight is used, the law's is only published.
    case dryRun

    public var label: String {
      switch self {
      case .base: "base"
      case .blackout: "blackout"
      case .law: "law"
      case .slew: "slew"
      case .stale: "stale"
      case .expired: "expired"
      case .frozen: "frozen"
      case .pinned: "pinned"
      case .scaled: "scaled"
      case .dryRun: "dry_run"
      }
    }
  }

  public var kind: Kind
  /// What the law's target is based on, even if something overrides it.
  public var evidence: WeightEvidence
  /// Why weights are frozen; set if `kind` is `frozen`.
  public var freeze: FreezeCause?

  public init(
    _ kind: Kind, _ evidence: WeightEvidence = .none, freeze: FreezeCause? = nil
  ) {
    self.kind = kind
    self.evidence = evidence
    self.freeze = freeze
  }
}

/// Why the weights of a pool are frozen.
public enum FreezeCause: String, Sendable, Equatable, CaseIterable {
  /// The operator froze them.
  case `operator`
  /// More than half of the endpoints that have requests do not answer them.
  case mostHang = "most endpoints do not answer"
  /// More endpoints are stalled than the watchdog may take out.
  case watchdogLimit = "more endpoints stand still than may be taken out"
}

/// The numbers that a target weight is based on.
public enum WeightEvidence: Sendable, Equatable {
  /// The law is `static`, or there is no evidence yet.
  case none
  /// The law `capacity`.
  case answers(AnswerEvidence)
  /// The law `headroom`: the signal nearest to its alarm.
  case signal(SignalEvidence)
  /// The law `steps`: the mean of the utilisations, 0…1, and each of them.
  case load(ratio: Double, [SignalEvidence])
  /// No usable number: the median of this many other endpoints. `isFirst`: there was never a
  /// number.
  case median(of: Int, isFirst: Bool)
  /// The law `steps`: after this many seconds without a page, full load is assumed.
  case noPage(seconds: Double)
}

/// One number of a metrics page.
public struct SignalEvidence: Sendable, Equatable {
  public var name: String
  public var value: Double
  /// nil: the signal has no thresholds.
  public var normal: Double?
  public var alarm: Double?

  public init(name: String, value: Double, normal: Double? = nil, alarm: Double? = nil) {
    self.name = name
    self.value = value
    self.normal = normal
    self.alarm = alarm
  }
}

/// The evidence in an endpoint's answers, compared with the other endpoints. "Recent" sums decay
/// over five usual response times, 10 s to 120 s.
public struct AnswerEvidence: Sendable, Equatable {
  /// The number of recent answers, decayed.
  public var answers = 0.0
  /// The endpoint's own mean response time, seconds; nil without recent answers.
  public var meanResponse: Double?
  /// The median of the mean response times of the pool's endpoints, seconds; nil while unknown.
  public var poolResponse: Double?
  /// Recent answers per second; nil without any.
  public var rate: Double?
  /// The median of the rates of the pool's endpoints.
  public var poolRate: Double?
  /// Requests that have been running far longer than usual.
  public var unanswered = 0
  /// The age of the oldest request, seconds.
  public var oldest = 0.0
  /// The endpoint's mean response time over minutes, seconds; nil while unknown.
  public var usualResponse: Double?
  /// The endpoint got no request lately, since faster endpoints could take all.
  public var isSpare = false
  /// The endpoint fell far below its usual rate, and is tried with single requests.
  public var isOnTrial = false
  /// Content of answers came lately: the requests make progress.
  public var isMoving = false
  /// A utilisation that lowers the weight, and the factor by which it does.
  public var limit: SignalEvidence?
  public var limitRatio = 1.0
  public init() {}
}

extension WeightRow {
  /// Why the weight has its value, in one sentence with this endpoint's own numbers.
  package var reasonText: String {
    let now = Self.share(effective, of: base)
    switch reason.kind {
    case .base: return "law static: the configured weight"
    case .blackout, .law, .expired: return reason.evidence.text(share: now)
    case .stale: return reason.evidence.text(share: now) + "; the numbers are getting old"
    case .slew:
      let goal = Self.share(target, of: base)
      return reason.evidence.text(share: "\(now), moving to \(goal)")
    case .frozen:
      let cause = reason.freeze ?? .operator
      let why = cause == .operator ? " by an operator" : ": \(cause.rawValue)"
      return "frozen\(why); stays at \(now)"
    case .pinned: return "pinned by an operator to \(NumberWords.short(effective))"
    case .scaled: return "scaled by an operator to \(now); \(lawText)"
    case .dryRun: return "dry run: the configured weight; \(lawText)"
    }
  }

  /// What the law would set.
  private var lawText: String {
    if reason.evidence == .none { return "the law says the configured weight" }
    return "the law says " + reason.evidence.text(share: Self.share(target, of: base))
  }

  /// A weight relative to its base weight, as people compare it with the configuration file.
  private static func share(_ weight: Double, of base: Double) -> String {
    guard base > 0 else { return "the configured weight" }
    let factor = weight / base
    if abs(factor - 1) < 0.005 { return "the configured weight" }
    return "\(NumberWords.factor(factor)) × its configured weight"
  }
}

extension WeightEvidence {
  /// The numbers alone, such as `cpu 0.78, between normal 0.7 and alarm 0.85`.
  package var words: String {
    switch self {
    case .signal(let signal): signal.text
    default: text(share: "")
    }
  }

  /// The sentence; `share` describes the weight.
  fileprivate func text(share: String) -> String {
    switch self {
    case .none: return share
    case .answers(let answers): return answers.text(share: share)
    case .signal(let signal): return "\(share): \(signal.text)"
    case .load(let ratio, let signals):
      let parts = signals.map { "\($0.name) \(NumberWords.percent($0.value))" }
      return
        "\(share): load \(NumberWords.percent(ratio)) (\(parts.joined(separator: ", ")))"
    case .median(let count, let isFirst):
      let what = isFirst ? "no metrics yet" : "no fresh metrics"
      guard count > 0 else { return "\(what), from no endpoint of the pool: \(share)" }
      return "\(what): \(share), the median of \(count) other endpoints"
    case .noPage(let seconds):
      return "\(share): no metrics page for \(NumberWords.duration(seconds)), counts as full load"
    }
  }
}

extension AnswerEvidence {
  fileprivate func text(share: String) -> String {
    var parts: [String] = []
    if unanswered > 0 {
      let noun = unanswered == 1 ? "request" : "requests"
      parts.append(
        "\(unanswered) \(noun) \(isMoving ? "unfinished" : "unanswered"), "
          + "\(unanswered == 1 ? "" : "the oldest ")for \(NumberWords.duration(oldest))")
    }
    if let meanResponse {
      var words = "mean response \(NumberWords.duration(meanResponse))"
      if let poolResponse {
        words += ", the pool's median is \(NumberWords.duration(poolResponse))"
      }
      parts.append(words)
      // Response times are equal but weights are not, so that the rates must differ.
      if let rate, let poolRate, poolRate > 0, rate / poolRate > 1.25 || rate / poolRate < 0.8 {
        parts.append(
          "\(NumberWords.short(rate)) answers/s, the pool's median is "
            + NumberWords.short(poolRate))
      }
    }
    if isOnTrial {
      parts.append("slower than it usually is: tried with single requests until it is well")
    }
    if let limit, limitRatio < 0.995 {
      parts.append("\(limit.text) lowers it to \(NumberWords.percent(limitRatio))")
    }
    if meanResponse == nil, unanswered == 0 {
      if isSpare {
        parts.insert("idle, as faster endpoints have room for all requests", at: 0)
        if let usualResponse {
          parts.append("its usual response is \(NumberWords.duration(usualResponse))")
        }
      }
      let rest = parts.isEmpty ? "" : "; " + parts.joined(separator: "; ")
      return "no recent requests: \(share)\(rest)"
    }
    return "\(share): \(parts.joined(separator: "; "))"
  }
}

extension SignalEvidence {
  /// Where the value lies between its thresholds.
  fileprivate var text: String {
    let words = "\(name) \(NumberWords.short(value))"
    guard let normal, let alarm else { return words }
    let (low, high) = (NumberWords.short(normal), NumberWords.short(alarm))
    if value >= alarm { return "\(words), beyond its alarm \(high)" }
    if value <= normal { return "\(words), below its normal \(low)" }
    return "\(words), between normal \(low) and alarm \(high)"
  }
}
