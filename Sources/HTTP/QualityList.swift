// Lists with weights, such as Accept and Accept-Encoding: the representation that a client prefers.
// Malformed elements are ignored; 64 elements are read. Source: RFC 9110 §12.4.2 (weights), §12.5.1
// (Accept), §12.5.3 (Accept-Encoding).

/// The elements of one field, all its lines joined by commas.
package struct QualityList: Sendable {
  /// One element: a media range, a coding, or a wildcard.
  struct Element: Sendable {
    /// In lower case.
    var value: String
    /// Names and values in lower case, without `q`.
    var parameters: [(name: String, value: String)] = []
    /// 0…1000.
    var quality = 1000
  }

  /// A representation that we could send.
  package struct Offer: Sendable {
    /// Such as `text/plain`, in lower case.
    package let type: String
    /// Parameters that a range may ask for, in lower case.
    package let parameters: [String: String]
    /// Parameters that the representation fulfils whatever they ask for.
    package let indifferent: Set<String>

    package init(
      _ type: String, _ parameters: [String: String], indifferent: Set<String> = []
    ) {
      self.type = type
      self.parameters = parameters
      self.indifferent = indifferent
    }
  }

  /// The choice.
  package struct Choice: Sendable {
    /// The index of the offer.
    package let index: Int
    /// The parameters of the matching range.
    package let parameters: [String: String]
  }

  private static let countMax = 64
  private(set) var elements: [Element] = []

  /// An empty text is an empty list.
  package init(_ text: String) {
    for part in Self.split(text, at: UInt8(ascii: ",")).prefix(Self.countMax) {
      if let element = Self.element(part) { elements.append(element) }
    }
  }

  // MARK: Choosing

  /// The offer with the highest weight; of several the one that was named most precisely, then the
  /// first. Nil where none is acceptable.
  package func best(of offers: [Offer]) -> Choice? {
    var best: (choice: Choice, quality: Int, precision: Int)?
    for (index, offer) in offers.enumerated() {
      guard let (range, precision) = range(for: offer), range.quality > 0 else { continue }
      if let best, (range.quality, precision) <= (best.quality, best.precision) { continue }
      let parameters = Dictionary(range.parameters.map { ($0.name, $0.value) }) { first, _ in first
      }
      best = (Choice(index: index, parameters: parameters), range.quality, precision)
    }
    return best?.choice
  }

  /// The index of the best of `types`; 0 where the field is absent or blank; nil where the client
  /// takes none of them.
  package static func choose(_ field: String?, of types: [String]) -> Int? {
    guard let field, field.contains(where: { $0 != " " && $0 != "," }) else { return 0 }
    return QualityList(field).best(of: types.map { Offer($0, [:]) })?.index
  }

  /// Whether gzip is acceptable and not less preferred than no coding.
  package var prefersGzip: Bool {
    func quality(_ names: [String]) -> Int? {
      elements.filter { names.contains($0.value) }.map(\.quality).max()
    }
    let gzip = quality(["gzip", "x-gzip"]) ?? quality(["*"]) ?? 0
    return gzip > 0 && gzip >= quality(["identity"]) ?? 0
  }

  /// The most precise range that the offer lies in.
  private func range(for offer: Offer) -> (Element, precision: Int)? {
    var best: (Element, precision: Int)?
    for element in elements {
      let wildcard = offer.type.prefix { $0 != "/" } + "/*"
      let level: Int
      switch element.value {
      case offer.type: level = 2
      case String(wildcard): level = 1
      case "*/*": level = 0
      default: continue
      }
      let fits = element.parameters.allSatisfy {
        offer.indifferent.contains($0.name) || offer.parameters[$0.name] == $0.value
      }
      guard fits else { continue }
      let precision = level * 100 + element.parameters.count
      if let best, (precision, element.quality) <= (best.precision, best.0.quality) { continue }
      best = (element, precision)
    }
    return best
  }

  // MARK: Reading

  /// Splits at bytes outside of quoted strings.
  private static func split(_ text: some StringProtocol, at separator: UInt8) -> [String] {
    var parts: [[UInt8]] = [[]]
    var isQuoted = false
    var isEscaped = false
    for byte in text.utf8 {
      if isEscaped {
        isEscaped = false
      } else if isQuoted, byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isQuoted.toggle()
      } else if byte == separator, !isQuoted {
        parts.append([])
        continue
      }
      parts[parts.count - 1].append(byte)
    }
    return parts.map { trimmed(String(decoding: $0, as: UTF8.self)) }
  }

  private static func trimmed(_ text: String) -> String {
    let blanks: Set<Character> = [" ", "\t"]
    let tail = text.drop { blanks.contains($0) }
    return String(tail.reversed().drop { blanks.contains($0) }.reversed())
  }

  private static func element(_ text: String) -> Element? {
    let parts = split(text, at: UInt8(ascii: ";"))
    var element = Element(value: parts[0].lowercased())
    let halves = element.value.split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count <= 2, halves.allSatisfy({ isToken($0) }) else { return nil }
    for part in parts.dropFirst() where !part.isEmpty {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard pair.count == 2, isToken(pair[0]) else { return nil }
      var value = String(pair[1]).lowercased()
      if value.hasPrefix("\""), value.hasSuffix("\""), value.count >= 2 {
        value = String(value.dropFirst().dropLast())
      } else if !isToken(value[...]) {
        return nil
      }
      let name = pair[0].lowercased()
      if name == "q" {
        guard let quality = quality(value) else { return nil }
        element.quality = quality
      } else {
        element.parameters.append((name, value))
      }
    }
    return element
  }

  private static func isToken(_ text: Substring) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { ByteClasses.classes(of: $0) & ByteClasses.token != 0 }
  }

  /// `0`, `1`, and at most three digits behind a point: 0…1000.
  private static func quality(_ text: String) -> Int? {
    let halves = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let digits = halves.count == 2 ? halves[1] : ""
    guard halves[0] == "0" || halves[0] == "1", digits.count <= 3,
      digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    let thousandths = digits + String(repeating: "0", count: 3 - digits.count)
    guard let rest = Int(thousandths) else { return nil }
    let quality = halves[0] == "1" ? 1000 + rest : rest
    return quality <= 1000 ? quality : nil
  }
}
