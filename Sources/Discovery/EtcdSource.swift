// Keys of etcd 3 by its JSON gateway: all keys of a prefix are read, then watched. A value is an
// address, or a JSON object with `address` and settings. A key whose lease ends is deleted by etcd.
// Source: etcd, "gRPC gateway" and "Watch"; a compacted revision is answered with
// `compact_revision`, and everything is read again.
package import Fleet
import FoundationEssentials
package import Primitives

package struct EtcdSource: EndpointSource {
  /// A watch is begun again after this time: a server that vanished without a word is noticed.
  private static var watchTime: Nanoseconds { .seconds(30) }

  private struct Header: Decodable { var revision: String? }
  private struct Entry: Decodable {
    var key: String
    var value: String?
  }
  private struct Range: Decodable {
    var header: Header?
    var kvs: [Entry]?
    var more: Bool?
  }
  private struct Event: Decodable {
    var type: String?
    var kv: Entry
  }
  private struct Watch: Decodable {
    struct Result: Decodable {
      var header: Header?
      var canceled: Bool?
      var compact_revision: String?
      var cancel_reason: String?
      var events: [Event]?
    }
    struct Failure: Decodable { var message: String? }
    var result: Result?
    var error: Failure?
  }
  private struct Value: Decodable {
    var address: String?
    /// The name that etcd's own naming package writes.
    var Addr: String?
    var uid: String?
    var weight: Double?
    var backup: Bool?
    var drain: Bool?
    var name: String?
    var labels: [String: String]?
  }

  private let prefix: String
  private var times: AskTimes
  private var lines = LineBuffer()
  /// The revision that the members are of; nil: everything has to be read.
  private var revision: Int64?
  private var members: [String: Member] = [:]
  /// Keys whose values cannot be read; a member that one had before stays.
  private var wrong: [String: SourceFailure] = [:]
  /// When the watch began; nil: there is none.
  private var watchedSince: Nanoseconds?

  package init(_ source: DiscoverySource) {
    prefix = source.target
    times = AskTimes(interval: source.interval)
  }

  package var nextDue: Nanoseconds { times.nextAt }

  package mutating func ask(now: Nanoseconds) -> SourceQuestion? {
    guard now >= times.nextAt else { return nil }
    let key = Data(prefix.utf8).base64EncodedString()
    let end = Data(Self.end(of: Array(prefix.utf8))).base64EncodedString()
    guard let revision else {
      watchedSince = nil
      var request = SourceRequest("/v3/kv/range")
      let limit = DiscoverySource.membersMax + 1
      request.content = #"{"key":"\#(key)","range_end":"\#(end)","limit":"\#(limit)"}"#
      return .exchange(request)
    }
    watchedSince = now
    lines.clear()
    var request = SourceRequest("/v3/watch")
    request.content =
      #"{"create_request":{"key":"\#(key)","range_end":"\#(end)","start_revision":"\#(revision + 1)"}}"#
    request.isStream = true
    request.timeout = Self.watchTime
    return .exchange(request)
  }

  package mutating func take(_ answer: SourceAnswer, now: Nanoseconds) -> SourceVerdict {
    do throws(SourceFailure) {
      if case .part(let bytes) = answer { return try takeEvents(bytes, now: now) }
      if let watchedSince {
        return try endWatch(answer, lived: now - watchedSince, now: now)
      }
      let (_, content) = try answer.content()
      try takeRange(content)
      times.noteProgress(now: now)
      return verdict
    } catch {
      revision = nil
      times.noteFailure(now: now)
      return .failed(error)
    }
  }

  private var verdict: SourceVerdict {
    let sorted = members.sorted { $0.key < $1.key }.map(\.value)
    return wrong.min { $0.key < $1.key }.map { .partly(sorted, $0.value) } ?? .members(sorted)
  }

  /// Takes a key and its value.
  private mutating func note(_ entry: Entry) {
    do throws(SourceFailure) {
      members[entry.key] = try Self.member(entry)
      wrong[entry.key] = nil
    } catch {
      wrong[entry.key] = error
    }
  }

  private mutating func takeRange(_ content: [UInt8]) throws(SourceFailure) {
    let range: Range = try SourceJSON.decode(content, "no range")
    guard let text = range.header?.revision, let revision = Int64(text) else {
      throw SourceFailure(.malformed, "the answer has no revision")
    }
    if range.more == true {
      throw SourceFailure(.tooLarge, "more than \(DiscoverySource.membersMax) keys")
    }
    let entries = range.kvs ?? []
    let keys = Set(entries.map(\.key))
    members = members.filter { keys.contains($0.key) }
    wrong = [:]
    for entry in entries { note(entry) }
    self.revision = revision
  }

  private mutating func takeEvents(
    _ bytes: [UInt8], now: Nanoseconds
  ) throws(SourceFailure) -> SourceVerdict {
    var hasChanged = false
    for line in try lines.take(bytes) {
      let watch: Watch = try SourceJSON.decode(line, "no watch")
      if let message = watch.error?.message { throw SourceFailure(.server, message) }
      guard let result = watch.result else { continue }
      if result.canceled == true {
        let reason = result.cancel_reason ?? "no reason"
        if result.compact_revision != nil {
          // Not a fault: what was missed is gone, so everything is read again.
          revision = nil
          times.noteFailure(now: now)
          return .again
        }
        throw SourceFailure(.server, "the watch was cancelled: \(TargetList.shown(reason))")
      }
      for event in result.events ?? [] {
        if event.type == "DELETE" {
          members[event.kv.key] = nil
          wrong[event.kv.key] = nil
        } else {
          note(event.kv)
        }
        hasChanged = true
      }
      if let text = result.header?.revision, let next = Int64(text) {
        revision = next
      }
    }
    return hasChanged ? verdict : .nothing
  }

  /// A watch ends by its time, or because the server ended it.
  private mutating func endWatch(
    _ answer: SourceAnswer, lived: Nanoseconds, now: Nanoseconds
  ) throws(SourceFailure) -> SourceVerdict {
    if case .failed(let failure) = answer {
      guard failure.reason == .timeout, lines.isStarted else { throw failure }
    } else {
      _ = try answer.content()
    }
    times.noteEnd(ofWatch: lived, now: now)
    return .unchanged
  }

  private static func member(_ entry: Entry) throws(SourceFailure) -> Member {
    guard let key = Data(base64Encoded: entry.key),
      let bytes = Data(base64Encoded: entry.value ?? "")
    else { throw SourceFailure(.malformed, "a key or value is no base64") }
    let name = String(decoding: key, as: UTF8.self)
    let text = String(decoding: bytes, as: UTF8.self)
    if let address = SocketAddress(text), address.port > 0 {
      var member = Member(address: address)
      member.name = name.split(separator: "/").last.map(String.init)
      return member
    }
    guard let value = try? JSONDecoder().decode(Value.self, from: bytes),
      let shown = value.address ?? value.Addr, let address = SocketAddress(shown), address.port > 0
    else {
      throw SourceFailure(
        .malformed, "the value of \(TargetList.shown(name)) is no address and has no `address`")
    }
    var labels = value.labels ?? [:]
    if let name = value.name { labels["name"] = name }
    var member = try MemberSettings(labels).member(address, uid: value.uid)
    if let weight = value.weight, weight >= 0, weight <= 1_000_000 { member.weight = weight }
    if let isBackup = value.backup { member.isBackup = isBackup }
    member.isDraining = value.drain ?? member.isDraining
    if member.name == nil { member.name = name.split(separator: "/").last.map(String.init) }
    return member
  }

  /// The first key that does not have the prefix.
  private static func end(of prefix: [UInt8]) -> [UInt8] {
    var end = prefix
    while let last = end.last {
      if last < 0xFF {
        end[end.count - 1] = last + 1
        return end
      }
      end.removeLast()
    }
    return [0]
  }
}
