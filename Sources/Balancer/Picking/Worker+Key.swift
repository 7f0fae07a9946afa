// What a request's head says of the endpoint that it goes to, and what the client is told of it.
// HOT PATH: no allocation, no lock, no existential.
import HTTP
import IO

extension Worker where Loop: ~Copyable {
  /// Looks up the pool's key and the client's session while the head's bytes are there.
  mutating func readPickKey(
    _ id: ExchangeID, pool: Int, _ head: RequestHead, _ fields: FieldTable
  ) {
    let state = exchanges[id]
    let keyed = KeyedHead(
      head: head, fields: fields,
      client: clientText(id))
    state.pointee.pickKey.hash = keyed.hash(plan.pools[pool].key)
    state.pointee.pickKey.session = plan.pools[pool].affinity?.position(keyed)
  }

  /// Tells the client where its session is, unless it knows.
  mutating func writeAffinity(_ exchangeID: ExchangeID, to writer: inout ByteWriter) {
    let state = exchanges[exchangeID]
    // An endpoint that a reload took away is none to come back to.
    guard let pool = state.pointee.pool, let endpointIndex = state.pointee.lease?.endpointIndex,
      let position = plan.endpoints[endpointIndex]?.position,
      position != state.pointee.pickKey.session
    else { return }
    plan.pools[pool].affinity?.write(position, to: &writer)
  }
}
