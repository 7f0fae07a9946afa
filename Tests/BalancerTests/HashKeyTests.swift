// The keys of a head: fields, cookies, query parameters and the path; and the affinity cookie.
import Fleet
import HTTP
import Primitives
import Testing

@testable import Balancer

private let client = "192.0.2.7"

/// Parses a request and passes it to `body` while its bytes are valid.
private func withHead<Result>(
  _ target: String, _ fields: [String], _ body: (KeyedHead) -> Result
) -> Result {
  let text = (["GET \(target) HTTP/1.1", "Host: a"] + fields).joined(separator: "\r\n")
  return withHead(text + "\r\n\r\n", body)
}

private func withHead<Result>(
  _ text: String, _ body: (KeyedHead) -> Result
) -> Result {
  var parser = HeadParser()
  var head = RequestHead()
  return Array(text.utf8).withUnsafeBytes { bytes in
    #expect(parser.parse(bytes, into: &head) == .complete, "\(text)")
    return Array(client.utf8).withUnsafeBytes { client in
      body(KeyedHead(head: head, fields: parser.table(in: bytes), client: client))
    }
  }
}

private func text(_ bytes: UnsafeRawBufferPointer?) -> String? {
  bytes.map { String(decoding: $0, as: UTF8.self) }
}

private struct KeyRow: Sendable, CustomTestStringConvertible {
  let fields: [String]
  let expected: String?
  let location: SourceLocation

  init(_ fields: [String], _ expected: String?, _ location: SourceLocation = #_sourceLocation) {
    self.fields = fields
    self.expected = expected
    self.location = location
  }

  init(_ field: String, _ expected: String?, _ location: SourceLocation = #_sourceLocation) {
    self.init([field], expected, location)
  }

  var testDescription: String { fields.joined(separator: " | ") }
}

@Suite struct HashKeyTests {
  private static let cookieRows: [KeyRow] = [
    .init("Cookie: id=7", "7"),
    .init("cookie: id=7", "7"),
    .init("Cookie: a=1; id=7; b=2", "7"),
    .init("Cookie: a=1;id=7;b=2", "7"),
    .init("Cookie: a=1;\t id = 7 ; b=2", "7"),
    .init("Cookie: id=\"7 8\"", "7 8"),
    .init("Cookie: id=\"7", "\"7"),
    .init("Cookie: id=\"", "\""),
    .init("Cookie: id=\"a;b\"", "\"a"),
    .init("Cookie: id=a=b", "a=b"),
    .init("Cookie: id=%37", "%37"),
    .init("Cookie: id=1; id=2", "1"),
    .init("Cookie: id=; id=2", "2"),
    .init("Cookie: id=\"\"; id=2", "2"),
    .init(["Cookie: a=1", "Cookie: id=2"], "2"),
    .init(["Cookie: id=1; a=1", "X: y", "Cookie: id=2"], "1"),
    .init("Cookie: id", nil),
    .init("Cookie: id=", nil),
    .init("Cookie: id= ", nil),
    .init("Cookie: ID=7", nil),
    .init("Cookie: xid=7; idx=8; i=9", nil),
    .init("Cookie: ;;; ; =; id", nil),
    .init("Cookie:", nil),
    .init("X-Cookie: id=7", nil),
    .init("Set-Cookie: id=7", nil),
    .init([], nil),
  ]

  @Test(arguments: cookieRows) private func aCookieIs(row: KeyRow) {
    let found = withHead("/", row.fields) { text($0.cookie(Array("id".utf8))) }
    #expect(found == row.expected, sourceLocation: row.location)
  }

  private static let headerRows: [KeyRow] = [
    .init("X-User: 7", "7"),
    .init("x-USER: \t 7 8 \t", "7 8"),
    .init(["X-User: 1", "X-User: 2"], "1"),
    .init(["X-User:", "X-User: 2"], "2"),
    .init("X-User: \u{e9}", "\u{e9}"),
    .init("X-User:", nil),
    .init("X-Users: 7", nil),
    .init("X-Use: 7", nil),
    // "-" and CR differ in one bit, as the cases of letters do.
    .init("X_User: 7", nil),
    .init([], nil),
  ]

  @Test(arguments: headerRows) private func aFieldIs(row: KeyRow) {
    let found = withHead("/", row.fields) { text($0.header(Array("x-user".utf8))) }
    #expect(found == row.expected, sourceLocation: row.location)
  }

  @Test(
    arguments: [
      ("/?id=7", "7"), ("/?a=1&id=7&b=2", "7"), ("/?id=a%20b", "a%20b"), ("/?id=a=b", "a=b"),
      ("/?id=1&id=2", "1"), ("/?id=&id=2", "2"), ("/a?&&id=7", "7"), ("/?id=7?id=8", "7?id=8"),
      ("http://a.example?id=7", "7"), ("?", nil), ("/?", nil), ("/", nil), ("/?id", nil),
      ("/?id=", nil), ("/?ID=7", nil), ("/?xid=7&idx=8", nil), ("/id=7", nil), ("/?%69d=7", nil),
      ("/?id=7;id=8", "7;id=8"),
    ] as [(String, String?)])
  func aQueryParameterIs(target: String, expected: String?) {
    // A target has to begin with "/" or a scheme.
    let target = target.hasPrefix("?") ? "http://a" + target : target
    #expect(withHead(target, []) { head in text(head.query(Array("id".utf8))) } == expected)
  }

  @Test(arguments: [
    ("/a/b?c", "/a/b"), ("/", "/"), ("/?x", "/"), ("http://a.example", "/"),
    ("http://a.example/x?y", "/x"), ("http://a.example?y", "/"), ("/%41", "/%41"),
  ])
  func thePathIs(target: String, expected: String) {
    #expect(withHead(target, []) { head in text(head.path) } == expected)
  }

