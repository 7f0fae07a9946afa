// A reader of HTTP/1.1 messages for simulated peers. It shares no code with the program, so that an
// agreement of both is evidence of correctness.

/// A message whose head, and then whose content, was received.
struct PlainMessage {
  var first: [Substring] = []
  var fields: [String: String] = [:]
  var content: [UInt8] = []
  /// The length of the message, bytes.
  var count = 0
  /// Whether the content ends with the connection.
  var isOpenEnded = false

  var status: Int { first.count > 1 ? Int(first[1]) ?? 0 : 0 }
  var method: Substring { first.first ?? "" }
  var target: Substring { first.count > 1 ? first[1] : "" }

  enum Result {
    case incomplete
    /// The head is complete, with the content received so far.
    case head(PlainMessage)
    case whole(PlainMessage)
    case wrong(String)
  }

  /// Reads the first message. `method` is the method that a response answers; nil: a request.
  static func read(_ bytes: [UInt8], answers method: String?) -> Result {
    guard let end = find("\r\n\r\n", in: bytes, from: 0) else {
      return bytes.count > 40_000 ? .wrong("an endless head") : .incomplete
    }
    let lines = String(decoding: bytes[..<end], as: UTF8.self)
      .split(separator: "\r\n", omittingEmptySubsequences: false)
    var message = PlainMessage()
    message.first = lines[0].split(separator: " ")
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { return .wrong("no field: \(line)") }
      let name = line[..<colon].lowercased()
      let value = line[line.index(after: colon)...].drop { $0 == " " }
      message.fields[name] = message.fields[name].map { $0 + ", " + value } ?? String(value)
    }
    message.count = end + 4
    guard message.first.count >= 2 else { return .wrong("no first line: \(lines[0])") }
    let status = message.status
    if let method {
      if status < 200 || status == 204 || status == 304 || method == "HEAD" {
        return .whole(message)
      }
    }
    if message.fields["transfer-encoding"] == "chunked" { return readChunks(bytes, message) }
    if let text = message.fields["content-length"] {
      guard let length = Int(text) else { return .wrong("a length \(text)") }
      message.content = Array(bytes.dropFirst(end + 4).prefix(length))
      message.count += message.content.count
      return message.content.count == length ? .whole(message) : .head(message)
    }
    guard method != nil else { return .whole(message) }
    message.isOpenEnded = true
    message.content = Array(bytes.dropFirst(end + 4))
    message.count = bytes.count
    return .head(message)
  }

  private static func readChunks(_ bytes: [UInt8], _ head: PlainMessage) -> Result {
    var (message, at) = (head, head.count)
    while let line = find("\r\n", in: bytes, from: at) {
      let text = String(decoding: bytes[at..<line], as: UTF8.self)
      guard let size = Int(text, radix: 16) else { return .wrong("a chunk size \(text)") }
      at = line + 2
      if size == 0 {
        guard bytes.count >= at + 2 else { break }
        guard bytes[at] == 13 else { return .wrong("a trailer") }
        message.count = at + 2
        return .whole(message)
      }
      guard bytes.count >= at + size + 2 else { break }
      message.content += bytes[at..<at + size]
      at += size + 2
    }
    return .head(message)
  }

  private static func find(_ text: String, in bytes: [UInt8], from start: Int) -> Int? {
    let wanted = Array(text.utf8)
    guard bytes.count >= wanted.count + start else { return nil }
    return bytes.withUnsafeBufferPointer { all in
      var at = start
      while at + wanted.count <= all.count {
        if all[at] == wanted[0], wanted.indices.allSatisfy({ all[at + $0] == wanted[$0] }) {
          return at
        }
        at += 1
      }
      return nil
    }
  }

  /// Content that belongs to this message and to no other.
  static func content(_ name: String, _ count: Int) -> [UInt8] {
    let seed = Array("\(name)/".utf8)
    var content = seed
    while content.count < count { content += content }
    return Array(content.prefix(count))
  }

  /// Content in chunks of this size.
  static func chunks(_ content: [UInt8], of size: Int) -> [UInt8] {
    var (bytes, at) = ([UInt8](), 0)
    while at < content.count {
      let part = content[at..<min(content.count, at + size)]
      bytes += Array("\(String(part.count, radix: 16))\r\n".utf8) + part + Array("\r\n".utf8)
      at += part.count
    }
    return bytes + Array("0\r\n\r\n".utf8)
  }
}
