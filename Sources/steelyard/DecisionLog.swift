// What the controller decided or found out lately, of all its logs, in words and wall-clock time.
import Controller
import Fleet
import Primitives
import Status

/// The controller's logs as one.
struct DecisionLog {
  let weights: [WeightChange]
  let health: [HealthChange]
  let tuning: [TuningChange]
  let scrapes: [ScrapeChange]

  /// Of changes of weights, which are many, so that the others are not lost among them.
  private static let weightsMax = 20

  /// In no order. Requires: `now` and `wall` are of the same moment.
  func decisions(now: Nanoseconds, wall: Nanoseconds) -> [Decision] {
    func at(_ instant: Nanoseconds) -> Nanoseconds { wall - (now - instant) }
    var found: [Decision] = []
    for change in weights.suffix(Self.weightsMax) {
      found.append(
        Decision(
          wall: at(change.at), kind: .weight, pool: change.pool, endpoint: "\(change.endpoint)",
          text:
            "target weight \(DecimalText.short(change.old)) → \(DecimalText.short(change.new)), "
            + change.reason.text))
    }
    for change in health {
      var text = "\(change.old.label) → \(change.new.label)"
      if let failure = change.failure { text += ", health probe: \(failure.kind.label)" }
      if let cause = change.cause { text += ", \(cause.label)" }
      found.append(
        Decision(
          wall: at(change.at), kind: .eligibility, pool: change.pool,
          endpoint: "\(change.endpoint)", text: text))
    }
    for change in tuning {
      var text = change.action + (change.hasExpired ? " is over" : "")
      if let lasts = change.lasts { text += " for \(DecimalText.short(lasts.seconds)) s" }
      found.append(
        Decision(
          wall: at(change.at), kind: .tuning, pool: change.pool,
          endpoint: change.endpoint.map { "\($0)" }, text: text))
    }
    for change in scrapes {
      let text = change.failure.map { "fails: \($0.kind.label) \($0.detail)" } ?? "works again"
      found.append(
        Decision(
          wall: at(change.at), kind: .scrape, pool: change.pool, endpoint: "\(change.address)",
          text: "scrape of \(change.path) \(text)"))
    }
    return found.map(\.bounded)
  }
}

extension Decision {
  /// With a text of at most 200 characters.
  fileprivate var bounded: Decision {
    guard text.count > 200 else { return self }
    var result = self
    result.text = String(text.prefix(199)) + "…"
    return result
  }
}
