// The balancer as the program sees it: opens listeners, starts one worker a thread, applies a new
// fleet, ends gracefully. Touched by the control thread only; the workers do the work.
package import Fleet
package import IO
package import Primitives

package final class Balancer {
  package let metrics: TrafficMetrics
  private let board: WeightBoard
  private let evidence: EvidenceBoard
  private let hints: HintBoard
  private let accessLog: AccessLogDriver
  private let limits: Limits
  private let control = WorkerControl()
  private var wakers: [Waker] = []
  private var threads: [ThreadHandle] = []
  private var nextTag: UInt32 = 0

  /// Opens the listeners of the board's fleet; nothing is accepted before `start`.
  /// Errors: an address that cannot be listened on.
  package init(
    board: WeightBoard, evidence: EvidenceBoard, hints: HintBoard, accessLog: AccessLogDriver
  ) throws(ListenError) {
    self.board = board
    self.evidence = evidence
    self.hints = hints
    self.accessLog = accessLog
    limits = board.table.fleet.limits
    metrics = TrafficMetrics(workerCount: evidence.workerCount, slotCount: evidence.slotCount)
    control.bindings = try openBindings(board.table.fleet)
  }

  /// An address that cannot be listened on.
  package struct ListenError: Error, Sendable {
    package let address: SocketAddress
    package let error: IOError
  }

  /// Where the listeners listen, in the fleet's order, with the ports that were chosen.
  package var addresses: [SocketAddress] { control.bindings.map { $0.group.address } }

  /// Starts the workers. Returns once their threads exist.
  package func start(seed: UInt64) throws(IOError) {
    for index in 0..<evidence.workerCount {
      let waker = try Waker()
      let context = WorkerContext(
        board: board, evidence: evidence, hints: hints, metrics: metrics, control: control,
        accessLog: accessLog, limits: limits)
      let thread = try ThreadHandle.start(name: "worker-\(index)") {
        do throws(IOError) {
          var worker = try Worker(
            index: index, context: context, waker: waker, seed: seed &+ UInt64(index))
          worker.run()
        } catch {
          context.control.report("worker \(index) could not start: \(error)")
        }
        context.control.noteEnd()
      }
      wakers.append(waker)
      threads.append(thread)
    }
  }

  /// Publishes a new fleet to the workers. Listeners that stay keep their sockets; exchanges that
  /// run go on. On an error nothing has changed. Requires: slots assigned.
  package func apply(_ fleet: Fleet) throws(ListenError) {
    control.bindings = try openBindings(fleet)
    board.publish(fleet: fleet)
    wake()
  }

  /// Stops accepting, lets exchanges end until `deadline`, then cuts the rest. Returns at once.
  package func beginStop(deadline: Nanoseconds) {
    control.beginStop(deadline)
    wake()
  }

  /// Whether all workers have ended.
  package var isEnded: Bool { control.endedCount == evidence.workerCount }

  /// Waits for the workers' end.
  package func join() { for thread in threads { thread.join() } }

  /// What workers had to say since the last call, for the log.
  package func takeReports() -> [String] { control.takeReports() }

  /// Exchanges that run now.
  package var inFlight: UInt64 {
    (0..<evidence.slotCount).reduce(0) { $0 + evidence.sum(.inFlight, $1) }
  }

  private func wake() { for waker in wakers { waker.wake() } }

  private func openBindings(_ fleet: Fleet) throws(ListenError) -> [ListenerBinding] {
    var bindings: [ListenerBinding] = []
    for listener in fleet.listeners {
      if let kept = control.bindings.first(where: { $0.address == listener.address }) {
        bindings.append(kept)
        continue
      }
      do throws(IOError) {
        let group = try ListenSocket.open(listener.address, count: evidence.workerCount)
        bindings.append(ListenerBinding(tag: nextTag, address: listener.address, group: group))
        nextTag += 1
      } catch {
        throw ListenError(address: listener.address, error: error)
      }
    }
    return bindings
  }
}
