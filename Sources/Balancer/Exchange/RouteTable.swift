// Selects the route of a request on one listener. Routes are ordered by host (exact, longest
// wildcard, any), then by path (exact, longest prefix), then by the number of further conditions,
// then by their order in the file. Invariant: the first route that matches in this order is taken,
// so a host without a matching path falls back to a more general host. Values are compared as
// received: nothing is decoded, no dot segments are removed.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
package import HTTP

/// The routes of one listener, the most specific first, grouped by host.
package struct RouteTable: Sendable {
  /// A range of `text`.
  private struct Word {
    var start: Int32
    var count: Int32
  }
  private enum HostKind { case exact, wildcard, any }
  private struct Group {
    var kind: HostKind
    /// The host in lower case; for a wildcard, the part from its dot on.
    var host: Word
    /// The end of the group's entries; they begin at the end of the previous group.
    var end: Int32
  }
  private struct Entry {
    var isExact: Bool
    /// The route takes every path to a pool, and therefore `OPTIONS *` too (RFC 9110 §9.3.7).
    var takesAsterisk: Bool
    var path: Word
    /// The ends of its ranges in `methods` and `conditions`, which begin at the ends of the
    /// previous entry.
    var methodEnd: Int32
    var conditionEnd: Int32
    var route: Int32
  }
  private enum ConditionKind { case exact, prefix, present, absent }
  private struct Condition {
    var kind: ConditionKind
    var name: Word
    var value: Word
  }

  private var groups: [Group] = []
  private var entries: [Entry] = []
  private var methods: [Word] = []
  private var conditions: [Condition] = []
  private var text: [UInt8] = []

  /// Makes the table; `match` returns indexes of `routes`.
  package init(_ routes: [Route]) {
    var rows: [Row] = []
    for (index, route) in routes.enumerated() {
      if route.match.hosts.isEmpty { rows.append(Row(nil, route, index)) }
      for host in route.match.hosts { rows.append(Row(host, route, index)) }
    }
    rows.sort { $0.isBefore($1) }
    for (index, row) in rows.enumerated() {
      if index == 0 || rows[index - 1].host != row.host { append(groupOf: row.host) }
      append(entryOf: row)
      groups[groups.count - 1].end = Int32(entries.count)
    }
  }

  /// The index of the route that the request matches; nil: no route matches.
  package func match(
    _ head: RequestHead, _ fields: FieldTable
  ) -> Int? {
    let bytes = fields.bytes
    let path = head.targetStart..<head.pathEnd
    let host = Self.hostRange(head.authorityStart..<head.authorityEnd, bytes)
    var first = 0
    for group in groups {
      let end = Int(group.end)
      if isMember(group, host, bytes) {
        for index in first..<end
        where
          (head.isAsterisk
          ? entries[index].takesAsterisk : isPath(entries[index], path, bytes))
          && isFulfilled(index, head, fields)
        {
          return Int(entries[index].route)
        }
      }
      first = end
    }
    return nil
  }

  // MARK: Comparing

  /// The authority without its port and without the final dot of a fully qualified name.
  static func hostRange(_ authority: Range<Int>, _ bytes: UnsafeRawBufferPointer)
    -> Range<Int>
  {
    var end = authority.lowerBound
    // An IPv6 address has colons inside its brackets.
    if end < authority.upperBound, bytes[end] == 0x5B {
      while end < authority.upperBound, bytes[end] != 0x5D { end += 1 }
    }
    while end < authority.upperBound, bytes[end] != 0x3A { end += 1 }
    if end > authority.lowerBound + 1, bytes[end - 1] == 0x2E { end -= 1 }
    return authority.lowerBound..<end
  }

  private func isMember(
    _ group: Group, _ host: Range<Int>, _ bytes: UnsafeRawBufferPointer
  ) -> Bool {
    let count = Int(group.host.count)
    switch group.kind {
    case .any: return true
    case .exact: return host.count == count && isSame(group.host, bytes, host.lowerBound)
    // At least one byte has to precede the dot.
    case .wildcard: return host.count > count && isSame(group.host, bytes, host.upperBound - count)
    }
  }

  /// Compares without regard to ASCII case. Requires: the word is in lower case.
  private func isSame(_ word: Word, _ bytes: UnsafeRawBufferPointer, _ start: Int) -> Bool {
    for offset in 0..<Int(word.count) {
      var byte = bytes[start + offset]
      if byte >= 0x41, byte <= 0x5A { byte |= 0x20 }
      if byte != text[Int(word.start) + offset] { return false }
    }
    return true
  }

  private func isPrefix(
    _ word: Word, of range: Range<Int>, _ bytes: UnsafeRawBufferPointer
  ) -> Bool {
    guard word.count <= range.count else { return false }
    for offset in 0..<Int(word.count)
    where text[Int(word.start) + offset] != bytes[range.lowerBound + offset] {
      return false
    }
    return true
  }

  private func isPath(_ entry: Entry, _ path: Range<Int>, _ bytes: UnsafeRawBufferPointer) -> Bool {
    // A target in absolute form may have no path, which means "/" (RFC 9110 §4.2.3).
    if path.isEmpty { return entry.path.count == 1 }
    return (!entry.isExact || path.count == entry.path.count)
      && isPrefix(entry.path, of: path, bytes)
  }

  private func isFulfilled(
    _ index: Int, _ head: RequestHead, _ fields: FieldTable
  ) -> Bool {
    let entry = entries[index]
    let firstMethod = index == 0 ? 0 : Int(entries[index - 1].methodEnd)
    let firstCondition = index == 0 ? 0 : Int(entries[index - 1].conditionEnd)
    if firstMethod < Int(entry.methodEnd) {
      let method = head.start..<head.methodEnd
      var isFound = false
      for word in firstMethod..<Int(entry.methodEnd)
      where methods[word].count == method.count && isPrefix(methods[word], of: method, fields.bytes)
      {
        isFound = true
      }
      if !isFound { return false }
    }
    for index in firstCondition..<Int(entry.conditionEnd)
    where !isFulfilled(conditions[index], fields) {
      return false
    }
    return true
  }

  private func isFulfilled(_ condition: Condition, _ fields: FieldTable) -> Bool {
    text.withUnsafeBufferPointer { text in
      let name = UnsafeBufferPointer(
        rebasing: text[Int(condition.name.start)..<Int(condition.name.start + condition.name.count)]
      )
      var start = 0
      while let index = fields.index(of: name, from: start) {
        let value = Int(fields[index].valueStart)..<Int(fields[index].valueEnd)
        switch condition.kind {
        case .present: return true
        case .absent: return false
        case .prefix: if isPrefix(condition.value, of: value, fields.bytes) { return true }
        case .exact:
          if value.count == condition.value.count,
            isPrefix(condition.value, of: value, fields.bytes)
          {
            return true
          }
        }
        start = index + 1
      }
      return condition.kind == .absent
    }
  }

  // MARK: Building

  /// A route under one of its hosts.
  private struct Row {
    let host: HostPattern?
    let match: RouteMatch
    let index: Int
    let takesAsterisk: Bool

    init(_ host: HostPattern?, _ route: Route, _ index: Int) {
      (self.host, match, self.index) = (host, route.match, index)
      takesAsterisk = match.path == .prefix("/") && route.action.pool != nil
    }

    /// The order of hosts, the largest first: exact names, then wildcards, then any host; within
    /// each the longest name first.
    private var hostRank: (Int, Int, String) {
      switch host {
      case .exact(let name): (2, name.utf8.count, name)
      case .wildcard(let name): (1, name.utf8.count, name)
      case nil: (0, 0, "")
      }
    }

    private var pathRank: (Int, Int) {
      switch match.path {
      case .exact(let path): (1, path.utf8.count)
      case .prefix(let path): (0, path.utf8.count)
      }
    }

    func isBefore(_ other: Row) -> Bool {
      if hostRank != other.hostRank { return hostRank > other.hostRank }
      if pathRank != other.pathRank { return pathRank > other.pathRank }
      let (count, otherCount) = (match.furtherCount, other.match.furtherCount)
      return count != otherCount ? count > otherCount : index < other.index
    }
  }

  private mutating func word(_ string: String) -> Word {
    let word = Word(start: Int32(text.count), count: Int32(string.utf8.count))
    text += string.utf8
    return word
  }

  private mutating func append(groupOf host: HostPattern?) {
    let end = Int32(entries.count)
    switch host {
    case .exact(let name): groups.append(Group(kind: .exact, host: word(name), end: end))
    case .wildcard(let name):
      groups.append(Group(kind: .wildcard, host: word("." + name), end: end))
    case nil: groups.append(Group(kind: .any, host: word(""), end: end))
    }
  }

  private mutating func append(entryOf row: Row) {
    for method in row.match.methods { methods.append(word(method)) }
    for field in row.match.fields {
      let name = word(field.name)
      switch field.test {
      case .exact(let value):
        conditions.append(Condition(kind: .exact, name: name, value: word(value)))
      case .prefix(let value):
        conditions.append(Condition(kind: .prefix, name: name, value: word(value)))
      case .present(let isPresent):
        conditions.append(
          Condition(kind: isPresent ? .present : .absent, name: name, value: word("")))
      }
    }
    var isExact = false
    if case .exact = row.match.path { isExact = true }
    let path = word(row.match.path.text)
    entries.append(
      Entry(
        isExact: isExact, takesAsterisk: row.takesAsterisk, path: path,
        methodEnd: Int32(methods.count),
        conditionEnd: Int32(conditions.count), route: Int32(row.index)))
  }
}
