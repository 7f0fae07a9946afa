// Which descriptions a fleet has, and where: what is loaded for it. Equal descriptions are one.
import Fleet

/// What contexts are made for. Descriptions that differ in nothing that concerns the context are
/// equal.
enum CredentialKey: Hashable {
  case server(ServerTLS, offersHTTP2: Bool)
  case client(ClientTLS, EndpointProtocol)
}

/// The descriptions of one fleet, in its order.
struct CredentialPlan {
  struct Item {
    let key: CredentialKey
    /// Where it stands, like `listener 0.0.0.0:8443`.
    var places: [String]
    var uses: Set<CertificateStatus.Use>
    /// Workers need contexts, and not only the control thread.
    var isOfWorkers: Bool
  }

  private(set) var items: [Item] = []

  init(_ fleet: Fleet) {
    for listener in fleet.listeners {
      add(
        listener.tls, offersHTTP2: listener.http2 != nil, "listener \(listener.address)", .listener,
        isOfWorkers: true)
    }
    add(fleet.adminTLS, "the admin address", .admin, isOfWorkers: false)
    for pool in fleet.pools {
      add(pool.tls, "pool \(pool.name)", pool.endpointProtocol, isOfWorkers: true)
      for source in pool.weights.scrapes { add(source.tls, "scrapes of pool \(pool.name)") }
      add(
        pool.health?.tls, "health checks of pool \(pool.name)",
        pool.health?.kind == .grpc ? .http2 : .http1)
      add(pool.canary?.tls, "the canary of pool \(pool.name)")
      for source in pool.sources { add(source.tls, "source \(source.label) of pool \(pool.name)") }
    }
    add(fleet.shared?.tls, "the shared store")
    for hook in fleet.hooks {
      if case .post(let target) = hook.action { add(target.tls, "the hook to \(target.address)") }
    }
  }

  private mutating func add(
    _ tls: ServerTLS?, offersHTTP2: Bool = false, _ place: String, _ use: CertificateStatus.Use,
    isOfWorkers: Bool
  ) {
    guard let tls else { return }
    add(
      Item(
        key: .server(tls.ofContext, offersHTTP2: offersHTTP2), places: [place], uses: [use],
        isOfWorkers: isOfWorkers))
  }

  private mutating func add(
    _ tls: ClientTLS?, _ place: String, _ version: EndpointProtocol = .http1,
    isOfWorkers: Bool = false
  ) {
    guard let tls else { return }
    add(
      Item(
        key: .client(tls.ofContext, version), places: [place], uses: [.client],
        isOfWorkers: isOfWorkers))
  }

  private mutating func add(_ item: Item) {
    guard let index = items.firstIndex(where: { $0.key == item.key }) else {
      items.append(item)
      return
    }
    items[index].places += item.places
    items[index].uses.formUnion(item.uses)
    items[index].isOfWorkers = items[index].isOfWorkers || item.isOfWorkers
  }
}
