// The page at / as it is served, the same for everybody; scripts/embed-page wrote it.

enum StatusPage {
  static let text = part1 + part2 + part3
  /// Allows the page's own style and script, by their hashes, and nothing else.
  static let policy =
    "default-src 'none'; script-src 'sha256-dblYoml47s0oVc6wtwRupSfYbYKQFMhRuFdb+FvUjAA='; style-src 'sha256-YB6mxauIRnmv8R2FTihYf/7/Ppr22oypfijNSVtLX7w='; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
