// The inputs of Fuzz/Corpus, and those that fuzzing begins with, through the laws of each target.
// A fault that was found and mended stays here as its input.
import FoundationEssentials
import FuzzTargets
import Testing

@Suite struct CorpusTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path()
  private static let corpus = root + "Fuzz/Corpus"

  private func check(_ bytes: [UInt8], _ target: FuzzTarget, _ name: String) {
    bytes.withUnsafeBytes { memory in
      do throws(Finding) {
        try target.check(memory)
      } catch {
        Issue.record("\(target.name), \(name): \(error)")
      }
    }
  }

  @Test(arguments: FuzzTarget.all.map(\.name))
  func theLawsHoldForAllThatIsKept(_ name: String) throws {
    let target = try #require(FuzzTarget.named(name))
    let folder = "\(Self.corpus)/\(name)"
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for file in files {
      let bytes = try #require(FileManager.default.contents(atPath: "\(folder)/\(file)"))
      check(Array(bytes), target, file)
    }
    let seeds = target.seeds(root: Self.root)
    #expect(!seeds.isEmpty)
    for (index, seed) in seeds.enumerated() { check(seed, target, "seed \(index)") }
    for (index, seed) in seeds.enumerated() where seed.count < 1_000 {
      check(Array(seed.prefix(seed.count / 2)), target, "half of seed \(index)")
    }
  }

  @Test func everyFolderIsATargets() throws {
    let names = Set(FuzzTarget.all.map(\.name))
    for folder in try FileManager.default.contentsOfDirectory(atPath: Self.corpus) {
      #expect(names.contains(folder))
    }
    #expect(names.count == FuzzTarget.all.count)
  }
}
