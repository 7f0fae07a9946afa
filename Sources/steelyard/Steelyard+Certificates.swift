// Certificates: loaded at the start and by reloads, watched while the program runs, and told of.
import Admin
import Balancer
import CLI
import Certificates
import Events
import Fleet
import IO
import Primitives

extension Steelyard {
  /// How often it is looked how long certificates are valid.
  private static let expiryInterval = Nanoseconds.seconds(60)
  private static let namesMax = 8

  /// Loads the certificates of a configuration. Returns the places whose files have changed.
  /// Error: a file that cannot be used; nothing has changed.
  @discardableResult
  static func load(
    _ fleet: Fleet, _ store: CredentialStore, _ log: LogDriver, now: Nanoseconds
  ) throws(StartError) -> [String] {
    let changes: [CredentialChange]
    do throws(TLSError) {
      changes = try store.load(fleet, now: now)
    } catch {
      throw StartError(.configuration, error.message)
    }
    tellExposed(store, log)
    for change in changes { tell(change, log) }
    return changes.compactMap {
      if case .replaced(let place, _) = $0 { place } else { nil }
    }
  }

  private static func tellExposed(_ store: CredentialStore, _ log: LogDriver) {
    for file in store.takeExposedFiles() {
      log.write(
        .warning, "everybody on this machine may read the key file",
        ["file": file, "hint": "chmod o-r"])
    }
  }

  /// Gives the threads the contexts that were published.
  func useCredentials() {
    adminContext = configured.adminTLS.flatMap {
      credentials.server($0, thread: credentials.controlThread)
    }
    balancer.ringWorkers()
  }

  /// Takes changes of the files, and says how long certificates are still valid.
  func noteCertificates(now: Nanoseconds) {
    let before = credentials.revision
    for change in store.tick(now: now) { Self.tell(change, log) }
    Self.tellExposed(store, log)
    if credentials.revision != before { useCredentials() }
    noteExpiry(now: now)
  }

  private static func tell(_ change: CredentialChange, _ log: LogDriver) {
    switch change {
    case .replaced(let place, let certificates):
      log.write(.info, "certificates replaced", ["place": place, "count": certificates.count])
      for facts in certificates.prefix(namesMax) {
        log.write(
          .info, "certificate in use",
          [
            "file": facts.name, "names": facts.names.prefix(namesMax).joined(separator: ", "),
            "expiry": CertificateExpiry.words(left: facts.left(wall: Clock.wall)),
          ])
      }
    case .refused(let place, let reason):
      log.write(
        .error, "changed certificate files cannot be used, those before stay in use",
        ["place": place, "reason": reason])
    case .mended(let place):
      log.write(.info, "certificate files are in order again", ["place": place])
    case .ticketKeysMade: log.write(.info, "session ticket keys made")
    }
  }

  /// Logs each certificate whose end comes near, once a step.
  private func noteExpiry(now: Nanoseconds) {
    guard now >= expiryDue else { return }
    expiryDue = now + Self.expiryInterval
    let wall = Clock.wall
    var told: [String: CertificateExpiry] = [:]
    for certificate in store.report.certificates {
      let left = certificate.facts.left(wall: wall)
      let step = CertificateExpiry(left: left)
      let before = toldExpiry[certificate.file] ?? .distant
      told[certificate.file] = max(step, told[certificate.file] ?? .distant)
      guard step > before, step > .distant else { continue }
      log.write(
        step == .soon ? .warning : .error, "certificate expires",
        [
          "file": certificate.file, "use": certificate.use.rawValue,
          "expiry": CertificateExpiry.words(left: left),
        ])
    }
    toldExpiry = told
  }
}
