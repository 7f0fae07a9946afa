// `fuzz`: libFuzzer around the functions of Fuzz/Targets. Linked with -sanitize=fuzzer and built
// with -DLIBFUZZER it fuzzes; without, it lists, writes inputs to begin with, and replays files.
import CFuzzer
import FuzzTargets
import Glibc

/// Writes to the standard error output.
func say(_ text: String) {
  _ = Array(text.utf8).withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
}

func fail(_ text: String, _ status: CInt = 64) -> Never {
  say("fuzz: \(text)\n")
  exit(status)
}

let usage = """
  usage: fuzz list
         fuzz seeds TARGET ROOT FOLDER      write inputs to begin with, and FOLDER.dict
         fuzz replay TARGET FILE...         check the laws on files
         fuzz run TARGET LIBFUZZER-ARGUMENTS
  """

func target(_ name: String) -> FuzzTarget {
  guard let target = FuzzTarget.named(name) else { fail("there is no target \(name)") }
  return target
}

func read(_ path: String) -> [UInt8] {
  guard let file = fopen(path, "rb") else { fail("\(path) cannot be read", 66) }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 65_536)
  while case let count = fread(&piece, 1, piece.count, file), count > 0 { bytes += piece[..<count] }
  return bytes
}

func write(_ bytes: [UInt8], _ path: String) {
  guard let file = fopen(path, "wb") else { fail("\(path) cannot be written", 73) }
  defer { fclose(file) }
  _ = bytes.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
}

/// Whether all files keep the laws; says which do not.
func replay(_ target: FuzzTarget, _ files: ArraySlice<String>) -> Bool {
  var isGood = true
  for path in files {
    let bytes = read(path)
    do throws(Finding) {
      // Exactly as much memory as the input, so that a sanitizer sees a read behind it.
      let room = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
      defer { room.deallocate() }
      room.copyBytes(from: bytes)
      try target.check(UnsafeRawBufferPointer(room))
    } catch {
      print("\(path): \(error)")
      isGood = false
    }
  }
  return isGood
}

#if LIBFUZZER
  /// AddressSanitizer asks at its start. Memory that Swift's enums hold by pointers with marks in
  /// them looks leaked to it; short memories make it several times faster.
  @_cdecl("__asan_default_options")
  func sanitizerOptions() -> UnsafePointer<CChar> {
    let options: StaticString = "detect_leaks=0:quarantine_size_mb=8:malloc_context_size=2"
    return UnsafeRawPointer(options.utf8Start).assumingMemoryBound(to: CChar.self)
  }

  // SAFETY: set once, before libFuzzer starts.
  nonisolated(unsafe) var current: FuzzTarget?

  func run(_ target: FuzzTarget, _ arguments: ArraySlice<String>) -> Never {
    current = target
    let all = ["fuzz"] + arguments
    var argv: [UnsafeMutablePointer<CChar>?] = all.map { strdup($0) } + [nil]
    var count = CInt(all.count)
    let status = argv.withUnsafeMutableBufferPointer { buffer in
      var pointer = buffer.baseAddress
      return LLVMFuzzerRunDriver(&count, &pointer) { data, count in
        do throws(Finding) {
          try current?.check(UnsafeRawBufferPointer(start: data, count: count))
        } catch {
          say("\nfinding: \(error)\n")
          abort()
        }
        return 0
      }
    }
    exit(status)
  }
#endif

let arguments = CommandLine.arguments.dropFirst()
switch (arguments.first, arguments.count) {
case ("list", 1):
  for target in FuzzTarget.all { print(target.name, target.byteCountMax) }
case ("seeds", 4):
  let words = Array(arguments)
  let target = target(words[1])
  for (index, seed) in target.seeds(root: words[2]).enumerated() {
    write(seed, "\(words[3])/seed-\(index)")
  }
  write(Array(target.dictionary.utf8), "\(words[3]).dict")
case ("replay", 3...):
  let words = Array(arguments)
  exit(replay(target(words[1]), words[2...]) ? 0 : 1)
case ("run", 2...):
  #if LIBFUZZER
    let words = Array(arguments)
    run(target(words[1]), words[2...])
  #else
    fail("built without libFuzzer: use `make fuzz`")
  #endif
default: fail(usage)
}
