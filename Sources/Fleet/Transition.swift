// What happens to a fleet while it runs, typed. `Journal` keeps it; `Events` has its words.
package import Primitives

/// One thing that happened.
package enum Transition: Sendable, Equatable {
  case verdict(VerdictChange)
  case tuning(TuningChange)
  case scrape(ScrapeChange)
  case canary(CanaryEnd)
  case weight(WeightChange)
  case hostName(NameChange)
  case source(SourceChange)
  case endpoint(EndpointChange)
  case pool(PoolChange)
  case reload(ReloadChange)
}

/// Another verdict of health checks, watchdog or operators on an endpoint.
package struct VerdictChange: Sendable, Equatable {
  package var pool: String
  package var endpoint: SocketAddress
  package var old: Eligibility
  package var new: Eligibility
  /// The last check's failure, if it failed.
  package var failure: PollFailure?
  /// Why the endpoint is stalled, or was.
  package var cause: StallCause?

  package init(
    pool: String, endpoint: SocketAddress, old: Eligibility, new: Eligibility,
    failure: PollFailure? = nil, cause: StallCause? = nil
  ) {
    self.pool = pool
    self.endpoint = endpoint
    self.old = old
    self.new = new
    self.failure = failure
    self.cause = cause
  }
}

/// A change in scrapes: they began to fail, fail in another way, or work again.
package struct ScrapeChange: Sendable, Equatable {
  package var pool: String
  /// With the port of the source.
  package var address: SocketAddress
  package var path: String
  /// `http` or `https`.
  package var scheme: String
  /// nil: scrapes work again.
  package var failure: PollFailure?

  package init(
    pool: String, address: SocketAddress, path: String, scheme: String = "http",
    failure: PollFailure?
  ) {
    self.pool = pool
    self.address = address
    self.path = path
    self.scheme = scheme
    self.failure = failure
  }
}

/// The end of a canary.
package struct CanaryEnd: Sendable, Equatable {
  package var pool: String
  package var endpoint: SocketAddress
  package var result: CanaryResult
  /// For people; may quote the endpoint's answer.
  package var detail: String
  /// From sending to the end.
  package var seconds: Double
  /// Good canaries in a row, this one included.
  package var goodInRow: Int

  package init(
    pool: String, endpoint: SocketAddress, result: CanaryResult, detail: String, seconds: Double,
    goodInRow: Int
  ) {
    self.pool = pool
    self.endpoint = endpoint
    self.result = result
    self.detail = detail
    self.seconds = seconds
    self.goodInRow = goodInRow
  }
}

/// A change of a target weight or of its reason.
package struct WeightChange: Sendable, Equatable {
  package var pool: String
  package var endpoint: SocketAddress
  /// The previous target weight.
  package var old: Double
  /// The new row, with the evidence for the target.
  package var row: WeightRow

  /// The new target weight.
  package var new: Double { row.target }

  package init(
    pool: String, endpoint: SocketAddress, old: Double, row: WeightRow
  ) {
    self.pool = pool
    self.endpoint = endpoint
    self.old = old
    self.row = row
  }
}

/// A change that an operator made, or one that expired.
package struct TuningChange: Sendable, Equatable {
  package var pool: String
  /// nil: the pool.
  package var endpoint: SocketAddress?
  /// Such as `pin 2.0`.
  package var action: String
  /// nil: until it is undone.
  package var lasts: Nanoseconds?
  /// The order is over.
  package var hasExpired: Bool

  package init(
    pool: String, endpoint: SocketAddress?, action: String, lasts: Nanoseconds?, hasExpired: Bool
  ) {
    self.pool = pool
    self.endpoint = endpoint
    self.action = action
    self.lasts = lasts
    self.hasExpired = hasExpired
  }
}

/// Other addresses of a host name, or a failure to find them.
package struct NameChange: Sendable, Equatable {
  package var host: String
  package var added: [HostAddress]
  package var removed: [HostAddress]
  /// Addresses beyond the limit.
  package var leftOut: Int
  /// nil: the name was resolved.
  package var failure: String?

  package init(
    host: String, added: [HostAddress], removed: [HostAddress], leftOut: Int, failure: String?
  ) {
    self.host = host
    self.added = added
    self.removed = removed
    self.leftOut = leftOut
    self.failure = failure
  }
}

/// What happened to the endpoints of a source: some came and went, or the source failed or works
/// again.
package struct SourceChange: Sendable, Equatable {
  package var pool: String
  package var source: String
  package var added: Int
  package var removed: Int
  /// The number of its endpoints afterwards.
  package var count: Int
  /// nil: the source works.
  package var failure: String?

  package init(
    pool: String, source: String, added: Int, removed: Int, count: Int, failure: String?
  ) {
    self.pool = pool
    self.source = source
    self.added = added
    self.removed = removed
    self.count = count
    self.failure = failure
  }
}

/// Another state of an endpoint for clients' requests: verdicts and ejections together.
package struct EndpointChange: Sendable, Equatable {
  package var pool: String
  package var endpoint: SocketAddress
  package var old: Eligibility
  package var new: Eligibility
  /// The pool's endpoints that take new requests after it.
  package var readyCount: Int
  /// All of the pool's endpoints.
  package var count: Int
  /// The ejection that it begins; nil also where its cause is not known any more.
  package var ejection: Ejection?
  /// The end of an ejection that was noted.
  package var readmission: Readmission?
  /// The label of the failed check's or of the stall's cause.
  package var cause: String?

  /// The end of an ejection.
  package struct Readmission: Sendable, Equatable {
    package var cause: ReadmissionCause
    /// How long the ejection lasted, to a tenth.
    package var seconds: Double

    package init(cause: ReadmissionCause, seconds: Double) {
      self.cause = cause
      self.seconds = seconds
    }
  }

  /// The endpoint went out of service or came back. A drain is an operator's wish and no fault.
  package var isTurn: Bool {
    old.takesNewExchanges != new.takesNewExchanges
      && ![old, new].contains { $0 == .draining || $0 == .drained }
  }

  package init(
    pool: String, endpoint: SocketAddress, old: Eligibility, new: Eligibility, readyCount: Int,
    count: Int, ejection: Ejection? = nil, readmission: Readmission? = nil, cause: String? = nil
  ) {
    self.pool = pool
    self.endpoint = endpoint
    self.old = old
    self.new = new
    self.readyCount = readyCount
    self.count = count
    self.ejection = ejection
    self.readmission = readmission
    self.cause = cause
  }
}

/// Another state of a pool.
package enum PoolState: Sendable, Equatable {
  /// No endpoint takes new requests; the argument says what they are instead.
  case withoutEndpoint(String)
  /// An endpoint takes new requests again.
  case recovered
  /// The weights stay as they are from now on, or for another cause.
  case frozen(FreezeCause)
  /// The weights move again.
  case unfrozen
}

/// A pool's change of state.
package struct PoolChange: Sendable, Equatable {
  package var pool: String
  package var state: PoolState

  package init(
    pool: String, state: PoolState
  ) {
    self.pool = pool
    self.state = state
  }
}

/// The end of a reload.
package enum ReloadChange: Sendable, Equatable {
  case taken(changeCount: Int)
  /// The argument says why.
  case refused(String)
}
