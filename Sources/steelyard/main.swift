import Balancer
import Fleet
import IO
import Primitives

var fleet = Fleet()
let args = CommandLine.arguments
fleet.pools = [
  Pool(name: "p", endpoints: args.dropFirst(3).map { Endpoint(address: SocketAddress($0)!) })
]
fleet.listeners = [
  Listener(address: SocketAddress(args[1])!, routes: [Route(pathPrefix: "/", pool: 0)])
]
var slots = SlotMap(for: fleet)
try slots.assign(&fleet) { _ in false }
let board = WeightBoard(fleet: fleet, slotCount: slots.count)
let evidence = EvidenceBoard(workerCount: Int(args[2])!, slotCount: slots.count)
let balancer = try Balancer(board: board, evidence: evidence)
try balancer.start(seed: 1)
print(balancer.addresses)
balancer.join()
