// A server's queue: a number of slots that work at the same time, and requests that wait, first
// come, first served. All running jobs advance at the same rate, so that the end of a job is a mark
// on a common progress scale, and a change of speed touches no job (the virtual time of generalised
// processor sharing). The owner says how much progress a span of time is.
// Invariant: at most `slots` jobs run; a job waits only while all slots are taken.
package import Primitives

package struct ServiceQueue<ID: Equatable & Sendable>: Sendable {
  package struct Job: HeapElement, Sendable {
    package let id: ID
    package let work: Double
    package let arrivedAt: Nanoseconds
    /// The progress at which the job is done.
    let mark: Double
    /// The number of jobs that began before it.
    let order: Int

    package func isBefore(_ other: Job) -> Bool {
      mark != other.mark ? mark < other.mark : order < other.order
    }
  }
  private struct Waiting: Sendable {
    let id: ID
    let work: Double
    let arrivedAt: Nanoseconds
  }

  package let slots: Int
  private let waitingMax: Int
  private var running = BinaryHeap<Job>()
  private var waiting: [Waiting] = []
  private var waitingHead = 0
  private var progress = 0.0
  private var beginCount = 0

  /// Requires: slots > 0. At most `waitingMax` jobs wait.
  package init(slots: Int, waitingMax: Int) {
    self.slots = slots
    self.waitingMax = waitingMax
  }

  package var runningCount: Int { running.count }
  package var waitingCount: Int { waiting.count - waitingHead }
  package var runningIDs: [ID] { running.elements.map(\.id) }
  package var waitingIDs: [ID] { waiting[waitingHead...].map(\.id) }

  /// The progress of each running job until the next one is done; nil: nothing is running.
  package var untilNext: Double? { running.first.map { max(0, $0.mark - progress) } }

  /// Every running job has progressed by so much.
  package mutating func advance(by amount: Double) { progress += amount }

  /// Takes a job; false: no more jobs may wait.
  package mutating func arrive(_ id: ID, work: Double, now: Nanoseconds) -> Bool {
    if running.count < slots {
      begin(id, work, now)
      return true
    }
    guard waitingCount < waitingMax else { return false }
    waiting.append(Waiting(id: id, work: work, arrivedAt: now))
    return true
  }

  /// The first job that is done, if one is; the first that waits takes its slot.
  package mutating func complete() -> Job? {
    guard let first = running.first, first.mark <= progress + 1e-9 else { return nil }
    running.remove(at: 0)
    beginNext()
    return first
  }

  /// Removes a job whose client has gone. Returns whether it was running.
  package mutating func cancel(_ id: ID) -> Bool {
    if let index = waiting[waitingHead...].firstIndex(where: { $0.id == id }) {
      waiting.remove(at: index)
    } else if let index = running.elements.firstIndex(where: { $0.id == id }) {
      running.remove(at: index)
      beginNext()
      return true
    }
    return false
  }

  /// The finished share of a job's work, 0…1; 0 while it waits, nil: the job is unknown.
  package func share(_ id: ID) -> Double? {
    if let job = running.elements.first(where: { $0.id == id }) {
      return 1 - max(0, job.mark - progress) / job.work
    }
    return waiting[waitingHead...].contains { $0.id == id } ? 0 : nil
  }

  package mutating func removeAll() {
    running.removeAll()
    waiting = []
    waitingHead = 0
  }

  private mutating func begin(_ id: ID, _ work: Double, _ arrivedAt: Nanoseconds) {
    beginCount += 1
    running.insert(
      Job(id: id, work: work, arrivedAt: arrivedAt, mark: progress + work, order: beginCount))
  }

  private mutating func beginNext() {
    guard running.count < slots, waitingHead < waiting.count else { return }
    let next = waiting[waitingHead]
    waitingHead += 1
    begin(next.id, next.work, next.arrivedAt)
    if waitingHead > 1_024, waitingHead * 2 > waiting.count {
      waiting.removeFirst(waitingHead)
      waitingHead = 0
    }
  }
}
