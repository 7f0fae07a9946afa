// A metrics page in JSON: the name of a value is its path, keys and positions joined by dots. Its
// bytes, its depth and the number of values are bounded. Values stand in the order of the page.

/// The values of a JSON page.
package struct JSONPage {
  /// The greatest depth that is read.
  static let depthMax = 16
  package static let valueMax = 2_000
  static let byteCountMax = 256 << 10

  /// A scalar.
  package struct Value: Equatable {
    package var name: String
    /// nil: it is not a number, or none that a Double holds.
    package var number: Double?
  }

  package private(set) var values: [Value] = []

  /// Reads a page. Of several values with the same name the first counts. Requires: the first byte
  /// that is not blank is `{`.
  package static func read(_ page: UnsafeRawBufferPointer) throws(PageError) -> JSONPage {
    guard page.count <= byteCountMax else { throw .jsonTooLarge }
    var result = JSONPage()
    var names: Set<String> = []
    do throws(JSONLeaves.Malformed) {
      for leaf in try JSONLeaves.read(page, depthMax: depthMax, countMax: valueMax)
      where names.insert(leaf.path).inserted {
        let number = leaf.kind == .number ? Double(leaf.text) : nil
        result.values.append(
          Value(name: leaf.path, number: number.flatMap { $0.isFinite ? $0 : nil }))
      }
    } catch {
      switch error.reason {
      case .syntax: throw .badJSON
      case .tooDeep: throw .tooDeep
      case .tooManyValues: throw .tooManyValues
      }
    }
    return result
  }
}
