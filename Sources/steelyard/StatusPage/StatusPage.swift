// The page at / as it is served, the same for everybody; scripts/embed-page wrote it.

enum StatusPage {
  static let text = part1 + part2 + part3
  /// Allows the page's own style and script, by their hashes, and nothing else.
  static let policy =
    "default-src 'none'; script-src 'sha256-szaFrqrSL9zzRw8rpC/5fQf/TDMMxE5UbRAr99JLJYQ='; style-src 'sha256-4lv7yKnm/iViouyfMhKL9TvzW01i9GhgWHQx++QQkwI='; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
