// docs/openapi.yaml as it is served; scripts/embed-openapi wrote these files.

enum OpenAPIDocument {
  static let text = part1 + part2 + part3
}