  @Test func offsetsHoldAfterAnEmptyLine() {
    let request = "\r\nGET /p?id=q HTTP/1.1\r\nHost: a\r\nX-User: u\r\nCookie: id=c\r\n\r\n"
    let found = withHead(request) { head in
      [
        text(head.header(Array("x-user".utf8))), text(head.query(Array("id".utf8))),
        text(head.cookie(Array("id".utf8))), text(head.path),
      ]
    }
    #expect(found == ["u", "q", "c", "/p"])
  }

  private static func pool(_ balance: BalancePolicy, _ source: HashSource?) -> Pool {
    var pool = Pool(name: "a", endpoints: [])
    pool.balance = balance
    pool.hash.source = source
    return pool
  }

  @Test(
    arguments: [
      (pool(.ipHash, nil), client), (pool(.hash, .header("X-User")), "u"),
      (pool(.hash, .cookie("id")), "c"), (pool(.hash, .query("id")), "q"),
      (pool(.hash, .path), "/p"), (pool(.hash, .header("X-Nix")), nil),
      (pool(.leastRequest, .path), nil), (pool(.random, nil), nil),
    ] as [(Pool, String?)])
  func theKeyOfAPoolIs(pool: Pool, expected: String?) {
    let hash = withHead("/p?id=q", ["X-User: u", "Cookie: id=c"]) { $0.hash(KeyPlan(pool)) }
    #expect(hash == expected.map { KeyHash.hash($0) })
  }
}

@Suite struct AffinityTests {
  private static func pool(_ change: (inout AffinityPolicy) -> Void = { _ in }) -> Pool {
    var pool = Pool(
      name: "text", endpoints: (1...3).map { Endpoint(address: .loopback(port: $0)) })
    var policy = AffinityPolicy(cookie: "sid")
    change(&policy)
    pool.affinity = policy
    return pool
  }

  private func line(
    _ pool: Pool, _ position: Int, isSecure: Bool = false
  ) throws -> String {
    let affinity = try #require(Affinity(pool))
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_024, alignment: 1)
    defer { room.deallocate() }
    var writer = ByteWriter(room)
    affinity.write(position, isSecure: isSecure, to: &writer)
    return String(decoding: writer.written, as: UTF8.self)
  }

  private func value(_ position: Int) throws -> String {
    let line = try line(Self.pool(), position)
    return String(line.dropFirst("Set-Cookie: sid=".count).prefix(16))
  }

  @Test func theCookieSaysWhatItIsToldTo() throws {
    let value = try value(0)
    #expect(value.count == 16 && value.allSatisfy(\.isHexDigit))
    #expect(
      try line(Self.pool(), 0) == "Set-Cookie: sid=\(value); Path=/; HttpOnly; SameSite=Lax\r\n")
    let pool = Self.pool {
      $0.maxAge = .seconds(3_600)
      $0.path = "/api"
      $0.sameSite = .none
      $0.secure = .always
    }
    #expect(
      try line(pool, 0)
        == "Set-Cookie: sid=\(value); Path=/api; Max-Age=3600; HttpOnly; Secure; SameSite=None\r\n")
    #expect(try line(pool, 0, isSecure: true) == line(pool, 0))
    // By itself it is what the client's connection is.
    #expect(
      try line(Self.pool(), 0, isSecure: true)
        == "Set-Cookie: sid=\(value); Path=/; HttpOnly; Secure; SameSite=Lax\r\n")
    let never = Self.pool { $0.secure = .never }
    #expect(try line(never, 0, isSecure: true) == line(Self.pool(), 0))
    let short = Self.pool { $0.maxAge = .milliseconds(1) }
    #expect(try line(short, 0).contains("; Max-Age=1;"))
  }

  @Test func theValueIsTheEndpointsInEveryProcess() throws {
    #expect(Affinity.id("text 127.0.0.1:1") == 0x24ebe0334f832879)
    #expect(Set([try value(0), try value(1), try value(2)]).count == 3)
    #expect(!(try value(0).contains("127")))
  }

  @Test func aCookieLeadsBackToItsEndpoint() throws {
    let affinity = try #require(Affinity(Self.pool()))
    for position in 0..<3 {
      let value = try value(position)
      let found = withHead("/", ["Cookie: a=b; sid=\(value)"]) { affinity.position($0) }
      #expect(found == position)
    }
  }

  @Test func aStrangeCookieIsNone() throws {
    let affinity = try #require(Affinity(Self.pool()))
    let good = try value(1)
    let strange = [
      "", "0", "0000000000000000", String(good.dropLast()), good + "0", good.uppercased() + "X",
      "ffffffffffffffff", "gggggggggggggggg", "127.0.0.1:1", "\u{e9}\u{e9}\u{e9}\u{e9}",
    ]
    for value in strange {
      let found = withHead("/", ["Cookie: sid=\(value)"]) { affinity.position($0) }
      #expect(found == nil, "\(value)")
    }
  }

  @Test func theFirstOfFourThatIsKnownCounts() throws {
    let affinity = try #require(Affinity(Self.pool()))
    let good = "sid=\(try value(2))"
    func position(_ pairs: [String]) -> Int? {
      withHead("/", ["Cookie: \(pairs.joined(separator: "; "))"]) { affinity.position($0) }
    }
    #expect(position(["sid=old", good]) == 2)
    #expect(position(["sid=1", "sid=2", "sid=3", good]) == 2)
    #expect(position(["sid=1", "sid=2", "sid=3", "sid=4", good]) == nil)
  }

  @Test func aPoolWithoutItHasNone() {
    #expect(Affinity(Pool(name: "a", endpoints: [])) == nil)
  }
}
