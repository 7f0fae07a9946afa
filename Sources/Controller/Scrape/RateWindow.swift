// The window over which an increase is counted. A page may be refreshed more slowly than it is
// scraped (Triton 2 s, TorchServe 60 s): then an increase belongs to all the time since the change
// before, and its rate holds until the next change is due.
// Invariant: a rate that was counted over a window holds for about that window, so that rates times
// the time between pages add up to the increase. Example, scraped every second, +6 every third
// page: 0 0 2 2 2 2 2 2 …, not 0 0 6 0 0 6.
import Primitives

/// The windows of one signal's counters, from page to page.
struct RateWindow: Sendable {
  /// The longest time between refreshes; a counter that changes later was idle before.
  static let spanMax = Nanoseconds.seconds(120)
  private static let spanCount = 7

  enum Verdict: Equatable {
    /// The increase since the base counts over this time. This page becomes the base.
    case count(Nanoseconds)
    /// The last rate still holds; the base stays.
    case hold
    /// The counter no longer moves. This page becomes the base.
    case still
  }

  /// When the scrape of the base, from which increases count, was sent.
  private var baseAt = Nanoseconds.zero
  /// When a page last differed from the one before.
  private var changedAt = Nanoseconds.zero
  /// The last window that was counted.
  private var counted: Nanoseconds?
  /// The times between the last changes, the latest last.
  private var spans: [Nanoseconds] = []
  /// Whether the first change after the base is still to come: how long the base's numbers had been
  /// on the page is unknown.
  private var isFirstChange = true
  private var isStill = false

  /// Makes the present page the base and forgets all others, after a reset or a gap.
  mutating func begin(at now: Nanoseconds) {
    self = RateWindow()
    baseAt = now
    changedAt = now
  }

  /// Takes a page sent at `now`, `spacing` after the previous one. `canHold`: there is a rate that
  /// could hold. Requires: `begin` was called.
  mutating func page(
    at now: Nanoseconds, spacing: Nanoseconds, didChange: Bool, canHold: Bool
  ) -> Verdict {
    let half = Nanoseconds(spacing.rawValue / 2)
    guard didChange else {
      let since = now - changedAt
      var limit = counted.map { $0 - half } ?? .zero
      // If changes come at regular times, the next one may be late by a page.
      if let usual, usual >= spacing + half { limit = max(limit, usual + half) }
      if since <= limit, canHold { return .hold }
      isStill = true
      baseAt = changedAt
      return .still
    }
    let before = usual
    let wasStill = isStill
    let span = now - changedAt
    isStill = false
    changedAt = now
    if !isFirstChange, span <= Self.spanMax {
      spans = spans.suffix(Self.spanCount - 1) + [span]
    }
    var window = min(now - baseAt, Self.spanMax)
    if wasStill, let before { window = min(window, max(before, spacing)) }
    isFirstChange = false
    // Two changes in quick succession: parts of one refresh, or one seen late and one early.
    if let usual, !wasStill, canHold, window.rawValue < usual.rawValue / 4 * 3 {
      return .hold
    }
    baseAt = now
    counted = window
    return .count(window)
  }

  /// The mean time between changes, without the longest (a pause) and the shortest; nil before the
  /// second change.
  private var usual: Nanoseconds? {
    guard !spans.isEmpty else { return nil }
    let middle = spans.count < 3 ? spans[...] : spans.sorted().dropFirst().dropLast()
    return Nanoseconds(middle.reduce(0) { $0 + $1.rawValue } / Int64(middle.count))
  }
}
