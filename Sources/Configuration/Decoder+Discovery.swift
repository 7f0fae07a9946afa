// `discover` of a pool: sources of endpoints other than the list.
import Fleet
import Primitives

extension Decoder {
  private static let sourcesMax = 16

  mutating func decodeDiscovery(_ pool: inout Pool, in scope: inout Scope) {
    let nodes = scope.items("discover") ?? []
    if nodes.isEmpty {
      scope.put("discover", .value("[]", isDefault: !scope.has("discover")))
      return
    }
    var outputs: [Output] = []
    for node in nodes {
      var item = Scope(node, "this source", report)
      let source = decodeSource(in: &item, node)
      outputs.append(item.finish())
      guard var source else { continue }
      if pool.sources.contains(where: { $0.label == source.label }) {
        guard source.label == source.kind.rawValue else {
          report.error(
            at: node.offset, "another source of this pool has the name `\(source.label)`")
          continue
        }
        let number = pool.sources.count { $0.kind == source.kind } + 1
        source.label = "\(source.kind.rawValue)-\(number)"
      }
      pool.sources.append(source)
    }
    if nodes.count > Self.sourcesMax {
      report.error(at: scope.offset(of: "discover"), "at most \(Self.sourcesMax) sources a pool")
    }
    scope.put("discover", .sequence(outputs))
  }

  private func decodeSource(in item: inout Scope, _ node: Node) -> DiscoverySource? {
    let kinds = DiscoverySource.Kind.allCases
    let given = kinds.filter { item.has($0.rawValue) }
    guard let kind = given.first, given.count == 1 else {
      for kind in kinds { item.claim(kind.rawValue) }
      report.error(
        at: node.offset, "a source has one of \(Suggestion.names(kinds.map(\.rawValue)))",
        hint: "for example `- file: /etc/steelyard/targets/*.json`")
      return nil
    }
    var source = DiscoverySource(kind, target: "")
    var label: String?
    item.read("name", &label, Form<String>.name.or("the kind"))
    source.label = label ?? kind.rawValue
    if DiscoverySource.ownLabels.contains(source.label) {
      report.error(
        at: item.offset(of: "name"), "`\(source.label)` is no name for a source",
        hint: "metrics and `steelyard discover` call other endpoints so")
    }
    guard decodeTarget(&source, in: &item) else { return nil }
    item.read("interval", &source.interval, .duration(.seconds(1) ... .seconds(3_600)))
    if kind != .file {
      item.read("timeout", &source.timeout, .duration(.milliseconds(100) ... .seconds(60)))
    }
    item.read("empty", &source.acceptsEmpty, .emptyAnswer)
    item.read("weight", &source.template.baseWeight, .number(0...1_000_000))
    item.read(
      "concurrency", &source.template.concurrency,
      Form<Double>.number(1...100_000).or("learned"))
    item.read("backup", &source.template.isBackup, .truth)
    item.read("metrics", &source.template.metrics, Form.metricsLocation.or("pool"))
    return source
  }

  /// False: there is no target.
  private func decodeTarget(_ source: inout DiscoverySource, in item: inout Scope) -> Bool {
    let key = source.kind.rawValue
    switch source.kind {
    case .file:
      guard let pattern = item.require(key, Form<String>.text("a path or a pattern of files"))
      else { return false }
      source.target = pattern
    case .srv:
      guard let name = item.require(key, .serviceName) else { return false }
      source.target = name
    case .http:
      guard let url = item.require(key, .serverURL("http://registry.internal:8080/targets"))
      else { return false }
      source.target = url.server.path.isEmpty ? "/" : url.server.path
      source.server = url.server
      source.server?.path = ""
      decodeServerTLS(&source, isSecure: url.isSecure, in: &item)
      source.fields = decodeFields("headers", in: &item)
    case .consul, .etcd, .kubernetes:
      guard let target = item.require(key, .registryTarget) else { return false }
      source.target = target
      decodeRegistry(&source, in: &item)
    }
    return true
  }

  private func decodeRegistry(_ source: inout DiscoverySource, in item: inout Scope) {
    var url: ServerURL? =
      switch source.kind {
      case .consul: ServerURL(server: .init(host: "127.0.0.1", port: 8_500), isSecure: false)
      case .etcd: ServerURL(server: .init(host: "127.0.0.1", port: 2_379), isSecure: false)
      default: nil
      }
    let form = Form<ServerURL>.serverURL("http://127.0.0.1:8500")
    if source.kind == .kubernetes {
      item.read("server", &url, form.or("the cluster's"))
    } else if var found = url {
      item.read("server", &found, form)
      url = found
    }
    source.server = url?.server
    decodeServerTLS(&source, isSecure: url?.isSecure ?? true, in: &item)
    // The API server of a cluster speaks TLS, with the authority that pods are given.
    if source.server == nil, source.tls?.ca == nil {
      source.tls?.ca = "\(DiscoverySource.podFolder)/ca.crt"
    }
    source.token = decodeToken("token", in: &item)
    switch source.kind {
    case .consul:
      let form = Form<String>.registryTarget
      let tags = (item.items("tags") ?? []).compactMap { item.decode($0, "a tag", form) }
      source.tags = tags
      item.put(
        "tags",
        Output.sequence(tags.map { .value(YAMLText.quoted($0), isDefault: false) }).inline)
      item.read("datacenter", &source.datacenter, form.or("the server's"))
    case .kubernetes:
      item.read("namespace", &source.namespace, Form<String>.registryTarget.or("the pod's"))
      item.read("port", &source.portName, Form<String>.registryTarget.or("the first"))
    default: break
    }
  }

