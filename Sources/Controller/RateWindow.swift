// Over which time an increase is counted. A page may be refreshed more slowly than it is scraped
// (Triton 2 s, TorchServe 60 s): then an increase belongs to all the time since the change before,
// and its rate stands until the next one is due.
// Invariant: a rate that was counted over a window stands for about that window, so that rates
// times the time between pages add up to the increase. Example, scraped every second, +6 every
// third page: 0 0 2 2 2 2 2 2 …, not 0 0 6 0 0 6.
import Primitives

/// The windows of one signal's counters, from page to page.
struct RateWindow: Sendable {
  /// No page is refreshed more rarely than that; what changes later was idle before.
  static let spanMax = Nanoseconds.seconds(120)
  private static let spanCount = 7

  enum Verdict: Equatable {
    /// The increase since the base counts over this time. This page becomes the base.
    case count(Nanoseconds)
    /// The rate that was counted last still stands; the base stays.
    case hold
    /// Nothing moves any more. This page becomes the base.
    case still
  }

  /// The page that increases are counted from.
  private var baseAt = Nanoseconds.zero
  /// When a page last differed from the one before.
  private var changedAt = Nanoseconds.zero
  /// The last window that was counted over.
  private var counted: Nanoseconds?
  /// Between the last changes, the latest last.
  private var spans: [Nanoseconds] = []
  /// The first change after the base: how long the page had its numbers before is not known.
  private var isFirstChange = true
  private var isStill = false

  /// Forgets all but the page of now, which becomes the base: after a reset or a gap.
  mutating func begin(at now: Nanoseconds) {
    self = RateWindow()
    baseAt = now
    changedAt = now
  }

  /// A page sent at `now`, `spacing` after the one before, which it differs from or not. `canHold`:
  /// there is a rate that could stand. Requires: `begin` before.
  mutating func page(
    at now: Nanoseconds, spacing: Nanoseconds, didChange: Bool, canHold: Bool
  ) -> Verdict {
    let half = Nanoseconds(spacing.rawValue / 2)
    guard didChange else {
      let since = now - changedAt
      var limit = counted.map { $0 - half } ?? .zero
      // Where changes are regularly apart, the next one may be late by a page.
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
    // Two changes in quick succession: of the same refresh, or seen late and early.
    if let usual, !wasStill, canHold, window.rawValue < usual.rawValue / 4 * 3 {
      return .hold
    }
    baseAt = now
    counted = window
    return .count(window)
  }

  /// The mean time between changes, without the longest (a pause) and the shortest of them; nil
  /// before the second change.
  private var usual: Nanoseconds? {
    guard !spans.isEmpty else { return nil }
    let middle = spans.count < 3 ? spans[...] : spans.sorted().dropFirst().dropLast()
    return Nanoseconds(middle.reduce(0) { $0 + $1.rawValue } / Int64(middle.count))
  }
}
