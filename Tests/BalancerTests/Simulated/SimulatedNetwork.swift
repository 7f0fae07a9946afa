// A network on which a worker runs without a kernel: a clock that moves only to the next event,
// connections with delays and limited buffers, and peers at their other ends. Every random choice
// comes from one seed.
import IO
import Primitives

/// A program at the other end of a connection.
protocol SimulatedPeer: AnyObject {
  /// The connection is open.
  func opened(_ wire: Wire)
  func received(_ bytes: [UInt8], on wire: Wire)
  /// The worker has closed its side.
  func ended(_ wire: Wire)
  /// The connection was reset.
  func failed(_ wire: Wire)
}

extension SimulatedPeer {
  func opened(_ wire: Wire) {}
}

/// The reaction of an address to a connection.
enum Reception {
  case accepted(any SimulatedPeer)
  case refused
  /// No answer comes.
  case silent
  /// The system has no descriptor for the connection.
  case shortage
}

final class SimulatedNetwork {
  private struct Event: HeapElement {
    let time: Nanoseconds
    let order: Int
    let action: () -> Void

    func isBefore(_ other: Event) -> Bool {
      time != other.time ? time < other.time : order < other.order
    }
  }

  var random: RandomSource
  /// The delay of every connection, one way; nil: each connection has its own.
  var delay: Nanoseconds?
  private(set) var now = Nanoseconds.seconds(1_000)
  private var events = BinaryHeap<Event>()
  private var count = 0
  /// Called for each connection that the worker opens.
  var reception: (_ port: UInt16) -> Reception = { _ in .refused }
  /// The clients that the worker has not accepted yet.
  var arrivals: [Wire] = []
  /// A hash of all events, with which two runs are compared.
  private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325

  init(seed: UInt64) { random = RandomSource(seed: seed) }

  // MARK: Time

  var nextEventTime: Nanoseconds { events.first?.time ?? .distantFuture }

  func after(_ span: Nanoseconds, _ action: @escaping () -> Void) {
    at(now + span, action)
  }

  func at(_ time: Nanoseconds, _ action: @escaping () -> Void) {
    count += 1
    events.insert(Event(time: max(time, now), order: count, action: action))
  }

  /// Moves the clock and runs every event that is due.
  func advance(to time: Nanoseconds) {
    let end = max(time, now)
    while let first = events.first, first.time <= end {
      now = max(now, first.time)
      _ = events.popFirst()
      first.action()
    }
    now = end
  }

  // MARK: Chance

  func chance(_ share: Double) -> Bool { random.unit() < share }

  func between(_ low: Nanoseconds, _ high: Nanoseconds) -> Nanoseconds {
    Nanoseconds(low.rawValue + Int64(Double((high - low).rawValue) * random.unit()))
  }

  func one<Element>(of elements: [Element]) -> Element {
    elements[random.index(below: elements.count)]
  }

  /// Adds a value to the digest (FNV-1a).
  func note(_ value: UInt64) {
    digest = (digest ^ value) &* 0x100_0000_01B3
  }

  // MARK: Clients

  /// Connects a client to the worker.
  func connect(_ client: any SimulatedPeer, from address: IPAddress) -> Wire {
    let wire = Wire(self, peer: client, address: address)
    wire.isAccepted = false
    after(wire.delay) {
      self.arrivals.append(wire)
      // The kernel accepts the connection, and the client may send before the worker knows it.
      client.opened(wire)
    }
    return wire
  }
}

/// A connection between the worker and a peer: two directions of bytes, each with a delay and the
/// buffers of both kernels.
final class Wire {
  let network: SimulatedNetwork
  let peer: any SimulatedPeer
  /// The peer's address.
  let address: IPAddress
  var isAccepted = true
  /// The delay of one direction.
  let delay: Nanoseconds
  /// The bytes that fit between the worker's `send` and the peer.
  private let capacity: Int

  // The direction to the worker, as its kernel holds it.
  private(set) var input: [UInt8] = []
  private(set) var isInputEnded = false
  /// The errno of a reset; 0: none.
  private(set) var error: Int32 = 0
  private var lastToWorker = Nanoseconds.zero

