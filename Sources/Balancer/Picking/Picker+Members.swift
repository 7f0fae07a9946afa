// Changes of a picker with its pool: endpoints are added, removed and changed one by one.
// Allocates, once for each change of the pool. Invariant: a position is valid until an endpoint is
// removed; the last endpoint then takes over that position.
package import Fleet
import Primitives

extension Picker {
  /// Adds an endpoint at the last position, with weight 0 and not eligible. It skips the notices
  /// given so far. Call `finishMembers` after the last change.
  package mutating func append(_ endpoint: Endpoint, _ pickBoard: PickBoard) {
    candidates.append(Candidate(endpoint))
    let position = candidates.count - 1
    candidates[position].health.hasCanary = hasCanary
    candidates[position].trial = pickBoard.trial(endpoint.endpointIndex)
    candidates[position].newestTrial = candidates[position].trial
    ranks.append(Rank(endpointIndex: 0, table: 0, inverse: .infinity))
    for _ in PickBoard.Notice.allCases { noticesTaken.append(0) }
    skipNotices(position, pickBoard)
  }

  /// Removes the endpoint at the position, which the last endpoint takes over. Call `finishMembers`
  /// after the last change.
  package mutating func remove(at position: Int) {
    let last = candidates.count - 1
    candidates.swapAt(position, last)
    candidates.removeLast()
    ranks.removeLast()
    for notice in PickBoard.Notice.allCases {
      noticesTaken[index(notice, position)] = noticesTaken[index(notice, last)]
    }
    noticesTaken.removeLast(PickBoard.Notice.allCases.count)
  }

  /// Changes the settings of the endpoint at the position. Call `finishMembers` after the last
  /// change.
  package mutating func update(_ position: Int, _ endpoint: Endpoint) {
    candidates[position] = Candidate(endpoint, keeping: candidates[position])
  }

  /// Updates everything that is derived from all endpoints.
  package mutating func finishMembers() {
    noteBackups()
    halfOpenCount = candidates.reduce(0) { $0 + ($1.health.isHalfOpen ? 1 : 0) }
    trialCount = pendingTrialCount
    // The shapes are read again before the next pick.
    shapeRevision = 0
    finishTable()
  }

  private var pendingTrialCount: Int {
    candidates.reduce(0) { $0 + ($1.trial != $1.newestTrial ? 1 : 0) }
  }

  mutating func skipNotices(_ position: Int, _ pickBoard: PickBoard) {
    for notice in PickBoard.Notice.allCases {
      noticesTaken[index(notice, position)] = pickBoard.count(
        notice, candidates[position].endpointIndex)
    }
  }

  /// Takes over the state of the same endpoints from the pool's picker before a reload.
  package mutating func inherit(from old: Picker) {
    var positions: [Int: Int] = [:]
    positions.reserveCapacity(old.candidates.count)
    for position in old.candidates.indices {
      positions[old.candidates[position].endpointIndex] = position
    }
    for position in candidates.indices {
      guard let before = positions[candidates[position].endpointIndex] else { continue }
      candidates[position].health = old.candidates[before].health
      candidates[position].health.hasCanary = hasCanary
      candidates[position].current = old.candidates[before].current
      candidates[position].trial = old.candidates[before].trial
      candidates[position].newestTrial = old.candidates[before].newestTrial
      candidates[position].adoptedUntil = old.candidates[before].adoptedUntil
      candidates[position].adoptedSince = old.candidates[before].adoptedSince
      candidates[position].adoptedReadmissions = old.candidates[before].adoptedReadmissions
      for notice in PickBoard.Notice.allCases {
        noticesTaken[index(notice, position)] = old.noticesTaken[index(notice, before)]
      }
    }
    trialCount = pendingTrialCount
    noticeRevision = old.noticeRevision
    shapeRevision = 0
    trialRevision = old.trialRevision
    fullUntil = old.fullUntil
    recount()
  }
}

extension Picker.Candidate {
  /// The same endpoint with other settings.
  fileprivate init(_ endpoint: Endpoint, keeping known: Self) {
    self.init(endpoint)
    weight = known.weight
    isEligible = known.isEligible
    takesSessions = known.takesSessions
    hasRoom = known.hasRoom
    health = known.health
    adoptedReadmissions = known.adoptedReadmissions
    adoptedUntil = known.adoptedUntil
    adoptedSince = known.adoptedSince
    current = known.current
    shape = known.shape
    trial = known.trial
    newestTrial = known.newestTrial
  }
}
