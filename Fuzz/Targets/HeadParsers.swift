// The parsers of a head's target, made once: their tables cost more than a head, and a worker uses
// one parser for all its heads too.
import HTTP

/// Parsers with the same limits.
final class HeadParsers {
  let byteCountMax: Int
  let fieldsMax: Int
  let takesTrace: Bool
  var whole: HeadParser
  /// For parts of the input.
  var part: HeadParser
  /// For what is sent on; without limits of its own.
  var sent = HeadParser()

  private init(byteCountMax: Int, fieldsMax: Int, takesTrace: Bool) {
    self.byteCountMax = byteCountMax
    self.fieldsMax = fieldsMax
    self.takesTrace = takesTrace
    whole = HeadParser(headBytesMax: byteCountMax, fieldsMax: fieldsMax, takesTrace: takesTrace)
    part = HeadParser(headBytesMax: byteCountMax, fieldsMax: fieldsMax, takesTrace: takesTrace)
  }

  /// For all of three options: few bytes, few fields, TRACE.
  static func all() -> [HeadParsers] {
    (0..<8).map { options in
      HeadParsers(
        byteCountMax: options & 1 == 0 ? HeadParser.byteCountMax : 96,
        fieldsMax: options & 2 == 0 ? 100 : 3, takesTrace: options & 4 != 0)
    }
  }
}
