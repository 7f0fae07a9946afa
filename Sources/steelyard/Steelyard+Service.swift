// The state of this program for the service manager.
import Balancer
import Events
import Fleet

extension Steelyard {
  /// The present state. Takes time in proportion to the number of endpoints.
  var serviceState: ServiceState {
    let table = board.table
    let endpoints = table.fleet.pools.lazy.flatMap(\.endpoints)
    let openCount = endpoints.count { endpoint in
      guard let row = table.rows[endpoint.endpointIndex] else { return false }
      let isEjected = evidence.isEjected(endpoint.endpointIndex)
      return row.eligibility.shown(isEjected: isEjected).takesNewExchanges
    }
    return ServiceState(
      endpointCount: table.fleet.endpointCount, openCount: openCount,
      inFlight: Int(balancer.inFlight), stopsAt: stopsAt, silentWorker: balancer.silentWorker)
  }
}
