// Server-sent events as the HTML standard has them (§9.2): fields on lines, an empty line at the
// end of each event.
import Primitives

/// One event. Requires of `data`: no line ends.
struct ServerSentEvent {
  var name: StaticString
  /// When it was made, since 1970.
  var id: Nanoseconds
  var data: [UInt8]

  /// Before the first event: how long a client waits before it connects again, milliseconds.
  static let preamble = Array("retry: 2000\n\n".utf8)

  var bytes: [UInt8] {
    Array("event: \(name)\nid: \(id.rawValue / 1_000_000)\ndata: ".utf8) + data + [0x0A, 0x0A]
  }
}
