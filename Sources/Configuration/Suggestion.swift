// "Did you mean": other products' words for ours first, then the nearest spelling. Distance:
// Damerau-Levenshtein, restricted (optimal string alignment), at most 2.

/// Guesses what an operator meant.
package enum Suggestion {
  /// The most likely meaning of `word` among `candidates`; nil: none is near.
  package static func best(for word: String, among candidates: [String]) -> String? {
    let plain = word.lowercased().replacing("-", with: "_")
    if let candidate = candidates.first(where: { $0 == plain }) { return candidate }
    for meant in synonyms[plain] ?? [] where candidates.contains(meant) { return meant }
    var best: (word: String, distance: Int)?
    for candidate in candidates {
      let distance = distance(plain, candidate, atMost: 2)
      guard let distance, distance * 2 <= max(candidate.utf8.count, plain.utf8.count) else {
        continue
      }
      if distance < best?.distance ?? 3 { best = (candidate, distance) }
    }
    return best?.word
  }

  /// "did you mean `x`?"; nil: nothing is near.
  package static func hint(for word: String, among candidates: [String]) -> String? {
    best(for: word, among: candidates).map { "did you mean \(Printable.quoted($0))?" }
  }

  /// "`a`, `b`, `c`", at most ten of them.
  package static func names(_ words: [String]) -> String {
    let namesMax = 10
    let names = words.prefix(namesMax).map(Printable.quoted).joined(separator: ", ")
    return words.count > namesMax ? names + ", …" : names
  }

  /// "`a`, `b` or `c`".
  static func list(_ words: [String]) -> String {
    let quoted = words.map { "`\($0)`" }
    guard quoted.count > 1, let last = quoted.last else { return quoted.joined() }
    return quoted.dropLast().joined(separator: ", ") + " or " + last
  }

  /// Changes, insertions, removals and swaps of neighbours between two words, nil if over `limit`.
  static func distance(_ a: String, _ b: String, atMost limit: Int) -> Int? {
    let a = Array(a.utf8)
    let b = Array(b.utf8)
    guard abs(a.count - b.count) <= limit else { return nil }
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var cost = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          cost = min(cost, rows[i - 1][j - 1] + 1)
        }
        row.append(cost)
      }
      rows.append(row)
    }
    let distance = rows[a.count][b.count]
    return distance <= limit ? distance : nil
  }

  /// Words of nginx, HAProxy, Envoy, Traefik, Caddy and Prometheus → ours, the most likely first.
  private static let synonyms: [String: [String]] = [
    // Structure.
    "upstreams": ["pools"], "upstream": ["pool", "pools"], "clusters": ["pools"],
    "cluster": ["pool", "pools"], "backends": ["pools", "endpoints"],
    "backend": ["pool", "pools", "endpoints"], "services": ["pools"], "service": ["pool", "pools"],
    "server_name": ["host"], "servers": ["endpoints", "pools"],
    "server": ["address", "endpoints", "listeners"],
    "targets": ["endpoints"], "hosts": ["host", "endpoints"], "members": ["endpoints"],
    "instances": ["endpoints"], "nodes": ["endpoints"], "addresses": ["endpoints"],
    "frontends": ["listeners"], "frontend": ["listeners"], "entrypoints": ["listeners"],
    "locations": ["routes"], "location": ["routes", "path_prefix"], "rules": ["routes"],
    // Addresses and paths.
    "bind": ["listen"], "port": ["listen", "address"], "host": ["address"],
    "hostname": ["host", "address"],
    "url": ["address", "path", "location"],
    "ip": ["address"], "addr": ["address", "listen"], "address": ["listen"], "target": ["address"],
    "prefix": ["path_prefix"], "path": ["path_prefix"], "uri": ["path", "path_prefix"],
    "metrics_path": ["path"], "endpoint": ["path", "address", "endpoints"],
    // Policies.
    "lb_policy": ["balance"], "policy": ["balance", "law"], "algorithm": ["balance", "law"],
    "load_balancing": ["balance"], "strategy": ["balance"], "lb": ["balance"],
    "healthcheck": ["health"], "health_check": ["health"], "health_checks": ["health"],
    "check": ["health"], "outlier_detection": ["ejection"], "passive_health": ["ejection"],
    "max_retries": ["retries", "max"], "tries": ["retries", "max"], "retry": ["retries"],
    "circuit_breakers": ["breakers"], "circuit_breaker": ["breakers"],
    "retry_on": ["statuses"], "max_conns": ["max_connections"],
    "max_ejection_percent": ["max_ratio"], "healthy_panic_threshold": ["panic_ratio"],
    "weighting": ["weights"],
    "unhealthy_threshold": ["fall"], "healthy_threshold": ["rise"],
    "max_failures": ["max_fails"], "scrape_configs": ["scrape"], "metrics": ["scrape", "signals"],
    // Numbers.
    "threads": ["workers"], "worker_processes": ["workers"], "nbthread": ["workers"],
    "concurrency": ["workers"], "maxconn": ["connections"], "max_connections": ["connections"],
    "slots": ["concurrency"], "max_num_seqs": ["concurrency"], "parallel": ["concurrency"],
    "worker_connections": ["connections"], "client_max_body_size": ["body_bytes"],
    "max_body_size": ["body_bytes"], "body_size": ["body_bytes"], "max_headers": ["fields"],
    "headers": ["fields"], "header": ["headers"], "methods": ["method"],
    "keepalive_timeout": ["idle", "idle_timeout"],
    "proxy_connect_timeout": ["connect"], "proxy_send_timeout": ["send"],
    "client_body_timeout": ["body_timeout"], "client_header_timeout": ["head_timeout"],
    "keepalive_requests": ["requests"], "return": ["respond", "redirect"],
    "direct_response": ["respond"], "prefix_rewrite": ["rewrite"], "url_rewrite": ["rewrite"],
    "max_duration": ["exchange"], "total": ["exchange", "of"], "connect_timeout": ["connect"],
    "proxy_read_timeout": ["first_byte"], "read": ["first_byte"], "response": ["first_byte"],
    "read_timeout": ["first_byte", "head_timeout"], "idle_timeout": ["idle"],
    "scrape_interval": ["interval"], "scrape_timeout": ["timeout"],
    "grace_period": ["shutdown_timeout"],
    "max_page_bytes": ["page_bytes"], "min": ["floor"], "minimum": ["floor"], "max_step": ["slew"],
    "warn": ["normal"], "warning": ["normal"], "critical": ["alarm"], "crit": ["alarm"],
    "type": ["kind", "format"], "divide_by": ["of"], "multiply": ["scale"],
    // Values.
    "least_conn": ["least_request"], "least_connections": ["least_request"],
    "leastconn": ["least_request"], "least_requests": ["least_request"],
    "rr": ["round_robin"], "wrr": ["round_robin"], "roundrobin": ["round_robin"],
    "weighted_round_robin": ["round_robin"], "fixed": ["static"], "none": ["static"],
    "table": ["steps"], "step": ["steps"], "text": ["prometheus"], "openmetrics": ["prometheus"],
    "counter": ["rate"], "percent": ["ratio"], "average": ["avg"], "mean": ["avg"],
    "maximum": ["max"], "node_exporter": ["node"], "tensorflow": ["tfserving"],
    "tensorflow_serving": ["tfserving"], "tf_serving": ["tfserving"],
  ]
}
