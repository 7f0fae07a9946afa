// Tests/corpus/framing.json through the parser and the content reader, at every split point; the
// end-to-end test sends the same bytes over sockets.
import Foundation
import HTTP
import Testing

/// One row of the table.
private struct Row: Decodable, Sendable, CustomTestStringConvertible {
  /// Text, or a character and how often.
  enum Part: Decodable {
    case text(String)
    case run(String, Int)

    init(from decoder: any Decoder) throws {
      if let text = try? decoder.singleValueContainer().decode(String.self) {
        self = .text(text)
      } else {
        var items = try decoder.unkeyedContainer()
        self = .run(try items.decode(String.self), try items.decode(Int.self))
      }
    }
  }
  enum Kind: String, Decodable { case head, content, accept }

  let name: String
  let kind: Kind
  let bytes: [Part]
  var status: [Int]?
  var error: String?
  var framing: String?
  var content: String?

  var testDescription: String { name }

  /// A character is a byte (Latin-1).
  var data: [UInt8] {
    bytes.flatMap { part in
      let text =
        switch part {
        case .text(let text): text
        case .run(let text, let count): String(repeating: text, count: count)
        }
      return text.unicodeScalars.map { UInt8($0.value) }
    }
  }

  /// Where the bytes are split: everywhere, in long ones every so often.
  var cuts: StrideThrough<Int> {
    stride(from: 0, through: data.count, by: max(1, data.count / 600))
  }

  static let all: [Row] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "corpus/framing.json")
    guard let data = try? Data(contentsOf: file) else { return [] }
    do {
      return try JSONDecoder().decode([Row].self, from: data)
    } catch {
      Issue.record("\(error)")
      return []
    }
  }()

  static func all(_ kind: Kind) -> [Row] { all.filter { $0.kind == kind } }
}

private func parse(_ bytes: ArraySlice<UInt8>) -> (verdict: HeadVerdict, head: RequestHead) {
  var parser = HeadParser()
  var head = RequestHead()
  let verdict = Array(bytes).withUnsafeBytes { parser.parse($0, into: &head) }
  return (verdict, head)
}

/// Reads content that comes in two pieces; where it ends, or the error.
private func read(
  _ bytes: ArraySlice<UInt8>, _ framing: Framing, cut: Int
) -> (content: [UInt8], end: Int?, error: HeadError?) {
  var reader = ContentReader(framing)
  var content: [UInt8] = []
  let bytes = Array(bytes)
  for piece in [bytes[..<cut], bytes[cut...]] {
    let piece = Array(piece)
    var offset = 0
    loop: while true {
      switch piece.withUnsafeBytes({ reader.next($0, &offset) }) {
      case .content(let count): content += piece[(offset - count)..<offset]
      case .more: break loop
      case .complete:
        return (content, content.count + offset, nil)
      case .malformed(let error): return (content, nil, error)
      }
    }
  }
  return (content, nil, nil)
}

@Suite struct FramingTableTests {
  @Test func theTableIsThere() {
    #expect(Row.all(.head).count >= 100)
    #expect(Row.all(.content).count >= 45)
    #expect(Row.all(.accept).count >= 15)
  }

  @Test(arguments: Row.all(.head))
  fileprivate func aMalformedHeadIsNeverComplete(row: Row) throws {
    let bytes = row.data
    guard case .rejected(let error) = parse(bytes[...]).verdict else {
      Issue.record("not rejected")
      return
    }
    #expect(error.label == row.error)
    #expect(try #require(row.status).contains(error.status))
    // Before that is seen nothing is taken for a request, and what was once wrong stays wrong.
    var isRejected = false
    for cut in row.cuts {
      switch parse(bytes[..<cut]).verdict {
      case .incomplete: #expect(!isRejected, "after \(cut) bytes")
      case .complete: Issue.record("complete after \(cut) bytes")
      case .rejected: isRejected = true
      }
    }
  }

  @Test(arguments: Row.all(.content))
  fileprivate func malformedContentIsFoundAtEverySplit(row: Row) throws {
    let bytes = row.data
    let (verdict, head) = parse(bytes[...])
    #expect(verdict == .complete)
    let content = bytes[head.end...]
    let cuts = stride(from: 0, through: content.count, by: max(1, content.count / 600))
    for cut in cuts {
      let result = read(content, head.framing, cut: cut)
      #expect(result.end == nil, "after \(cut) bytes")
      #expect(result.error?.label == row.error, "after \(cut) bytes")
    }
  }

  @Test(arguments: Row.all(.accept))
  fileprivate func whatIsOddButClearHasOneMeaning(row: Row) throws {
    let bytes = row.data
    let whole = parse(bytes[...])
    #expect(whole.verdict == .complete)
    let framing =
      switch whole.head.framing {
      case .none: "none"
      case .length: "length"
      case .chunked: "chunked"
      case .untilClose: "until close"
      }
    #expect(framing == row.framing)
    for cut in 0..<whole.head.end {
      #expect(parse(bytes[..<cut]).verdict == .incomplete, "after \(cut) bytes")
    }
    let content = bytes[whole.head.end...]
    let expected = try #require(row.content).unicodeScalars.map { UInt8($0.value) }
    for cut in 0...content.count {
      let result = read(content, whole.head.framing, cut: cut)
      #expect(result.error == nil)
      #expect(result.content == expected)
    }
  }
}