  // The scheme of the URL says whether there is TLS; `tls` says how.
  private func decodeServerTLS(
    _ source: inout DiscoverySource, isSecure: Bool, in item: inout Scope
  ) {
    let tls = decodeClientTLS(in: &item, default: isSecure ? .on : .off)
    source.tls = tls
    guard let node = item.node("tls"), isSecure != (tls != nil), !item.refused.contains("tls")
    else { return }
    report.error(
      at: node.offset,
      isSecure ? "the URL has `https`, which is TLS" : "`tls` is for URLs with `https`",
      hint: isSecure ? "remove `tls`, or write `http://`" : "write `https://`")
  }
}

/// The URL of a server of endpoints. Its path is in `server`.
struct ServerURL: Equatable {
  var server: DiscoverySource.Server
  var isSecure: Bool
}

extension Form<ServerURL> {
  /// `http://HOST[:PORT][/PATH]` or `https://…`; the host is a name or an address.
  fileprivate static func serverURL(_ example: String) -> Form {
    let path = Form<String>.path(query: true)
    return Form(
      read: { scalar throws(Misfit) in
        let isSecure = scalar.text.hasPrefix("https://")
        let scheme = isSecure ? "https://" : "http://"
        guard scalar.text.hasPrefix(scheme) else { throw .expected("a URL like `\(example)`") }
        let rest = scalar.text.dropFirst(scheme.count)
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        guard let (host, port) = hostAndPort(rest[..<end], isSecure ? 443 : 80) else {
          throw .expected("a URL like `\(example)`")
        }
        var text = String(rest[end...])
        if text == "/" { text = "" }
        if !text.isEmpty { text = try path.read(Scalar(text: text, isPlain: true)) }
        return ServerURL(
          server: DiscoverySource.Server(host: host, port: port, path: text), isSecure: isSecure)
      },
      write: {
        YAMLText.quoted(
          "\($0.isSecure ? "https" : "http")://\($0.server.authority)\($0.server.path)")
      })
  }

  private static func hostAndPort(
    _ text: Substring, _ usual: UInt16
  ) -> (host: String, port: UInt16)? {
    let hasPort = text.hasSuffix("]") ? false : text.contains(":")
    let whole = hasPort ? String(text) : "\(text):\(usual)"
    if let address = SocketAddress(whole) {
      return (IPAddress(address).description, address.port)
    }
    guard let colon = whole.lastIndex(of: ":"),
      let port = UInt16(whole[whole.index(after: colon)...]),
      port > 0, Decimal.isInteger(String(whole[whole.index(after: colon)...]))
    else { return nil }
    let host = whole[..<colon].lowercased()
    if host == "localhost" { return ("127.0.0.1", port) }
    return HostNameText.isValid(host[...]) ? (host, port) : nil
  }
}

extension Form<Bool> {
  /// `accept` or `keep`.
  fileprivate static var emptyAnswer: Form {
    Form(
      read: { scalar throws(Misfit) in
        switch scalar.text {
        case "accept": return true
        case "keep": return false
        default:
          throw .expected(
            "`keep` or `accept`", hint: "`keep`: an answer without endpoints changes nothing")
        }
      },
      write: { $0 ? "accept" : "keep" })
  }
}

extension Form<String> {
  /// The name of SRV records: its labels may begin with `_`.
  fileprivate static var serviceName: Form {
    let text = Form.text("a name like `_http._tcp.models.internal`")
    return Form(
      read: { scalar throws(Misfit) in
        let name = try text.read(scalar).lowercased()
        let bare = name.hasSuffix(".") ? String(name.dropLast()) : name
        let labels = bare.split(separator: ".", omittingEmptySubsequences: false)
        let isGood = labels.allSatisfy { label in
          (1...63).contains(label.utf8.count)
            && label.utf8.allSatisfy {
              switch $0 {
              case 0x30...0x39, 0x61...0x7A, 0x2D, 0x5F: true
              default: false
              }
            }
        }
        guard isGood, labels.count > 1, bare.utf8.count <= 253 else {
          throw .expected("a name like `_http._tcp.models.internal`")
        }
        return bare
      },
      write: YAMLText.quoted)
  }

  /// The name of a service, a tag, a namespace, or a prefix of keys.
  fileprivate static var registryTarget: Form {
    let text = Form.text("1 to 200 visible characters")
    return Form(
      read: { scalar throws(Misfit) in
        let name = try text.read(scalar)
        guard (1...200).contains(name.utf8.count),
          name.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { throw .expected("1 to 200 visible characters") }
        return name
      },
      write: YAMLText.quoted)
  }
}
