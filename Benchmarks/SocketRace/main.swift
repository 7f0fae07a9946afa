// `socket-race FILE`: races balancers on real sockets as FILE says; scripts/race writes the file
// and starts the proxies. Standard output has one JSON object a line; "go" on standard input
// begins, its end aborts.
import CSystem
import Demo
import FoundationEssentials
import IO

func write(_ line: String, to fd: Int32) {
  var text = line + "\n"
  text.withUTF8 { bytes in
    var rest = UnsafeRawBufferPointer(bytes)
    while !rest.isEmpty {
      let count = sy_write(fd, rest.baseAddress, rest.count)
      // Whoever read it is gone: the end of standard input says so too.
      if count <= 0 { return }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }
}

func race(_ path: String) throws -> Int32 {
  let spec = try RaceSpec.read(path)
  let waker = try Waker()
  Machine.raiseOpenFilesLimit()
  // A peer that goes away while we write to it must not end the process.
  sy_ignore_sigpipe()
  let orders = Orders()
  var driver = try RaceDriver.open(spec, orders, waker)
  try orders.follow(waker)
  guard let report = try driver.run({ write("{\"event\":\"\($0)\"}", to: 1) }) else { return 1 }
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.sortedKeys]
  write(String(decoding: try encoder.encode(report), as: UTF8.self), to: 1)
  return 0
}

func fail(_ message: String, _ code: Int32) -> Never {
  write("socket-race: \(message)", to: 2)
  exit(code)
}

let arguments = CommandLine.arguments
guard arguments.count == 2 else { fail("usage: socket-race FILE; see scripts/race", 64) }
do {
  exit(try race(arguments[1]))
} catch let error as SpecError {
  fail(error.message, 78)
} catch {
  fail("\(error)", 70)
}
