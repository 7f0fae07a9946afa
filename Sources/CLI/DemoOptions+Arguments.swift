// The command line of `steelyard demo`.
import Demo
import Fleet

extension DemoOptions {
  init(_ arguments: CommandArguments) throws(UsageError) {
    self.init()
    seconds = arguments.number("--seconds")
    if let rate = arguments.number("--rate") { self.rate = rate }
    if let seed = arguments.whole("--seed") { self.seed = seed }
    if let name = arguments.text("--balance") {
      balance = Self.policies.first { $0.rawValue == name } ?? balance
    }
    for text in arguments.values("--fault") {
      guard let fault = Fault(text) else {
        throw arguments.refusal(
          "--fault", takes: "ENDPOINT:MODE@SECONDS such as 4:slow@5", not: text)
      }
      faults.append(fault)
    }
  }
}
