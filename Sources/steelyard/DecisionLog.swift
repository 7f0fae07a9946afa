// What was decided or found out lately, of the controller's logs and the event log's notes, in
// words and wall-clock time. Changes of weights are apart: they are many.
import Controller
import Fleet
import Primitives
import Status

/// The logs as one.
struct DecisionLog {
  let controller: Controller
  let notes: BoundedLog<FleetNote>
  /// Of the same moment.
  let now: Nanoseconds
  let wall: Nanoseconds

  /// All but changes of weights, in no order.
  func decisions() -> [Decision] {
    var found: [Decision] = []
    for change in controller.healthLog.entries {
      var text = "\(change.old.label) → \(change.new.label)"
      if let failure = change.failure { text += ", health check: \(failure.kind.label)" }
      if let cause = change.cause { text += ", \(cause.label)" }
      found.append(
        decision(change.at, .eligibility, change.pool, "\(change.endpoint)", text))
    }
    for change in controller.tuningLog.entries {
      var text = change.action + (change.hasExpired ? " is over" : "")
      if let lasts = change.lasts { text += " for \(NumberWords.short(lasts.seconds)) s" }
      found.append(
        decision(change.at, .tuning, change.pool, change.endpoint.map { "\($0)" }, text))
    }
    for change in controller.scrapeLog.entries {
      let text = change.failure.map { "fails: \($0.kind.label) \($0.detail)" } ?? "works again"
      found.append(
        decision(
          change.at, .scrape, change.pool, "\(change.address)", "scrape of \(change.path) \(text)"))
    }
    for note in notes.entries {
      found.append(
        decision(note.at, note.kind, note.pool, note.endpoint.map { "\($0)" }, note.text))
    }
    return found
  }

  /// Changes of target weights, in no order.
  func weightChanges() -> [Decision] {
    controller.weightLog.entries.suffix(StatusSnapshot.weightChangesMax).map { change in
      decision(
        change.at, .weight, change.pool, "\(change.endpoint)",
        "target weight \(NumberWords.short(change.old)) → \(NumberWords.short(change.new)), "
          + change.row.reasonText)
    }
  }

  /// With a text of at most 200 characters.
  private func decision(
    _ at: Nanoseconds, _ kind: Decision.Kind, _ pool: String?, _ endpoint: String?, _ text: String
  ) -> Decision {
    let text = kind == .scrape ? SecretText.masked(text: text) : text
    let bounded = text.count > 200 ? String(text.prefix(199)) + "…" : text
    return Decision(
      wall: wall - (now - at), kind: kind, pool: pool, endpoint: endpoint, text: bounded)
  }
}
