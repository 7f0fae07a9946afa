// From a description and its files to what a context is made of.
import Fleet
import IO

extension CredentialFiles {
  /// Of a listener or the admin address. `pairs`: those of its directories included. `madeKeys`:
  /// the ticket keys of this process.
  func options(
    _ tls: ServerTLS, offersHTTP2: Bool, _ pairs: [CertificateFiles], madeKeys: [TicketKey]
  ) throws(TLSError) -> ServerContextOptions {
    var read: [CertificatePair] = []
    for files in pairs { read.append(try pair(files)) }
    var options = ServerContextOptions(pairs: read)
    options.isTLS13Only = tls.versionMin == .tls13
    options.ciphers = tls.ciphers
    options.groups = tls.groups
    if let path = tls.clientCA { options.clientCA = try bytes(path, "client authority") }
    if let path = tls.revocations { options.revocations = try bytes(path, "revocation list") }
    options.requiresClientCertificate = tls.clientAuthentication == .require
    options.keepsClientNames = tls.clientCA != nil
    options.offersHTTP2 = offersHTTP2
    switch tls.tickets {
    case .made: options.ticketKeys = madeKeys
    case .file(let path):
      options.ticketKeys = try TicketKeyFile.keys(try secret(path, "ticket key"), path: path)
    case .off: options.ticketKeys = []
    }
    return options
  }

  /// Of connections that steelyard opens.
  func options(
    _ tls: ClientTLS, _ version: EndpointProtocol = .http1
  ) throws(TLSError) -> ClientContextOptions {
    var options = ClientContextOptions()
    if let path = tls.ca { options.ca = try bytes(path, "authority") }
    if let files = tls.certificate { options.pair = try pair(files) }
    if let path = tls.revocations { options.revocations = try bytes(path, "revocation list") }
    options.isTLS13Only = tls.versionMin == .tls13
    options.isInsecure = tls.isInsecure
    options.protocols = ApplicationProtocols(version)
    return options
  }
}

extension ApplicationProtocols {
  init(_ version: EndpointProtocol) {
    switch version {
    case .http1: self = .http1
    case .http2: self = .http2
    case .auto: self = .both
    }
  }
}

extension TLSError {
  /// Names the file where the message names the key of the description.
  func naming(_ key: CredentialKey) -> TLSError {
    let files: [(key: String, path: String?)] =
      switch key {
      case .server(let tls, _): [("`client_ca`", tls.clientCA), ("`crl`", tls.revocations)]
      case .client(let tls, _): [("`ca`", tls.ca), ("`crl`", tls.revocations)]
      }
    for (key, path) in files {
      if let path, message.hasPrefix(key) {
        return TLSError("\(key) \(path)" + message.dropFirst(key.count))
      }
    }
    return self
  }
}
