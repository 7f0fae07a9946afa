import Primitives
import Testing

@Suite struct IPAddressTests {
  // What is read, and how it is written (RFC 5952 §4, §5).
  @Test(arguments: [
    ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("10.1.20.100", "10.1.20.100"),
    ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::1", "2001:db8::1"),
    ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("0001:0020:0300:4000::", "1:20:300:4000::"),
    ("::ffff:10.0.0.1", "10.0.0.1"), ("::FFFF:a00:1", "10.0.0.1"),
    ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
    ("::1.2.3.4", "::102:304"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
  ])
  func isReadAndWritten(text: String, written: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.description == written)
    #expect(IPAddress(written) == address)
  }

  @Test(arguments: [
    "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", "1.2.3.", ".1.2.3",
    "1..2.3",
    "1.2.3.4 ", " 1.2.3.4", "1.2.3.x", "+1.2.3.4", ":", ":::", "::1::", "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::", "g::", ":1", "1:",
    "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.4:5", "1.2.3.4:5", "[::1]", "fe80::1%eth0",
    "::ffff:10.0.0.01", "1:::2", "localhost", "１.2.3.4",
  ])
  func isRefused(text: String) { #expect(IPAddress(text) == nil) }

  @Test func writesWhatItReadsForManyAddresses() {
    var random = RandomSource(seed: 7)
    for _ in 0..<5_000 {
      // Half of the groups are zero, so that runs of all lengths occur.
      var halves: [UInt64] = []
      for _ in 0..<2 {
        let mask = (0..<4).reduce(0 as UInt64) { mask, _ in
          mask << 16 | (random.next() & 1 == 0 ? 0xFFFF : 0)
        }
        halves.append(random.next() & mask)
      }
      let address = IPAddress(high: halves[0], low: halves[1])
      #expect(IPAddress(address.description) == address)
      #expect(address.description.utf8.count <= IPAddress.textMax)
    }
  }

  @Test(
    arguments: [
      ("10.0.0.1:80", 80), ("[::1]:65535", 65_535), ("10.0.0.1", nil), ("::1", nil), ("[::1]", nil),
    ] as [(String, Int?)])
  func aPortMayFollow(text: String, port: Int?) throws {
    let read = try #require(Array(text.utf8).withUnsafeBytes { IPAddress.withPort($0) })
    #expect(read.port.map(Int.init) == port)
  }

  @Test(arguments: [
    "", "[", "[]", "[]:80", "[::1", "[::1]80", "[::1]:", "[::1]:x", "[10.0.0.1]:80", "10.0.0.1:",
    "10.0.0.1:65536", "10.0.0.1:123456", "10.0.0.1:+1", ":80", "::1]:80",
  ])
  func aBadPortIsRefused(text: String) {
    #expect(Array(text.utf8).withUnsafeBytes { IPAddress.withPort($0) } == nil)
  }
}

@Suite struct AddressRangeTests {
  @Test(arguments: [
    ("10.0.0.0/8", "10.255.255.255", true), ("10.0.0.0/8", "11.0.0.0", false),
    ("10.0.0.0/8", "::ffff:10.0.0.1", true), ("0.0.0.0/0", "8.8.8.8", true),
    ("0.0.0.0/0", "::1", false), ("::/0", "8.8.8.8", true), ("192.0.2.1", "192.0.2.1", true),
    ("192.0.2.1", "192.0.2.2", false), ("192.0.2.0/31", "192.0.2.1", true),
    ("192.0.2.0/31", "192.0.2.2", false), ("fd00::/8", "fdff::1", true),
    ("fd00::/8", "fe00::1", false), ("2001:db8::/64", "2001:db8::ffff", true),
    ("2001:db8::/64", "2001:db8:0:1::", false), ("2001:db8::/65", "2001:db8::8000:0:0:0", false),
    ("2001:db8::1/128", "2001:db8::1", true), ("2001:db8::1/128", "2001:db8::2", false),
  ])
  func holdsWhatBeginsWithItsBits(range: String, address: String, isInside: Bool) throws {
    let network = try #require(AddressRange(range))
    #expect(network.contains(try #require(IPAddress(address))) == isInside)
    #expect(AddressRange(network.description) == network)
  }

  @Test(arguments: [
    "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.1/8",
    "10.0.0.0/8/8", "fd00::/129", "fd00::1/64", "x/8", "10.0.0/8",
  ])
  func isRefused(text: String) { #expect(AddressRange(text) == nil) }
}
