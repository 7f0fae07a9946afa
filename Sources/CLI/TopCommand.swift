// `steelyard top`: the status of a running steelyard in a terminal, updated all the time, with
// keys; or once, as text or JSON for scripts.
import Admin
import CSystem
import Fleet
import HTTP
import IO
import Primitives
import Terminal

enum TopCommand {
  /// The time that a steelyard has after its start for its first reading.
  private static let startTimeout = Nanoseconds.seconds(5)

  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let session = try AdminSession(arguments)
    let pool = arguments.text("--pool")
    do throws(CommandFailure) {
      if arguments.has("--json") {
        Console.out(try json(session), terminator: "")
        return .ok
      }
      var state = TopState(
        address: "\(session.address)", hasToken: session.token != nil,
        sort: arguments.text("--sort").flatMap(FleetColumn.init) ?? .pool, pool: pool)
      let report = try patiently { () throws(CommandFailure) in
        try TopFeed.report(session)
      }
      if let pool, !report.pools.contains(where: { $0.name == pool }) {
        throw CommandFailure(code: .refused, message: "there is no pool \(pool)")
      }
      state.take(report)
      if arguments.has("--once") || !TerminalDriver.isUsable {
        printOnce(state)
        return .ok
      }
      let interval = arguments.duration("--interval") ?? .seconds(1)
      return try TopView(state, session, interval: interval).run()
    } catch {
      error.say()
      return error.code
    }
  }

  // MARK: Once

  /// Repeats a request while a steelyard that has just started has no reading.
  private static func patiently<Value>(
    _ ask: () throws(CommandFailure) -> Value
  ) throws(CommandFailure) -> Value {
    let end = Clock.now + startTimeout
    while true {
      do throws(CommandFailure) {
        return try ask()
      } catch {
        guard error.isEarly, Clock.now < end else { throw error }
        Clock.pause(.milliseconds(200))
      }
    }
  }

  private static func json(_ session: AdminSession) throws(CommandFailure) -> String {
    let answer = try patiently { () throws(CommandFailure) in try session.ask(.get, "status") }
    guard AdminJSON.read(FleetReport.self, answer.content) != nil else {
      throw CommandFailure.notUnderstood
    }
    return answer.text
  }

  private static func printOnce(_ state: TopState) {
    let width = isatty(1) == 1 ? TerminalDriver().size.columns : 120
    let palette = TerminalDriver.palette(of: 1)
    let text = state.plainText(columns: width).map { line in
      palette == .plain
        ? SafeText.cut(line.plain, to: width)
        : line.rendered(palette, columns: width, isFilled: false)
    }
    Console.out(text.joined(separator: "\n"))
  }
}

/// The updated screen.
private final class TopView {
  private let terminal = TerminalDriver()
  private let palette = TerminalDriver.palette(of: 1, hasEscapes: true)
  private let waker: Waker
  private let signals: SignalWatcher
  private let feed: TopFeed
  private var state: TopState
  private var keys = KeyReader()

  init(
    _ state: TopState, _ session: AdminSession, interval: Nanoseconds
  ) throws(CommandFailure) {
    self.state = state
    var session = session
    session.timeout = .seconds(5)
    do throws(IOError) {
      waker = try Waker()
      signals = try SignalWatcher(
        [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH], waker: waker)
      feed = try TopFeed(session, interval: interval, reader: waker)
      try feed.start()
    } catch {
      throw CommandFailure(code: .internalError, message: "the system refused: \(error)")
    }
  }

  func run() -> ExitCode {
    terminal.begin()
    defer { terminal.restore() }
    draw()
    while true {
      // The remaining bytes of an escape sequence come at once; otherwise it was the key Escape.
      terminal.wait(waker, milliseconds: keys.isWaiting ? 50 : 1_000)
      for signal in signals.take() {
        switch signal {
        case SIGTSTP: terminal.suspend()
        case SIGCONT: terminal.begin()
        case SIGWINCH: terminal.forget()
        default: return .ok
        }
      }
      guard let bytes = terminal.typed() else { return .ok }
      let wasWaiting = keys.isWaiting
      var pressed = keys.read(bytes, takesPaste: state.takesText)
      if bytes.isEmpty, wasWaiting { pressed += keys.flush() }
      for key in pressed {
        switch state.press(key) {
        case .quit: return .ok
        case .order(let order): feed.send(order)
        case .redraw: if key == .redraw { terminal.forget() }
        case .nothing: break
        }
      }
      for updates in feed.takeUpdates() { take(updates) }
      draw()
    }
  }

  private func take(_ updates: TopFeed.Update) {
    switch updates {
    case .report(let report): state.take(report)
    case .lost(let failure): state.lose(failure.message, at: Self.timeOfDay)
    case .done(let text): state.message = (text, .good)
    case .refused(let text): state.message = (text, .bad)
    }
  }

  private static var timeOfDay: String {
    let time = Int(sy_time_of_day(Clock.wall.rawValue / 1_000_000_000))
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(two(time / 10_000)):\(two(time / 100 % 100)):\(two(time % 100))"
  }

  private func draw() {
    let (columns, rows) = terminal.size
    let lines = state.screen(columns: columns, rows: rows)
    terminal.show(lines.map { $0.rendered(palette, columns: columns) })
  }
}
