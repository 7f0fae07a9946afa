// Endpoints that were added at run time, and what is kept of them and of orders over a restart: the
// state file, which is replaced as a whole.
import Admin
import CLI
import Controller
import Discovery
import Events
import Fleet
import IO
import Primitives

extension Steelyard {
  /// Reads the state file of a configuration. A file that is not there is an empty one. Errors: a
  /// file that cannot be used; it is not overwritten.
  static func savedState(_ fleet: Fleet) throws(StartError) -> SavedState {
    guard let path = fleet.stateFile else { return SavedState() }
    let bytes: [UInt8]?
    do throws(IOError) {
      bytes = try FileReader.read(path, byteCountMax: SavedState.byteCountMax)
    } catch {
      if error.isMissingFile { return SavedState() }
      throw StartError(.noInput, "the state file \(path): \(error.reason)")
    }
    guard let bytes else {
      throw StartError(.configuration, "the state file \(path) is too large")
    }
    do throws(SavedState.Failure) {
      return try SavedState(bytes)
    } catch {
      throw StartError(
        .configuration,
        "the state file \(path) cannot be used: \(error.reason); move it away to begin without it")
    }
  }

  /// Gives the orders of the state file for endpoints that are there now.
  func restoreOrders(of delta: MembershipDelta? = nil, now: Nanoseconds) {
    if saved.orders.isEmpty { return }
    guard let delta else {
      // An order for an endpoint that is not there yet waits until it comes.
      for request in saved.requests() { try? controller.tune(request, now: now) }
      return
    }
    for member in delta.added {
      let pool = membership.fleet.pools[member.pool].name
      for request in saved.requests(pool: pool, address: member.endpoint.address) {
        try? controller.tune(request, now: now)
      }
    }
  }

  /// Replaces the state file, if there is one. Errors: it cannot be written.
  private func write(_ state: SavedState) throws(Problem) {
    if let path = configured.stateFile {
      do throws(IOError) {
        try FileWriter.replace(state.bytes, at: path, mode: 0o600)
      } catch {
        log.write(.error, "state file not written", ["file": path, "reason": error.reason])
        throw Problem(500, "the state file \(path) cannot be written: \(error.reason)")
      }
    }
    saved = state
  }

  private func requireStateFile() throws(Problem) {
    guard configured.stateFile == nil else { return }
    throw Problem(409, "nothing is kept over a restart: the configuration names no `state_file`")
  }

  // MARK: The subject of the API

  func member(
    _ request: MemberRequest, now: Nanoseconds
  ) throws(Problem) -> MemberOutcome {
    guard let pool = configured.pools.first(where: { $0.name == request.pool }) else {
      throw Problem(404, TuningError.noPool(request.pool).message)
    }
    if request.persists { try requireStateFile() }
    let address = request.member.address
    var next = runtime
    let outcome: MemberOutcome
    if request.isRemoval {
      guard next.remove(address, pool: pool.name) else {
        let isThere = membership.fleet.pools.contains {
          $0.name == pool.name && $0.endpoints.contains { $0.address == address }
        }
        guard isThere else { return .absent }
        throw Problem(
          409,
          "\(address) was not added at run time: take it out of the file or of its source, or drain it"
        )
      }
      outcome = .removed
    } else {
      switch next.set(
        request.member, pool: pool.name, lasts: request.lasts, persists: request.persists, now: now)
      {
      case .added: outcome = .added
      case .changed: outcome = .changed
      case .renewed: outcome = .renewed
      case .refused:
        throw Problem(409, "\(RuntimeMembers.countMax) endpoints were added at run time already")
      }
    }
    if next.persistentRevision != runtime.persistentRevision {
      var saved = self.saved
      saved.note(next, pools: configured.pools.map(\.name))
      try write(saved)
    }
    runtime = next
    return outcome
  }

  func tune(_ order: TuningRequest, now: Nanoseconds) throws(Problem) {
    var next = saved
    let mustWrite = next.note(order)
    if order.persists { try requireStateFile() }
    do throws(TuningError) {
      try controller.tune(order, now: now)
    } catch {
      throw Problem(error)
    }
    if mustWrite { try write(next) }
  }
}
