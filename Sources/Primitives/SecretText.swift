// Finds the secrets in a configuration file's text: values of header fields, tokens, keys and
// passwords. They are replaced wherever the text is shown. Files with syntax errors are shown too,
// so that this works on lines and needs no tree.
// Invariant: a replacement has the length of the secret in scalars, so that columns and carets stay
// right.

/// The text of a file with its secrets replaced.
package enum SecretText {
  /// Stands for a secret of unknown length.
  package static let mask = "********"

  /// The number of lines above a line that are searched for the mapping it belongs to.
  private static let linesAboveMax = 100
  private static let schemes = ["bearer", "basic", "digest", "apikey"]
  /// Keys that hold the source of a secret, not a secret, within a secret's mapping.
  fileprivate static let sources: Set<String> = ["file", "env"]
  /// Values that reveal nothing.
  fileprivate static let plain: Set<String> = [
    "none", "null", "~", "true", "false", "|", ">", "|-", ">-",
  ]

  /// Whether values of this name are secret: `Authorization`, `api_key`, `X-Auth-Token`.
  package static func isSecret(name: String) -> Bool {
    let letters = name.lowercased().filter { $0 != "-" && $0 != "_" && $0 != "." }
    if letters.hasSuffix("key"), letters != "key" { return true }
    let parts = ["authorization", "token", "secret", "password", "passwd", "credential", "apikey"]
    return parts.contains { letters.contains($0) }
  }

  /// Masks a line of a file. `above` returns the lines above it, the nearest first.
  package static func masked(line: String, above: (Int) -> String?) -> String {
    var scalars = Array(line.unicodeScalars)
    var mapping = Mapping.other
    var indent = indentation(scalars)
    var number = 0
    while indent > 0, number < linesAboveMax, let text = above(number) {
      number += 1
      let upper = Array(text.unicodeScalars)
      let own = indentation(upper)
      guard own < indent, own < upper.count else { continue }
      indent = own
      let found = Line(upper).mappings
      if found.contains(where: isSecret(name:)) {
        mapping = .secret
        break
      }
      // The conditions of a route are not secret by themselves.
      if found.contains("match") {
        mapping = .other
        break
      }
      if found.contains("headers") { mapping = .secret }
    }
    var lineText = Line(scalars)
    lineText.maskValues(of: mapping)
    scalars = lineText.scalars
    maskCredentials(&scalars)
    return String(String.UnicodeScalarView(scalars))
  }

  /// Masks any text: credentials after the name of a scheme, passwords and tokens in URLs.
  package static func masked(text: String) -> String {
    var scalars = Array(text.unicodeScalars)
    maskCredentials(&scalars)
    return String(String.UnicodeScalarView(scalars))
  }

  /// The parts of a line that were replaced: runs of at least four scalars.
  package static func secrets(of line: String, masked: String) -> [String] {
    var found: [String] = []
    var run = ""
    func end() {
      if run.unicodeScalars.count >= 4 { found.append(run) }
      run = ""
    }
    for (before, after) in zip(line.unicodeScalars, masked.unicodeScalars) {
      if after == "*", before != "*" { run.unicodeScalars.append(before) } else { end() }
    }
    end()
    return found
  }

  /// Masks text that may quote a line: as `masked(text:)`, and without the secrets of that line. A
  /// quotation may be truncated: from 12 scalars of a secret on, everything up to the closing quote
  /// is replaced.
  package static func masked(text: String, without secrets: [String]) -> String {
    var result = masked(text: text)
    for secret in secrets {
      let start = String(String.UnicodeScalarView(secret.unicodeScalars.prefix(12)))
      var parts: [String] = []
      var rest = Substring(result)
      while let hit = find(start, in: rest) {
        parts.append(rest[..<hit.lowerBound] + mask)
        rest = rest[hit.upperBound...]
        if secret.unicodeScalars.count > 12 { rest = rest.drop { $0 != "`" && $0 != " " } }
      }
      result = parts.joined() + rest
    }
    return result
  }

  private static func find(_ part: String, in text: Substring) -> Range<Substring.Index>? {
    var index = text.startIndex
    while index < text.endIndex {
      if text[index...].hasPrefix(part) {
        return index..<text.index(index, offsetBy: part.count)
      }
      index = text.index(after: index)
    }
    return nil
  }

  fileprivate enum Mapping { case other, secret }

  /// The blanks and list dashes before the first key.
  private static func indentation(_ scalars: [Unicode.Scalar]) -> Int {
    scalars.firstIndex { $0 != " " && $0 != "\t" && $0 != "-" } ?? scalars.count
  }

  // MARK: Secrets in any text

  private static func maskCredentials(_ scalars: inout [Unicode.Scalar]) {
    for scheme in schemes { maskCredentials(after: Array(scheme.unicodeScalars), &scalars) }
    maskQueries(&scalars)
    maskUserInfo(&scalars)
    maskPEM(&scalars)
  }

  /// `-----BEGIN PRIVATE KEY-----` and what follows on the line.
  private static func maskPEM(_ scalars: inout [Unicode.Scalar]) {
    let mark = Array("-----BEGIN ".unicodeScalars)
    var index = 0
    while index + mark.count < scalars.count {
      guard scalars[index] == mark[0], scalars[index..<(index + mark.count)].elementsEqual(mark)
      else {
        index += 1
        continue
      }
      let start = index + mark.count
      let end = scalars[start...].firstIndex { $0 == "\n" || $0 == "\"" } ?? scalars.count
      replace(&scalars, start..<end)
      index = end
    }
  }

  /// `Bearer abc`: the word after the name of the scheme, with any number of blanks between.
  private static func maskCredentials(
    after scheme: [Unicode.Scalar], _ scalars: inout [Unicode.Scalar]
  ) {
    var index = 0
    while index + scheme.count < scalars.count {
      let isHit =
        (index == 0 || !isWord(scalars[index - 1]))
        && scheme.indices.allSatisfy { lower(scalars[index + $0]) == scheme[$0] }
      guard isHit else {
        index += 1
        continue
      }
      var start = index + scheme.count
      let afterName = start
      while start < scalars.count, scalars[start] == " " || scalars[start] == "\t" { start += 1 }
      var end = start
      while end < scalars.count, !isEnd(scalars[end]) { end += 1 }
      // A short word after the name is English: "a token from".
      if start > afterName, end - start >= 8 { replace(&scalars, start..<end) }
      index = max(end, index + 1)
    }
  }

  /// `?api_key=abc&x=1`.
  private static func maskQueries(_ scalars: inout [Unicode.Scalar]) {
    var index = 0
    while index < scalars.count {
      guard scalars[index] == "?" || scalars[index] == "&" else {
        index += 1
        continue
      }
      var end = index + 1
      while end < scalars.count, isWord(scalars[end]) { end += 1 }
      let name = text(scalars[(index + 1)..<end])
      index = end
      guard end < scalars.count, scalars[end] == "=", isSecret(name: name) || name == "key" else {
        continue
      }
      var last = end + 1
      while last < scalars.count, !isEnd(scalars[last]), scalars[last] != "&" { last += 1 }
      replace(&scalars, (end + 1)..<last)
      index = last
    }
  }

  /// `http://user:password@host`.
  private static func maskUserInfo(_ scalars: inout [Unicode.Scalar]) {
    var index = 2
    while index < scalars.count {
      guard scalars[index - 2] == ":", scalars[index - 1] == "/", scalars[index] == "/" else {
        index += 1
        continue
      }
      let start = index + 1
      var end = start
      while end < scalars.count, !isEnd(scalars[end]), scalars[end] != "/", scalars[end] != "@" {
        end += 1
      }
      if end < scalars.count, scalars[end] == "@" { replace(&scalars, start..<end) }
      index = max(end, index + 1)
    }
  }

  fileprivate static func replace(_ scalars: inout [Unicode.Scalar], _ range: Range<Int>) {
    for index in range { scalars[index] = "*" }
  }

  fileprivate static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    String(String.UnicodeScalarView(scalars))
  }

  fileprivate static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "_", "-", ".": true
    default: false
    }
  }

  private static func lower(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    guard case "A"..."Z" = scalar else { return scalar }
    return Unicode.Scalar(UInt8(scalar.value) + 32)
  }

  private static func isEnd(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case " ", "\t", "\"", "'", "`", ",", "}", "]", ")": true
    default: false
    }
  }
}

