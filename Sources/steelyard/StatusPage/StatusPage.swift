// The page at / as it is served, the same for everybody; scripts/embed-page wrote it.

enum StatusPage {
  static let text = part1 + part2 + part3
  /// Allows the page's own style and script, by their hashes, and nothing else.
  static let policy =
    "default-src 'none'; script-src 'sha256-f7sfFX5tj8ygPXrYHuQuf2rL3FhaQasfiWQKrEKVlNQ='; style-src 'sha256-3BLYhcezUXC+CLmyRUKzQGnh5FONz5F97Uz0NN3ks4s='; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
