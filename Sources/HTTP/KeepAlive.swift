// `Keep-Alive: timeout=N` (RFC 2068 §19.7.1.1): how long the sender keeps an idle connection.
// HOT PATH: no allocation, no lock, no existential, no clock.

extension FieldTable {
  /// The seconds that the sender keeps an idle connection, by its `Keep-Alive` fields: the least
  /// `timeout`, at most 1_000_000; nil: there is none (RFC 2068 §19.7.1.1).
  public var keepAliveSeconds: Int? {
    guard has(.keepAlive), let bytes = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    else { return nil }
    var least: Int?
    for index in 0..<count where fields[index].name == .keepAlive {
      var rest = Int(fields[index].valueStart)
      while let (start, stop) = ASCII.nextElement(bytes, &rest, Int(fields[index].valueEnd)) {
        let name = 8  // "timeout="
        guard stop > start + name, isWord(bytes, start, start + name, "timeout=") else { continue }
        var seconds = 0
        var digit = start + name
        while digit < stop, bytes[digit] >= 0x30, bytes[digit] <= 0x39 {
          seconds = min(1_000_000, seconds * 10 + Int(bytes[digit] - 0x30))
          digit += 1
        }
        if digit == stop { least = min(least ?? seconds, seconds) }
      }
    }
    return least
  }
}
