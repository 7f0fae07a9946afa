// The session ticket keys that a process has made, for one that replaces it: its clients go on with
// their sessions. Keys are secrets: a record goes through a socket between the two processes only.

/// The keys and their next change.
package struct TicketRecord: Codable, Sendable {
  /// The bytes of each key; the first encrypts.
  var keys: [[UInt8]]
  /// Nanoseconds of the monotonic clock.
  var dueAt: Int64
}
