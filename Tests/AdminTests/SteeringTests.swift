// What other proxies are told: HAProxy's agent checks, Envoy's endpoint discovery.
import Testing

@testable import Admin

@Suite struct SteeringTests {
  private func endpoint(
    _ address: String, _ weight: Double, state: String = "ready", name: String? = nil,
    backup: Bool = false
  ) -> PoolStatus.EndpointStatus {
    PoolStatus.EndpointStatus(
      address: address, name: name, state: state, backup: backup, baseWeight: 1,
      targetWeight: weight, effectiveWeight: weight, weightShare: 0, reason: "law", reasonText: "",
      inFlight: 0, completed: 0, failed: 0)
  }

  private func pool(_ endpoints: [PoolStatus.EndpointStatus], name: String = "text") -> PoolStatus {
    PoolStatus(
      name: name, law: "capacity", balance: "least_request", frozen: false, dryRun: false,
      endpoints: endpoints)
  }

  private var pools: [PoolStatus] {
    [
      pool([
        endpoint("10.0.0.1:1", 3, name: "big"), endpoint("10.0.0.2:1", 1, state: "starting"),
        endpoint("10.0.0.3:1", 0.0001), endpoint("10.0.0.4:1", 0),
        endpoint("10.0.0.5:1", 9, state: "unhealthy"),
        endpoint("[fd00::6]:1", 9, state: "draining"),
        endpoint("10.0.0.7:1", 50, backup: true), endpoint("10.0.0.8:1", 25, backup: true),
      ]),
      pool([endpoint("10.0.0.1:1", 1)], name: "other"),
    ]
  }

  private func answer(_ line: String) -> String? { AgentQuestion(line.utf8)?.answer(pools) }

  @Test(arguments: [
    ("text 10.0.0.1:1", "100%\n"), ("text big", "100%\n"), ("text 10.0.0.2:1", "33%\n"),
    ("text 10.0.0.3:1", "1%\n"), ("text 10.0.0.4:1", "0%\n"), ("text 10.0.0.5:1", "0%\n"),
    ("text [fd00::6]:1", "0%\n"), ("text 10.0.0.7:1", "100%\n"), ("text 10.0.0.8:1", "50%\n"),
    ("other 10.0.0.1:1\r", "100%\n"), ("  text   big ", "100%\n"),
    ("text big state", "ready 100%\n"), ("text 10.0.0.4:1 state", "drain\n"),
    ("text 10.0.0.5:1 state", "drain\n"),
  ])
  func anAgentCheckGetsItsShareOfTheLargestWeight(_ line: String, _ expected: String) {
    #expect(answer(line) == expected)
  }

  @Test(arguments: [
    "", "text", "text 10.0.0.9:1", "none 10.0.0.1:1", "text big up", "text big state now", "big",
    "\u{0}", "text \u{FFFD}",
  ])
  func aQuestionAboutNothingGetsNoAnswer(_ line: String) {
    #expect(answer(line) == nil)
  }

  @Test func noAnswerIsEverUp() {
    for endpoint in pools[0].endpoints {
      for state in ["", " state"] {
        #expect(answer("text \(endpoint.address)\(state)")?.contains("up") == false)
      }
    }
  }

  @Test func anAssignmentHasEveryEndpointOfThePoolsAskedFor() throws {
    let request = try #require(
      AdminJSON.read(
        EndpointRequest.self,
        Array(#"{"node": {"id": "x"}, "resource_names": ["text", "none"], "type_url": "t"}"#.utf8)))
    let answer = EndpointAnswer(request, pools, version: "7")
    #expect(answer.resources.map(\.clusterName) == ["text"])
    let localities = answer.resources[0].endpoints
    #expect(localities.map(\.priority) == [0, 1])
    #expect(localities[0].lbEndpoints.map(\.loadBalancingWeight) == [128, 43, 1, 1, 1, 1])
    #expect(
      localities[0].lbEndpoints.map(\.healthStatus)
        == ["HEALTHY", "HEALTHY", "HEALTHY", "UNHEALTHY", "UNHEALTHY", "UNHEALTHY"])
    #expect(localities[1].lbEndpoints.map(\.loadBalancingWeight) == [128, 64])
    #expect(localities[0].lbEndpoints[5].endpoint.address.socketAddress.address == "fd00::6")
    let text = String(decoding: AdminJSON.bytes(answer), as: UTF8.self)
    for part in [
      "\"version_info\" : \"7\"", "\"type_url\" : \"type.googleapis.com/", "\"@type\" : \"type.g",
      "\"cluster_name\" : \"text\"", "\"lb_endpoints\"", "\"socket_address\"", "\"port_value\" : 1",
      "\"load_balancing_weight\" : 43", "\"health_status\" : \"HEALTHY\"",
    ] {
      #expect(text.contains(part), "\(part)")
    }
  }

  @Test(arguments: ["", "[]", "1", "{\"resource_names\": 1}", "{"])
  func whatIsNoRequestIsNotRead(_ text: String) {
    #expect(AdminJSON.read(EndpointRequest.self, Array(text.utf8)) == nil)
  }

  @Test func aPoolWithoutAWeightHasNoHealthyEndpoint() {
    let pools = [pool([endpoint("10.0.0.1:1", 0), endpoint("10.0.0.2:1", 0)])]
    let answer = EndpointAnswer(EndpointRequest(resourceNames: ["text"]), pools, version: "1")
    #expect(
      answer.resources[0].endpoints[0].lbEndpoints.allSatisfy { $0.healthStatus == "UNHEALTHY" })
    #expect(AgentQuestion("text 10.0.0.1:1".utf8)?.answer(pools) == "0%\n")
  }
}
