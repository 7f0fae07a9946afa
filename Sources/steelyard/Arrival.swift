// What a process finds when it starts: sockets of the service manager, or a steelyard that it
// replaces, with sockets and a record.
import CLI
import Events
import Fleet
import IO
import Upgrade

/// The start of this process. Make it before other threads exist.
struct Arrival {
  /// For a process that replaces this one.
  let start = ProgramStart(
    arguments: CommandLine.arguments, ownVariables: [UpgradeMessage.variable])
  let sockets = InheritedSockets()
  /// nil: this process replaces none.
  let predecessor: Predecessor?
  /// nil: there is no predecessor, or it was gone before it passed anything.
  let record: UpgradeRecord?
  /// Why sockets of the service manager cannot be used.
  private let faults: [String]

  init() {
    faults = ActivatedSockets.take(into: sockets)
    predecessor = Predecessor.inherited()
    record = predecessor?.ask(program: Version.number, sockets)
  }

  /// Closes the sockets that no listener has taken, and logs what cannot be used.
  func settle(_ log: LogDriver) {
    for fault in faults { log.write(.warning, "inherited socket not used", ["reason": fault]) }
    for address in sockets.closeRest() {
      log.write(
        .warning, "inherited socket not used",
        ["reason": "no listener has the address \(address)"])
    }
  }

  /// Starts it, in place of the predecessor if there is one.
  func begin(_ steelyard: Steelyard) throws(StartError) {
    guard let predecessor, let record else { return try steelyard.start() }
    steelyard.take(record, of: predecessor)
    steelyard.prepare()
    try steelyard.start()
    try steelyard.takeOver()
  }
}
