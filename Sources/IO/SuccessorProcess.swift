// The process that takes this one's place, from its start until it does: whether it runs, and its
// end if it must not go on. Invariant: an ended one is reaped once.
import CSystem

/// A started process. Control thread only.
package final class SuccessorProcess {
  package let id: Int32
  private var end: String?

  package init(id: Int32) { self.id = id }

  /// How it ended, in words; nil: it runs.
  package var ending: String? {
    if end == nil, sy_has_ended(id) != 0 { reap() }
    return end
  }

  /// Ends it and waits for its end.
  package func kill() {
    if end != nil { return }
    sy_kill_process(id)
    reap()
  }

  private func reap() {
    let code = sy_reap(id)
    end = code < 0 ? "unknown end" : code < 256 ? "exit code \(code)" : "signal \(code - 256)"
  }
}
