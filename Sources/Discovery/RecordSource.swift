// SRV records (RFC 2782): targets of the lowest priority are used first, all others are backups.
// The records' time to live says when they are looked up again.
package import Fleet
package import Primitives

/// One record, with the addresses of its target.
package struct ServiceRecord: Sendable, Equatable {
  package let target: String
  package let addresses: [HostAddress]
  package let port: UInt16
  package let priority: UInt16
  package let weight: UInt16
  /// In seconds.
  package let timeToLive: UInt32

  package init(
    target: String, addresses: [HostAddress], port: UInt16, priority: UInt16, weight: UInt16,
    timeToLive: UInt32
  ) {
    self.target = target
    self.addresses = addresses
    self.port = port
    self.priority = priority
    self.weight = weight
    self.timeToLive = timeToLive
  }
}

package struct RecordSource: EndpointSource {
  private let name: String
  private let interval: Nanoseconds
  private var times: AskTimes

  package init(_ source: DiscoverySource) {
    name = source.target
    interval = source.interval
    times = AskTimes(interval: source.interval)
  }

  package var nextDue: Nanoseconds { times.nextAt }

  package mutating func ask(now: Nanoseconds) -> SourceQuestion? {
    now >= times.nextAt ? .records(name) : nil
  }

  package mutating func take(_ answer: SourceAnswer, now: Nanoseconds) -> SourceVerdict {
    switch answer {
    case .records(let records):
      let seconds = records.map(\.timeToLive).min() ?? 0
      times = AskTimes(interval: min(max(.seconds(Double(seconds)), .seconds(1)), interval))
      times.noteSuccess(now: now)
      return .members(Self.members(records))
    case .failed(let failure):
      times.noteFailure(now: now)
      return .failed(failure)
    case .part, .answer, .files: return .nothing
    }
  }

  private static func members(_ records: [ServiceRecord]) -> [Member] {
    let first = records.map(\.priority).min() ?? 0
    return records.flatMap { record in
      record.addresses.map { address in
        var member = Member(address: SocketAddress(bytes: address.bytes, port: record.port))
        member.isBackup = record.priority > first
        // RFC 2782: with weight 0 there is nothing to weigh.
        member.weight = record.weight == 0 ? nil : Double(record.weight)
        member.name = record.target
        return member
      }
    }
  }
}
