// One description as it is loaded: its contexts, what its files looked like when they were read,
// and what is wrong with them since.
import Fleet
import IO
import Primitives
import Synchronization

struct CredentialEntry {
  enum Contexts {
    /// By thread; nil for threads that need none.
    case server([ServerContext?])
    case client([ClientContext?])
  }

  /// Files that have changed and cannot be used.
  struct Trouble {
    /// The stamps of the files; nil: they could not be taken.
    let seen: [String: FileStamp]?
    let reason: String
    /// It was found twice and told.
    var isTold: Bool
  }

  private static let serials = Atomic<UInt64>(0)

  var item: CredentialPlan.Item
  let contexts: Contexts
  /// By path, as the files were when they were read.
  let stamps: [String: FileStamp]
  /// The certificates that this description shows.
  let facts: [CertificateFacts]
  /// The ticket keys that went into the contexts, by when the next ones are due; nil: none did.
  let ringDueAt: Nanoseconds?
  /// Never the same for two builds.
  let serial = serials.add(1, ordering: .relaxed).newValue
  private(set) var trouble: Trouble?
  /// What was told last and still holds.
  private(set) var told: String?

  init(
    item: CredentialPlan.Item, contexts: Contexts, stamps: [String: FileStamp],
    facts: [CertificateFacts], ringDueAt: Nanoseconds?
  ) {
    self.item = item
    self.contexts = contexts
    self.stamps = stamps
    self.facts = facts
    self.ringDueAt = ringDueAt
  }

  var isOfWorkers: Bool { item.isOfWorkers }
  /// Where it stands first.
  var place: String { item.places[0] }

  /// The files are as they were when they were read.
  func mended() -> (CredentialEntry, CredentialChange?) {
    var next = self
    (next.trouble, next.told) = (nil, nil)
    return (next, told == nil ? nil : .mended(place: place))
  }

  /// The files cannot be used. It is told at the second time: a pair may have been half written.
  func failed(
    _ reason: String, seen: [String: FileStamp]?
  ) -> (CredentialEntry, CredentialChange?) {
    var next = self
    let isSecond = trouble.map { $0.seen == seen && $0.reason == reason } ?? false
    let isNews = isSecond && trouble?.isTold == false
    next.trouble = Trouble(seen: seen, reason: reason, isTold: isSecond)
    guard isNews, told != reason else { return (next, nil) }
    next.told = reason
    return (next, .refused(place: place, reason: reason))
  }
}
