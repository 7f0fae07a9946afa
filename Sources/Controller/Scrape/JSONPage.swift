// A JSON object flattened: the name of a value is its keys and array positions joined by dots.
// Bounds: bytes, depth and number of values. Values are sorted by key, so that nothing depends on
// hashing.
import FoundationEssentials

/// The values of a JSON page.
package struct JSONPage: Decodable {
  /// The greatest depth that is read.
  static let depthMax = 16
  /// A value that is not a number costs JSONDecoder about 25 µs; pages of the operator's own are
  /// small.
  package static let valueMax = 2_000
  static let byteCountMax = 256 << 10

  /// A leaf; nil: it is not a number.
  package struct Value: Equatable {
    package var name: String
    package var number: Double?
  }

  package private(set) var values: [Value] = []

  /// Requires: the first byte that is not blank is `{`.
  package static func read(_ page: UnsafeRawBufferPointer) throws(PageError) -> JSONPage {
    guard page.count <= byteCountMax else { throw .jsonTooLarge }
    do {
      return try JSONDecoder().decode(JSONPage.self, from: Data(page))
    } catch let error as PageError {
      throw error
    } catch {
      throw .badJSON
    }
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  package init(from decoder: any Decoder) throws {
    try walk(decoder.container(keyedBy: Key.self), name: "", depth: 1)
  }

  private mutating func walk(
    _ object: KeyedDecodingContainer<Key>, name: String, depth: Int
  ) throws {
    guard depth <= Self.depthMax else { throw PageError.tooDeep }
    guard object.allKeys.count <= Self.valueMax else { throw PageError.tooManyValues }
    let keys = object.allKeys.sorted {
      $0.stringValue.utf8.lexicographicallyPrecedes($1.stringValue.utf8)
    }
    for key in keys {
      let child = name.isEmpty ? key.stringValue : "\(name).\(key.stringValue)"
      if let number = try? object.decode(Double.self, forKey: key) {
        try append(child, number)
      } else if let inner = try? object.nestedContainer(keyedBy: Key.self, forKey: key) {
        try walk(inner, name: child, depth: depth + 1)
      } else if var list = try? object.nestedUnkeyedContainer(forKey: key) {
        try walk(&list, name: child, depth: depth + 1)
      } else {
        try append(child, nil)
      }
    }
  }

  private mutating func walk(
    _ list: inout any UnkeyedDecodingContainer, name: String, depth: Int
  ) throws {
    guard depth <= Self.depthMax else { throw PageError.tooDeep }
    var index = 0
    while !list.isAtEnd {
      let child = "\(name).\(index)"
      if let number = try? list.decode(Double.self) {
        try append(child, number)
      } else if let inner = try? list.nestedContainer(keyedBy: Key.self) {
        try walk(inner, name: child, depth: depth + 1)
      } else if var inner = try? list.nestedUnkeyedContainer() {
        try walk(&inner, name: child, depth: depth + 1)
      } else if (try? list.decodeNil()) == true || (try? list.decode(Bool.self)) != nil {
        try append(child, nil)
      } else {
        _ = try list.decode(String.self)
        try append(child, nil)
      }
      index += 1
    }
  }

  private mutating func append(_ name: String, _ number: Double?) throws {
    guard values.count < Self.valueMax else { throw PageError.tooManyValues }
    values.append(Value(name: name, number: number))
  }
}
