import Balancer
import Primitives
import Testing

private func bytes<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
  Array(text.utf8).withUnsafeBytes(body)
}

@Suite struct SipHashTests {
  // The key 00 01 … 0f and the messages empty, 00, 00 01, …: vectors_sip64 of the authors'
  // reference implementation.
  @Test func agreesWithTheReference() {
    let hash = SipHash(0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908)
    let expected: [UInt64] = [
      0x726F_DB47_DD0E_0E31, 0x74F8_39C5_93DC_67FD, 0x0D6C_8009_D9A9_4F5A,
      0x8567_6696_D7FB_7E2D, 0xCF27_94E0_2771_87B7, 0x1876_5564_CD99_A68D,
      0xCBC9_466E_58FE_E3CE, 0xAB02_00F5_8B01_D137, 0x93F5_F579_9A93_2462,
    ]
    for (count, value) in expected.enumerated() {
      let message = (0..<count).map { UInt8($0) }
      #expect(message.withUnsafeBytes { hash($0) } == value)
    }
    #expect(hash(0x0706_0504_0302_0100 as UInt64) == expected[8])
  }

  @Test func anotherKeyGivesAnotherHash() {
    var random = SystemRandomNumberGenerator()
    let (one, other) = (SipHash(random: &random), SipHash(random: &random))
    #expect(one(1) != other(1))
    #expect(bytes("key") { one($0) } == bytes("key") { one($0) })
  }
}

@Suite struct ClientNetworkTests {
  @Test(arguments: [
    ("2001:db8:1:2:3:4:5:6", 0x2001_0DB8_0001_0002 as UInt64?), ("2001:db8::1", 0x2001_0DB8 << 32),
    ("2001:db8:1:2::", 0x2001_0DB8_0001_0002), ("::1", 0), ("::", 0),
    ("fe80::5054:ff:fe12:3456", 0xFE80 << 48), ("1::2:3:4:5:6:7", 0x0001_0000_0002_0003),
    ("2001:DB8:A:B:1:2:3:4", 0x2001_0DB8_000A_000B), ("10.0.0.1", nil), ("::ffff:10.0.0.1", nil),
    ("", nil), ("unix", nil), ("12345::1", nil),
  ])
  func readsTheNetwork(text: String, network: UInt64?) {
    #expect(bytes(text) { ClientNetwork.ipv6Network($0) } == network)
  }

  @Test func aHostWithManyAddressesIsOneClient() {
    let hash = SipHash(1, 2)
    func client(_ text: String) -> UInt64 { bytes(text) { ClientNetwork.hash($0, hash) } }
    #expect(client("2001:db8::1") == client("2001:db8::ffff:1"))
    #expect(client("2001:db8::1") != client("2001:db8:0:1::1"))
    #expect(client("10.0.0.1") != client("10.0.0.2"))
    #expect(client("::ffff:10.0.0.1") != client("::ffff:10.0.0.2"))
  }
}

@Suite struct ClientTableTests {
  @Test func refusesAboveTheLimitAndForgetsWhoLeft() {
    let table = ClientTable(limit: 2, connectionsMax: 100)
    var random = RandomSource(seed: 1)
    let (one, other) = (random.next(), random.next())
    guard case .entered(let first) = table.enter(one), case .entered = table.enter(one) else {
      Issue.record("two may come in")
      return
    }
    #expect(table.enter(one) == .refused)
    #expect(table.enter(other) != .refused)
    table.leave(first)
    #expect(table.enter(one) == .entered(first))
    #expect(table.enter(one) == .refused)
    #expect(table.count == 3)
  }

  @Test func agreesWithADictionaryWhateverHappens() {
    let table = ClientTable(limit: 5, connectionsMax: 1_000)
    var random = RandomSource(seed: 4)
    let clients = (0..<300).map { _ in random.next() }
    var counts: [UInt64: Int] = [:]
    var open: [(client: UInt64, cell: Int32)] = []
    for _ in 0..<50_000 {
      if random.index(below: 2) == 0, !open.isEmpty {
        let last = open.count - 1
        open.swapAt(random.index(below: open.count), last)
        let (client, cell) = open.removeLast()
        table.leave(cell)
        counts[client, default: 0] -= 1
      } else {
        let client = clients[random.index(below: clients.count)]
        switch table.enter(client) {
        case .entered(let cell):
          #expect(counts[client, default: 0] < 5)
          counts[client, default: 0] += 1
          open.append((client, cell))
        case .refused: #expect(counts[client] == 5)
        case .uncounted: Issue.record("there is room for all")
        }
      }
    }
    for (_, cell) in open { table.leave(cell) }
    #expect(table.count == 0)
  }

  @Test func moreClientsThanPlacesAreLetIn() {
    let table = ClientTable(limit: 1, connectionsMax: 16)
    var random = RandomSource(seed: 6)
    var cells: [Int32] = []
    var uncounted = 0
    for _ in 0..<100_000 {
      switch table.enter(random.next()) {
      case .entered(let cell): cells.append(cell)
      case .refused: Issue.record("no client came twice")
      case .uncounted: uncounted += 1
      }
    }
    #expect(uncounted > 90_000)
    #expect(table.count == cells.count)
    for cell in cells { table.leave(cell) }
    #expect(table.count == 0)
  }

  @Test func threadsLeaveNothingBehind() throws {
    let table = ClientTable(limit: 60_000, connectionsMax: 1_000)
    try withTwoThreads { number in
      var random = RandomSource(seed: UInt64(number))
      var cells: [Int32] = []
      for _ in 0..<100_000 {
        if cells.count < 100, case .entered(let cell) = table.enter(random.next() % 8 << 20) {
          cells.append(cell)
        } else if let cell = cells.popLast() {
          table.leave(cell)
        }
      }
      for cell in cells { table.leave(cell) }
    }
    #expect(table.count == 0)
  }
}
