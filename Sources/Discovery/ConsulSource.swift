// A service of Consul's health catalogue, by blocking queries: the server answers when its index
// has moved. Only instances whose checks all pass are endpoints.
// Source: Consul, "HTTP API", /health/service and "Blocking Queries".
package import Fleet
package import Primitives

package struct ConsulSource: EndpointSource {
  /// How long the server may wait for a change.
  private static var wait: Nanoseconds { .seconds(60) }
  /// The server adds up to a sixteenth of that.
  private static var waitSpread: Nanoseconds { .milliseconds(3_750) }

  private static let indexField = "x-consul-index"
  /// Services were left out because the token may not read them.
  private static let filteredField = "x-consul-results-filtered-by-acls"

  private struct Entry: Decodable {
    struct Node: Decodable {
      var ID: String?
      var Node: String?
      var Address: String
      var Meta: [String: String]?
    }
    struct Service: Decodable {
      struct Weights: Decodable { var Passing: Double? }
      var ID: String
      var Address: String
      var Port: UInt16
      var Tags: [String]?
      var Meta: [String: String]?
      var Weights: Weights?
    }
    var Node: Node
    var Service: Service
  }

  private let source: DiscoverySource
  private var times: AskTimes
  /// The index of the last answer; 0: the next question does not wait.
  private var index: UInt64 = 0
  private var askedAt = Nanoseconds.zero

  package init(_ source: DiscoverySource) {
    self.source = source
    times = AskTimes(interval: source.interval)
  }

  package var nextDue: Nanoseconds { times.nextAt }

  package mutating func ask(now: Nanoseconds) -> SourceQuestion? {
    guard now >= times.nextAt else { return nil }
    askedAt = now
    var path = "/v1/health/service/\(source.target.percentEncoded)?passing=1&stale=1"
    if let datacenter = source.datacenter { path += "&dc=\(datacenter.percentEncoded)" }
    for tag in source.tags { path += "&tag=\(tag.percentEncoded)" }
    if index > 0 { path += "&index=\(index)&wait=\(Int(Self.wait.seconds))s" }
    var request = SourceRequest(path)
    request.keptFields = [Self.indexField, Self.filteredField]
    if index > 0 { request.timeout = Self.wait + Self.waitSpread + source.timeout }
    return .exchange(request)
  }

  package mutating func take(_ answer: SourceAnswer, now: Nanoseconds) -> SourceVerdict {
    do throws(SourceFailure) {
      let (fields, content) = try answer.content()
      guard let text = fields[Self.indexField], let next = UInt64(text) else {
        throw SourceFailure(.malformed, "the answer has no X-Consul-Index")
      }
      let (members, failure) = try Self.members(content)
      if members.isEmpty, fields[Self.filteredField] == "true" {
        throw SourceFailure(.denied, "the token may not read all services, and the list is empty")
      }
      if next == 0 {
        // It would not block.
        times.noteSuccess(now: now)
      } else if next < index || (next == index && now - askedAt < .seconds(1)) {
        // The server began anew, or does not wait for changes.
        times.noteFailure(now: now)
      } else {
        times.noteProgress(now: now)
      }
      index = next < index ? 0 : next
      return failure.map { .partly(members, $0) } ?? .members(members)
    } catch {
      index = 0
      times.noteFailure(now: now)
      return .failed(error)
    }
  }

  /// The members, and why some could not be read.
  private static func members(
    _ content: [UInt8]
  ) throws(SourceFailure) -> (members: [Member], failure: SourceFailure?) {
    let entries: [Entry] = try SourceJSON.decode(content, "no list of services")
    var members: [Member] = []
    members.reserveCapacity(entries.count)
    var failure: SourceFailure?
    for entry in entries {
      do throws(SourceFailure) {
        members.append(try member(entry))
      } catch {
        failure = failure ?? error
      }
    }
    return (members, failure)
  }

  private static func member(_ entry: Entry) throws(SourceFailure) -> Member {
    let host = entry.Service.Address.isEmpty ? entry.Node.Address : entry.Service.Address
    guard let address = SocketAddress(bare: host, port: entry.Service.Port), address.port > 0
    else {
      throw SourceFailure(
        .malformed, "the address \(TargetList.shown(host)) of a service is no IP address")
    }
    let settings = try MemberSettings(entry.Service.Meta ?? [:])
    let node = entry.Node.ID ?? entry.Node.Node ?? entry.Node.Address
    var member = settings.member(address, uid: "\(node)/\(entry.Service.ID)")
    if member.weight == nil { member.weight = entry.Service.Weights?.Passing }
    if member.name == nil { member.name = entry.Service.ID }
    return member
  }
}

extension SocketAddress {
  /// An address without brackets, and a port.
  init?(bare host: String, port: UInt16) {
    self.init(host: host.contains(":") ? "[\(host)]" : host, port: port)
  }
}

extension String {
  /// The text as a part of a path or query: all but letters, digits and `-._~` percent-encoded
  /// (RFC 3986 §2.1).
  var percentEncoded: String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: bytes.append(byte)
      default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
