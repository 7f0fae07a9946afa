// Requests to a running steelyard for its status and with orders, on a thread of their own, so that
// a server that hangs never delays a key.
import Admin
import HTTP
import IO
import Primitives
import Synchronization
import Terminal

final class TopFeed: Sendable {
  /// An update, in the order of arrival.
  enum Update: Sendable {
    case report(FleetReport)
    case lost(CommandFailure)
    case done(String)
    case refused(String)
  }

  private struct State {
    var orders: [TopOrder] = []
    var updates: [Update] = []
  }

  private static let ordersMax = 16
  private let session: AdminSession
  private let interval: Nanoseconds
  private let state = Mutex(State())
  private let reader: Waker
  /// Wakes the thread from its pause.
  private let poke: Waker

  /// `reader` is woken by updates.
  init(_ session: AdminSession, interval: Nanoseconds, reader: Waker) throws(IOError) {
    self.session = session
    self.interval = interval
    self.reader = reader
    poke = try Waker()
  }

  /// Begins to ask; the thread runs until the process ends.
  func start() throws(IOError) {
    _ = try ThreadHandle.start(name: "status") { [self] in
      while true {
        let start = Clock.now
        turn()
        let left = max(.milliseconds(50), start + interval - Clock.now)
        poke.wait(milliseconds: Int32(left.rawValue / 1_000_000))
      }
    }
  }

  func send(_ order: TopOrder) {
    state.withLock { if $0.orders.count < Self.ordersMax { $0.orders.append(order) } }
    poke.wake()
  }

  func takeUpdates() -> [Update] {
    state.withLock { state in
      defer { state.updates = [] }
      return state.updates
    }
  }

  /// The present status. Errors: nobody answers, a token is needed, or the answer is not
  /// understood.
  static func report(_ session: AdminSession) throws(CommandFailure) -> FleetReport {
    let answer = try session.ask(.get, "status")
    guard let report = AdminJSON.read(FleetReport.self, answer.content) else {
      throw CommandFailure.notUnderstood
    }
    return report
  }

  private func turn() {
    let orders = state.withLock { state in
      defer { state.orders = [] }
      return state.orders
    }
    for order in orders { say(carryOut(order)) }
    do throws(CommandFailure) {
      say(.report(try Self.report(session)))
    } catch {
      say(.lost(error))
    }
  }

  private func carryOut(_ order: TopOrder) -> Update {
    let verb =
      switch order.action {
      case .drain: "drain"
      case .undo: "reset"
      case .pin(let weight): "pin?weight=\(PercentText.encoded(weight))"
      }
    let target = order.target
    do throws(CommandFailure) {
      let answer = try session.ask(
        .post,
        "pools/\(PercentText.encoded(target.pool))/endpoints/"
          + "\(PercentText.encoded(target.address))/\(verb)")
      let result = AdminJSON.read(ChangeAnswer.self, answer.content)?.result ?? "done"
      return .done("\(target.address): \(result)")
    } catch {
      return .refused("\(target.address): \(error.message)")
    }
  }

  private func say(_ updates: Update) {
    state.withLock { state in
      // Only the last report or failure is kept: nobody reads while the process is stopped.
      if case .done = updates {
      } else {
        state.updates.removeAll {
          switch $0 {
          case .report, .lost: true
          case .done, .refused: false
          }
        }
      }
      state.updates.append(updates)
    }
    reader.wake()
  }
}
