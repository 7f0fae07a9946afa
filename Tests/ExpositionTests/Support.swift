// What the suites share: captured pages, a page whose end is the end of readable memory, and a
// page read into plain values.
import Exposition
import FoundationEssentials
import Glibc
import Testing

/// Pages captured from real servers, Tests/Captures.
enum Captures {
  private static let folder =
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path()
    + "/Captures/"

  static func bytes(_ page: String) throws -> [UInt8] {
    [UInt8](try #require(FileManager.default.contents(atPath: folder + page)))
  }

  static func pages() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted().filter {
      $0.hasSuffix(".prom")
    }
  }
}

/// The pages of the OpenMetrics project's parser tests (prometheus/OpenMetrics,
/// tests/testdata/parsers), which are not part of this repository.
enum OpenMetricsCases {
  private static let folder: String? = {
    let package = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().path()
    let named = ProcessInfo.processInfo.environment["STEELYARD_OPENMETRICS"]
    let candidates = [named, package + "/../shared/openmetrics"].compactMap(\.self)
    return candidates.first { FileManager.default.fileExists(atPath: $0) }
  }()

  static var exist: Bool { folder != nil }
  static let absence: Comment =
    "no pages of the OpenMetrics project: set STEELYARD_OPENMETRICS to their folder"

  private struct Verdict: Decodable { var shouldParse: Bool }

  private static func contents(_ path: String) throws -> Data {
    let whole = try #require(folder) + "/" + path
    return try #require(FileManager.default.contents(atPath: whole))
  }

  /// The page of one case.
  static func bytes(_ name: String) throws -> [UInt8] { [UInt8](try contents("\(name)/metrics")) }

  /// The pages that a parser must accept, or must refuse.
  static func names(good: Bool) throws -> [String] {
    let names = try FileManager.default.contentsOfDirectory(atPath: #require(folder)).sorted()
    return try names.filter { name in
      guard !name.hasSuffix(".md") else { return false }
      let verdict = try contents("\(name)/verdict.json")
      return try JSONDecoder().decode(Verdict.self, from: verdict).shouldParse == good
    }
  }
}

/// Calls `body` with the bytes placed just before memory that must not be read.
func withGuardedPage<Result>(
  _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> Result
) rethrows -> Result {
  let pageSize = 4096
  let room = (bytes.count + pageSize - 1) / pageSize * pageSize
  let memory = mmap(
    nil, room + pageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
  precondition(memory != MAP_FAILED)
  defer { munmap(memory, room + pageSize) }
  precondition(mprotect(memory + room, pageSize, PROT_NONE) == 0)
  let start = memory + (room - bytes.count)
  bytes.withUnsafeBytes {
    start.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count)
  }
  return try body(UnsafeRawBufferPointer(start: start, count: bytes.count))
}

struct Pair: Hashable {
  var name: String
  var value: String
}

struct ReadSample: Equatable {
  var name: String
  var labels: [Pair] = []
  var value: Double
  var timestamp: Double?

  /// NaN equals NaN, -0 does not equal 0.
  static func == (a: ReadSample, b: ReadSample) -> Bool {
    a.name == b.name && a.labels == b.labels && a.timestamp == b.timestamp
      && (a.value.isNaN ? b.value.isNaN : a.value.bitPattern == b.value.bitPattern)
  }
}

struct ReadPage: Equatable {
  var samples: [ReadSample] = []
  var types: [Pair] = []
  var errors: [ParseError] = []
  var lineCount = 0
  var sawEOF = false

  init(_ bytes: [UInt8], limits: SampleParser.Limits = .init(), isStrict: Bool = false) {
    withGuardedPage(bytes) { page in
      var parser = SampleParser(page, limits: limits, isStrict: isStrict)
      while let item = parser.next() {
        switch item {
        case .sample(let sample): samples.append(Self.read(sample))
        case .type(let name, let type): types.append(Pair(name: name.string, value: type.rawValue))
        case .bad(let error): errors.append(error)
        }
      }
      precondition(parser.badLineCount == errors.count)
      lineCount = parser.line
      sawEOF = parser.sawEOF
    }
  }

  init(_ text: String, limits: SampleParser.Limits = .init(), isStrict: Bool = false) {
    self.init(Array(text.utf8), limits: limits, isStrict: isStrict)
  }

  private static func read(_ sample: Sample) -> ReadSample {
    let labels = sample.labels.map { Pair(name: $0.name.string, value: $0.value.string) }
    precondition(labels.count == sample.labels.count)
    return ReadSample(
      name: sample.name.string, labels: labels, value: sample.value, timestamp: sample.timestamp)
  }

  /// The values of a name whose labels contain all of these.
  func values(_ name: String, _ labels: [Pair] = []) -> [Double] {
    samples.filter { $0.name == name && labels.allSatisfy($0.labels.contains) }.map(\.value)
  }
}
