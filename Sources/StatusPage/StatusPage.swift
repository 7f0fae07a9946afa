// The status page as it is served, the same for everybody: a document, its style and its script,
// which the build embeds from `web`.

/// A file of the page.
package enum StatusPage: String, CaseIterable, Sendable {
  case document = ""
  case style = "page.css"
  case script = "page.js"

  /// Allows the page's own files and data, and nothing else.
  package static let policy = [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
    "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  ].joined(separator: "; ")

  /// Its name beside the document, which is at `/` and has none.
  package var name: String { rawValue }

  package var contentType: String {
    switch self {
    case .document: "text/html; charset=utf-8"
    case .style: "text/css; charset=utf-8"
    case .script: "text/javascript; charset=utf-8"
    }
  }

  package var content: [UInt8] {
    switch self {
    case .document: PackageResources.page_html
    case .style: PackageResources.page_css
    case .script: Self.joinedScript
    }
  }

  /// The parts in one block, so that nothing of theirs becomes a property of the window.
  private static let joinedScript: [UInt8] = {
    let parts = [
      PackageResources.text_js, PackageResources.charts_js, PackageResources.endpoints_js,
      PackageResources.pools_js, PackageResources.status_js, PackageResources.actions_js,
      PackageResources.stream_js,
    ]
    return Array("\"use strict\";\n{\n".utf8) + parts.joined(separator: Array("\n".utf8))
      + Array("}\n".utf8)
  }()
}
