// `include`.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct InclusionTests {
  /// Files by their paths; a pattern matches what begins and ends as it does.
  private func load(_ files: [String: String], _ path: String = "conf/main.yaml")
    throws(ConfigurationErrors) -> ConfigurationFile
  {
    try ConfigurationFile.read(
      Array(files[path]!.utf8), path: path,
      Surroundings(
        paths: { pattern in
          let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
          return files.keys.filter {
            $0.hasPrefix(parts[0]) && $0.hasSuffix(parts[parts.count - 1])
          }
        },
        identity: { $0.replacing("link.yaml", with: "a.yaml") },
        contents: { path, _ throws(Surroundings.Unreadable) in
          guard let text = files[path] else { throw .init("no such file") }
          return Array(text.utf8)
        }))
  }

  private func messages(_ files: [String: String]) -> [String] {
    do throws(ConfigurationErrors) {
      _ = try load(files)
      return []
    } catch {
      return error.diagnostics.map { "\($0.path):\($0.line):\($0.column): \($0.message)" }
    }
  }

  private let main = "include: [\"pools/*.yaml\"]\nlisteners: [{listen: \":80\", pool: a}]\n"

  @Test func listsAreAppendedAndMappingsJoined() throws {
    let file = try load([
      "conf/main.yaml": main + "limits: {fields: 50}\n",
      "conf/pools/b.yaml":
        "pools: {b: {endpoints: [\"10.0.0.2:1\"]}}\nlimits: {head_bytes: 8KiB}\n",
      "conf/pools/a.yaml":
        "pools: {a: {endpoints: [\"10.0.0.1:1\"]}}\nlisteners: [{listen: \":81\", pool: b}]\n",
      "conf/pools/empty.yaml": "# nothing yet\n",
      "conf/other.yaml": "quux: 1\n",
    ])
    #expect(file.fleet.pools.map(\.name) == ["a", "b"])
    #expect(file.fleet.listeners.map(\.address.port) == [80, 81])
    #expect(file.fleet.limits.fieldsMax == 50 && file.fleet.limits.headBytesMax == 8_192)
    #expect(
      file.included == ["conf/pools/a.yaml", "conf/pools/b.yaml", "conf/pools/empty.yaml"])
  }

  @Test func aFileIsReadOnceAndNeverIncludesItself() throws {
    let file = try load([
      "conf/main.yaml":
        "include: [\"*.yaml\", a.yaml, link.yaml]\nlisteners: [{listen: \":80\", pool: a}]\n",
      "conf/a.yaml": "pools: {a: {endpoints: [\"10.0.0.1:1\"]}}\n",
    ])
    #expect(file.included == ["conf/a.yaml"])
  }

  @Test func faultsAreShownInTheirFile() {
    #expect(
      messages([
        "conf/main.yaml": main + "workers: x\n",
        "conf/pools/a.yaml":
          "# one\npools:\n  a: {endpoints: [\"10.0.0.1:1\", \"10.0.0.1:1\"], blance: 1}\n",
        "conf/pools/b.yaml": "a: [\n",
        "conf/pools/c.yaml": "[1]\n",
        "conf/pools/d.yaml": "include: [x]\n",
      ]) == [
        "conf/main.yaml:3:10: `workers` must be a whole number 1 to 1024, or `auto`, not `x`",
        "conf/pools/a.yaml:3:33: `10.0.0.1:1` is already an endpoint of this pool, in line 3",
        "conf/pools/a.yaml:3:48: unknown key `blance` in pool `a`",
        "conf/pools/b.yaml:2:1: not YAML: did not find expected node content while parsing a flow node",
        "conf/pools/c.yaml:1:1: the file must be a mapping, not a list",
        "conf/pools/d.yaml:1:1: a file that is included cannot include others",
      ])
  }

  @Test func whatTwoFilesGiveNamesBothPlaces() {
    let pool = "\npools: {a: {endpoints: [\"10.0.0.1:1\"]}}\nworkers: 2\n"
    #expect(
      messages([
        "conf/main.yaml": main, "conf/pools/a.yaml": pool, "conf/pools/b.yaml": "#\n" + pool,
      ]) == [
        "conf/pools/b.yaml:3:9: `a` is given twice; first in line 2 of `conf/pools/a.yaml`",
        "conf/pools/b.yaml:4:1: `workers` is given twice; first in line 3 of `conf/pools/a.yaml`",
      ])
    #expect(
      messages([
        "conf/main.yaml": main,
        "conf/pools/a.yaml": pool + "listeners: [{listen: \":80\", pool: a}]\n",
      ]) == [
        "conf/pools/a.yaml:4:22: `0.0.0.0:80` is already listened on in line 2 of `conf/main.yaml`"
      ])
  }

  @Test func aMissingFileIsAnErrorAndAMissingMatchAWarning() throws {
    let pool = "listeners: [{listen: \":80\"}]\npools: {a: {endpoints: [\"10.0.0.1:1\"]}}\n"
    #expect(
      messages(["conf/main.yaml": "include: [no.yaml]\n" + pool])
        == ["conf/main.yaml:1:11: cannot read `conf/no.yaml`: no such file"])
    let file = try load(["conf/main.yaml": "include: [\"no*.yaml\"]\n" + pool])
    #expect(file.warnings.map(\.message) == ["no file matches `no*.yaml`"])
    #expect(
      messages(["conf/main.yaml": "include: no.yaml\n" + pool])
        == ["conf/main.yaml:1:10: `include` must be a list of files, not `no.yaml`"])
    #expect(
      messages(["conf/main.yaml": "include: [[a]]\n" + pool])
        == ["conf/main.yaml:1:11: an item of `include` must be a path or a pattern"])
  }

  @Test func theDirectoryOfTheFileIsNoPattern() throws {
    let files = [
      "c[1]/main.yaml": main, "c\\[1]/pools/a.yaml": "pools: {a: {endpoints: [\"10.0.0.1:1\"]}}\n",
    ]
    #expect(try load(files, "c[1]/main.yaml").included == ["c\\[1]/pools/a.yaml"])
  }

  @Test func manyAndLargeFilesAreRefused() {
    var files = ["conf/main.yaml": main]
    for number in 0...256 { files["conf/pools/\(number).yaml"] = "# \(number)\n" }
    #expect(messages(files).contains("conf/main.yaml:1:11: more than 256 files are included"))
    files = ["conf/main.yaml": main]
    for number in 0..<5 {
      files["conf/pools/\(number).yaml"] = "#" + String(repeating: "x", count: 1_000_000)
    }
    #expect(
      messages(files).contains("conf/main.yaml:1:11: all files together have more than 4 MiB"))
  }
}
