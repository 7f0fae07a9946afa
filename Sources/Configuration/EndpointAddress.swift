// The address of an endpoint: an IP address, or a host name that is resolved while steelyard runs.
import Fleet
import Primitives

/// The value of an endpoint's `address`.
enum EndpointAddress: Equatable {
  case address(SocketAddress)
  /// Lower case.
  case name(host: String, port: UInt16)
}

extension Form<EndpointAddress> {
  /// `10.0.0.1:8000`, `[fd00::1]:8000`, `gpu-1.example:8000`; `localhost` is 127.0.0.1.
  static var endpointAddress: Form {
    let address = Form<SocketAddress>.endpointAddress
    return Form(
      read: { scalar throws(Misfit) in
        if let place = name(scalar) { return place }
        return .address(try address.read(scalar))
      },
      write: {
        switch $0 {
        case .address(let found): address.write(found)
        case .name(let host, let port): YAMLText.quoted("\(host):\(port)")
        }
      })
  }

  private static func name(_ scalar: Scalar) -> EndpointAddress? {
    guard let colon = scalar.text.lastIndex(of: ":") else { return nil }
    let host = scalar.text[..<colon].lowercased()
    let digits = String(scalar.text[scalar.text.index(after: colon)...])
    guard Decimal.isInteger(digits), let port = UInt16(digits), port > 0,
      HostNameText.isValid(host.hasSuffix(".") ? host.dropLast() : host[...]),
      host != "localhost"
    else { return nil }
    return .name(host: host, port: port)
  }
}

extension Form<MetricsLocation> {
  /// `8012`, a port of the endpoint's own address, or `10.0.0.1:8012`.
  static var metricsLocation: Form {
    let address = Form<SocketAddress>.endpointAddress
    return Form(
      read: { scalar throws(Misfit) in
        if Decimal.isInteger(scalar.text) {
          return .port(try Form<UInt16>.port.read(scalar))
        }
        return .address(try address.read(scalar))
      },
      write: {
        switch $0 {
        case .port(let port): "\(port)"
        case .address(let found): address.write(found)
        }
      })
  }
}
