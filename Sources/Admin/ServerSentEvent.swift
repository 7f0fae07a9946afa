// Server-sent events as the HTML standard has them (§9.2): fields on lines, an empty line at the
// end of each event.
package import Primitives
package import Status

/// One event. Requires of `data`: no line ends.
package struct ServerSentEvent {
  var name: StaticString
  /// When it was made, since 1970.
  var id: Nanoseconds
  var data: [UInt8]

  /// Before the first event: how long a client waits before it connects again, milliseconds.
  static let preamble = Array("retry: 2000\n\n".utf8)

  /// What the status page shows from second to second.
  package static func status(_ snapshot: StatusSnapshot, wall: Nanoseconds) -> ServerSentEvent {
    ServerSentEvent(name: "status", id: wall, data: snapshot.json)
  }

  /// As it is sent.
  package var bytes: [UInt8] {
    Array("event: \(name)\nid: \(id.rawValue / 1_000_000)\ndata: ".utf8) + data + [0x0A, 0x0A]
  }
}
