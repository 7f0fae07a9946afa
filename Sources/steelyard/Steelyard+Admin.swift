// The answers of this program to the admin server.
import Admin
import Balancer
import CLI
import Certificates
import Controller
import Discovery
import Events
import Fleet
import IO
import Metrics
import Primitives
import Shared
import Status

extension Steelyard: AdminSubject {
  var state: ProgramState {
    ProgramState(
      version: Version.number, table: board.table, evidence: evidence, traffic: balancer.metrics,
      admission: balancer.admission,
      connectionsMax: balancer.connectionsMax * evidence.workerCount,
      bufferedBytesMax: balancer.bufferedBytesMax * evidence.workerCount, controller: controller,
      names: discovery.names, sources: discovery.sources, runtime: runtime,
      membership: membership, status: status, accessLog: accessLog, log: log, hooks: hooks.queue,
      admin: adminCounts, reload: lastReload, certificates: store.report, shared: shared.status,
      now: Clock.now, wall: Clock.wall)
  }

  var discoveredMembers: [MemberSet: [Member]] { discovery.table }
}
