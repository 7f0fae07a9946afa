// A series as 64 bits: FNV-1a over the name and each label, with the labels' hashes added so that
// their order does not matter. A collision can only spoil the page of the endpoint that made it.
import Exposition

enum SeriesKey {
  static func of(_ sample: Sample) -> UInt64 {
    var key = mixed(hash(sample.name.bytes))
    for label in sample.labels {
      let name = (hash(label.name.bytes) ^ 0xFF) &* prime
      key = key &+ mixed(hash(label.value.bytes, name))
    }
    return key
  }

  static func of(_ name: String) -> UInt64 {
    var name = name
    return name.withUTF8 { mixed(hash(UnsafeRawBufferPointer($0))) }
  }

  private static let prime: UInt64 = 0x100_0000_01B3

  private static func hash(
    _ bytes: UnsafeRawBufferPointer, _ start: UInt64 = 0xCBF2_9CE4_8422_2325
  ) -> UInt64 {
    var hash = start
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* prime }
    return hash
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
