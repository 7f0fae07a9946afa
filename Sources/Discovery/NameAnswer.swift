// What a lookup gave, and how metrics call that.
package import Fleet

/// The answer to a lookup.
package enum NameAnswer: Sendable, Equatable {
  case addresses([HostAddress])
  case failed(String)
}

/// How a lookup ended, for metrics.
package enum NameResult: Int, CaseIterable, Sendable {
  case ok, failed, timeout

  package var label: String {
    switch self {
    case .ok: "ok"
    case .failed: "failed"
    case .timeout: "timeout"
    }
  }
}
