// Loads certificates, keys and authorities, watches their files, and publishes contexts for all
// threads. Invariants: what is published was built completely, for every thread; after an error
// nothing has changed. The bytes of files are overwritten once the contexts are built.
package import Fleet
package import IO
package import Primitives

/// The loader of TLS contexts. Control thread only.
package final class CredentialStore {
  /// How often files are looked at. Links are followed: a file put in place of another is noticed.
  static let lookInterval = Nanoseconds.seconds(5)
  /// The pause before files that cannot be used are tried again: a pair may be half written.
  static let secondLookPause = Nanoseconds.seconds(1)
  /// How long contexts stay that no description of the fleet in force names: workers may still run
  /// with the fleet before it.
  static let keepTime = Nanoseconds.seconds(10)

  let credentials: Credentials
  private var libraries: [TLSLibrary] = []
  var entries: [CredentialKey: CredentialEntry] = [:]
  /// The descriptions of the fleet in force.
  private var planned: Set<CredentialKey> = []
  private var dropAt = Nanoseconds.distantFuture
  /// The ticket keys of this process; nil until a description wants them.
  private(set) var ring: TicketRing?
  var lookDue = Nanoseconds.zero
  private var toldExposed: Set<String> = []
  private var exposed: [String] = []
  /// What is told of the certificates now.
  package private(set) var report = CertificateReport()

  package init(_ credentials: Credentials) { self.credentials = credentials }

  /// The ticket keys of this process, for one that replaces it; nil: none were made.
  package var ticketRecord: TicketRecord? { ring?.record }

  /// Goes on with the ticket keys of another process. Requires: nothing is loaded yet.
  package func restore(_ record: TicketRecord, now: Nanoseconds) {
    ring = TicketRing(record, now: now)
  }

  // MARK: A fleet

  /// Loads what a fleet describes, besides what is loaded already, and publishes it. Files that
  /// have not changed are not read again. Returns which descriptions that were loaded before
  /// have other files now. Error: names the place, the file, and what is wrong; nothing has
  /// changed.
  @discardableResult
  package func load(_ fleet: Fleet, now: Nanoseconds) throws(TLSError) -> [CredentialChange] {
    let plan = CredentialPlan(fleet)
    guard !plan.items.isEmpty else { return [] }
    var changes: [CredentialChange] = []
    let files = CredentialFiles()
    defer { files.wipe() }
    var next = entries
    var known: [String: FileStamp] = [:]
    var isChanged = false
    var ring = self.ring
    if ring == nil { ring = try TicketRing(now: now) }
    guard let ring else { return [] }
    for item in plan.items {
      do throws(TLSError) {
        let inputs = try CredentialInputs(item.key)
        if var kept = entries[item.key], kept.isOfWorkers || !item.isOfWorkers,
          try inputs.stamps(&known) == kept.stamps
        {
          kept.item = item
          next[item.key] = kept
        } else {
          let built = try build(item, inputs, files, ring)
          if let before = entries[item.key], before.stamps != built.stamps {
            changes.append(.replaced(place: built.place, certificates: built.facts))
          }
          next[item.key] = built
          isChanged = true
        }
      } catch {
        throw TLSError("\(item.places[0]): \(error.naming(item.key).message)")
      }
    }
    self.ring = ring
    noteExposed(files)
    entries = next
    if isChanged {
      ProcessMemory.hide()
      publish()
    }
    return changes
  }

  /// Says which fleet is in force; contexts of others are dropped after a while.
  package func settle(_ fleet: Fleet, now: Nanoseconds) {
    planned = Set(CredentialPlan(fleet).items.map(\.key))
    dropAt = now + Self.keepTime
    noteReport()
  }

  // MARK: The files

  /// Looks at the files when that is due, and makes ticket keys when these are due. Returns what
  /// has changed; new contexts are published.
  package func tick(now: Nanoseconds) -> [CredentialChange] {
    guard !entries.isEmpty else { return [] }
    if let due = ring?.dueAt, now >= due, let next = try? ring?.rotated(now: now) {
      ring = next
      lookDue = now
    }
    guard now >= lookDue, let ring else { return [] }
    lookDue = now + Self.lookInterval
    if now >= dropAt { dropUnused() }
    let files = CredentialFiles()
    defer { files.wipe() }
    var known: [String: FileStamp] = [:]
    var changes: [CredentialChange] = []
    var isChanged = false
    for key in entries.values.sorted(by: { $0.place < $1.place }).map(\.item.key) {
      guard let entry = entries[key] else { continue }
      let (next, change) = look(entry, files, &known, ring, now: now)
      entries[key] = next
      if next.serial != entry.serial { isChanged = true }
      guard let change, !changes.contains(change) else { continue }
      changes.append(change)
      switch change {
      case .replaced: report.replacedCount += 1
      case .refused: report.refusedCount += 1
      case .mended, .ticketKeysMade: break
      }
    }
    noteExposed(files)
    if isChanged { publish() }
    if isChanged || !changes.isEmpty { noteReport() }
    return changes
  }

  /// The description after a look at its files.
  private func look(
    _ entry: CredentialEntry, _ files: CredentialFiles, _ known: inout [String: FileStamp],
    _ ring: TicketRing, now: Nanoseconds
  ) -> (CredentialEntry, CredentialChange?) {
    var seen: [String: FileStamp]?
    do throws(TLSError) {
      let inputs = try CredentialInputs(entry.item.key)
      let stamps = try inputs.stamps(&known)
      seen = stamps
      let hasKeys = entry.ringDueAt == nil || entry.ringDueAt == ring.dueAt
      if stamps == entry.stamps, hasKeys { return entry.mended() }
      if let trouble = entry.trouble, trouble.isTold, trouble.seen == stamps { return (entry, nil) }
      let next = try build(entry.item, inputs, files, ring)
      // A worker's certificates count from the moment of publication on.
      if stamps == entry.stamps { return (next, .ticketKeysMade) }
      return (next, .replaced(place: entry.place, certificates: next.facts))
    } catch {
      let (next, change) = entry.failed(error.naming(entry.item.key).message, seen: seen)
      if next.trouble?.isTold == false { lookDue = now + Self.secondLookPause }
      return (next, change)
    }
  }

  /// Builds the contexts of a description for the threads that need them.
  private func build(
    _ item: CredentialPlan.Item, _ inputs: CredentialInputs, _ files: CredentialFiles,
    _ ring: TicketRing
  ) throws(TLSError) -> CredentialEntry {
    while libraries.count < credentials.threadCount { libraries.append(try TLSLibrary()) }
    var contexts = CredentialEntry.Contexts.client([])
    var facts: [CertificateFacts] = []
    var ringDueAt: Nanoseconds?
    switch item.key {
    case .server(let tls, let offersHTTP2):
      let options = try files.options(
        tls, offersHTTP2: offersHTTP2, inputs.pairs, madeKeys: ring.keys)
      let built = try builder(item).contexts(cost: options.pairs.count) {
        library throws(TLSError) in try ServerContext(options, library: library)
      }
      facts = built.last??.certificates ?? []
      contexts = .server(built)
      if tls.tickets == .made { ringDueAt = ring.dueAt }
    case .client(let tls, let version):
      let options = try files.options(tls, version)
      let built = try builder(item).contexts(cost: tls.ca == nil ? ContextBuilder.systemCost : 1) {
        library throws(TLSError) in try ClientContext(options, library: library)
      }
      facts = [built.last??.certificate].compactMap { $0 }
      contexts = .client(built)
    }
    var stamps: [String: FileStamp] = [:]
    for file in inputs.files { stamps[file.path] = files.stamp(file.path) }
    return CredentialEntry(
      item: item, contexts: contexts, stamps: stamps, facts: facts, ringDueAt: ringDueAt)
  }

  private func builder(_ item: CredentialPlan.Item) -> ContextBuilder {
    ContextBuilder(
      libraries: libraries, first: item.isOfWorkers ? 0 : credentials.controlThread)
  }

  // MARK: Publication

  private var table: Credentials.Table {
    var table = Credentials.Table()
    for (key, entry) in entries {
      switch entry.contexts {
      case .server(let contexts): table.servers[key] = contexts
      case .client(let contexts): table.clients[key] = contexts
      }
    }
    return table
  }

  private func publish() { credentials.publish(table) }

  private func dropUnused() {
    dropAt = .distantFuture
    let kept = entries.filter { planned.contains($0.key) }
    if kept.count == entries.count { return }
    entries = kept
    credentials.drop(keeping: table)
  }

  // MARK: What is told

  private func noteExposed(_ files: CredentialFiles) {
    for path in files.exposedKeys where toldExposed.insert(path).inserted { exposed.append(path) }
  }

  /// Files with secrets that every user of the machine may read, each once.
  package func takeExposedFiles() -> [String] {
    defer { exposed = [] }
    return exposed
  }

  /// Tells of the descriptions as they are now.
  private func noteReport() {
    struct Place: Hashable {
      let use: CertificateStatus.Use
      let file: String
    }
    var found: [Place: CertificateFacts] = [:]
    report.troubles = []
    for (key, entry) in entries where planned.contains(key) {
      if let told = entry.told { report.troubles.append("\(entry.place): \(told)") }
      for use in entry.item.uses {
        for facts in entry.facts {
          let place = Place(use: use, file: facts.name)
          // One of two descriptions may still have the certificate before.
          if let other = found[place], other.notAfter <= facts.notAfter { continue }
          found[place] = facts
        }
      }
    }
    report.troubles.sort()
    report.certificates = found.map {
      CertificateStatus(file: $0.key.file, use: $0.key.use, facts: $0.value)
    }.sorted { ($0.use, $0.file) < ($1.use, $1.file) }
  }
}
