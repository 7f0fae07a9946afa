// The request bytes that were sent to an endpoint, kept until the answer begins so that the request
// can be retried: the head and the first content in one block, further content in a chain of
// blocks. Invariant: content beyond the limit of the pool or of the worker is not kept in part;
// then nothing is kept.
// HOT PATH: no lock, no existential, no clock; a block is allocated once and then reused.
import IO

/// A block of a chain: this header, followed by bytes.
private struct ReplayBlock {
  static let byteCount = 16_384
  static let contentCount = byteCount - MemoryLayout<ReplayBlock>.stride
  var next: UnsafeMutablePointer<ReplayBlock>?
  var count: Int
}

/// The kept bytes of one request. A trivial value; `ReplayStore` owns its blocks.
struct Replay {
  /// The head and the first content as sent.
  var first = HeldBytes()
  fileprivate var head: UnsafeMutablePointer<ReplayBlock>?
  fileprivate var tail: UnsafeMutablePointer<ReplayBlock>?
  /// The kept content, bytes as sent.
  var contentCount = 0

  var isKept: Bool { first.block != nil }
}

/// The chains of a worker. They hold at most `byteCountMax` bytes and are freed with the store.
struct ReplayStore: ~Copyable {
  private var blocks: BlockPool

  init(byteCountMax: Int) {
    blocks = BlockPool(
      byteCount: ReplayBlock.byteCount, countMax: byteCountMax / ReplayBlock.byteCount)
  }

  /// The memory of all chains, bytes.
  var byteCount: Int { blocks.usedByteCount }

  /// The memory of one chain, bytes.
  func byteCount(of replay: Replay) -> Int {
    var count = 0
    var block = replay.head
    while let current = block {
      count += ReplayBlock.byteCount
      block = current.pointee.next
    }
    return count
  }

  /// Appends content to the chain. Returns false if the worker already keeps too much; the bytes
  /// may then be appended in part, and the replay has to be dropped.
  mutating func append(_ bytes: UnsafeRawBufferPointer, to replay: inout Replay) -> Bool {
    var rest = bytes
    while let source = rest.baseAddress, !rest.isEmpty {
      if replay.tail == nil || replay.tail!.pointee.count == ReplayBlock.contentCount {
        guard let memory = blocks.take() else { return false }
        let block = memory.bindMemory(to: ReplayBlock.self, capacity: 1)
        block.initialize(to: ReplayBlock(next: nil, count: 0))
        if let tail = replay.tail { tail.pointee.next = block } else { replay.head = block }
        replay.tail = block
      }
      guard let tail = replay.tail else { return false }
      let count = min(rest.count, ReplayBlock.contentCount - tail.pointee.count)
      (UnsafeMutableRawPointer(tail + 1) + tail.pointee.count)
        .copyMemory(from: source, byteCount: count)
      tail.pointee.count += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
    return true
  }

  /// A cursor at the first block of the chain; nil: the chain is empty.
  func chain(_ replay: Replay) -> Cursor? { replay.head.map { Cursor(block: $0) } }

  /// A block of a chain. Invalid once the replay is dropped.
  struct Cursor {
    fileprivate let block: UnsafeMutablePointer<ReplayBlock>

    var bytes: UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(start: block + 1, count: block.pointee.count)
    }
    var next: Cursor? { block.pointee.next.map { Cursor(block: $0) } }
  }

  /// Frees the blocks of the chain. The first block belongs to its owner.
  mutating func drop(_ replay: inout Replay) {
    while let head = replay.head {
      replay.head = head.pointee.next
      blocks.give(UnsafeMutableRawPointer(head))
    }
    replay = Replay()
  }
}

extension Worker where Loop: ~Copyable {
  /// Keeps bytes that are sent to the endpoint, while they fit and no response has begun.
  mutating func remember(_ bytes: UnsafeRawBufferPointer, for id: ExchangeID) {
    let state = exchanges[id]
    guard let block = state.pointee.replay.first.block else { return }
    state.pointee.replay.contentCount += bytes.count
    guard state.pointee.replay.contentCount <= state.pointee.replayBytesMax else {
      dropReplay(id)
      return
    }
    let end = state.pointee.replay.first.end
    let count = min(bytes.count, Self.blockBytes - end)
    if count > 0, let source = bytes.baseAddress {
      (block + end).copyMemory(from: source, byteCount: count)
      state.pointee.replay.first.end += count
    }
    let rest = UnsafeRawBufferPointer(rebasing: bytes[count...])
    if !replays.append(rest, to: &state.pointee.replay) { dropReplay(id) }
  }

  /// Sends the kept bytes.
  mutating func sendReplay(_ replay: Replay, to upstream: EndpointConnectionID) {
    sendCounted(replay.first.bytes, to: upstream)
    var cursor = replays.chain(replay)
    while !io.hasFailed(upstream.connection), let block = cursor {
      sendCounted(block.bytes, to: upstream)
      cursor = block.next
    }
  }

  /// Sends bytes of the request and counts them unless the kernel refused them.
  mutating func sendCounted(_ bytes: UnsafeRawBufferPointer, to upstream: EndpointConnectionID) {
    io.send(upstream.connection, bytes)
    if !io.hasFailed(upstream.connection) { slab.upstream[upstream.index].sentCount += bytes.count }
  }

  /// Drops the kept request bytes and the kept answer.
  mutating func dropReplay(_ id: ExchangeID) {
    let state = exchanges[id]
    guard state.pointee.replay.isKept || state.pointee.kept.held.block != nil else { return }
    release(&state.pointee.replay.first)
    replays.drop(&state.pointee.replay)
    release(&state.pointee.kept.held)
  }

  mutating func isKept(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    return state.pointee.replay.isKept
      && state.pointee.replay.contentCount <= state.pointee.replayBytesMax
  }
}
