import Discovery
import Fleet
import FoundationEssentials
import Primitives
import Testing

private func seconds(_ count: Int) -> Nanoseconds { .seconds(count) }

private func answer(_ text: String, status: Int = 200, field: String? = nil) -> SourceAnswer {
  .answer(
    status: status, fields: field.map { ["x-consul-index": $0] } ?? [:],
    content: Array(text.utf8))
}

private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

extension SourceVerdict {
  /// The members as `ADDRESS[*WEIGHT][ backup][ drain]`; nil: there are none.
  fileprivate var shown: [String]? {
    guard case .members(let members) = self else { return nil }
    return members.map { member in
      "\(member.address)" + (member.weight.map { "*\($0)" } ?? "")
        + (member.isBackup == true ? " backup" : "") + (member.isDraining ? " drain" : "")
    }
  }

  fileprivate var reason: SourceFailure.Reason? {
    if case .failed(let failure) = self { failure.reason } else { nil }
  }
}

extension EndpointSource {
  /// The path and content of the request that is due.
  fileprivate mutating func request(_ second: Int) -> SourceRequest? {
    guard case .exchange(let request)? = ask(now: seconds(second)) else { return nil }
    return request
  }

  fileprivate mutating func take(_ answer: SourceAnswer, _ second: Int) -> SourceVerdict {
    take(answer, now: seconds(second))
  }
}

@Suite struct TargetSourceTests {
  private static let list = """
    [{"targets": ["10.0.0.1:80", "[fd00::1]:81"], "labels": {"weight": "3", "zone": "a",
      "__meta_x": "y"}}, {"targets": ["10.0.0.2:80"], "labels": {"backup": "true"}},
     {"targets": ["10.0.0.3:80"], "labels": {"drain": "true"}}, {"targets": []}]
    """

