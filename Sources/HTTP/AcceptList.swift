// What an Accept field asks for (RFC 9110 §12.5.1).

/// Which of the media types that we can send a client wants.
package enum AcceptList {
  /// The index of the best of `offers` (such as `text/plain`, lower case); the first of equals, 0
  /// where the field is absent or not understood; nil where it takes none of them.
  package static func choose(_ field: String?, of offers: [String]) -> Int? {
    guard let field, field.contains(where: { $0 != " " && $0 != "," }) else { return 0 }
    var best: (index: Int, quality: Double)?
    for (index, offer) in offers.enumerated() {
      let quality = quality(of: offer, in: field)
      if quality > 0, quality > best?.quality ?? 0 { best = (index, quality) }
    }
    return best?.index
  }

  /// The quality of the most specific range that fits; 0 where none does.
  private static func quality(of offer: String, in field: String) -> Double {
    let kind = offer.prefix { $0 != "/" }
    var found: (rank: Int, quality: Double) = (0, 0)
    for item in field.split(separator: ",") {
      let parts = item.split(separator: ";").map { trimmed($0).lowercased() }
      guard let range = parts.first else { continue }
      let rank = range == offer ? 3 : range == "\(kind)/*" ? 2 : range == "*/*" ? 1 : 0
      guard rank > found.rank else { continue }
      var quality = 1.0
      for parameter in parts.dropFirst() where parameter.hasPrefix("q=") {
        quality = Double(parameter.dropFirst(2)).map { $0 >= 0 && $0 <= 1 ? $0 : 0 } ?? 0
      }
      found = (rank, quality)
    }
    return found.quality
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text
    while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return text
  }
}
