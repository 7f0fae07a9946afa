// Laws of configuration files: every answer is a fleet or diagnostics. What loads prints an
// effective file that loads as the same fleet and prints itself; diagnostics are in order and safe
// to show.
import Configuration
import Fleet

enum ConfigurationTarget {
  static let target = FuzzTarget(
    "configuration", byteCountMax: 3_000,
    words: [
      "listeners", "pools", "listen", "endpoints", "address", "weight", "routes", "match", "pool",
      "path_prefix", "respond", "health", "weights", "scrape", "preset", "signals", "admin",
      "limits", "timeouts", "rate_limits", "balance", "law", "queue", "ejection", "retries",
      "sticky", "canary", "hooks", "access_log", "tracing", "names", "thresholds", "own_port",
      "tls", "cert", "key", "certificates", "directory", "client_ca", "tickets", "insecure",
      "server_name", "client_certificate", "redirect", "https://{host}{path}", "affinity", "none",
      "10.0.0.1:80", "\": \"", "\n  ", "\n    - ", "[", "]", "{", "}", "&a ", "*a", "!!str ", "|\n",
      ">\n", "#", "---\n", "null", "true", "1s", "1MiB", "1e9", "-1", "${A}",
    ],
    check: { data throws(Finding) in try ConfigurationTarget.check(data) },
    seeds: { files in
      let minimal =
        "listeners: [{listen: \":80\"}]\npools:\n  a:\n    endpoints: [\"10.0.0.1:1\"]\n"
      let secure = """
        admin: {tls: {certificates: [{cert: a, key: b}, {directory: c}], client_ca: d, crl: e}}
        hooks: [{on: [endpoint_ready], post: "https://10.0.0.9/", tls: {insecure: true}}]
        listeners:
          - {listen: ":80", routes: [{redirect: {location: "https://{host}:443{path}"}}]}
          - listen: ":443"
            tls: {cert: a, client_ca: d, subject_field: X-S, tickets: {file: t}, hsts: 1d}
        pools:
          a:
            endpoints: ["10.0.0.1:1", {address: "10.0.0.2:1", metrics: 9}]
            hash: {client_certificate: san}
            balance: hash
            tls: {ca: a, cert: b, key: c, server_name: d, min_version: "1.3"}
            health: {port: 9, tls: pool}
            weights: {scrape: [{preset: vllm, tls: false}, {preset: node, tls: true}]}

        """
      return files.files(in: "config", suffix: ".yaml") + [minimal, secure].map { Array($0.utf8) }
    })

  static func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
    switch read(Array(data)) {
    case .success(let file):
      try checkLoaded(file)
      try checkDiagnostics(file.warnings, countMax: 100)
    case .failure(let errors):
      try require(!errors.diagnostics.isEmpty, "neither a fleet nor an error")
      try checkDiagnostics(errors.diagnostics, countMax: 1_001)
    }
  }

  private static func read(_ bytes: [UInt8]) -> Result<ConfigurationFile, ConfigurationErrors> {
    Result { () throws(ConfigurationErrors) in
      try ConfigurationFile.read(bytes, path: "a.yaml")
    }
  }

  private static func checkLoaded(_ file: ConfigurationFile) throws(Finding) {
    switch read(Array(file.effective.utf8)) {
    case .success(let again):
      try require(again.fleet == file.fleet, "another fleet: \(file.effective)")
      try require(
        withoutMarks(again.effective) == withoutMarks(file.effective),
        "printed twice: \(again.effective)")
    case .failure(let errors):
      throw Finding(description: "what is printed does not load: \(errors.rendered)")
    }
  }

  /// An effective file without the marks of defaults: in itself nothing is one.
  private static func withoutMarks(_ text: String) -> [Substring] {
    text.split(separator: "\n").map { $0.hasSuffix("# default") ? $0.dropLast(9) : $0 }.map {
      line in
      line.prefix(
        upTo: (line.lastIndex { $0 != " " }).map { line.index(after: $0) } ?? line.startIndex)
    }
  }

  private static func checkDiagnostics(
    _ diagnostics: [Diagnostic], countMax: Int
  ) throws(Finding) {
    try require(diagnostics.count <= countMax, "\(diagnostics.count) diagnostics")
    var last = (0, 0)
    for diagnostic in diagnostics {
      try require((diagnostic.line, diagnostic.column) >= last, "their order")
      last = (diagnostic.line, diagnostic.column)
      try require(!diagnostic.message.isEmpty, "a message")
      for scalar in diagnostic.rendered.unicodeScalars {
        let isSafe =
          scalar.value >= 0x20 && scalar.value != 0x7F || scalar == "\n" || scalar == "\t"
        try require(isSafe, "a control character: \(diagnostic.rendered)")
      }
    }
  }
}