  @Test func groupsOfTargetsAreMembersWithTheirLabels() throws {
    var source = HTTPSource(DiscoverySource(.http, target: "/sd?a=b"))
    #expect(source.request(0)?.path == "/sd?a=b")
    let verdict = source.take(answer(Self.list), 1)
    #expect(
      verdict.shown == [
        "10.0.0.1:80*3.0", "[fd00:0:0:0:0:0:0:1]:81*3.0", "10.0.0.2:80 backup", "10.0.0.3:80 drain",
      ])
    guard case .members(let members) = verdict else { return }
    #expect(members[0].labels == ["zone": "a"])
    #expect(source.nextDue == seconds(61))
    #expect(source.take(answer("[]"), 61).shown == [])
  }

  @Test(arguments: [
    ("", 200, SourceFailure.Reason.malformed), ("{}", 200, .malformed), ("[", 200, .malformed),
    (#"[{"targets": ["10.0.0.1"]}]"#, 200, .malformed),
    (#"[{"targets": ["host:80"]}]"#, 200, .malformed),
    (#"[{"targets": ["10.0.0.1:0"]}]"#, 200, .malformed), (#"[{"labels": {}}]"#, 200, .malformed),
    (#"[{"targets": ["10.0.0.1:80"], "labels": {"weight": "-1"}}]"#, 200, .malformed),
    (#"[{"targets": ["10.0.0.1:80"], "labels": {"backup": "yes"}}]"#, 200, .malformed),
    (#"[{"targets": ["10.0.0.1:80"], "labels": {"weight": "nan"}}]"#, 200, .malformed),
    ("[]", 204, .server), ("no", 503, .server), ("who?", 401, .denied), ("", 404, .missing),
    (String(repeating: "[", count: 100_000), 200, .malformed),
  ])
  func whatIsNoListIsAFailure(_ text: String, _ status: Int, _ reason: SourceFailure.Reason) {
    var source = HTTPSource(DiscoverySource(.http, target: "/"))
    _ = source.ask(now: .zero)
    #expect(source.take(answer(text, status: status), 0).reason == reason)
  }

  @Test func afterFailuresPausesGrow() {
    var source = HTTPSource(DiscoverySource(.http, target: "/"))
    var pauses: [Double] = []
    var now = Nanoseconds.zero
    for _ in 0..<7 {
      #expect(source.ask(now: now) != nil)
      _ = source.take(.failed(SourceFailure(.timeout, "")), now: now)
      pauses.append((source.nextDue - now).seconds)
      now = source.nextDue
    }
    #expect(pauses == [1, 2, 4, 8, 16, 32, 32])
  }

  @Test func aWrongFileKeepsItsLastGoodContent() {
    var source = FileSource(DiscoverySource(.file, target: "/t/*"))
    #expect(source.ask(now: .zero) == .files("/t/*"))
    func file(_ path: String, _ text: String) -> SourceFile {
      SourceFile(path: path, content: Array(text.utf8))
    }
    let first = file("/t/a.json", #"[{"targets": ["10.0.0.1:80"]}]"#)
    let second = file("/t/b.yml", "- targets: ['10.0.0.2:80']\n  labels: {weight: '2'}\n")
    #expect(source.take(.files([first, second]), 0).shown == ["10.0.0.1:80", "10.0.0.2:80*2.0"])
    let broken = source.take(.files([first, file("/t/b.yml", "- targets: [")]), 5)
    guard case .partly(let members, let failure) = broken else {
      Issue.record("\(broken)")
      return
    }
    #expect(failure.reason == .malformed && members.count == 2)
    let mended = source.take(.files([first, second]), 10)
    #expect(mended.shown == ["10.0.0.1:80", "10.0.0.2:80*2.0"])
    #expect(source.take(.files([]), 15).reason == .missing)
    #expect(source.take(.files([second]), 20).shown == ["10.0.0.2:80*2.0"])
  }

  @Test func recordsOfHigherPriorityNumbersAreBackups() {
    var source = RecordSource(DiscoverySource(.srv, target: "_x._tcp.y"))
    #expect(source.ask(now: .zero) == .records("_x._tcp.y"))
    func record(_ host: UInt8, _ priority: UInt16, _ weight: UInt16) -> ServiceRecord {
      ServiceRecord(
        target: "t\(host)", addresses: [HostAddress(bytes: [10, 0, 0, host])], port: 80,
        priority: priority, weight: weight, timeToLive: 7)
    }
    let verdict = source.take(.records([record(1, 5, 0), record(2, 5, 3), record(3, 9, 1)]), 0)
    #expect(verdict.shown == ["10.0.0.1:80", "10.0.0.2:80*3.0", "10.0.0.3:80*1.0 backup"])
    #expect(source.nextDue == seconds(7))
  }
}

@Suite struct ConsulSourceTests {
  private static func entry(_ host: String, _ port: Int = 80, meta: String = "{}") -> String {
    """
    {"Node": {"ID": "n1", "Address": "10.9.9.9"}, "Service": {"ID": "s-\(host)",
     "Address": "\(host)", "Port": \(port), "Tags": [], "Meta": \(meta),
     "Weights": {"Passing": 2, "Warning": 1}}, "Checks": []}
    """
  }

  @Test func queriesWaitForTheNextIndex() throws {
    var policy = DiscoverySource(.consul, target: "a b")
    (policy.tags, policy.datacenter) = (["gpu"], "dc1")
    var source = ConsulSource(policy)
    let path = "/v1/health/service/a%20b?passing=1&stale=1&dc=dc1&tag=gpu"
    #expect(source.request(0)?.path == path)
    let list =
      "[\(Self.entry("10.0.0.1")), \(Self.entry("")), \(Self.entry("fd00::1", meta: #"{"weight": "7"}"#))]"
    let verdict = source.take(answer(list, field: "5"), 0)
    #expect(verdict.shown == ["10.0.0.1:80*2.0", "10.9.9.9:80*2.0", "[fd00:0:0:0:0:0:0:1]:80*7.0"])
    guard case .members(let members) = verdict else { return }
    #expect(members.map(\.uid) == ["n1/s-10.0.0.1", "n1/s-", "n1/s-fd00::1"])
    let nextRequest = source.request(0)
    let next = try #require(nextRequest)
    #expect(next.path == path + "&index=5&wait=60s" && (next.timeout ?? .zero) > seconds(63))
    #expect(source.take(answer("[]", field: "6"), 30).shown == [])
    #expect(source.request(30)?.path == path + "&index=6&wait=60s")
  }

  @Test func anIndexThatGoesBackBeginsAnew() {
    var source = ConsulSource(DiscoverySource(.consul, target: "s"))
    _ = source.request(0)
    _ = source.take(answer("[]", field: "50"), 0)
    _ = source.request(0)
    #expect(source.take(answer("[\(Self.entry("10.0.0.1"))]", field: "3"), 1).shown?.count == 1)
    // Soon, but not in a loop.
    #expect(source.nextDue == seconds(2))
    #expect(source.request(2)?.path.contains("index") == false)
  }

  @Test func aServerThatDoesNotWaitIsNotAskedInALoop() {
    var source = ConsulSource(DiscoverySource(.consul, target: "s"))
    var now = Nanoseconds.zero
    var pauses: [Double] = []
    for _ in 0..<4 {
      now = source.nextDue
      #expect(source.ask(now: now) != nil)
      _ = source.take(answer("[]", field: "5"), now: now)
      pauses.append((source.nextDue - now).seconds)
    }
    #expect(pauses == [0, 1, 2, 4])
  }

  @Test(arguments: ["0", nil, "x"])
  func anIndexThatIsNoneDoesNotLoop(_ field: String?) {
    var source = ConsulSource(DiscoverySource(.consul, target: "s"))
    for _ in 0..<3 {
      let now = source.nextDue
      #expect(source.ask(now: now) != nil)
      _ = source.take(answer("[]", field: field), now: now)
      #expect(source.nextDue >= now + seconds(1))
    }
  }

  @Test func aFailureBeginsAnew() {
    var source = ConsulSource(DiscoverySource(.consul, target: "s"))
    _ = source.request(0)
    _ = source.take(answer("[]", field: "50"), 0)
    _ = source.request(0)
    #expect(source.take(answer("rpc error", status: 500), 1).reason == .server)
    #expect(source.request(60)?.path.contains("index") == false)
  }

  @Test(arguments: ["[{}]", "{", #"[{"Node": {"Address": "x"}, "Service": {}}]"#])
  func garbageIsAFailure(_ text: String) {
    var source = ConsulSource(DiscoverySource(.consul, target: "s"))
    _ = source.request(0)
    #expect(source.take(answer(text, field: "1"), 0).reason == .malformed)
  }

  @Test func aServiceThatCannotBeReadHoldsUpNoOther() {
    var source = ConsulSource(DiscoverySource(.consul, target: "s"))
    _ = source.request(0)
    let list = "[\(Self.entry("gpu.local")), \(Self.entry("10.0.0.1"))]"
    guard case .partly(let members, let failure) = source.take(answer(list, field: "1"), 0) else {
      Issue.record("not partly")
      return
    }
    #expect(members.count == 1 && failure.reason == .malformed)
  }

  @Test func aListThatWasFilteredIsNotBelieved() {
    var source = ConsulSource(DiscoverySource(.consul, target: "s"))
    _ = source.request(0)
    let filtered = SourceAnswer.answer(
      status: 200,
      fields: ["x-consul-index": "4", "x-consul-results-filtered-by-acls": "true"],
      content: Array("[]".utf8))
    #expect(source.take(filtered, 0).reason == .denied)
  }
}

@Suite struct EtcdSourceTests {
  private func entry(_ key: String, _ value: String) -> String {
    #"{"key":"\#(base64(key))","value":"\#(base64(value))","mod_revision":"3"}"#
  }

  private func range(_ entries: [String], revision: Int = 7) -> SourceAnswer {
    answer(#"{"header":{"revision":"\#(revision)"},"kvs":[\#(entries.joined(separator: ","))]}"#)
  }

  private func part(_ events: String, revision: Int) -> SourceAnswer {
    .part(
      Array(#"{"result":{"header":{"revision":"\#(revision)"},"events":[\#(events)]}}"#.utf8)
        + [10])
  }

  @Test func allKeysAreReadAndThenWatched() throws {
    var source = EtcdSource(DiscoverySource(.etcd, target: "/s/"))
    let firstRequest = source.request(0)
    let first = try #require(firstRequest)
    #expect(first.path == "/v3/kv/range" && !first.isStream)
    #expect(first.content?.contains(#""range_end":"\#(base64("/s0"))""#) == true)
    let verdict = source.take(
      range([
        entry("/s/a", "10.0.0.1:80"),
        entry("/s/b", #"{"address": "10.0.0.2:80", "weight": 2, "uid": "u"}"#),
        entry("/s/c", #"{"Op": 0, "Addr": "10.0.0.3:80"}"#),
      ]), 0)
    #expect(verdict.shown == ["10.0.0.1:80", "10.0.0.2:80*2.0", "10.0.0.3:80"])
    let watchRequest = source.request(0)
    let watch = try #require(watchRequest)
    #expect(watch.path == "/v3/watch" && watch.isStream)
    #expect(watch.content?.contains(#""start_revision":"8""#) == true)
    let put = #"{"kv":\#(entry("/s/d", "10.0.0.4:80"))}"#
    let gone = #"{"type":"DELETE","kv":{"key":"\#(base64("/s/a"))"}}"#
    let changed = source.take(part("\(put),\(gone)", revision: 9), 1)
    #expect(changed.shown == ["10.0.0.2:80*2.0", "10.0.0.3:80", "10.0.0.4:80"])
    // The end of a watch is no fault: it goes on from there.
    #expect(source.take(.failed(SourceFailure(.timeout, "")), 61) == .unchanged)
    #expect(source.request(61)?.content?.contains(#""start_revision":"10""#) == true)
  }

  @Test func linesMayBeSplitAnywhere() {
    var source = EtcdSource(DiscoverySource(.etcd, target: "/s/"))
    _ = source.request(0)
    _ = source.take(range([]), 0)
    _ = source.request(0)
    let put = #"{"kv":\#(entry("/s/d", "10.0.0.4:80"))}"#
    guard case .part(let bytes) = part(put, revision: 9) else { return }
    var verdicts: [SourceVerdict] = []
    for byte in bytes + bytes { verdicts.append(source.take(.part([byte]), 1)) }
    #expect(verdicts.filter { $0 != .nothing }.map(\.shown) == [["10.0.0.4:80"], ["10.0.0.4:80"]])
  }

  @Test func aCompactedRevisionIsReadAgain() {
    var source = EtcdSource(DiscoverySource(.etcd, target: "/s/"))
    _ = source.request(0)
    _ = source.take(range([entry("/s/a", "10.0.0.1:80")]), 0)
    _ = source.request(0)
    let line = #"{"result":{"canceled":true,"compact_revision":"20"}}"#
    // The server keeps the stream open.
    #expect(source.take(.part(Array(line.utf8) + [10]), 1) == .again)
    #expect(source.request(2)?.path == "/v3/kv/range")
  }

  @Test func aServerThatIsGoneIsReadAgainLater() {
    var source = EtcdSource(DiscoverySource(.etcd, target: "/s/"))
    _ = source.request(0)
    _ = source.take(range([]), 0)
    _ = source.request(0)
    #expect(source.take(.failed(SourceFailure(.unreachable, "")), 5).reason == .unreachable)
    #expect(source.request(5) == nil)
    #expect(source.request(6)?.path == "/v3/kv/range")
  }

  @Test(arguments: [
    "x", #"{"header":{}}"#, #"{"header":{"revision":"x"}}"#,
  ])
  func garbageIsAFailure(_ text: String) {
    var source = EtcdSource(DiscoverySource(.etcd, target: "/s/"))
    _ = source.request(0)
    #expect(source.take(answer(text), 0).reason == .malformed)
  }

  @Test func aWrongValueHoldsUpNoOtherAndKeepsItsMember() {
    var source = EtcdSource(DiscoverySource(.etcd, target: "/s/"))
    _ = source.request(0)
    _ = source.take(range([entry("/s/a", "10.0.0.1:80")]), 0)
    _ = source.request(0)
    let events = #"{"kv":\#(entry("/s/a", "rubbish"))},{"kv":\#(entry("/s/b", "10.0.0.2:80"))}"#
    guard case .partly(let members, let failure) = source.take(part(events, revision: 9), 1) else {
      Issue.record("not partly")
      return
    }
    #expect(members.count == 2 && failure.reason == .malformed)
    let mended = source.take(part(#"{"kv":\#(entry("/s/a", "10.0.0.3:80"))}"#, revision: 10), 2)
    #expect(mended.shown == ["10.0.0.3:80", "10.0.0.2:80"])
  }

  @Test func aWatchThatEndsAtOnceIsNoLoop() {
    var source = EtcdSource(DiscoverySource(.etcd, target: "/s/"))
    _ = source.request(0)
    _ = source.take(range([]), 0)
    _ = source.request(0)
    #expect(source.take(answer("{}"), 1) == .unchanged)
    #expect(source.request(1) == nil)
  }

  @Test func garbageInAWatchIsAFailure() {
    var source = EtcdSource(DiscoverySource(.etcd, target: "/s/"))
    _ = source.request(0)
    _ = source.take(range([]), 0)
    _ = source.request(0)
    #expect(source.take(.part(Array("garbage\n".utf8)), 0).reason == .malformed)
    let long = [UInt8](repeating: 0x20, count: 5 << 20)
    #expect(source.take(.part(long), 0).reason == .tooLarge)
  }
}

@Suite struct KubernetesSourceTests {
  private func slice(_ name: String, _ endpoints: [String], version: Int = 5) -> String {
    """
    {"metadata":{"name":"\(name)","resourceVersion":"\(version)"},"addressType":"IPv4",
    "ports":[{"name":"metrics","port":9},{"name":"http","port":80}],
    "endpoints":[\(endpoints.joined(separator: ","))]}
    """.split(separator: "\n").joined()
  }

  private func endpoint(_ host: String, _ conditions: String = #"{"ready":true}"#) -> String {
    """
    {"addresses":["\(host)"],"conditions":\(conditions),"zone":"z1",
    "targetRef":{"kind":"Pod","name":"pod-\(host)","uid":"u-\(host)"}}
    """.split(separator: "\n").joined()
  }

  private func list(_ slices: [String], version: Int = 10, next: String = "") -> SourceAnswer {
    answer(
      #"{"metadata":{"resourceVersion":"\#(version)","continue":"\#(next)"},"items":[\#(slices.joined(separator: ","))]}"#
    )
  }

  private func event(_ type: String, _ object: String) -> SourceAnswer {
    .part(Array(#"{"type":"\#(type)","object":\#(object)}"#.utf8) + [10])
  }

  private func source() -> KubernetesSource {
    var policy = DiscoverySource(.kubernetes, target: "vllm")
    policy.portName = "http"
    return KubernetesSource(policy, namespace: "ml")
  }

  @Test func allSlicesTogetherAreTheService() throws {
    var source = source()
    let firstRequest = source.request(0)
    let first = try #require(firstRequest)
    #expect(
      first.path
        == "/apis/discovery.k8s.io/v1/namespaces/ml/endpointslices"
        + "?labelSelector=kubernetes.io%2Fservice-name%3Dvllm&limit=500")
    #expect(source.take(list([slice("a", [endpoint("10.0.0.1")])], next: "c1"), 0) == .nothing)
    #expect(source.request(0)?.path.hasSuffix("&limit=500&continue=c1") == true)
    let verdict = source.take(
      list([
        slice(
          "b",
          [
            endpoint("10.0.0.2", "{}"), endpoint("10.0.0.3", #"{"ready":false}"#),
            endpoint("10.0.0.4", #"{"ready":false,"serving":true,"terminating":true}"#),
            endpoint("10.0.0.5", #"{"ready":false,"serving":false,"terminating":true}"#),
          ])
      ]), 0)
    #expect(verdict.shown == ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.4:80 drain"])
    let named =
      #"{"metadata":{"name":"n"},"addressType":"FQDN","ports":[{"port":1}],"#
      + #""endpoints":[{"addresses":["gpu.example"]}]}"#
    guard case .members(let members) = verdict else { return }
    #expect(members[0].uid == "u-10.0.0.1" && members[0].labels == ["zone": "z1"])
    let watchRequest = source.request(0)
    let watch = try #require(watchRequest)
    #expect(watch.isStream && watch.path.contains("&resourceVersion=10&"))
    #expect(
      source.take(event("MODIFIED", slice("a", [endpoint("10.0.0.9")], version: 11)), 1).shown
        == ["10.0.0.9:80", "10.0.0.2:80", "10.0.0.4:80 drain"])
    #expect(
      source.take(event("DELETED", slice("b", [], version: 12)), 1).shown == ["10.0.0.9:80"])
    #expect(source.take(event("ADDED", named), 1).shown == ["10.0.0.9:80"])
    #expect(
      source.take(event("BOOKMARK", #"{"metadata":{"resourceVersion":"30"}}"#), 1) == .nothing)
    #expect(source.take(answer(""), 240) == .unchanged)
    #expect(source.request(240)?.path.contains("&resourceVersion=30&") == true)
  }

  @Test func aVersionThatIsTooOldIsListedAgain() {
    for isEvent in [true, false] {
      var source = source()
      _ = source.request(0)
      _ = source.take(list([]), 0)
      _ = source.request(0)
      if isEvent {
        #expect(source.take(event("ERROR", #"{"code":410,"message":"too old"}"#), 1) == .again)
      } else {
        #expect(source.take(answer("gone", status: 410), 1) == .unchanged)
      }
      #expect(source.request(2)?.path.contains("limit=500") == true)
    }
  }

  @Test func aWatchThatEndsAtOnceIsNoLoop() {
    var source = source()
    _ = source.request(0)
    _ = source.take(list([]), 0)
    _ = source.request(0)
    _ = source.take(answer(""), 1)
    #expect(source.request(1) == nil)
  }

  @Test func faultsKeepTheLastMembers() {
    var source = source()
    _ = source.request(0)
    #expect(source.take(answer("no", status: 403), 0).reason == .denied)
    _ = source.request(60)
    #expect(source.take(answer(#"{"items":[{}]}"#), 60).reason == .malformed)
    _ = source.request(120)
    _ = source.take(list([]), 120)
    _ = source.request(120)
    #expect(source.take(event("ERROR", #"{"code":500,"message":"x"}"#), 121).reason == .server)
  }
}
