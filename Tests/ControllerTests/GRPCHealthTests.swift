// The check of gRPC: its message, what answers say, and how it is sent.
import Client
import Fleet
import HTTP
import Primitives
import Testing

@testable import Controller

@Suite struct GRPCHealthTests {
  private static func judged(
    _ content: [UInt8], _ status: GRPCStatus? = .ok, message: String = "", http: Int = 200,
    service: String = ""
  ) -> String {
    var policy = HealthPolicy()
    policy.kind = .grpc
    policy.service = service
    let call = status.map { CallEnd(status: $0, message: message) }
    return content.withUnsafeBytes { bytes in
      HealthCheck.failure(.answered(status: http, content: bytes, call: call), policy)
        .map { "\($0.kind.label): \($0.detail)" } ?? ""
    }
  }

  /// One message of gRPC.
  private static func framed(_ message: [UInt8]) -> [UInt8] {
    [0, 0, 0, 0, UInt8(message.count)] + message
  }

  private static let malformed = "content: the message is no HealthCheckResponse"
  private static let rows: [([UInt8], String)] = [
    ([8, 1], ""), ([8, 2], "not_ready: the server is NOT_SERVING"),
    ([8, 3], "not_ready: the server is SERVICE_UNKNOWN"),
    ([], "content: the server is UNKNOWN"), ([8, 0], "content: the server is UNKNOWN"),
    ([8, 4], "content: the server has the unknown status 4"),
    // −1 as an int32 is ten bytes.
    (
      [8] + [UInt8](repeating: 255, count: 9) + [1],
      "content: the server has the unknown status 18446744073709551615"
    ),
    // Longer than it has to be, twice, and beside unknown fields of every type.
    ([8, 0x81, 0], ""), ([8, 2, 8, 1], ""), ([8, 1, 8, 2], "not_ready: the server is NOT_SERVING"),
    (
      [0x10, 0x96, 1, 0x19] + [UInt8](repeating: 9, count: 8) + [0x22, 2, 8, 2, 0x2D, 1, 2, 3, 4]
        + [8, 1], ""
    ),
    ([8], malformed), ([8, 0x80], malformed), ([0], malformed), ([0x0A, 1, 1], malformed),
    ([0x0D, 1, 0, 0, 0], malformed), ([0x13, 0x14], malformed), ([0x22, 3, 1, 2], malformed),
    ([0x19, 1], malformed), ([8] + [UInt8](repeating: 255, count: 10), malformed),
    ([8] + [UInt8](repeating: 255, count: 9) + [2], malformed),
    ([0x22, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], malformed),
  ]

  @Test(arguments: rows.indices) func theMessageSaysHowTheServerIs(row: Int) {
    #expect(Self.judged(Self.framed(Self.rows[row].0)) == Self.rows[row].1)
  }

  private static let frames: [[UInt8]] = [
    [], [0], [0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 8, 1], [1, 0, 0, 0, 2, 8, 1],
    [2, 0, 0, 0, 2, 8, 1], [0, 255, 255, 255, 255, 8, 1],
    [0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 2, 8, 1],
  ]

  @Test(arguments: frames) func whatIsNotOneMessageIsNone(content: [UInt8]) {
    #expect(Self.judged(content) == "content: the answer is not one message of gRPC")
  }

  @Test func everyOtherEndOfTheCallIsAFailureThatSaysWhich() {
    let serving = Self.framed([8, 1])
    #expect(
      Self.judged([], .unimplemented, message: "unknown service")
        == "status: UNIMPLEMENTED: the server has no grpc.health.v1")
    #expect(
      Self.judged([], .notFound, service: "a.B")
        == "not_ready: NOT_FOUND: the server knows no service `a.B`")
    #expect(
      Self.judged(serving, .unavailable, message: "going\ndown")
        == "status: UNAVAILABLE: going down")
    #expect(Self.judged([], .deadlineExceeded) == "timeout: DEADLINE_EXCEEDED")
    #expect(Self.judged([], .unauthenticated) == "status: UNAUTHENTICATED")
    #expect(Self.judged([], .other) == "status: a grpc-status that gRPC does not define")
    #expect(Self.judged(serving, nil).hasPrefix("status: 200 without grpc-status: "))
    #expect(Self.judged([], nil, http: 404) == "status: 404 without grpc-status")
    #expect(Self.judged(serving, http: 503) == "status: 503 with grpc-status OK")
    #expect(
      Self.judged(Self.framed([8, 2]), service: "a.B")
        == "not_ready: service `a.B` is NOT_SERVING")
  }

  @Test func theRequestNamesTheService() {
    #expect(GRPCHealth.request(service: "") == [0, 0, 0, 0, 0])
    #expect(
      GRPCHealth.request(service: "ab") == [0, 0, 0, 0, 4, 0x0A, 2, 0x61, 0x62])
    let long = String(repeating: "x", count: 256)
    #expect(
      GRPCHealth.request(service: long)
        == [0, 0, 0, 1, 3, 0x0A, 0x80, 2] + [UInt8](repeating: 0x78, count: 256))
  }

  @Test func theControllerAsksForACallOverHTTP2() throws {
    var policy = HealthPolicy()
    policy.kind = .grpc
    policy.service = "ab"
    policy.timeout = .milliseconds(1_500)
    policy.fields = [.init(name: "Authorization", value: "Bearer x")]
    let fleet = makeFleet(bases: [1], health: policy)
    var controller = Controller(
      fleet: fleet, evidence: EvidenceBoard(workerCount: 1, endpointLimit: 64),
      pickBoard: PickBoard(endpointLimit: 64), random: RandomSource(seed: 1), now: .zero)
    let due = controller.due(now: .seconds(10))
    let request = try #require(due.first { $0.kind == .grpc })
    #expect(request.version == .http2)
    let sent = request.clientRequest
    #expect(sent.version == .http2 && sent.method == .post)
    #expect(sent.path == "/grpc.health.v1.Health/Check")
    #expect(sent.content == GRPCHealth.request(service: "ab"))
    #expect(
      sent.fields == [
        .init("Content-Type", "application/grpc"), .init("grpc-timeout", "1500m"),
        .init("Authorization", "Bearer x"),
      ])
  }
}
