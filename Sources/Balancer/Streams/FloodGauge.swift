// Limits how often a peer may do what costs steelyard work and the peer nothing. A bucket of
// tokens: each event takes one, time adds them. Invariant: a bucket holds 32 000 tokens at most.
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP
import Primitives

/// The buckets of one connection.
struct FloodGauge {
  /// Kinds of events.
  enum Kind: Int, CaseIterable {
    /// A stream that was reset before its answer was complete, or refused (CVE-2023-44487).
    case reset
    /// CVE-2019-9515.
    case settings
    /// CVE-2019-9512.
    case ping
    /// DATA without content that ends nothing (CVE-2019-9518).
    case emptyData
    /// WINDOW_UPDATE, over what the frames that were sent explain.
    case window
    /// PRIORITY and frames of unknown types (CVE-2019-9513).
    case priority

    /// The events that may come at once.
    var burst: Int16 {
      switch self {
      case .reset: 1_000
      case .settings: 100
      case .ping, .emptyData: 500
      case .window: 4_000
      case .priority: 1_000
      }
    }

    /// The events that may come each second, for long.
    var perSecond: Int { Int(burst) / 5 }

    var fault: StreamFault {
      switch self {
      case .reset: .resetFlood
      case .settings: .settingsFlood
      case .ping: .pingFlood
      case .emptyData: .emptyFrameFlood
      case .window: .windowFlood
      case .priority: .priorityFlood
      }
    }
  }

  private var tokens: (Int16, Int16, Int16, Int16, Int16, Int16) = (0, 0, 0, 0, 0, 0)
  private var filledAt: Nanoseconds

  init(now: Nanoseconds) {
    filledAt = now
    for kind in Kind.allCases { self[kind] = kind.burst }
  }

  private subscript(kind: Kind) -> Int16 {
    get {
      withUnsafeBytes(of: tokens) {
        $0.load(fromByteOffset: kind.rawValue * 2, as: Int16.self)
      }
    }
    set {
      withUnsafeMutableBytes(of: &tokens) {
        $0.storeBytes(of: newValue, toByteOffset: kind.rawValue * 2, as: Int16.self)
      }
    }
  }

  /// Takes a token. Returns false if there is none: the peer floods.
  mutating func take(_ kind: Kind, now: Nanoseconds) -> Bool {
    if self[kind] <= 0 { fill(now: now) }
    guard self[kind] > 0 else { return false }
    self[kind] -= 1
    return true
  }

  /// Adds a token for something that explains one event of the peer, which may come later.
  mutating func allow(_ kind: Kind) {
    if self[kind] < 32_000 { self[kind] += 1 }
  }

  private mutating func fill(now: Nanoseconds) {
    let seconds = (now - filledAt).seconds
    guard seconds >= 0.1 else { return }
    filledAt = now
    for kind in Kind.allCases {
      let added = min(Double(kind.burst), seconds * Double(kind.perSecond))
      if self[kind] < kind.burst { self[kind] = min(kind.burst, self[kind] + Int16(added)) }
    }
  }
}
