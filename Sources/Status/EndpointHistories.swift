// The histories of one pool's endpoints, in the order of the last reading. Ten thousand are gone
// over every second: each changes in place, and only those with something to say are looked at.
import Fleet
import Primitives

struct EndpointHistories: Sendable {
  private var addresses: [SocketAddress] = []
  private var positions: [SocketAddress: Int] = [:]
  private var histories: [EndpointHistory] = []
  /// The positions of endpoints with requests, outages or events, in ascending order.
  private(set) var notable: [Int] = []

  var count: Int { histories.count }

  /// The history at a position of the last reading.
  subscript(position: Int) -> EndpointHistory { histories[position] }

  /// nil: the last reading has no such endpoint.
  subscript(address: SocketAddress) -> EndpointHistory? { positions[address].map { histories[$0] } }

  /// Takes a reading of each endpoint and returns the sums. Endpoints that are no longer in it are
  /// forgotten. `turns` as in `PoolHistory.take`.
  mutating func take(
    _ endpoints: [EndpointReading], turns: [SocketAddress: Int], now: Nanoseconds
  ) -> TrafficSums {
    follow(endpoints)
    var totals = TrafficSums()
    notable.removeAll(keepingCapacity: true)
    for position in endpoints.indices {
      let turned = turns.isEmpty ? 0 : turns[endpoints[position].address] ?? 0
      histories[position].take(endpoints[position], turns: turned, now: now)
      totals.inFlight += endpoints[position].inFlight
      guard histories[position].isNotable else {
        totals.addIdle(
          histories[position].ended.rate, isTimed: histories[position].firstBytes != nil)
        continue
      }
      totals.add(histories[position])
      notable.append(position)
    }
    return totals
  }

  /// Brings the histories into the order of the reading.
  private mutating func follow(_ endpoints: [EndpointReading]) {
    let isSame =
      endpoints.count == addresses.count
      && endpoints.indices.allSatisfy { endpoints[$0].address == addresses[$0] }
    if isSame { return }
    let next = endpoints.map { self[$0.address] ?? EndpointHistory() }
    addresses = endpoints.map(\.address)
    histories = next
    positions = Dictionary(
      zip(addresses, addresses.indices), uniquingKeysWith: { first, _ in first })
  }
}
