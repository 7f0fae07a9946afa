import CSystem
import Primitives
import Testing

@testable import IO

private func append(_ ring: LineRing, _ text: String) -> Bool {
  Array(text.utf8).withUnsafeBytes { ring.append($0) }
}

private func take(_ ring: LineRing, _ count: Int) -> String {
  var text = ""
  while text.utf8.count < count {
    let bytes = ring.next()
    let some = min(bytes.count, count - text.utf8.count)
    if some == 0 { break }
    text += String(decoding: UnsafeRawBufferPointer(rebasing: bytes[..<some]), as: UTF8.self)
    ring.release(some)
  }
  return text
}

@Suite struct LineRingTests {
  @Test func whatDoesNotFitIsRefusedWhole() {
    let ring = LineRing(byteCount: 10)
    #expect(append(ring, "12345\n"))
    #expect(!append(ring, "1234\n"))
    #expect(append(ring, "abc\n"))
    #expect(ring.pendingCount == 10)
    #expect(!append(ring, "x"))
    #expect(take(ring, 10) == "12345\nabc\n")
    #expect(ring.pendingCount == 0)
  }

  @Test func bytesComeOutAsTheyWentInAtEveryPlace() {
    let ring = LineRing(byteCount: 13)
    for round in 0..<200 {
      let text = "\(round)-abcde\n"
      #expect(append(ring, text))
      #expect(take(ring, text.utf8.count) == text)
    }
  }

  @Test func twoThreadsLoseAndMixNothing() throws {
    let ring = LineRing(byteCount: 1_000)
    let total = 20_000
    let producer = try ThreadHandle.start(name: "producer") {
      var number = 0
      while number < total { if append(ring, "\(number)\n") { number += 1 } }
    }
    var number = 0
    var rest = ""
    while number < total {
      rest += take(ring, ring.readableCount())
      while let newline = rest.firstIndex(of: "\n") {
        #expect(rest[..<newline] == "\(number)")
        rest = String(rest[rest.index(after: newline)...])
        number += 1
      }
    }
    producer.join()
    #expect(rest.isEmpty && ring.pendingCount == 0)
  }
}

@Suite struct RingWriterTests {
  @Test func linesOfSeveralRingsReachTheFileWhole() throws {
    let path = "/tmp/steelyard-ring-\(getpid()).log"
    defer { unlink(path) }
    let writer = try RingWriter(rings: [LineRing(), LineRing(byteCount: 300)], name: "test")
    try writer.redirect(to: .file(path))
    for number in 0..<1_000 {
      #expect(append(writer.rings[0], "a\(number)\n"))
      while !append(writer.rings[1], "b\(number)\n") { writer.noteAppend(to: 1) }
    }
    #expect(writer.finish(deadline: Clock.now + .seconds(20)) == 0)
    let bytes = try #require(try FileReader.read(path, byteCountMax: 1 << 20))
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    #expect(lines.filter { $0.hasPrefix("a") } == (0..<1_000).map { "a\($0)" })
    #expect(lines.filter { $0.hasPrefix("b") } == (0..<1_000).map { "b\($0)" })
  }

  @Test func aFileThatCannotBeOpenedChangesNothing() throws {
    let writer = try RingWriter(rings: [LineRing()], name: "test")
    #expect(throws: IOError("open", Int(ENOENT))) {
      try writer.redirect(to: .file("/nowhere/at/all"))
    }
    #expect(writer.finish(deadline: Clock.now + .seconds(20)) == 0)
  }
}
