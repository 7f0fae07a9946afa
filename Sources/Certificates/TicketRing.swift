// Session ticket keys that this process makes for itself: a new one every 12 hours, of which the
// last three decrypt, so that a session can be resumed for a day at least.
import IO
import Primitives

struct TicketRing {
  static let period = Nanoseconds.seconds(12 * 3_600)
  static let keysMax = 3

  /// The first encrypts.
  private(set) var keys: [TicketKey]
  /// When the next key is due.
  private(set) var dueAt: Nanoseconds

  /// With one key.
  init(now: Nanoseconds) throws(TLSError) {
    keys = [try TicketKey.random()]
    dueAt = now + Self.period
  }

  /// That of another process; nil: it has no key, or the time is that of another machine.
  init?(_ record: TicketRecord, now: Nanoseconds) {
    keys = record.keys.prefix(Self.keysMax).compactMap(TicketKey.init)
    dueAt = Nanoseconds(record.dueAt)
    guard !keys.isEmpty, dueAt - now <= Self.period else { return nil }
  }

  /// For another process.
  var record: TicketRecord { TicketRecord(keys: keys.map(\.bytes), dueAt: dueAt.rawValue) }

  /// The same with a new key in front.
  func rotated(now: Nanoseconds) throws(TLSError) -> TicketRing {
    var next = self
    next.keys = [try TicketKey.random()] + keys.prefix(Self.keysMax - 1)
    next.dueAt = now + Self.period
    return next
  }
}
