// Requests whose route needs no endpoint: redirects and fixed answers, sent as soon as the head is
// complete. Invariant: content that has not come is not waited for; the connection then ends.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Sends the answer of the route, or that to OPTIONS which may not be forwarded (RFC 9110
  /// §7.6.2). `bytes` begin with the head, and `rest` holds the bytes after the request; neither is
  /// used afterwards.
  mutating func answer(
    _ id: ExchangeID, with answer: RouteAnswer, _ head: RequestHead,
    _ bytes: UnsafeRawBufferPointer, rest: UnsafeRawBufferPointer
  ) {
    let closes = closesAfterAnswer(id)
    let host = RouteTable.hostRange(head.authorityStart..<head.authorityEnd, bytes)
    if answer.takesHost, host.isEmpty {
      // HTTP/1.0 without a Host field.
      keepPipelined(clientID(id), rest)
      respond(id, .malformedRequest)
      return
    }
    var writer = ByteWriter(scratch)
    answer.write(
      to: &writer, date: date.current(turn: turn),
      host: UnsafeRawBufferPointer(rebasing: bytes[host]),
      target: UnsafeRawBufferPointer(rebasing: bytes[head.targetStart..<head.targetEnd]),
      isHead: head.method == .head, closes: closes)
    keepPipelined(clientID(id), rest)
    guard !writer.hasOverflowed else {
      respond(id, .headTooLarge)
      return
    }
    context.metrics.countRouteAnswer(
      worker: workerIndex, isRedirect: answer.isRedirect, answer.code)
    io.send(clientID(id).connection, writer.written)
    logAnswer(id, answer.status, answer.isRedirect ? "redirect" : "respond", writer.written)
    endDownstream(id, closes: closes)
  }

  /// The route's present answer: `emptyAnswer` while the pool that it checks has no endpoint.
  mutating func fixedAnswer(_ route: Int) -> RouteAnswer? {
    let pool = plan.routes[route].unlessEmpty
    let isEmpty = pool >= 0 && isEmpty(pool)
    return isEmpty ? plan.routes[route].emptyAnswer : plan.routes[route].answer
  }

  /// Whether no endpoint of the pool may take requests. If all endpoints are ejected, they still
  /// get requests but hardly answer them, so the pool counts as empty.
  private mutating func isEmpty(_ pool: Int) -> Bool {
    for position in plan.pools[pool].endpointIndexes.indices {
      let isServing =
        plan.pools[pool].picker.candidates[position].isEligible
        && plan.pools[pool].picker.candidates[position].weight > 0
      if isServing, !context.evidence.isEjected(plan.pools[pool].endpointIndexes[position]) {
        return false
      }
    }
    return true
  }

  /// Whether the connection ends after steelyard's own answer, which it does if the request is
  /// incomplete.
  mutating func closesAfterAnswer(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    let isWhole =
      slab.downstream[clientID(id).index].phase == .exchange && state.pointee.request.isComplete
    return !isWhole || !state.pointee.isPersistent || state.pointee.version == .http10
  }
}
