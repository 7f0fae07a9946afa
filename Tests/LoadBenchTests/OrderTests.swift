import Primitives
import Testing

@testable import load_bench

@Suite struct OrderTests {
  @Test func whatIsNotGivenIsTheDefault() throws {
    var expected = DriveOrder()
    expected.to = try #require(SocketAddress("127.0.0.1:80"))
    #expect(try Order("drive to=127.0.0.1:80") == .drive(expected))
    expected.connections = 8
    expected.seconds = 0.5
    expected.warmup = 0
    expected.path = "/bytes/65536?a=b"
    expected.fields = true
    expected.upload = 10
    expected.rate = 1_500
    expected.fresh = true
    expected.seed = 7
    let line =
      "drive  to=127.0.0.1:80 seed=7 connections=8 seconds=.5 warmup=0 path=/bytes/65536?a=b "
      + "fields=1 upload=10 rate=1500 fresh=1"
    #expect(try Order(line) == .drive(expected))
  }

  @Test func readsTheOtherOrders() throws {
    var stream = StreamOrder()
    stream.to = try #require(SocketAddress("127.0.0.1:80"))
    stream.streams = 10
    stream.intervalMilliseconds = 20
    stream.rampSeconds = 0
    #expect(
      try Order("stream to=127.0.0.1:80 streams=10 interval_ms=20 ramp_seconds=0")
        == .stream(stream))
    var idle = IdleOrder()
    idle.to = stream.to
    idle.connections = 5
    #expect(try Order("idle connections=5 to=127.0.0.1:80") == .idle(idle))
    #expect(try Order("close") == .close)
  }

  @Test(arguments: [
    "", "x", "drive", "drive to=localhost:80", "drive to=127.0.0.1", "close now=1",
    "drive to=127.0.0.1:80 connections=0", "drive to=127.0.0.1:80 connections=-1",
    "drive to=127.0.0.1:80 seconds=nan", "drive to=127.0.0.1:80 seconds=inf",
    "drive to=127.0.0.1:80 rate=-1", "drive to=127.0.0.1:80 fields=yes",
    "drive to=127.0.0.1:80 path=x", "drive to=127.0.0.1:80 path=/\u{1}",
    "drive to=127.0.0.1:80 sceonds=3", "drive to=127.0.0.1:80 seconds=3 seconds=3",
    "drive to=127.0.0.1:80 seconds", "stream to=127.0.0.1:80 connections=3",
    "idle to=127.0.0.1:80 connections=100001", "drive to=127.0.0.1:80 upload=99999999999",
  ])
  func refusesWhatIsNoOrder(line: String) {
    #expect(throws: OrderError.self) { try Order(line) }
  }

  @Test func linesComeInAnyPieces() {
    let text = Array("close\n\n  \ndrive to=1\nrest".utf8)
    for cut in 0...text.count {
      var source = OrderSource()
      source.take(text[..<cut])
      source.take(text[cut...])
      #expect(source.next() == "close")
      #expect(source.next() == "drive to=1")
      #expect(source.next() == nil)
    }
  }

  @Test func anEndlessLineIsCut() {
    var source = OrderSource()
    source.take([UInt8](repeating: 0x61, count: 100_000)[...])
    source.take([0x0A])
    #expect(source.next()?.utf8.count == 4_096)
    #expect(source.next() == nil)
  }
}
