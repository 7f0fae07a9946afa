// `steelyard simulate`: reads the scenario, runs it on all processors, shows the progress, and
// writes the outputs. Ctrl-C ends it at once: nothing is written before the end.
import CSystem
import Configuration
import IO
import Primitives
import Simulation
import Synchronization
import Terminal

enum SimulateCommand {
  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let options = try SimulateOptions(arguments)
    if options.listsPolicies {
      for policy in PolicyName.allCases {
        Console.out(SafeText.fitted(policy.rawValue, to: 24) + policy.summary)
      }
      return .ok
    }
    do throws(ConfigurationLoader.Failure) {
      let file = try load(options.path ?? "")
      if options.prints {
        Console.out(file.effective, terminator: "")
        return .ok
      }
      return simulate(options.applied(to: file.plan), options)
    } catch {
      Console.error(error.message)
      return error.exitCode
    }
  }

  private static func load(_ path: String) throws(ConfigurationLoader.Failure) -> ScenarioFile {
    let bytes = try ConfigurationLoader.bytes(path)
    do throws(ConfigurationErrors) {
      return try ScenarioFile.read(bytes, path: path)
    } catch {
      throw .invalid([error.rendered])
    }
  }

  private static func simulate(_ plan: SimulationPlan, _ options: SimulateOptions) -> ExitCode {
    let runs: [RunResult]
    do throws(IOError) {
      runs = try SimulationRuns(plan, keepsSends: options.shares != nil).run()
    } catch {
      Console.error("steelyard: \(error)")
      return .internalError
    }
    let results = SimulationResults(plan, runs)
    for line in SimulationTable.lines(results) { Console.out(line) }
    do throws(OutputError) {
      if let path = options.csv { try write(ResultCSV.runs(results), to: path) }
      if let path = options.shares { try write(ResultCSV.shares(results), to: path) }
      if let path = options.svg { try write(ResultPlot.svg(results), to: path) }
      return .ok
    } catch {
      Console.error("steelyard: cannot write \(error.path): \(error.reason)")
      return .cannotCreate
    }
  }

  private struct OutputError: Error {
    let path: String
    let reason: String
  }

  private static func write(_ text: String, to path: String) throws(OutputError) {
    do throws(IOError) {
      try FileWriter.write(Array(text.utf8), to: path)
    } catch {
      throw OutputError(path: path, reason: error.reason)
    }
  }
}

/// The runs of a plan, on as many threads as there are processors.
final class SimulationRuns: Sendable {
  /// The time after which the progress is shown.
  private static let progressDelay = Nanoseconds.seconds(2)
  private static let redrawInterval = Nanoseconds.milliseconds(200)

  private let plan: SimulationPlan
  private let keepsSends: Bool
  private let jobs: [SimulationPlan.Job]
  private let next = Atomic<Int>(0)
  private let done = Atomic<Int>(0)
  private let results: Mutex<[RunResult?]>

  init(_ plan: SimulationPlan, keepsSends: Bool) {
    self.plan = plan
    self.keepsSends = keepsSends
    jobs = plan.jobs
    results = Mutex([RunResult?](repeating: nil, count: plan.jobs.count))
  }

  /// Waits for all runs; on a terminal, standard error shows how many are done. Errors: not a
  /// single thread could be started.
  func run() throws(IOError) -> [RunResult] {
    var threads: [ThreadHandle] = []
    for _ in 0..<min(Machine.processorCount, jobs.count) {
      do throws(IOError) {
        threads.append(try ThreadHandle.start(name: "simulation") { self.work() })
      } catch {
        if threads.isEmpty { throw error }
      }
    }
    showProgress()
    for thread in threads { thread.join() }
    return results.withLock { $0.compactMap(\.self) }
  }

  /// Shows the progress until all runs are done.
  private func showProgress() {
    let start = Clock.now
    guard TerminalDriver.palette(of: 2, hasEscapes: true) != .plain else { return }
    var nextDraw = start + Self.progressDelay
    var hasDrawn = false
    while done.load(ordering: .acquiring) < jobs.count {
      Clock.pause(.milliseconds(20))
      let now = Clock.now
      guard now >= nextDraw else { continue }
      nextDraw = now + Self.redrawInterval
      hasDrawn = true
      let count = done.load(ordering: .relaxed)
      Console.error(
        "\r\(count) of \(jobs.count) runs, \(Int((now - start).seconds)) s\u{1b}[K", terminator: "")
    }
    if hasDrawn { Console.error("\r\u{1b}[K", terminator: "") }
  }

  private func work() {
    while true {
      let index = next.add(1, ordering: .relaxed).oldValue
      guard index < jobs.count else { return }
      let result = plan.run(jobs[index], keepsSends: keepsSends)
      results.withLock { $0[index] = result }
      done.add(1, ordering: .releasing)
    }
  }
}
