// The page at / as it is served, the same for everybody; scripts/embed-page wrote it.

enum StatusPage {
  static let text = part1 + part2 + part3
  /// Allows the page's own style and script, by their hashes, and nothing else.
  static let policy =
    "default-src 'none'; script-src 'sha256-o7sQGwVlInuw0t4f3sMikgBjPs04f+nKh7QwDHMIfkc='; style-src 'sha256-1qkMfFgw/DxsJLLm7lvERoRqqdu6BOO+IV401OPCRq0='; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
