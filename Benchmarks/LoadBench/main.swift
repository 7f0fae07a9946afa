// `load-bench load` and `load-bench relay`: what proxies are measured with; scripts/bench gives
// the orders.
import CSystem
import IO
import Primitives

let usage = """
  usage: load-bench load [--endpoints 4]
         load-bench relay --listen ADDRESS:PORT --to ADDRESS:PORT[,ADDRESS:PORT...]

  load   Opens endpoints on 127.0.0.1, says where, and takes orders on standard input, one a line:
           drive to=ADDRESS:PORT [connections=64] [seconds=3] [warmup=0.5] [path=/bytes/1024]
                 [fields=1] [upload=BYTES] [rate=REQUESTS_A_SECOND] [fresh=1] [seed=1]
           stream to=ADDRESS:PORT [streams=1000] [tokens=200] [interval_ms=50] [ramp_seconds=2]
                 [fields=1]
           idle to=ADDRESS:PORT [connections=10000] [path=/bytes/1024]
           close
         Each prints JSON, one object a line. The end of standard input ends it.
         Endpoints answer /bytes/N, /stream/TOKENS/INTERVAL_MS, /metrics (as vLLM) and /health.
  relay  Copies bytes between connections and the endpoints in turn: the floor of any proxy.

  example: an endpoint itself, without a proxy, as fast as 64 connections go
    mkfifo orders; load-bench load <orders & exec 3>orders      # prints the endpoints
    echo "drive to=127.0.0.1:PORT connections=64 seconds=3" >&3
  """

func fail(_ message: String, _ code: Int32) -> Never {
  say("load-bench: \(message)", to: 2)
  exit(code)
}

func misused(_ message: String) -> Never { fail("\(message); see load-bench --help", 64) }

/// The values of `--name value` pairs; each name at most once.
func options(_ arguments: ArraySlice<String>, _ names: Set<String>) -> [String: String] {
  var values: [String: String] = [:]
  var rest = arguments
  while let name = rest.popFirst() {
    guard names.contains(name) else { misused("there is no option \(name)") }
    guard let value = rest.popFirst() else { misused("\(name) needs a value") }
    guard values.updateValue(value, forKey: name) == nil else { misused("\(name) twice") }
  }
  return values
}

func address(_ text: some StringProtocol) -> SocketAddress {
  guard let address = SocketAddress(String(text)) else {
    misused("\(text) is not an address with a port")
  }
  return address
}

func load(_ arguments: ArraySlice<String>) throws(IOError) {
  let given = options(arguments, ["--endpoints"])
  guard let count = Int(given["--endpoints"] ?? "4"), (1...256).contains(count) else {
    misused("--endpoints is 1 to 256")
  }
  var loop = try LoadLoop.open(endpointCount: count)
  loop.serve()
}

func relay(_ arguments: ArraySlice<String>) throws(IOError) {
  let given = options(arguments, ["--listen", "--to"])
  guard let listen = given["--listen"], let to = given["--to"] else {
    misused("relay needs --listen and --to")
  }
  var relay = try Relay.open(listen: address(listen), to: to.split(separator: ",").map(address))
  say("{\"ready\": true, \"listen\": \"\(relay.address)\"}")
  relay.run()
}

sy_ignore_sigpipe()
let arguments = CommandLine.arguments.dropFirst()
do {
  switch arguments.first {
  case "load": try load(arguments.dropFirst())
  case "relay": try relay(arguments.dropFirst())
  case "--help", "-h", "help": say(usage)
  default: misused("load or relay is needed")
  }
} catch {
  fail("\(error)", 70)
}
