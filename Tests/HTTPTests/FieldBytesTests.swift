import Testing

@testable import HTTP

/// The checks of eight bytes at a time agree with those of one, at every length and place.
@Suite struct FieldBytesTests {
  @Test(arguments: UInt8.min...UInt8.max)
  func eightBytesAtATimeSayWhatOneSays(byte: UInt8) {
    let isLower = ByteClasses.isToken(byte) && !(byte >= 0x41 && byte <= 0x5A)
    let isAllowed = byte >= 0x20 && byte != 0x7F || byte == 0x09
    for count in 1...20 {
      for place in 0..<count {
        var bytes = [UInt8](repeating: 0x7A, count: count)
        bytes[place] = byte
        let isBlankEnd = (place == 0 || place == count - 1) && (byte == 0x20 || byte == 0x09)
        bytes.withUnsafeBufferPointer { bytes in
          guard let base = bytes.baseAddress else { return }
          let field = FieldBytes(name: base, count, value: base, count)
          #expect(field.isNameRight == isLower)
          #expect(field.isValueRight == (isAllowed && !isBlankEnd))
        }
      }
    }
  }

  @Test(arguments: 0...40)
  func tokensAreCopiedInLowerCase(count: Int) {
    let all = (UInt8.min..<0x80).filter { ByteClasses.isToken($0) }
    for start in all.indices {
      let name = (0..<count).map { all[(start + $0) % all.count] }
      let expected = name.map { ASCII.lowercased($0) }
      let copy = [UInt8](unsafeUninitializedCapacity: count) { room, filled in
        name.withUnsafeBufferPointer {
          guard let source = $0.baseAddress, let target = room.baseAddress else { return }
          Words.copyLower(source, count, to: target)
        }
        filled = count
      }
      #expect(copy == expected)
    }
  }

  @Test func anEmptyNameIsNone() {
    let byte: [UInt8] = [0]
    byte.withUnsafeBufferPointer {
      guard let base = $0.baseAddress else { return }
      let field = FieldBytes(name: base, 0, value: base, 0)
      #expect(!field.isNameRight && field.isValueRight)
    }
  }
}
