import Primitives
import Shared
import Testing

private func read(_ text: String) throws(RESPError) -> [RESPValue] {
  var reader = RESPReader()
  reader.append(Array(text.utf8))
  var values: [RESPValue] = []
  while let value = try reader.next() { values.append(value) }
  return values
}

@Suite struct RESPReaderTests {
  @Test func readsEveryKindOfReply() throws {
    #expect(
      try read("+OK\r\n-NOSCRIPT No matching script\r\n:-42\r\n$5\r\na\r\nbc\r\n$-1\r\n*-1\r\n")
        == [
          .simple("OK"), .error("NOSCRIPT No matching script"), .integer(-42),
          .bulk(Array("a\r\nbc".utf8)), .bulk(nil), .array(nil),
        ])
    #expect(
      try read("*3\r\n:1\r\n*0\r\n*2\r\n$0\r\n\r\n+x\r\n")
        == [.array([.integer(1), .array([]), .array([.bulk([]), .simple("x")])])])
  }

  @Test(arguments: [
    ("?\r\n", RESPError.type), ("HTTP/1.1 200 OK\r\n", .type), ("*1\r\nx", .type),
    (":1\n2\r\n", .number), (":\r\n", .number), (":-\r\n", .number), (":+1\r\n", .number),
    (":99999999999999999999\r\n", .number), (":9999999999999999999\r\n", .number),
    ("$-2\r\n", .number), ("*-2\r\n", .number), ("$1x\r\n", .number),
    ("$1048577\r\n", .tooLarge), ("*4097\r\n", .tooLarge), ("$9223372036854775807\r\n", .tooLarge),
    ("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", .tooLarge), ("$2\r\nabcd", .line),
    ("+a\rb\r\n", .line),
  ])
  func refusesWhatIsNoReply(text: String, error: RESPError) {
    #expect(throws: error) { try read(text) }
    // Nothing is read after an error.
    var reader = RESPReader()
    reader.append(Array(text.utf8))
    while (try? reader.next()) != nil {}
    reader.append(Array("+OK\r\n".utf8))
    #expect(throws: error) { try reader.next() }
    #expect(reader.pendingCount == 0)
  }

  @Test func aLineOrAReplyThatDoesNotEndIsRefused() throws {
    var reader = RESPReader()
    reader.append(Array("+".utf8) + [UInt8](repeating: 0x61, count: RESPReader.lineMax))
    #expect(try reader.next() == nil, "a line of the greatest length")
    reader.append([0x61])
    #expect(throws: RESPError.line) { try reader.next() }
    var large = RESPReader()
    // Eight strings of 200,000 bytes: each is allowed, all together are not.
    let item = Array("$200000\r\n".utf8) + [UInt8](repeating: 0, count: 200_000) + [0x0D, 0x0A]
    large.append(Array("*8\r\n".utf8))
    var failure: RESPError?
    for _ in 0..<7 where failure == nil {
      large.append(item)
      do throws(RESPError) {
        let value = try large.next()
        #expect(value == nil)
      } catch {
        failure = error
      }
    }
    #expect(failure == .tooLarge)
  }

  @Test func givesTheSameAtEverySplit() throws {
    let text = "*2\r\n$3\r\nabc\r\n*2\r\n:12\r\n-ERR no\r\n+PONG\r\n$-1\r\n"
    let bytes = Array(text.utf8)
    let whole = try read(text)
    for split in 0...bytes.count {
      var reader = RESPReader()
      var values: [RESPValue] = []
      for part in [bytes[..<split], bytes[split...]] {
        reader.append(part)
        while let value = try reader.next() { values.append(value) }
      }
      #expect(values == whole, "split at \(split)")
    }
  }

  @Test func whatIsWrittenReadsTheSame() throws {
    var random = RandomSource(seed: 3)
    func value(_ depth: Int) -> RESPValue {
      switch random.index(below: depth < 3 ? 7 : 5) {
      case 0: .simple("s\(random.index(below: 100))")
      case 1: .error("ERR \(random.index(below: 100))")
      case 2: .integer(Int64(bitPattern: random.next()))
      case 3: .bulk((0..<random.index(below: 40)).map { _ in UInt8(random.index(below: 256)) })
      case 4: .bulk(nil)
      case 5: .array(nil)
      default: .array((0..<random.index(below: 5)).map { _ in value(depth + 1) })
      }
    }
    for _ in 0..<500 {
      let value = value(0)
      var bytes: [UInt8] = []
      value.append(to: &bytes)
      var reader = RESPReader()
      reader.append(bytes)
      #expect(try reader.next() == value)
      #expect(try reader.next() == nil)
      #expect(reader.pendingCount == 0)
    }
  }

  @Test func randomBytesAreRefusedOrWaitForMore() {
    var random = RandomSource(seed: 4)
    let alphabet = Array("*$+-:0123456789\r\nab".utf8)
    for _ in 0..<20_000 {
      var reader = RESPReader()
      reader.append((0..<random.index(below: 40)).map { _ in alphabet[random.index(below: 19)] })
      while true {
        do throws(RESPError) {
          guard try reader.next() != nil else { break }
        } catch {
          break
        }
      }
      #expect(reader.pendingCount <= 40)
    }
  }

  @Test func commandsAreArraysOfStrings() {
    var bytes: [UInt8] = []
    RESPValue.append(command: [Array("GET".utf8), [], [0x0D, 0x0A]], to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == "*3\r\n$3\r\nGET\r\n$0\r\n\r\n$2\r\n\r\n\r\n")
  }
}
