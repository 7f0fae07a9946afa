// Turns the text of a file into a Fleet and reports every error at once. Pure: the text and its
// path are arguments. Each section of the file (listeners, pools, weights, signals) has a source
// file of its own.
package import Fleet
import Primitives

/// A configuration that was read without an error.
package struct ConfigurationFile: Sendable {
  /// The fleet that the file describes. Endpoint indexes are not assigned (−1).
  package let fleet: Fleet
  /// The paths of the files that it includes, in the order in which they were read.
  package let included: [String]
  /// What is allowed but probably a mistake; at most 100, in file order.
  package let warnings: [Diagnostic]
  private let output: Output

  /// Every value in force, as YAML; defaults are marked `# default`. It loads and gives an equal
  /// fleet. Written when it is asked for: it is longer than the file.
  package var effective: String { SecretText.masked(text: output.yaml) }

  /// Reads the text of a file, YAML or JSON, at most 1 MiB. `path` is used in messages, and the
  /// files that it includes are found from its directory.
  package static func read(
    _ bytes: [UInt8], path: String, _ surroundings: Surroundings = Surroundings()
  ) throws(ConfigurationErrors) -> ConfigurationFile {
    let (report, tree) = try YAMLFile.open(
      bytes, path: path, needs: "`listeners` and `pools`", surroundings)
    let inclusion = Inclusion(Variables.replaced(tree, report), path: path, report)
    var decoder = Decoder(report)
    let output = decoder.decode(inclusion.root)
    guard report.isEmpty else { throw report.errors }
    decoder.warn(isProgram: surroundings.isProgram)
    return ConfigurationFile(
      fleet: decoder.fleet, included: inclusion.paths, warnings: report.warnings, output: output)
  }
}

/// Turns a tree of nodes into a fleet.
struct Decoder {
  let report: Report
  var fleet = Fleet()
  /// The names of all pools in file order, including those with errors; a pool's index is that of
  /// its name.
  var poolNames: [String] = []
  var poolIndices: [String: Int] = [:]
  /// The items of `admin.ready_unless_empty`. They name pools, which are read later.
  var readyNodes: [Node] = []
  /// Where warnings point to; see Decoder+Warnings.swift.
  var offsets = WarningOffsets()
  /// Where the file gives each listening address; nil: it is a default.
  var listenOffsets: [SocketAddress: Int?] = [:]
  /// The file has `shared`, right or wrong.
  var hasShared = false
  /// Where the file names endpoints by address.
  var endpointOffsets: [(address: SocketAddress, offset: Int)] = []

  static let timeoutRange = Nanoseconds.milliseconds(1)...Nanoseconds.seconds(86_400)

  init(_ report: Report) { self.report = report }

  /// Fills the fleet; returns the effective configuration.
  mutating func decode(_ root: Node) -> Output {
    var scope = Scope(root, "the file", report)
    decodeAdmin(&scope)
    scope.read("workers", &fleet.workerCount, Form.count(1...1_024).or("auto"))
    scope.read("shutdown_timeout", &fleet.shutdownTimeout, .duration(.zero ... .seconds(86_400)))
    scope.section("limits") { limits in
      limits.read("connections", &fleet.limits.connectionsMax, .count(16...1_000_000))
      limits.read(
        "endpoints", &fleet.limits.endpointsMax, Form<Int>.count(16...100_000).or("auto"))
      limits.read("head_bytes", &fleet.limits.headBytesMax, .size(1_024...16_384))
      limits.read("fields", &fleet.limits.fieldsMax, .count(8...200))
      limits.read("body_bytes", &fleet.limits.bodyBytesMax, .size(0...(1 << 40)))
      limits.read("replay_bytes", &fleet.limits.replayBytesMax, .size(0...(64 << 30)))
      limits.read(
        "buffered_bytes", &fleet.limits.bufferedBytesMax,
        Form<Int>.size((1 << 20)...(64 << 30)).or("auto"))
      limits.read(
        "request_buffer_bytes", &fleet.limits.requestBufferBytes, .size(0...16_384))
      limits.read(
        "connections_per_client", &fleet.limits.connectionsPerClient,
        Form<Int>.count(1...60_000).or("none"))
    }
    scope.section("log") { log in
      log.read("level", &fleet.log.level, .choice)
      log.read("format", &fleet.log.format, .choice)
    }
    decodeAccessLog(&scope)
    decodeNames(&scope)
    decodeTracing(in: &scope)
    decodeShared(&scope)
    // Pools are decoded first, since routes name them, but listeners are written first, for people.
    let listenerNodes = scope.items("listeners", required: true)
    scope.claim("include")
    let poolEntries = withDefaults(scope.named("pools", required: true) ?? [], in: &scope)
    let pools = decodePools(poolEntries)
    decodeReadiness()
    decodeHooks(&scope)
    decodeAgentCheck(&scope)
    scope.section("upgrade") { upgrade in
      upgrade.read(
        "ready_timeout", &fleet.upgrade.readyTimeout,
        .duration(.seconds(1) ... .seconds(3_600)))
      upgrade.read(
        "drain_timeout", &fleet.upgrade.drainTimeout,
        .duration(.zero ... .seconds(7 * 86_400)))
    }
    scope.read(
      "state_file", &fleet.stateFile, Form<String>.text("the path of a file").or("none"))
    scope.put("listeners", .sequence((listenerNodes ?? []).map { decodeListener($0) }))
    refuseOwnListeners()
    requireClientCertificates()
    scope.put("pools", .mapping(pools))
    return scope.finish()
  }

  /// Reports an address that is listened on twice, at its second occurrence. Port 0 never counts as
  /// the same port. A nil offset means a default.
  mutating func note(_ address: SocketAddress, at offset: Int?) {
    if address.port == 0 { return }
    guard let first = listenOffsets.updateValue(offset, forKey: address), let offset else { return }
    let place =
      first.map { "in \(report.line(of: $0, from: offset))" }
      ?? "by `admin`, which has this default"
    report.error(at: offset, "`\(address)` is already listened on \(place)")
  }
}
