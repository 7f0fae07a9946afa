import Fleet
import HTTP
import Primitives
import Testing

@testable import Balancer

private func written(
  _ room: Int = LogLine.byteCountMax, _ body: (inout ByteWriter) -> Void
) -> String? {
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 8)
  defer { memory.deallocate() }
  var writer = ByteWriter(memory)
  body(&writer)
  return writer.hasOverflowed ? nil : String(decoding: writer.written, as: UTF8.self)
}

private func line(
  _ format: AccessLogPolicy.Format, _ change: (inout LogLine) -> Void = { _ in }
) -> String? {
  var time = LogTime()
  return Array("GET".utf8).withUnsafeBytes { method in
    Array("/a b".utf8).withUnsafeBytes { target in
      var line = LogLine(method: method, target: target, status: 200)
      line.duration = Nanoseconds(1_234_567_890)
      line.sentCount = 120
      line.sentContentCount = 20
      change(&line)
      return written { line.write(format, at: Nanoseconds(86_400_007_000_000), &time, to: &$0) }
    }
  }
}

@Suite struct LogLineTests {
  @Test func logfmtLeavesOutWhatThereIsNot() {
    #expect(
      line(.logfmt) == """
        time=1970-01-02T00:00:00.007Z method=GET target="/a b" protocol=HTTP/1.1 status=200 \
        sent_bytes=120 received_bytes=0 duration_seconds=1.234567 attempts=0 termination=completed

        """)
  }

  @Test func jsonHasEveryKeyAlways() {
    #expect(
      line(.json) { $0.firstByte = .milliseconds(5) } == """
        {"time":"1970-01-02T00:00:00.007Z","client":null,"method":"GET","target":"/a b",\
        "protocol":"HTTP/1.1","status":200,"sent_bytes":120,"received_bytes":0,\
        "duration_seconds":1.234567,\
        "first_byte_seconds":0.005000,"pool":null,"endpoint":null,"attempts":0,\
        "request_id":null,"user_agent":null,"referer":null,"termination":"completed"}

        """)
  }

  @Test func combinedIsNginx() {
    #expect(
      line(.combined) { $0.version = .http10 }
        == "- - - [02/Jan/1970:00:00:00 +0000] \"GET /a b HTTP/1.0\" 200 20 \"-\" \"-\"\n")
    #expect(
      line(.combined) { $0.method = UnsafeRawBufferPointer(start: nil, count: 0) }
        == "- - - [02/Jan/1970:00:00:00 +0000] \"-\" 200 20 \"-\" \"-\"\n")
  }

  @Test(arguments: AccessLogPolicy.Format.allCases)
  func theLongestLineFits(_ format: AccessLogPolicy.Format) throws {
    // Every byte of every text is escaped to six bytes.
    let bytes = [UInt8](repeating: 1, count: 1_024)
    let text = try #require(
      bytes.withUnsafeBytes { all in
        func cut(_ text: AccessRecord.Text) -> UnsafeRawBufferPointer {
          UnsafeRawBufferPointer(rebasing: all[..<text.byteCountMax])
        }
        var time = LogTime()
        let huge = LogLine(
          client: UnsafeRawBufferPointer(rebasing: all[..<46]), method: cut(.method),
          target: cut(.target), referer: cut(.referer), userAgent: cut(.userAgent),
          requestID: cut(.requestID), pool: cut(.pool), endpoint: cut(.endpoint),
          status: 599, sentCount: .max, sentContentCount: .max, receivedCount: .max,
          duration: Nanoseconds(.max), firstByte: Nanoseconds(.max), attempts: .max,
          termination: "content_too_large")
        return written { huge.write(format, at: Nanoseconds(.max), &time, to: &$0) }
      })
    #expect(text.hasSuffix("\n") && text.dropLast().allSatisfy { !$0.isNewline })
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000Z"), (951_782_399_999, "2000-02-28T23:59:59.999Z"),
    (951_782_400_000, "2000-02-29T00:00:00.000Z"), (951_868_800_010, "2000-03-01T00:00:00.010Z"),
    (1_709_251_199_100, "2024-02-29T23:59:59.100Z"),
    (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
    (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
  ])
  func timeIsTheCalendars(_ milliseconds: Int, _ expected: String) {
    var time = LogTime()
    #expect(written { time.writeRFC3339(.milliseconds(milliseconds), to: &$0) } == expected)
  }

  @Test func everyDayUntil2260FollowsTheLast() {
    var time = LogTime()
    var (year, month, day) = (1970, 1, 1)
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    for number in 0..<106_000 {
      func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
      let found = written { time.writeRFC3339(.seconds(number * 86_400), to: &$0) }
      #expect(found == "\(year)-\(two(month))-\(two(day))T00:00:00.000Z")
      let isLeap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0
      day += 1
      if day > lengths[month - 1] + (month == 2 && isLeap ? 1 : 0) { (month, day) = (month + 1, 1) }
      if month > 12 { (year, month) = (year + 1, 1) }
    }
  }
}

@Suite struct AccessRecordTests {
  @Test func recordsCutTheirTextsAndForgetTheLastExchanges() {
    let slab = AccessRecordSlab(capacity: 2)
    slab.begin(1)
    let long = [UInt8](repeating: 0x61, count: 5_000)
    for text in AccessRecord.Text.allCases {
      long.withUnsafeBytes { slab.set(text, 1, $0) }
    }
    for text in AccessRecord.Text.allCases {
      #expect(slab.text(text, 1).count == text.byteCountMax)
    }
    slab.begin(1)
    #expect(AccessRecord.Text.allCases.allSatisfy { slab.text($0, 1).isEmpty })
  }
}
