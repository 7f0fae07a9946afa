// What a race is told, one JSON file: the field, the scenario, where everybody listens.
import Demo
import FoundationEssentials
import IO
import Primitives

struct SpecError: Error {
  let message: String
}

/// Keys in snake_case.
struct RaceSpec: Decodable {
  struct Contestant: Decodable {
    var name: String
    /// Where its proxy listens.
    var proxy: String
    /// Where its own set of endpoints is to listen.
    var endpoints: [String]
  }

  var field: RaceField
  var scenario: RaceScenario
  var seed: UInt64
  /// The measured window's length, and what comes before it.
  var seconds: Double
  var warmUpSeconds: Double
  /// Offered load ÷ capacity; the scenario's own unless given.
  var loadRatio: Double?
  /// POST, which nobody repeats who was not told to; GET unless given.
  var isPost: Bool?
  var contestants: [Contestant]

  /// Errors: what is wrong with the file, for a person.
  static func read(_ path: String) throws(SpecError) -> RaceSpec {
    let spec: RaceSpec
    do {
      guard let bytes = try FileReader.read(path, byteCountMax: 1 << 20) else {
        throw SpecError(message: "the file is too long")
      }
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      spec = try decoder.decode(RaceSpec.self, from: Data(bytes))
    } catch {
      throw SpecError(message: "\(path): \(error)")
    }
    try spec.check()
    return spec
  }

  private func check() throws(SpecError) {
    let speeds = field.speeds
    guard (1...64).contains(speeds.count), speeds.allSatisfy({ $0 > 0 && $0 <= 1_000 }),
      (1...1_000).contains(field.slots), (0.001...100).contains(field.unitSeconds),
      (0...1).contains(field.fullCacheRatio), (0...100_000).contains(field.queueMax ?? 0),
      (400...599).contains(field.fullStatus ?? 503)
    else {
      throw SpecError(
        message: "1 to 64 speeds above 0, 1 to 1000 slots, a unit of 1 ms up, a ratio of 0 to 1, "
          + "up to 100000 waiting, a status of 400 to 599")
    }
    guard (1...3_600).contains(seconds), (0...600).contains(warmUpSeconds),
      (0.01...2).contains(loadRatio ?? 1)
    else { throw SpecError(message: "1 to 3600 seconds, 0 to 600 before, a load of 0.01 to 2") }
    guard (1...12).contains(contestants.count),
      contestants.allSatisfy({ $0.endpoints.count == speeds.count })
    else { throw SpecError(message: "1 to 12 contestants with an endpoint for each speed") }
  }

  /// Requests a second to each contestant.
  var rate: Double { field.capacity * (loadRatio ?? scenario.loadRatio) }

  static func addresses(_ texts: [String]) throws(SpecError) -> [SocketAddress] {
    var addresses: [SocketAddress] = []
    for text in texts {
      guard let address = SocketAddress(text) else {
        throw SpecError(message: "\(text) is not an address with a port")
      }
      addresses.append(address)
    }
    return addresses
  }
}