/// One line of YAML or JSON as keys and values, as far as a single line shows them.
private struct Line {
  private(set) var scalars: [Unicode.Scalar]
  private var index = 0

  init(_ scalars: [Unicode.Scalar]) { self.scalars = scalars }

  /// Lower-case names of the keys in the line.
  var mappings: [String] {
    var names: [String] = []
    var copy = self
    while let key = copy.nextKey() { names.append(key.lowercased()) }
    return names
  }

  /// Replaces the values of secret names, of all fields of `headers`, and, in a secret's mapping,
  /// all values but those of source keys.
  mutating func maskValues(of mapping: SecretText.Mapping) {
    index = 0
    let isSecretLine = mapping == .secret
    var secretDepth: Int?
    var matchDepth: Int?
    var depth = 0
    var hasKey = false
    let start = scalars.firstIndex { $0 != " " && $0 != "\t" } ?? scalars.count
    while index < scalars.count {
      switch scalars[index] {
      case "{", "[":
        depth += 1
        index += 1
      case "}", "]":
        depth -= 1
        if let open = secretDepth, depth < open { secretDepth = nil }
        if let open = matchDepth, depth < open { matchDepth = nil }
        index += 1
      case "#" where index == 0 || scalars[index - 1] == " ": return
      default:
        let before = index
        guard let key = keyHere() else {
          if secretDepth != nil, !isBetweenItems(scalars[before]) {
            // An item of a list where a secret is expected.
            index = before
            maskScalar(isFlow: true)
          }
          index = max(index, before + 1)
          continue
        }
        hasKey = true
        let name = key.lowercased()
        let isNested = opensMapping()
        if name == "match", isNested { matchDepth = depth + 1 }
        let isSecret =
          SecretText.isSecret(name: name) || isSecretLine || secretDepth != nil
          || name == "headers" && matchDepth == nil
        if isNested {
          if isSecret, secretDepth == nil { secretDepth = depth + 1 }
        } else if isSecret {
          let kept = scalars
          maskScalar(isFlow: depth > 0)
          if SecretText.sources.contains(name) { scalars = kept }
        }
      }
    }
    // The remainder of a value that began in a line above.
    if isSecretLine, !hasKey { SecretText.replace(&scalars, start..<scalars.count) }
  }

