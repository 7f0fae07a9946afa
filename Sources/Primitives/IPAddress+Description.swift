// IP addresses as `String`, for configuration, logs and tests; the request path writes bytes.

extension IPAddress: CustomStringConvertible {
  public var description: String {
    withUnsafeTemporaryAllocation(byteCount: Self.textMax, alignment: 1) { room in
      guard let base = room.baseAddress else { return "" }
      let count = write(to: base)
      return String(decoding: UnsafeRawBufferPointer(rebasing: room[0..<count]), as: UTF8.self)
    }
  }

  /// As `init(text:)`.
  public init?(_ text: String) {
    var text = text
    let read = text.withUTF8 { IPAddress(text: UnsafeRawBufferPointer($0)) }
    guard let read else { return nil }
    self = read
  }
}
