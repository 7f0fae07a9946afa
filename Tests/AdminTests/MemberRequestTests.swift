import Controller
import Discovery
import Fleet
import HTTP
import Primitives
import Testing

@testable import Admin

private func request(_ query: String) throws(Problem) -> MemberRequest {
  try MemberRequest(pool: "text", "10.0.0.9:80", isRemoval: false, query)
}

@Suite struct MemberRequestTests {
  @Test func everyParameterIsASetting() throws {
    let found = try request(
      "weight=2.5&backup=true&drain=false&name=gpu-9&uid=u1&labels=zone%3Da,model%3Db&for=30s")
    #expect(found.member.address == SocketAddress("10.0.0.9:80"))
    #expect(found.member.weight == 2.5 && found.member.isBackup == true)
    #expect(!found.member.isDraining && found.member.name == "gpu-9" && found.member.uid == "u1")
    #expect(found.member.labels == ["zone": "a", "model": "b"] && found.lasts == .seconds(30))
    #expect(try request("persist=true").persists)
    #expect(try request("").member == Member(address: SocketAddress("10.0.0.9:80")!))
  }

  @Test(arguments: [
    "weight=-1", "weight=x", "backup=1", "drain=", "persist=yes", "labels=a", "labels=",
    "labels=a%3Db,", "labels=_a%3Db", "labels=1a%3Db",
    "labels=" + (0..<9).map { "l\($0)%3Dx" }.joined(separator: ","), "for=0s", "uid=", "uid=a%20b",
    "name=a%20b", "name=",
    "persist=true&for=1m", "port=3", "weight=1&weight=2",
  ])
  func wrongParametersAreRefused(_ query: String) {
    do throws(Problem) {
      _ = try request(query)
      Issue.record("\(query) was taken")
    } catch {
      #expect(error.status == (query.contains("persist=true") ? 409 : 400))
    }
  }

  @Test(arguments: ["10.0.0.9", "10.0.0.9:0", "host:80", "", "10.0.0.9:80x"])
  func onlyAddressesAreEndpoints(_ address: String) {
    #expect(throws: Problem.self) {
      try MemberRequest(pool: "text", address, isRemoval: true, "")
    }
  }

  @Test func renewalsLeaveNoLine() throws {
    let program = try Program()
    let api = AdminAPI(access: AdminAccess(isLoopback: true))
    let path = "/api/v1/pools/text/endpoints/10.0.0.9:80?for=30s"
    let first = program.ask(api, path, .put)
    #expect(first.response.status == 200 && first.text.contains("added") && first.lines == 1)
    let second = program.ask(api, path, .put)
    #expect(second.text.contains("renewed") && second.lines == 0)
    let gone = program.ask(api, "/api/v1/pools/text/endpoints/10.0.0.9:80", .delete)
    #expect(gone.text.contains("removed") && gone.lines == 1)
    #expect(program.ask(api, path, .post).response.status == 405)
    let shown = program.ask(api, "/api/v1/discovery")
    #expect(shown.response.status == 200 && shown.text.contains("\"pool\" : \"text\""))
  }
}

@Suite struct SavedStateTests {
  private func pin(_ weight: Double, persists: Bool = true) -> TuningRequest {
    var order = TuningRequest(
      pool: "text", endpoint: SocketAddress("10.0.0.1:80"), .pin(weight))
    order.persists = persists
    return order
  }

