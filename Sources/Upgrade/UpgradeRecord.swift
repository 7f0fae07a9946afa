// What a process goes on with when it replaces another one. Every part may be missing or not be
// understood, because the other process is of another version: what it is about begins anew then.
import FoundationEssentials

/// The state of a running steelyard, for its successor.
package struct UpgradeRecord: Codable, Sendable {
  /// The version of the program that made the record.
  package var program: String?
  package var process: Int?
  /// How long the successor may take until it is ready, seconds.
  package var readySeconds: Double?
  /// The parts of the state by name, each as JSON of its own.
  private var parts: [String: Data]?

  package init() {}

  /// Sets a part.
  package mutating func set(_ name: String, _ value: some Encodable) {
    guard let data = try? JSONEncoder().encode(value) else { return }
    parts = (parts ?? [:]).merging([name: data]) { $1 }
  }

  /// A part; nil: it is missing or not understood.
  package func part<Value: Decodable>(_ name: String, _ type: Value.Type) -> Value? {
    parts?[name].flatMap { try? JSONDecoder().decode(type, from: $0) }
  }
}
