// `name` and `labels` of an endpoint.
import Fleet
import Testing

@testable import Configuration

@Suite struct EndpointNamesTests {
  private func endpoints(_ items: String) -> String {
    "listeners: [{listen: \":80\"}]\npools:\n  a:\n    endpoints:\n"
      + items.split(separator: "\n").map { "      - \($0)\n" }.joined()
  }

  @Test func endpointsAndHostNamesHaveThem() throws {
    let file = try load(
      endpoints(
        """
        {address: "10.0.0.1:1", name: gpu-1.a, labels: {zone: a, rank: 1, ok: true, none: ""}}
        {address: "gpu.example:1", name: gpu, labels: {zone: b}}
        "10.0.0.3:1"
        """))
    let pool = file.fleet.pools[0]
    #expect(pool.endpoints.map(\.name) == ["gpu-1.a", nil])
    #expect(pool.endpoints[0].labels == ["zone": "a", "rank": "1", "ok": "true", "none": ""])
    #expect(pool.endpoints[1].labels.isEmpty)
    #expect(pool.names[0].template.name == "gpu")
    #expect(pool.names[0].template.labels == ["zone": "b"])
    #expect(
      file.effective.contains("labels: {none: \"\", ok: \"true\", rank: \"1\", zone: \"a\"}\n"))
    let again = try load(file.effective)
    #expect(again.fleet == file.fleet)
  }

  @Test func aNameIsUniqueInItsPoolAlone() throws {
    let text = endpoints("{address: \"10.0.0.1:1\", name: x}\n{address: \"b.example:1\", name: x}")
    #expect(
      messages(text) == ["6:40: `x` is already the name of an endpoint of this pool, in line 5"])
    let two =
      "listeners: [{listen: \":80\", pool: a}]\npools:\n"
      + ["a", "b"].map { "  \($0): {endpoints: [{address: \"10.0.0.1:1\", name: x}]}\n" }.joined()
    #expect(try load(two).fleet.pools.map { $0.endpoints[0].name } == ["x", "x"])
  }

  @Test(arguments: [
    ("name: \"a b\"", "must be a name"), ("name: \"\"", "must be a name"),
    ("name: \"10.0.0.1:1\"", "must be a name"), ("labels: [a]", "must be a mapping"),
    ("labels: {1a: b}", "cannot be the name of a label"),
    ("labels: {__meta: b}", "cannot be the name of a label"),
    ("labels: {a-b: c}", "cannot be the name of a label"),
    ("labels: {a: }", "must be text"), ("labels: {a: {b: c}}", "must be text"),
    ("labels: {a: \"x\\ny\"}", "must be text"),
    ("labels: {a: \"\(String(repeating: "x", count: 129))\"}", "must be text"),
    ("labels: {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9}", "at most 8 labels"),
  ])
  func aWrongOneIsRefused(_ keys: String, _ message: String) {
    let found = messages(endpoints("{address: \"10.0.0.1:1\", \(keys)}"))
    #expect(found.count == 1)
    #expect(found.first?.contains(message) == true, "\(found)")
  }

  @Test func aChangeIsAnUpdateOfTheSameEndpoint() throws {
    let fleets = try [
      "{address: \"10.0.0.1:1\"}", "{address: \"10.0.0.1:1\", name: n, labels: {a: b}}",
    ]
    .map { try load(endpoints($0)).fleet }
    var membership = Membership(fleets[0])
    let delta = membership.replace(fleets[1], [:]) { _ in false }
    #expect(delta.added.isEmpty && delta.removed.isEmpty)
    #expect(delta.updated.map(\.endpoint.name) == ["n"])
    #expect(!fleets[0].differsBeyondMembers(from: fleets[1]))
  }
}
