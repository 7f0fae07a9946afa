// `shared`: what this steelyard shares with others of the same fleet, and where that is kept.
import Fleet
import Primitives

extension Decoder {
  private static let sentinelsMax = 16

  // Absent or `none`: nothing is shared.
  mutating func decodeShared(_ scope: inout Scope) {
    let isNone = scope.isWord("none", at: "shared")
    guard scope.has("shared"), !isNone else {
      scope.claim("shared")
      scope.put("shared", .value("none", isDefault: !isNone))
      return
    }
    hasShared = true
    var shared = SharedPolicy()
    scope.section("shared") { section in
      section.section("redis") { decodeRedis(&shared, in: &$0) }
      if let secret = decodeToken("secret", in: &section, isRequired: true) {
        shared.secret = secret
      }
      section.read("prefix", &shared.prefix, .keyPrefix)
      section.read("replicas", &shared.replicas, .count(1...64))
    }
    fleet.shared = shared
  }

  private func decodeRedis(_ shared: inout SharedPolicy, in redis: inout Scope) {
    let hasAddress = redis.has("address")
    let hasSentinel = redis.has("sentinel") && !redis.isWord("none", at: "sentinel")
    if hasAddress || !hasSentinel {
      shared.server = redis.require("address", Form<SharedPolicy.Server?>.sharedServer) ?? nil
    } else {
      redis.claim("address")
    }
    if hasAddress, hasSentinel {
      report.error(
        at: redis.offset(of: "sentinel"), "`redis` has one of `address` and `sentinel`, not both")
    }
    decodeSentinel(&shared, in: &redis)
    redis.read("database", &shared.database, .count(0...1_023))
    decodeLogin(&shared.login, in: &redis)
    shared.tls = decodeClientTLS(in: &redis)
    redis.read(
      "timeout", &shared.timeout, .duration(.milliseconds(10)...Nanoseconds.seconds(10)))
  }

  private func decodeSentinel(_ shared: inout SharedPolicy, in redis: inout Scope) {
    let isNone = redis.isWord("none", at: "sentinel")
    guard redis.has("sentinel"), !isNone else {
      redis.claim("sentinel")
      redis.put("sentinel", .value("none", isDefault: !isNone))
      return
    }
    var sentinel = SharedPolicy.Sentinel()
    redis.section("sentinel") { section in
      sentinel.name = section.require("name", .masterName) ?? ""
      let nodes = section.items("addresses", required: true) ?? []
      if nodes.count > Self.sentinelsMax {
        report.error(
          at: nodes[Self.sentinelsMax].offset,
          "`addresses` has more than \(Self.sentinelsMax) items")
      }
      let form = Form<SharedPolicy.Server?>.sharedServer
      sentinel.servers = nodes.prefix(Self.sentinelsMax).compactMap { node in
        section.decode(node, "the address of a sentinel", form) ?? nil
      }
      section.put(
        "addresses",
        Output.sequence(sentinel.servers.map { .value(form.write($0), isDefault: false) }).inline)
      decodeLogin(&sentinel.login, in: &section)
    }
    shared.sentinel = sentinel
  }

  private func decodeLogin(_ login: inout SharedPolicy.Login, in scope: inout Scope) {
    scope.read("username", &login.username, Form<String>.masterName.or("none"))
    login.password = decodeToken("password", in: &scope)
    if login.username != nil, login.password == nil, !scope.refused.contains("password") {
      report.error(at: scope.offset(of: "username"), "`username` needs `password`")
    }
  }

  /// Reports shared limits without a store, and bursts that are too small for them.
  func check(_ limit: RateLimit, in item: Scope) {
    guard limit.isShared else { return }
    if !hasShared, !item.refused.contains("shared") {
      report.error(
        at: item.offset(of: "shared"), "`shared: true` needs a common store",
        hint: "write `shared: {redis: {address: HOST:PORT}, secret: {file: PATH}}` at the top")
    }
    let least = RateLimit.sharedBurstMin(of: limit.rate)
    if limit.burst < least {
      report.error(
        at: item.offset(of: "burst"),
        "a shared limit of \(limit.rate.text) needs a `burst` of at least \(least)",
        hint: "replicas settle accounts ten times a second; a smaller burst would cut the rate")
    }
  }
}

extension Form<SharedPolicy.Server?> {
  /// `10.0.0.5:6379`, `[fd00::5]:6379`, `redis.internal:6379`.
  fileprivate static var sharedServer: Form {
    let address = Form<EndpointAddress>.endpointAddress
    return Form(
      read: { scalar throws(Misfit) in
        switch try address.read(scalar) {
        case .address(let found):
          SharedPolicy.Server(host: "\(IPAddress(found))", port: found.port)
        case .name(let host, let port): SharedPolicy.Server(host: host, port: port)
        }
      },
      write: { $0.map { YAMLText.quoted("\($0)") } ?? "none" })
  }
}

extension Form<String> {
  /// Visible ASCII without blanks, as the names of masters and users are.
  fileprivate static var masterName: Form {
    visible("a name of at most 128 bytes", max: 128, refuses: "\"'`{}[]#,&*!|>%@ ")
  }

  fileprivate static var keyPrefix: Form {
    Form(
      read: { scalar throws(Misfit) in
        let bytes = scalar.text.utf8
        guard !scalar.isNull, (1...64).contains(bytes.count),
          bytes.allSatisfy({ (0x21...0x7E).contains($0) })
        else { throw .expected("1 to 64 bytes of visible ASCII") }
        return scalar.text
      },
      write: YAMLText.quoted)
  }
}
