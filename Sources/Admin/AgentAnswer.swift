// Answers to HAProxy's agent checks (HAProxy 2.6 configuration manual, `agent-check`): one line,
// `75%`, of the weight that the server has in HAProxy's own configuration. `up` is never answered:
// it would override a failed check of HAProxy's (haproxy#1176). `drain` and `ready` change the
// administrative state of the server, and with it what people set in HAProxy; so only a server
// whose `agent-send` asks for the state gets them.
import Primitives

/// One question of an agent check.
struct AgentQuestion: Equatable {
  /// A pool, an endpoint's address or name, and perhaps `state`.
  static let byteCountMax = 512

  let pool: String
  /// An address or a name.
  let endpoint: String
  /// The administrative state is wanted too.
  let wantsState: Bool

  /// The question in a line without its end; nil: it is none.
  init?(_ line: some Collection<UInt8>) {
    let words = String(decoding: line, as: UTF8.self).split(whereSeparator: { " \t\r".contains($0) }
    )
    guard words.count == 2 || words.count == 3 && words[2] == "state" else { return nil }
    pool = String(words[0])
    endpoint = String(words[1])
    wantsState = words.count == 3
  }

  /// The answer, a line with its end; nil: there is no such endpoint. Then nothing is said, and the
  /// server keeps its weight.
  func answer(_ pools: [PoolStatus]) -> String? {
    guard let pool = pools.first(where: { $0.name == pool }) else { return nil }
    let all = SteeredEndpoint.all(pool)
    guard
      let found = all.first(where: { $0.address == endpoint })
        ?? all.first(where: { $0.name == endpoint })
    else { return nil }
    let percent = "\(found.weight(of: 100))%\n"
    guard wantsState else { return percent }
    return found.isUsed ? "ready \(percent)" : "drain\n"
  }
}
