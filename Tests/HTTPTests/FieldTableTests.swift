import Testing

@testable import HTTP

@Suite struct FieldTableTests {
  private static func table<Result>(
    _ fields: [String], _ body: (FieldTable) -> Result
  ) -> Result? {
    var parser = HeadParser()
    var head = RequestHead()
    let text = (["GET / HTTP/1.1", "Host: a"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
    return Array(text.utf8).withUnsafeBytes { bytes in
      guard parser.parse(bytes, into: &head) == .complete else { return nil }
      return body(parser.table(in: bytes))
    }
  }

  private static func found(_ name: String, _ fields: [String]) -> String? {
    table(fields) { table in
      switch table.find(Array(name.utf8)) {
      case .none: "none"
      case .several: "several"
      case .one(let value): String(decoding: value, as: UTF8.self)
      }
    }
  }

  @Test(arguments: [
    ("x-tenant", ["X-Tenant:  a b \t"], "a b"), ("x-tenant", ["x-TENANT: a"], "a"),
    ("x-tenant", ["X-Tenant:"], ""), ("x-tenant", [], "none"),
    ("x-tenant", ["X-Tenan: a", "X-Tenants: b", "Y-Tenant: c"], "none"),
    ("x-tenant", ["X-Tenant: a", "A: b", "x-tenant: a"], "several"),
    // "[" is "{" less the bit that tells the cases of letters apart.
    ("a^b", ["A~B: c"], "none"), ("x_y", ["X_Y: c"], "c"),
  ])
  func findsAFieldByItsName(_ name: String, _ fields: [String], _ expected: String) {
    #expect(Self.found(name, fields) == expected)
  }

  @Test func aNameIsFoundFromAnIndexOn() {
    let indexes = Self.table(["A: 1", "B: 2", "a: 3"]) { table in
      Array("a".utf8).withUnsafeBufferPointer { name in
        [0, 1, 2, 3, 4].map { table.index(of: name, from: $0) }
      }
    }
    #expect(indexes == [1, 1, 3, 3, nil])
  }

  @Test func knowsWhichNamesArePresent() {
    let names = Self.table(["Via: 1.1 a", "X-Request-Id: b"]) { table in
      FieldName.allCases.filter { table.has($0) }
    }
    #expect(names == [.host, .via, .xRequestID])
  }

  @Test func aFieldIsNamedByConnection() {
    let named = Self.table(["Connection: close , X-Hop,, y", "X-hop: 1", "Y: 2", "Z: 3"]) { table in
      (0..<table.count).map { table.isNamedByConnection(table[$0]) }
    }
    #expect(named == [false, false, true, true, false])
  }

  @Test func textIsBoundedAndUTF8() {
    #expect(Self.table(["Location: /a"]) { $0.text(of: "location") } == "/a")
    let long = String(repeating: "x", count: 1_025)
    #expect(Self.table(["Location: \(long)"]) { $0.text(of: "location") } == .some(nil))
    #expect(Self.table([]) { $0.text(of: "location") } == .some(nil))
  }
}
