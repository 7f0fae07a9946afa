import Testing

@testable import Admin

@Suite struct GzipStreamTests {
  private func compressed(_ pieces: [[UInt8]]) throws -> [UInt8] {
    let stream = try #require(GzipStream())
    var result: [UInt8] = []
    for (index, piece) in pieces.enumerated() {
      piece.withUnsafeBytes {
        stream.append($0, isLast: index == pieces.count - 1, to: &result)
      }
    }
    return result
  }

  /// RFC 1952 §2.3.1: the length modulo 2^32 is at the end.
  private func length(_ bytes: [UInt8]) -> Int {
    bytes.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  @Test func anyCutGivesTheSameStream() throws {
    let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 7 ^ $0 / 1_000) }
    let whole = try compressed([content])
    #expect(whole.starts(with: [0x1F, 0x8B, 8]) && length(whole) == content.count)
    #expect(whole.count < content.count / 2)
    for cut in [0, 1, 65_536, 199_999, 200_000] {
      let parts = try compressed([Array(content[..<cut]), Array(content[cut...])])
      #expect(parts == whole, "cut at \(cut)")
    }
  }

  @Test func nothingIsAStreamToo() throws {
    #expect(length(try compressed([[]])) == 0)
  }

  @Test func whatCannotBeCompressedIsNotLost() throws {
    var state: UInt64 = 1
    let noise = (0..<300_000).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
    let result = try compressed([noise])
    #expect(length(result) == noise.count && result.count > noise.count)
  }
}
