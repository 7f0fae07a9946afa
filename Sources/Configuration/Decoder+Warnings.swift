// Warnings about what a file may say but probably does not mean: pools without a route, retries
// that end before the backups, hooks whose program does not exist.
import Fleet

/// The positions in the file that warnings point to. Byte offsets.
struct WarningOffsets {
  /// The key of each pool and its `retries`, in the order of the fleet's pools.
  var pools: [(name: Int, retries: Int)] = []
  /// The first word of each hook's `run`.
  var programs: [(path: String, offset: Int)] = []
}

extension Decoder {
  /// Requires: the file has no errors, and all of it is decoded.
  func warn(isProgram: (String) -> Bool) {
    let used = Set(
      fleet.listeners.flatMap(\.routes).compactMap { route in
        if case .pool(let index) = route.action { index } else { nil }
      })
    for (index, pool) in fleet.pools.enumerated() {
      let place = offsets.pools[index]
      if !used.contains(index) {
        report.warn(
          at: place.name, "no route leads to pool \(Printable.quoted(pool.name))",
          hint: "its endpoints are scraped and checked, but get no request")
      }
      warnOfBackups(pool, at: place.retries)
    }
    for program in offsets.programs where !isProgram(program.path) {
      report.warn(
        at: program.offset, "\(Printable.quoted(program.path)) is no program that can be run here")
    }
  }

  /// Warns only if a larger `max` could reach the backups.
  private func warnOfBackups(_ pool: Pool, at offset: Int) {
    let primaries = pool.endpoints.count { !$0.isBackup }
    let hasBackups =
      primaries < pool.endpoints.count || pool.names.contains(where: \.template.isBackup)
    let max = pool.retries.retriesMax
    guard hasBackups, max < primaries, primaries <= 7 else { return }
    report.warn(
      at: offset,
      "pool \(Printable.quoted(pool.name)): a request that fails at each of the \(primaries) "
        + "primaries is not tried at a backup: `retries.max` is \(max)",
      hint: "write `retries: {max: \(primaries)}`")
  }
}