  // The direction to the peer.
  private(set) var unacknowledged = 0
  private var kernel: [UInt8] = []
  private var isEndDue = false
  private var lastToPeer = Nanoseconds.zero
  private var isPeerClosed = false
  private var isPeerGone = false
  private(set) var isWorkerClosed = false
  /// Whether the peer reads.
  private(set) var isReading = true
  /// Called when the worker may send more or has something to read.
  var changed: () -> Void = {}

  init(_ network: SimulatedNetwork, peer: any SimulatedPeer, address: IPAddress) {
    self.network = network
    self.peer = peer
    self.address = address
    delay = network.delay ?? network.between(.microseconds(20), .milliseconds(3))
    capacity = network.one(of: [1_000, 8_000, 60_000, 400_000])
  }

  var hasInput: Bool { !input.isEmpty || isInputEnded || error != 0 }
  var room: Int { max(0, capacity - unacknowledged - kernel.count) }

  // MARK: The peer's side

  private func toWorker(_ action: @escaping () -> Void) {
    lastToWorker = max(lastToWorker, network.now + delay)
    network.at(lastToWorker) { if !self.isWorkerClosed { action() } }
  }

  func send(_ bytes: [UInt8]) {
    guard !isPeerGone, !bytes.isEmpty else { return }
    lastToWorker = max(lastToWorker, network.now + delay)
    network.at(lastToWorker) {
      guard !self.isWorkerClosed else {
        // The worker's kernel has forgotten the connection.
        self.failPeer()
        return
      }
      guard self.error == 0 else { return }
      self.input += bytes
      self.changed()
    }
  }

  /// Ends the peer's sending side. The peer still reads.
  func finish() {
    guard !isPeerGone else { return }
    toWorker {
      self.isInputEnded = true
      self.changed()
    }
  }

  /// Closes the peer's side. Later bytes of the worker are answered with a reset; unread bytes
  /// cause a reset at once.
  func close() {
    guard !isPeerGone else { return }
    if kernel.isEmpty { finish() } else { toWorker { self.failWorker() } }
    isPeerGone = true
    isPeerClosed = true
  }

  func reset() {
    guard !isPeerGone else { return }
    isPeerGone = true
    isPeerClosed = true
    toWorker { self.failWorker() }
  }

  /// Stops or resumes reading.
  func setReading(_ isReading: Bool) {
    self.isReading = isReading
    if isReading { deliver() }
  }

  private func failWorker() {
    // EPIPE if the peer had ended the connection before (tcp_reset in Linux), otherwise ECONNRESET.
    error = isInputEnded ? 32 : 104
    input = []
    changed()
  }

  private func failPeer() {
    guard !isPeerGone else { return }
    isPeerGone = true
    isPeerClosed = true
    peer.failed(self)
  }

  private func deliver() {
    guard isReading, !isPeerClosed else { return }
    if !kernel.isEmpty {
      let bytes = kernel
      kernel = []
      peer.received(bytes, on: self)
      if !isWorkerClosed { network.after(delay) { self.changed() } }
    }
    if isEndDue, !isPeerClosed {
      isEndDue = false
      peer.ended(self)
    }
  }

  // MARK: The worker's side

  private func toPeer(_ action: @escaping () -> Void) {
    lastToPeer = max(lastToPeer, network.now + delay)
    network.at(lastToPeer, action)
  }

  /// Takes as many bytes as there is room for. Returns their number.
  func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    let count = min(bytes.count, room)
    guard count > 0 else { return 0 }
    let sent = Array(bytes[0..<count])
    unacknowledged += count
    toPeer {
      if self.isPeerClosed {
        // No byte of it is acknowledged.
        self.toWorker { self.failWorker() }
        return
      }
      self.kernel += sent
      self.network.after(self.delay) {
        self.unacknowledged -= count
        self.changed()
      }
      self.deliver()
    }
    return count
  }

  func read(_ count: Int) -> [UInt8] {
    let bytes = Array(input.prefix(count))
    input.removeFirst(bytes.count)
    return bytes
  }

  /// Ends the worker's sending side.
  func finishWorker() {
    toPeer {
      self.isEndDue = true
      self.deliver()
    }
  }

  /// Closes the worker's side. `isReset`: with a reset, which unread input causes too.
  func closeWorker(isReset: Bool) {
    isWorkerClosed = true
    let isFailure = isReset || !input.isEmpty
    toPeer {
      if isFailure {
        self.kernel = []
        self.failPeer()
      } else {
        self.isEndDue = true
        self.deliver()
      }
    }
  }
}
