import Testing

@testable import HTTP

@Suite struct FieldMemoryTests {
  private static func take(_ memory: FieldMemory, _ count: Int) -> UnsafeMutableRawPointer? {
    memory.store.pointee.take(count)
  }

  private static func takeZeroed(
    _ memory: FieldMemory, _ count: Int, _ size: Int
  ) -> UnsafeMutableRawPointer? {
    memory.store.pointee.takeZeroed(count, size)
  }

  private static func resize(
    _ memory: FieldMemory, _ block: UnsafeMutableRawPointer?, _ count: Int
  ) -> UnsafeMutableRawPointer? {
    memory.store.pointee.resize(block, to: count)
  }

  @Test func blocksHoldWhatWasAskedForAndAreUsedAgain() throws {
    let memory = FieldMemory()
    let store = memory.store
    for count in Array(0...600) + [4_088, 4_089, 8_192, 65_536, 131_112, 196_600] {
      let first = try #require(Self.take(memory, count))
      let live = memory.liveByteCount
      #expect(live >= count + 8 && live <= max(32, (count + 8) * 3 / 2))
      #expect(Int(bitPattern: first) % 8 == 0)
      first.initializeMemory(as: UInt8.self, repeating: 0xA5, count: count)
      let second = try #require(Self.take(memory, count))
      second.initializeMemory(as: UInt8.self, repeating: 0x5A, count: count)
      #expect((0..<count).allSatisfy { first.load(fromByteOffset: $0, as: UInt8.self) == 0xA5 })
      store.pointee.give(first)
      #expect(Self.take(memory, count) == first)
      store.pointee.give(first)
      store.pointee.give(second)
      #expect(memory.liveByteCount == 0)
    }
    #expect(Self.take(memory, 196_601) == nil)
    #expect(Self.take(memory, -1) == nil)
    store.pointee.give(nil)
  }

  @Test func blocksGrowWithTheirContentAndCanBeZeroed() throws {
    let memory = FieldMemory()
    let store = memory.store
    let small = try #require(Self.resize(memory, nil, 24))
    small.initializeMemory(as: UInt8.self, repeating: 7, count: 24)
    #expect(Self.resize(memory, small, 20) == small)
    let large = try #require(Self.resize(memory, small, 1_000))
    #expect((0..<24).allSatisfy { large.load(fromByteOffset: $0, as: UInt8.self) == 7 })
    store.pointee.give(large)
    let zeroed = try #require(Self.takeZeroed(memory, 10, 100))
    #expect(zeroed == large)
    #expect((0..<1_000).allSatisfy { zeroed.load(fromByteOffset: $0, as: UInt8.self) == 0 })
    store.pointee.give(zeroed)
    #expect(Self.takeZeroed(memory, .max, 2) == nil)
    #expect(memory.liveByteCount == 0)
  }

  /// Heads with values that come and go in the table.
  private static func exchange(_ coder: TestCoder, _ number: Int) {
    let head = Block.literal(Block.post())
    let fields =
      Block.indexed("user-agent", "agent/\(number % 1_000)")
      + Block.indexed("x-\(number % 100)", "y") + Block.literal([("x-request-id", "\(number)")])
    #expect(coder.request(head + fields, isEnd: false).facts != nil)
    #expect(coder.response(Block.literal([(":status", "200")]) + fields).facts != nil)
    #expect(coder.trailers(Block.indexed("grpc-status", "0")).facts != nil)
    let text = "POST / HTTP/1.1\r\nHost: a\r\nX-Name: \(number)\r\n\r\n"
    #expect(coder.encodeRequest(text) != nil)
  }

  @Test func nothingIsAllocatedAfterWarmUp() {
    let memory = FieldMemory()
    do {
      let coder = TestCoder(memory: memory)
      for number in 1_000..<2_000 { Self.exchange(coder, number) }
      let (count, live) = (memory.allocationCount, memory.liveByteCount)
      for number in 0..<5_000 { Self.exchange(coder, number) }
      #expect(memory.allocationCount == count)
      // A table of 4 KB by RFC 7541 §4.1, which nghttp2 keeps in five times the memory.
      #expect(live > 5_000 && memory.liveByteCount < live * 2 && memory.liveByteCount < 25_000)
      #expect(memory.reservedByteCount < 300_000)
    }
    #expect(memory.liveByteCount == 0)
  }

  @Test func connectionsThatComeAndGoUseTheSameMemory() {
    let memory = FieldMemory()
    var counts: [Int] = []
    for _ in 0..<50 {
      let coders = (0..<10).map { _ in TestCoder(memory: memory) }
      for number in 100..<120 {
        for coder in coders { Self.exchange(coder, number) }
      }
      counts.append(memory.allocationCount)
    }
    #expect(memory.liveByteCount == 0)
    #expect(Set(counts).count == 1)
  }

  @Test func anIdleConnectionTakesFewBytes() {
    let memory = FieldMemory()
    let coder = TestCoder(memory: memory)
    #expect(memory.liveByteCount < 2_500)
    _ = coder
  }

  @Test func withoutMemoryThereIsNoCoder() {
    #expect(HeadCoder(FieldMemory(byteCountMax: 0)) == nil)
    let memory = FieldMemory(byteCountMax: 70_000)
    var coders: [HeadCoder] = []
    while let coder = HeadCoder(memory) { coders.append(coder) }
    #expect(coders.count > 10)
    #expect(memory.reservedByteCount <= 70_000)
    coders.removeLast().free()
    #expect(HeadCoder(memory).map { coders.append($0) } != nil)
    for coder in coders { coder.free() }
    #expect(memory.liveByteCount == 0)
  }

  @Test func aConnectionWithoutMemoryIsBroken() {
    let memory = FieldMemory(byteCountMax: 66_000)
    let coder = TestCoder(memory: memory)
    let block = Block.literal(Array("a".utf8), [UInt8](repeating: 0x62, count: 60_000))
    #expect(coder.trailers(block).head == .broken)
    #expect(coder.trailers([("a", "b")]).head == .broken)
  }

  /// The worst that one peer can make its table hold: values that Huffman codes make long.
  @Test func onePeersTableIsBounded() {
    let memory = FieldMemory()
    let coder = TestCoder(memory: memory)
    let idle = memory.liveByteCount
    // 0x0A has a code of 30 bits (RFC 7541 appendix B); four make 120 bits, 15 bytes.
    let code: [UInt8] =
      [0xFF, 0xFF, 0xFF, 0xF3, 0xFF, 0xFF, 0xFF, 0xCF, 0xFF, 0xFF, 0xFF, 0x3F]
      + [0xFF, 0xFF, 0xFC]
    let value = (0..<15).flatMap { _ in code }
    let block =
      [0x40] + Block.integer(1, prefix: 7) + [0x61]
      + Block.integer(value.count, prefix: 7, first: 0x80) + value
    for _ in 0..<200 { #expect(coder.trailers(block).fault == .badValue) }
    #expect(memory.liveByteCount - idle < 64_000)
    for _ in 0..<200 { #expect(coder.trailers(Block.indexed("", "")).fault == .badName) }
    #expect(memory.liveByteCount - idle < 64_000)
  }
}
