// Answers of servers in JSON, and what is wrong with them in words.
import FoundationEssentials

enum SourceJSON {
  /// The value of an answer in JSON. `what`: what is missing, as a sentence begins. Errors:
  /// `malformed`, with the place.
  static func decode<Value: Decodable>(
    _ content: [UInt8], _ what: String
  ) throws(SourceFailure) -> Value {
    do {
      return try JSONDecoder().decode(Value.self, from: Data(content))
    } catch {
      throw SourceFailure(.malformed, "\(what): \(text(error))")
    }
  }

  private static func text(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "no JSON" }
    let (path, words): ([any CodingKey], String) =
      switch error {
      case .keyNotFound(let key, let context):
        (context.codingPath, "`\(key.stringValue)` is missing")
      case .typeMismatch(_, let context): (context.codingPath, "a value of another type")
      case .valueNotFound(_, let context): (context.codingPath, "null")
      case .dataCorrupted(let context): (context.codingPath, "no JSON")
      @unknown default: ([], "no JSON")
      }
    let place = path.prefix(8).map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }
    return place.isEmpty ? words : "\(words) at \(String(place.joined().prefix(80)))"
  }
}
