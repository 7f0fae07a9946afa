// The EndpointSlices of a Kubernetes service: listed, then watched with bookmarks. A slice is a
// part of a service, so that all slices together are its endpoints. A version that is too old is
// answered with 410, and everything is listed again.
// Source: Kubernetes, "API Concepts" (efficient detection of changes) and "EndpointSlice v1".
package import Fleet
package import Primitives

package struct KubernetesSource: EndpointSource {
  /// The server ends a watch after this time.
  private static var watchTime: Nanoseconds { .seconds(240) }
  /// Slices in one answer.
  private static var pageSize: Int { 500 }

  private struct Meta: Decodable {
    var name: String?
    var resourceVersion: String?
    /// Where the list goes on.
    var `continue`: String?
  }
  private struct Conditions: Decodable {
    var ready: Bool?
    var serving: Bool?
    var terminating: Bool?
  }
  private struct Target: Decodable {
    var name: String?
    var uid: String?
  }
  private struct Entry: Decodable {
    var addresses: [String]
    var conditions: Conditions?
    var targetRef: Target?
    var zone: String?
    var nodeName: String?
  }
  private struct Port: Decodable {
    var name: String?
    var port: UInt16?
  }
  private struct Slice: Decodable {
    var metadata: Meta?
    /// `IPv4`, `IPv6`, or `FQDN`, whose endpoints have no addresses.
    var addressType: String?
    var endpoints: [Entry]?
    var ports: [Port]?
  }
  private struct List: Decodable {
    var metadata: Meta?
    var items: [Slice]?
  }
  private struct Kind: Decodable { var type: String }
  private struct Change: Decodable { var object: Slice }
  private struct Status: Decodable {
    struct Object: Decodable {
      var code: Int?
      var message: String?
    }
    var object: Object
  }

  private let source: DiscoverySource
  private let namespace: String
  private var times: AskTimes
  private var lines = LineBuffer()
  /// The version that the slices are of; nil: everything has to be listed.
  private var version: String?
  private var slices: [String: [Member]] = [:]
  /// Slices of a list that has more pages, and where it goes on.
  private var listed: [String: [Member]] = [:]
  private var next: String?
  /// When the watch began; nil: there is none.
  private var watchedSince: Nanoseconds?

  /// `namespace`: of the service, if the source does not say.
  package init(_ source: DiscoverySource, namespace: String) {
    self.source = source
    self.namespace = source.namespace ?? namespace
    times = AskTimes(interval: source.interval)
  }

  package var nextDue: Nanoseconds { times.nextAt }

  package mutating func ask(now: Nanoseconds) -> SourceQuestion? {
    guard now >= times.nextAt else { return nil }
    var path =
      "\(source.server?.path ?? "")/apis/discovery.k8s.io/v1/namespaces/\(namespace.percentEncoded)"
      + "/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D\(source.target.percentEncoded)"
    guard let version else {
      watchedSince = nil
      path += "&limit=\(Self.pageSize)"
      if let next { path += "&continue=\(next.percentEncoded)" } else { listed = [:] }
      return .exchange(SourceRequest(path))
    }
    watchedSince = now
    lines.clear()
    path += "&watch=1&allowWatchBookmarks=true&resourceVersion=\(version.percentEncoded)"
    path += "&timeoutSeconds=\(Int(Self.watchTime.seconds))"
    var request = SourceRequest(path)
    request.isStream = true
    request.timeout = Self.watchTime + source.timeout
    return .exchange(request)
  }

  package mutating func take(_ answer: SourceAnswer, now: Nanoseconds) -> SourceVerdict {
    do throws(SourceFailure) {
      if case .part(let bytes) = answer { return try takeChanges(bytes, now: now) }
      if let watchedSince {
        return try endWatch(answer, lived: now - watchedSince, now: now)
      }
      if case .answer(410, _, _) = answer, next != nil {
        // The rest of the list is gone: it begins anew.
        next = nil
        times.noteProgress(now: now)
        return .nothing
      }
      let (_, content) = try answer.content()
      return try takeList(content, now: now)
    } catch {
      (version, next) = (nil, nil)
      times.noteFailure(now: now)
      return .failed(error)
    }
  }

  private var members: [Member] {
    slices.sorted { $0.key < $1.key }.flatMap(\.value)
  }

  private mutating func takeList(
    _ content: [UInt8], now: Nanoseconds
  ) throws(SourceFailure) -> SourceVerdict {
    let list: List = try SourceJSON.decode(content, "no list of EndpointSlices")
    for slice in list.items ?? [] {
      listed[try Self.name(slice)] = try members(of: slice)
    }
    if listed.values.reduce(0, { $0 + $1.count }) > DiscoverySource.membersMax {
      throw SourceFailure(.tooLarge, "more than \(DiscoverySource.membersMax) endpoints")
    }
    times.noteProgress(now: now)
    if let more = list.metadata?.continue, !more.isEmpty {
      next = more
      return .nothing
    }
    guard let version = list.metadata?.resourceVersion else {
      throw SourceFailure(.malformed, "the list has no resourceVersion")
    }
    self.version = version
    next = nil
    slices = listed
    listed = [:]
    return .members(members)
  }

  private mutating func takeChanges(
    _ bytes: [UInt8], now: Nanoseconds
  ) throws(SourceFailure) -> SourceVerdict {
    var hasChanged = false
    for line in try lines.take(bytes) {
      let kind: Kind = try SourceJSON.decode(line, "no watch event")
      if kind.type == "ERROR" {
        let status: Status = try SourceJSON.decode(line, "no status")
        // The version is too old: not a fault.
        if status.object.code == 410 {
          version = nil
          times.noteFailure(now: now)
          return .again
        }
        throw SourceFailure(
          .server, "the watch failed: \(TargetList.shown(status.object.message ?? "no reason"))")
      }
      let change: Change = try SourceJSON.decode(line, "no EndpointSlice")
      version = change.object.metadata?.resourceVersion ?? version
      switch kind.type {
      case "ADDED", "MODIFIED":
        slices[try Self.name(change.object)] = try members(of: change.object)
        hasChanged = true
      case "DELETED":
        slices[try Self.name(change.object)] = nil
        hasChanged = true
      default: break
      }
    }
    return hasChanged ? .members(members) : .nothing
  }

  private mutating func endWatch(
    _ answer: SourceAnswer, lived: Nanoseconds, now: Nanoseconds
  ) throws(SourceFailure) -> SourceVerdict {
    switch answer {
    case .answer(410, _, _):
      version = nil
      times.noteFailure(now: now)
    case .failed(let failure): throw failure
    default:
      _ = try answer.content()
      times.noteEnd(ofWatch: lived, now: now)
    }
    return .unchanged
  }

  private func members(of slice: Slice) throws(SourceFailure) -> [Member] {
    if slice.addressType == "FQDN" { return [] }
    let ports = slice.ports ?? []
    let port =
      source.portName.map { wanted in
        ports.first { $0.name == wanted || $0.port.map { "\($0)" } == wanted }
      } ?? ports.first
    guard let number = port?.port else { return [] }
    var members: [Member] = []
    for entry in slice.endpoints ?? [] {
      let isTerminating = entry.conditions?.terminating ?? false
      let isReady = entry.conditions?.ready ?? true
      let isServing = entry.conditions?.serving ?? isReady
      guard isReady || isTerminating && isServing, let text = entry.addresses.first else {
        continue
      }
      guard let address = SocketAddress(bare: text, port: number)
      else {
        throw SourceFailure(.malformed, "\(TargetList.shown(text)) is no IP address")
      }
      var member = Member(address: address)
      member.uid = entry.targetRef?.uid
      member.name = entry.targetRef?.name
      member.isDraining = isTerminating
      if let zone = entry.zone { member.note("zone", zone) }
      if let node = entry.nodeName { member.note("node", node) }
      members.append(member)
    }
    return members
  }

  private static func name(_ slice: Slice) throws(SourceFailure) -> String {
    guard let name = slice.metadata?.name else {
      throw SourceFailure(.malformed, "an EndpointSlice has no name")
    }
    return name
  }
}
