// Whether a Host field or the authority of a target is a host and perhaps a port (RFC 9110 §7.2,
// RFC 3986 §3.2.2): what is not, two parties could route in two ways.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

extension HeadParser {
  /// `uri-host [ ":" port ]` with a host that is not empty (RFC 9110 §4.2.1) and a port that TCP
  /// has. A list of names ("," is a sub-delim) is none.
  func isHostAndPort(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
    var offset = start
    if start < end, bytes[start] == 0x5B {
      while offset < end, bytes[offset] != 0x5D { offset += 1 }
      guard offset < end, isLiteral(bytes, start + 1, offset) else { return false }
      offset += 1
    } else {
      offset = classes.skip(bytes, start, end, ByteClasses.registeredName)
      while offset + 2 < end, bytes[offset] == 0x25, isHexadecimal(bytes[offset + 1]),
        isHexadecimal(bytes[offset + 2])
      {
        offset = classes.skip(bytes, offset + 3, end, ByteClasses.registeredName)
      }
    }
    guard offset > start else { return false }
    return offset == end || bytes[offset] == 0x3A && isPort(bytes, offset + 1, end)
  }

  /// `*DIGIT`; none is the scheme's port.
  private func isPort(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
    var value = 0
    for index in start..<end {
      guard bytes[index] >= 0x30, bytes[index] <= 0x39 else { return false }
      value = value * 10 + Int(bytes[index] - 0x30)
      if value > 65_535 { return false }
    }
    return true
  }

  /// What stands in brackets: an IPv6 address without a zone, or `IPvFuture`.
  private func isLiteral(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
    guard start < end else { return false }
    if bytes[start] | 0x20 != 0x76 {
      let text = UnsafeRawBufferPointer(start: bytes + start, count: end - start)
      return text.contains(0x3A) && IPAddress(text: text) != nil
    }
    var offset = start + 1
    while offset < end, isHexadecimal(bytes[offset]) { offset += 1 }
    guard offset > start + 1, offset + 1 < end, bytes[offset] == 0x2E else { return false }
    for index in offset + 1..<end
    where bytes[index] != 0x3A && !classes.isMember(bytes[index], ByteClasses.registeredName) {
      return false
    }
    return true
  }

  private func isHexadecimal(_ byte: UInt8) -> Bool {
    byte >= 0x30 && byte <= 0x39 || byte | 0x20 >= 0x61 && byte | 0x20 <= 0x66
  }
}
