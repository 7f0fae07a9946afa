// The value of the Date field (RFC 9110 §5.6.7). Invariant: it is formatted at most once a second,
// and the clock is read at most once a turn.
import CSystem
import IO
import Primitives

struct HTTPDate: ~Copyable {
  private var second: Int64 = -1
  private var turn = UInt64.max
  private let text: UnsafeMutablePointer<CChar>

  init() { text = .allocate(capacity: 32) }

  deinit { text.deallocate() }

  /// `Sun, 06 Nov 1994 08:49:37 GMT`, 29 bytes; valid until the next loop turn. Reads the clock
  /// once a turn.
  mutating func current(turn: UInt64) -> UnsafeRawBufferPointer {
    if turn != self.turn {
      self.turn = turn
      let now = Clock.wall.rawValue / 1_000_000_000
      if now != second {
        second = now
        sy_http_date(now, text)
      }
    }
    return UnsafeRawBufferPointer(start: text, count: 29)
  }
}