  @Test func ordersAndEndpointsComeBackAsTheyWere() throws {
    var members = RuntimeMembers()
    var member = Member(address: SocketAddress("10.0.0.9:80")!)
    (member.weight, member.isBackup, member.isDraining) = (3, true, true)
    (member.name, member.uid, member.labels) = ("gpu", "u", ["Zone_A": "b"])
    _ = members.set(member, pool: "text", lasts: nil, persists: true, now: .zero)
    let other = Member(address: SocketAddress("10.0.0.8:80")!)
    _ = members.set(other, pool: "text", lasts: .seconds(9), persists: false, now: .zero)
    var saved = SavedState()
    saved.note(members, pools: ["text"])
    let actions: [TuningAction] = [
      .pin(0.1), .scale(2), .drain, .freeze, .set(.law(.steps)), .set(.floor(0.2)),
      .set(.slew(3)), .set(.dryRun(true)),
    ]
    for (index, action) in actions.enumerated() {
      // The first three are for endpoints.
      let address = index < 3 ? SocketAddress("10.0.0.1:80") : nil
      var order = TuningRequest(pool: "text", endpoint: address, action)
      order.persists = true
      let mustWrite = saved.note(order)
      #expect(mustWrite)
    }
    let read = try SavedState(saved.bytes)
    #expect(read == saved)
    #expect(read.requests().map(\.action) == actions)
    var restored = RuntimeMembers()
    read.restore(&restored, now: .zero)
    #expect(restored.entries(ofPool: "text").map(\.member) == [member])
    #expect(read.requests(pool: "text", address: SocketAddress("10.0.0.1:80")).count == 3)
    #expect(read.requests(pool: "other").isEmpty)
  }

  @Test func anUpgradeTakesEndpointsWithTheTimeThatIsLeft() {
    var members = RuntimeMembers()
    let one = Member(address: SocketAddress("10.0.0.1:80")!)
    let two = Member(address: SocketAddress("10.0.0.2:80")!)
    _ = members.set(one, pool: "text", lasts: .seconds(30), persists: false, now: .zero)
    _ = members.set(two, pool: "text", lasts: nil, persists: true, now: .zero)
    let record = SavedState.record(of: members, pools: ["text"], now: .seconds(10))
    var next = RuntimeMembers()
    let gone = Member(address: SocketAddress("10.0.0.3:80")!)
    _ = next.set(gone, pool: "text", lasts: nil, persists: false, now: .seconds(90))
    SavedState.restore(record, &next, now: .seconds(100))
    #expect(next.entries(ofPool: "text").map(\.expiresAt) == [.seconds(120), nil])
    #expect(next.entries(ofPool: "text").map(\.persists) == [false, true])
  }

  @Test func theLastOrderOfAKindCountsAndAResetEndsAll() {
    var saved = SavedState()
    _ = saved.note(pin(1))
    _ = saved.note(pin(2))
    let isWritten = saved.note(pin(3, persists: false))
    #expect(!isWritten)
    #expect(saved.requests().map(\.action) == [.pin(2)])
    let reset = TuningRequest(pool: "text", endpoint: SocketAddress("10.0.0.1:80"), .reset)
    let isReset = saved.note(reset)
    #expect(isReset)
    let again = saved.note(reset)
    #expect(!again && saved.orders.isEmpty)
  }

  @Test(arguments: ["", "{}", "[]", #"{"version": 2, "endpoints": [], "orders": []}"#, "x"])
  func otherFilesAreRefused(_ text: String) {
    #expect(throws: SavedState.Failure.self) { try SavedState(Array(text.utf8)) }
  }

  @Test func entriesThatAreNoneAreLeftOut() throws {
    let text = """
      {"version": 1, "endpoints": [{"pool": "a", "address": "x"},
        {"pool": "a", "address": "10.0.0.1:1", "weight": -4}],
       "orders": [{"pool": "a", "endpoint": "x", "action": "drain"},
        {"pool": "a", "endpoint": "10.0.0.1:1", "action": "pin", "value": "nan"},
        {"pool": "a", "action": "dance"}]}
      """
    let saved = try SavedState(Array(text.utf8))
    #expect(saved.requests().isEmpty)
    var members = RuntimeMembers()
    saved.restore(&members, now: .zero)
    #expect(members.entries(ofPool: "a").map(\.member.weight) == [nil])
  }

  @Test func whatSourcesSaidGoesToTheNextProcess() throws {
    var member = Member(address: SocketAddress("10.0.0.1:80")!)
    (member.uid, member.weight) = ("u", 2)
    let table: [MemberSet: [Member]] = [
      .source(pool: "text", label: "consul"): [member],
      .name("gpu.example"): [Member(host: HostAddress(bytes: [10, 0, 0, 2]))],
      .runtime(pool: "text"): [member],
    ]
    let bytes = AdminJSON.bytes(DiscoveryRecord(table))
    let read = try #require(AdminJSON.read(DiscoveryRecord.self, bytes)).table
    #expect(read == table.filter { $0.key != .runtime(pool: "text") })
  }
}
