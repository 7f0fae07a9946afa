// Server-sent events (HTML standard, §9.2): fields on lines, and an empty line after each event.
package import Primitives
package import Status

/// One event. Requires of `data`: no line ends.
package struct ServerSentEvent {
  var name: StaticString
  /// The wall-clock time of the event, since 1970.
  var id: Nanoseconds
  var data: [UInt8]

  /// The beginning of a stream: the milliseconds that a client waits before it connects again.
  static let preamble = Array("retry: 2000\n\n".utf8)

  /// The event with the status of this second.
  package static func status(_ snapshot: StatusSnapshot, wall: Nanoseconds) -> ServerSentEvent {
    ServerSentEvent(name: "status", id: wall, data: snapshot.json)
  }

  /// The bytes of the event.
  package var bytes: [UInt8] {
    Array("event: \(name)\nid: \(id.rawValue / 1_000_000)\ndata: ".utf8) + data + [0x0A, 0x0A]
  }
}
