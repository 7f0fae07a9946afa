// Session affinity: a cookie that names the endpoint which first answered a client. Its value is 16
// hexadecimal digits derived from the endpoint's identity. Invariant: it stays valid over restarts
// and in every balancer with the same configuration; a value that names no endpoint of the pool is
// ignored.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
import HTTP
import Primitives

/// A pool's affinity cookie as a worker reads and writes it.
struct Affinity {
  /// The most cookies of that name that are read in one head. A browser that received the cookie
  /// for two paths sends two.
  static let valuesMax = 4

  let name: [UInt8]
  /// Endpoint identifiers by position.
  private var ids: [UInt64]
  /// The part of the field before the value, and the parts after it: for clients that came in the
  /// clear, and for those that came by TLS.
  private let before: [UInt8]
  private let afterPlain: [UInt8]
  private let afterSecure: [UInt8]

  init?(_ pool: Pool) {
    guard let policy = pool.affinity else { return nil }
    name = Array(policy.cookie.utf8)
    ids = pool.endpoints.map { Self.id(pool.identity(of: $0)) }
    before = Array("Set-Cookie: \(policy.cookie)=".utf8)
    var text = "; Path=\(policy.path)"
    if policy.maxAge > .zero {
      text += "; Max-Age=\(max(1, policy.maxAge.rawValue / 1_000_000_000))"
    }
    text += "; HttpOnly"
    let sameSite =
      switch policy.sameSite {
      case .lax: "; SameSite=Lax\r\n"
      case .strict: "; SameSite=Strict\r\n"
      case .none: "; SameSite=None\r\n"
      }
    func after(isSecure: Bool) -> [UInt8] {
      Array((text + (isSecure ? "; Secure" : "") + sameSite).utf8)
    }
    afterPlain = after(isSecure: policy.secure == .always)
    afterSecure = after(isSecure: policy.secure != .never)
  }

  /// Appends an endpoint at the last position; `identity` is that of `Pool.identity`.
  mutating func append(_ identity: String) { ids.append(Self.id(identity)) }

  /// Removes the endpoint at the position. The last endpoint takes over that position.
  mutating func remove(at position: Int) {
    ids.swapAt(position, ids.count - 1)
    ids.removeLast()
  }

  /// The identifier that stands for an endpoint in cookies.
  static func id(_ identity: String) -> UInt64 { KeyHash.hash("affinity " + identity) }

  /// The position of the endpoint that the request's cookie names; nil: it names none.
  func position(_ head: KeyedHead) -> Int? {
    var cookies = Cookies()
    for _ in 0..<Self.valuesMax {
      guard let value = cookies.next(name, head) else { return nil }
      if let id = Self.read(value), let position = ids.firstIndex(of: id) { return position }
    }
    return nil
  }

  /// Reads sixteen lower-case hexadecimal digits; nil for anything else.
  static func read(_ value: UnsafeRawBufferPointer) -> UInt64? {
    guard value.count == 16 else { return nil }
    var id: UInt64 = 0
    for byte in value {
      switch byte {
      case 0x30...0x39: id = id << 4 | UInt64(byte - 0x30)
      case 0x61...0x66: id = id << 4 | UInt64(byte - 0x61 + 10)
      default: return nil
      }
    }
    return id
  }

  /// Writes the `Set-Cookie` line that names the endpoint. `isSecure`: the client came by TLS.
  func write(_ position: Int, isSecure: Bool, to writer: inout ByteWriter) {
    before.withUnsafeBytes { writer.append($0) }
    let id = ids[position]
    var digits: (UInt64, UInt64) = (0, 0)
    withUnsafeMutableBytes(of: &digits) { room in
      for digitIndex in 0..<16 {
        let digit = UInt8(truncatingIfNeeded: id >> UInt64(60 - 4 * digitIndex)) & 15
        room[digitIndex] = digit < 10 ? 0x30 + digit : 0x61 + digit - 10
      }
      writer.append(UnsafeRawBufferPointer(room))
    }
    (isSecure ? afterSecure : afterPlain).withUnsafeBytes { writer.append($0) }
  }
}
