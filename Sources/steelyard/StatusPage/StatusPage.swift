// The page at / as it is served, the same for everybody; scripts/embed-page wrote it.

enum StatusPage {
  static let text = part1 + part2 + part3
  /// Allows the page's own style and script, by their hashes, and nothing else.
  static let policy =
    "default-src 'none'; script-src 'sha256-vk8ceOmquFlJ6/6oBCWrpDxcmTaObkHgWPZ8GNld2u0='; style-src 'sha256-d0faQwN+5mfkPsIPoS495bHBj58j3fXXZunycpMAK6Q='; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
