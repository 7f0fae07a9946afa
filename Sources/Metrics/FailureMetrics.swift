// The families of refused messages and failed attempts, by reason.
import Balancer
import Exposition
import Fleet
import HTTP

struct FailureMetrics {
  let reports: FailureDriver
  let labels: EndpointLabels

  func write(to writer: inout MetricsWriter) {
    writer.open(.malformedMessagesTotal)
    for side in FailureDriver.Side.allCases {
      for error in HeadError.allCases {
        writer.sample(
          reports.malformed(side, error), Labels(["side": side.label, "reason": error.label]))
      }
    }
    writer.open(.endpointConnectionFailuresTotal)
    let failures = Labels.each(ConnectionFailure.self, "reason", \.label)
    for (endpoint, labels) in labels.all {
      // The usual reason begins at 0; the others appear when they occur.
      for (failure, reason) in failures {
        let count = reports.connections(endpointIndex: endpoint.endpointIndex, failure)
        if count > 0 || failure == .refused { writer.sample(count, labels, reason) }
      }
    }
  }
}
