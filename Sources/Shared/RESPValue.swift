// Values of RESP 2, the protocol of Redis and Valkey
// (https://redis.io/docs/latest/develop/reference/protocol-spec/).

/// One reply of a server, or a part of one.
package enum RESPValue: Sendable, Equatable {
  case simple(String)
  /// An error's text; its first word is its kind, such as `NOSCRIPT`.
  case error(String)
  case integer(Int64)
  /// nil: the null bulk string.
  case bulk([UInt8]?)
  /// nil: the null array.
  case array([RESPValue]?)

  /// The text of a simple or a bulk string.
  package var text: String? {
    switch self {
    case .simple(let text): text
    case .bulk(let bytes?): String(decoding: bytes, as: UTF8.self)
    default: nil
    }
  }

  /// The number of an integer reply.
  package var number: Int64? {
    if case .integer(let number) = self { number } else { nil }
  }

  /// The items of an array.
  package var items: [RESPValue]? {
    if case .array(let items) = self { items } else { nil }
  }
}

/// Bytes that are no RESP, or more than is accepted.
package enum RESPError: Error, Equatable {
  /// A reply begins with another byte than `+`, `-`, `:`, `$` or `*`.
  case type
  /// A line is too long or does not end in CR LF.
  case line
  /// A number that is none, or out of its range.
  case number
  /// A string or an array is longer than is accepted, or arrays are nested too deeply.
  case tooLarge

  /// For metrics and messages.
  package var label: String {
    switch self {
    case .type: "no reply of Redis"
    case .line: "a line that does not end"
    case .number: "a number that is none"
    case .tooLarge: "a reply that is too large"
    }
  }
}

extension RESPValue {
  /// Appends a command: an array of bulk strings.
  package static func append(command words: [[UInt8]], to bytes: inout [UInt8]) {
    bytes.append(contentsOf: "*\(words.count)\r\n".utf8)
    for word in words {
      bytes.append(contentsOf: "$\(word.count)\r\n".utf8)
      bytes.append(contentsOf: word)
      bytes.append(contentsOf: [0x0D, 0x0A])
    }
  }

  /// Appends a value as a server writes it.
  package func append(to bytes: inout [UInt8]) {
    switch self {
    case .simple(let text): bytes.append(contentsOf: "+\(text)\r\n".utf8)
    case .error(let text): bytes.append(contentsOf: "-\(text)\r\n".utf8)
    case .integer(let number): bytes.append(contentsOf: ":\(number)\r\n".utf8)
    case .bulk(nil): bytes.append(contentsOf: "$-1\r\n".utf8)
    case .array(nil): bytes.append(contentsOf: "*-1\r\n".utf8)
    case .bulk(let text?):
      bytes.append(contentsOf: "$\(text.count)\r\n".utf8)
      bytes.append(contentsOf: text)
      bytes.append(contentsOf: [0x0D, 0x0A])
    case .array(let items?):
      bytes.append(contentsOf: "*\(items.count)\r\n".utf8)
      for item in items { item.append(to: &bytes) }
    }
  }
}
