// The state of a connection to an endpoint. Invariant: it is a value in a slab that only its worker
// uses.
import IO
import Primitives

enum UpstreamPhase: UInt8 {
  case connecting, head, content, tunnel, idle
  /// The connection carries no request: it tests whether an ejected endpoint accepts connections.
  case trial
  /// The connection speaks HTTP/2: its streams are connections of their own.
  case multiplexed
}

struct Upstream {
  var phase = UpstreamPhase.connecting
  /// The exchange whose request the connection carries; `.none` between two exchanges.
  var exchange = ExchangeID.none
  var endpointIndex = 0
  /// The connection carried an earlier exchange, and no byte of the present answer has come. The
  /// endpoint may have closed it meanwhile.
  var isReused = false
  var isPersistent = false
  /// The time when the endpoint last sent bytes.
  var lastEvidenceAt = Nanoseconds.zero
  /// The number of exchanges carried, the present one included.
  var exchangeCount = 0
  /// The unsent bytes when a send deadline was set, as in `Downstream`.
  var untakenNoted = 0
  /// The connection began with the PROXY header of one client.
  var isPrivate = false
  /// The beginning of a response head.
  var input = HeldBytes()
  /// Bytes of the request that were sent or are waiting to be sent.
  var sentCount = 0
  /// The endpoint's `Keep-Alive: timeout`; −1: it gave none.
  var keepAliveSeconds: Int32 = -1
  // While idle: the time since when, and the time until when the connection may be used.
  var idleSince = Nanoseconds.zero
  var idleUntil = Nanoseconds.zero
  // The links of the endpoint's list of idle connections.
  var previous = EndpointConnectionID.none
  var next = EndpointConnectionID.none
}
