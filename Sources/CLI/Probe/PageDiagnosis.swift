// Why a metrics page was not found, with hints. Pure: the input is an answer (and answers to a few
// well-known paths of the same server), the output a problem and hints. Facts about servers are
// data beside the presets (ServerClue, PortClue, Preset.advice).
import Controller
import Fleet

struct PageDiagnosis: Sendable, Equatable {
  /// One sentence without a full stop.
  var problem: String
  /// The most likely one first.
  var hints: [String]
  /// The preset of the server that was probably asked.
  var preset: String?

  /// Whether the answers to `ServerClue.paths` may help: the server speaks HTTP.
  static func wantsFollowUps(_ fetch: PageFetch) -> Bool {
    if case .answered = fetch.outcome { true } else { false }
  }

  /// Other paths on this port that may have metrics: those of the presets, without `path`.
  static func otherPaths(than path: String) -> [String] {
    Preset.all.map(\.path).reduce(into: []) { paths, other in
      if other != path, !paths.contains(other) { paths.append(other) }
    }
  }

  /// `error` says what was wrong with a page of status 200; `followUps` are the answers to
  /// `ServerClue.paths`.
  init(
    _ fetch: PageFetch, error: PageError? = nil, port: UInt16, followUps: [PageFetch] = []
  ) {
    hints = []
    switch fetch.outcome {
    case .failed(let failure):
      problem = Self.problem(failure)
      hints += Self.hints(failure, fetch.firstBytes)
    case .answered(let status, let content):
      let snippet = content.withUnsafeBytes { Wording.snippet($0) }
      if status == 200 {
        problem = error?.detail ?? "the page is no metrics page"
      } else {
        problem = "the answer to \(fetch.path) is status \(status)"
        if !content.isEmpty { problem += ": \(snippet)" }
      }
      recognise(content, followUps)
      if hints.isEmpty, let hint = Self.hint(status, fetch.path) { hints.append(hint) }
    }
    for clue in PortClue.all where clue.port == port { hints.append(clue.text) }
  }

  private mutating func recognise(_ content: [UInt8], _ answers: [PageFetch]) {
    for clue in ServerClue.all {
      if let path = clue.path {
        let isThere = answers.contains { answer in
          guard answer.path == path, case .answered(_, let other) = answer.outcome else {
            return false
          }
          return clue.holds(other.prefix(Self.clueBytesMax))
        }
        guard isThere else { continue }
      } else {
        guard clue.holds(content.prefix(Self.clueBytesMax)) else { continue }
      }
      preset = clue.preset
      let advice = clue.advice ?? clue.preset.flatMap { Preset.named($0)?.advice } ?? ""
      var hint = "this looks like \(clue.server)"
      if !advice.isEmpty { hint += ". " + advice }
      hints.append(hint)
      return
    }
  }

  private static let clueBytesMax = 16_384

  private static func problem(_ failure: PollFailure) -> String {
    switch failure.kind {
    case .refused: "nobody listens there (connection refused)"
    case .unreachable: "there is no way to it (\(failure.detail))"
    case .timeout: "no whole answer came in time: \(failure.detail)"
    case .cut: "the connection ended too soon: \(failure.detail)"
    case .tooLarge: "the page is too large: \(failure.detail)"
    case .tls: "no TLS connection: \(failure.detail)"
    case .badHTTP: "the answer is no HTTP/1 (\(failure.detail))"
    case .local: "this machine could not ask: \(failure.detail)"
    case .status, .badPage, .content, .notReady: failure.detail
    }
  }

  private static func hints(_ failure: PollFailure, _ firstBytes: [UInt8]) -> [String] {
    switch failure.kind {
    case .refused:
      [
        "is the server up, and is this its port? One that listens on localhost only is not to be "
          + "reached from elsewhere, and a container's port has to be published"
      ]
    case .timeout: ["a firewall that drops packets, or a server that is too busy to answer"]
    case .unreachable: ["is the address right, and does this machine have a route to it?"]
    case .badHTTP, .cut: otherProtocol(firstBytes, isCut: failure.kind == .cut)
    case .tls, .tooLarge, .local, .status, .badPage, .content, .notReady: []
    }
  }

  /// An HTTP/2 server begins with a SETTINGS frame on stream 0 (RFC 9113 §3.4, §4.1); a TLS server
  /// answers plain text with an alert (RFC 8446 §5.1).
  private static func otherProtocol(_ bytes: [UInt8], isCut: Bool) -> [String] {
    if bytes.count >= 9, bytes[0] == 0, bytes[3] == 4, bytes[5..<9].allSatisfy({ $0 == 0 }) {
      return [
        "this is a gRPC port (HTTP/2): metrics are on another one, and an HTTP/1.1 proxy cannot "
          + "balance this one"
      ]
    }
    if bytes.count >= 2, bytes[0] == 0x15, bytes[1] == 3 {
      return ["this port speaks TLS. " + ServerClue.tlsAdvice]
    }
    if isCut, bytes.isEmpty { return ["it may speak something else than HTTP: gRPC, or TLS"] }
    return []
  }

  private static func hint(_ status: Int, _ path: String) -> String? {
    switch status {
    case 300..<400: "it redirects: give the URL where it ends"
    case 401, 403, 407: "the page asks for credentials, and a scrape has none to give"
    case 404: "the page is not at \(path), or it is turned off"
    case 405: "it does not take GET there"
    case 429: "too many requests: of how many balancers and Prometheis is it scraped?"
    case 500, 502: "the server failed: what does its log say?"
    case 503, 504: "it may be loading its model: try again soon"
    default: nil
    }
  }
}
