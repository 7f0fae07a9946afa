// Laws of replies of Redis: limits kept, the same at every split, and what is read and written again
// reads the same.
import Shared

enum RESPTarget {
  static let target = FuzzTarget(
    "resp", byteCountMax: 400,
    words: [
      "+OK\r\n", "-ERR x\r\n", ":1\r\n", "$3\r\nabc\r\n", "*2\r\n", "$-1\r\n", "*-1\r\n", "\r\n",
    ],
    check: { data throws(Finding) in try RESPTarget.check(Array(data)) },
    seeds: { _ in
      [
        "*4\r\n:2\r\n*3\r\n:5\r\n:1000\r\n:0\r\n$-1\r\n*-1\r\n",
        "-NOSCRIPT No matching script. Please use EVAL.\r\n+OK\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n",
      ].map { Array($0.utf8) }
    })

  private static func read(_ parts: [ArraySlice<UInt8>]) -> (values: [RESPValue], error: RESPError?)
  {
    var reader = RESPReader()
    var values: [RESPValue] = []
    for part in parts {
      reader.append(part)
      while true {
        do throws(RESPError) {
          guard let value = try reader.next() else { break }
          values.append(value)
        } catch {
          return (values, error)
        }
      }
    }
    return (values, nil)
  }

  static func check(_ bytes: [UInt8]) throws(Finding) {
    let whole = read([bytes[...]])
    for split in bytes.indices {
      let parts = read([bytes[..<split], bytes[split...]])
      try require(
        parts.values == whole.values && parts.error == whole.error, "a split at \(split)")
    }
    var written: [UInt8] = []
    for value in whole.values { value.append(to: &written) }
    let again = read([written[...]])
    // Bytes that are no UTF-8 are replaced in lines; they are read the same from then on.
    try require(again.values == whole.values && again.error == nil, "written and read again")
  }
}
