// The families of HTTP/2, of versions of HTTP, and of gRPC.
import Balancer
import Exposition
import Fleet
import HTTP

struct StreamPage {
  private let metrics: StreamMetrics
  private let fleet: Fleet
  private let labels: EndpointLabels

  init(_ metrics: StreamMetrics, _ fleet: Fleet, _ labels: EndpointLabels) {
    (self.metrics, self.fleet, self.labels) = (metrics, fleet, labels)
  }

  func write(to writer: inout MetricsWriter) {
    writer.open(.clientRequestsTotal)
    for version in HTTPVersion.allCases {
      writer.sample(metrics.requests(version), Labels(["protocol": version.label]))
    }
    writer.open(.http2ConnectionsOpen)
    for side in ConnectionSide.allCases {
      writer.sample(metrics.connectionsOpen(side), Labels(["side": side.label]))
    }
    writer.open(.http2ConnectionsEndedTotal)
    for side in ConnectionSide.allCases {
      for end in StreamMetrics.End.allCases {
        writer.sample(
          metrics.ends(side, end), Labels(["side": side.label, "reason": end.label]))
      }
    }
    writer.open(.http2StreamsTotal)
    for side in ConnectionSide.allCases {
      writer.sample(metrics.streams(side), Labels(["side": side.label]))
    }
    writer.open(.http2StreamResetsTotal)
    for side in ConnectionSide.allCases {
      for reset in StreamMetrics.Reset.allCases {
        writer.sample(
          metrics.resets(side, reset), Labels(["side": side.label, "reason": reset.label]))
      }
    }
    writeCalls(to: &writer)
  }

  /// Endpoints of HTTP/1.1 have no gRPC. The usual outcomes begin at 0; others appear when they
  /// occur.
  private func writeCalls(to writer: inout MetricsWriter) {
    writer.open(.grpcCallsTotal)
    let statuses = Labels.each(GRPCStatus.self, "grpc_status", \.label)
    for pool in fleet.pools where pool.endpointProtocol != .http1 {
      for endpoint in pool.endpoints {
        for (status, label) in statuses {
          let count = metrics.calls(endpointIndex: endpoint.endpointIndex, status)
          guard count > 0 || status == .ok || status.isFailure else { continue }
          writer.sample(count, labels[endpoint.endpointIndex], label)
        }
      }
    }
  }
}
