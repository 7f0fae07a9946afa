// Reads the key and the session of a request from its head, and writes the affinity cookie of the
// answer. Invariant: the head is read only while its bytes are valid.
// HOT PATH: no allocation, no lock, no existential.
import HTTP
import IO

extension Worker where Loop: ~Copyable {
  /// Reads the pool's key and the client's session from the head.
  mutating func readPickKey(
    _ id: ExchangeID, pool: Int, _ head: RequestHead, _ fields: FieldTable
  ) {
    let state = exchanges[id]
    let keyed = KeyedHead(
      head: head, fields: fields, client: clientText(id),
      certificate: plan.pools[pool].key.isOfCertificate
        ? io.clientCertificate(clientID(id).connection) : nil)
    state.pointee.pickKey.hash = keyed.hash(plan.pools[pool].key)
    state.pointee.pickKey.session = plan.pools[pool].affinity?.position(keyed)
  }

  /// Writes the cookie that names the endpoint of the client's session, unless the client has it.
  mutating func writeAffinity(_ exchangeID: ExchangeID, to writer: inout ByteWriter) {
    let state = exchanges[exchangeID]
    // A client must not return to an endpoint that was removed by a reload.
    guard let pool = state.pointee.pool, let endpointIndex = state.pointee.lease?.endpointIndex,
      let position = plan.endpoints[endpointIndex]?.position,
      position != state.pointee.pickKey.session
    else { return }
    plan.pools[pool].affinity?.write(
      position, isSecure: io.isSecure(clientID(exchangeID).connection), to: &writer)
  }
}