  private func isBetweenItems(_ scalar: Unicode.Scalar) -> Bool {
    scalar == " " || scalar == "\t" || scalar == ","
  }

  /// The next key of the line, at any position.
  private mutating func nextKey() -> String? {
    while index < scalars.count {
      let before = index
      if let key = keyHere() { return key }
      index = max(index, before + 1)
    }
    return nil
  }

  /// A key that begins here, with its colon; `index` is after both then.
  private mutating func keyHere() -> String? {
    guard index == 0 || !SecretText.isWord(scalars[index - 1]) else { return nil }
    var at = index
    var name: String
    if scalars[at] == "\"" || scalars[at] == "'" {
      let quote = scalars[at]
      let start = at + 1
      at = start
      while at < scalars.count, scalars[at] != quote { at += scalars[at] == "\\" ? 2 : 1 }
      guard at < scalars.count else {
        index = scalars.count
        return nil
      }
      name = SecretText.text(scalars[start..<at])
      at += 1
    } else {
      let start = at
      while at < scalars.count, SecretText.isWord(scalars[at]) { at += 1 }
      guard at > start else { return nil }
      name = SecretText.text(scalars[start..<at])
    }
    let end = at
    while at < scalars.count, scalars[at] == " " { at += 1 }
    guard at < scalars.count, scalars[at] == ":" else {
      index = end
      return nil
    }
    index = at + 1
    return name
  }

  /// Whether the value is a mapping or a list that begins in this line or below it.
  private func opensMapping() -> Bool {
    var at = index
    while at < scalars.count, scalars[at] == " " || scalars[at] == "\t" { at += 1 }
    return at == scalars.count || scalars[at] == "{" || scalars[at] == "["
  }

  /// Replaces the scalar that begins here and moves past it.
  private mutating func maskScalar(isFlow: Bool) {
    while index < scalars.count, scalars[index] == " " || scalars[index] == "\t" { index += 1 }
    guard index < scalars.count else { return }
    let start = index
    let quote = scalars[index]
    if quote == "\"" || quote == "'" {
      index += 1
      while index < scalars.count, scalars[index] != quote {
        index += scalars[index] == "\\" && quote == "\"" ? 2 : 1
      }
      index = min(index, scalars.count)
      SecretText.replace(&scalars, (start + 1)..<index)
      index = min(index + 1, scalars.count)
      return
    }
    while index < scalars.count {
      let scalar = scalars[index]
      if isFlow, scalar == "," || scalar == "}" || scalar == "]" { break }
      if scalar == "#", scalars[index - 1] == " " { break }
      index += 1
    }
    var end = index
    while end > start, scalars[end - 1] == " " || scalars[end - 1] == "\r" { end -= 1 }
    let value = SecretText.text(scalars[start..<end]).lowercased()
    if SecretText.plain.contains(value) { return }
    SecretText.replace(&scalars, start..<end)
  }
}
