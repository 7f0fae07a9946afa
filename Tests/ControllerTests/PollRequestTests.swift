// What scrapes, checks and canaries look like on the wire, and what their outcomes mean.
import Client
import Controller
import Fleet
import HTTP
import Primitives
import Testing

@Suite struct PollRequestTests {
  private static func request(
    _ path: String = "/metrics", _ kind: PollRequest.Kind = .prometheus
  ) -> PollRequest {
    PollRequest(
      id: PollID(endpointIndex: 0, source: 0, serial: 1),
      address: SocketAddress(bytes: [10, 0, 0, 1], port: 8000), path: path,
      kind: kind, timeout: .seconds(1), contentBytesMax: 20)
  }

  private static func text(_ request: PollRequest) -> String {
    var exchange = ClientExchange()
    exchange.begin(request.clientRequest, userAgent: "steelyard/1")
    return String(decoding: exchange.requestBytes, as: UTF8.self)
  }

  @Test func theServersNameIsTheGivenOneThenTheHostNameThenTheAddress() {
    var endpoint = Endpoint(address: SocketAddress(bytes: [10, 0, 0, 1], port: 8000))
    var plain = Self.request()
    plain.use(nil, of: endpoint)
    #expect(plain.tls == nil && plain.host == nil)

    var byAddress = Self.request()
    byAddress.use(ClientTLS(), of: endpoint)
    #expect(byAddress.serverName == "10.0.0.1" && byAddress.host == nil)

    endpoint.hostName = "gpu-1.example"
    var byName = Self.request()
    byName.use(ClientTLS(), of: endpoint)
    #expect(byName.serverName == "gpu-1.example" && byName.host == "gpu-1.example:8000")

    var given = ClientTLS()
    given.serverName = "metrics.example"
    var byOrder = Self.request()
    byOrder.host = "own.example"
    byOrder.use(given, of: endpoint)
    #expect(byOrder.serverName == "metrics.example" && byOrder.host == "own.example")

    // A page of another machine is not the endpoint's.
    endpoint.address = SocketAddress(bytes: [10, 0, 0, 2], port: 8000)
    var elsewhere = Self.request()
    elsewhere.use(ClientTLS(), of: endpoint)
    #expect(elsewhere.serverName == "10.0.0.1")
  }

  private static let kinds: [(PollRequest.Kind, String)] = [
    (
      .prometheus, "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=1"
    ),
    (.json, "application/json"), (.health, "*/*"),
  ]

  @Test(arguments: kinds.indices) func aScrapeAsksForWhatItReads(row: Int) {
    let (kind, accept) = Self.kinds[row]
    #expect(
      Self.text(Self.request("/m", kind)) == """
        GET /m HTTP/1.1\r
        Host: 10.0.0.1:8000\r
        User-Agent: steelyard/1\r
        Accept: \(accept)\r
        Accept-Encoding: identity\r
        \r\n
        """)
  }

  @Test func aCheckSaysItsMethodItsHostAndItsFields() {
    var request = Self.request("/v1/models/bert", .health)
    request.method = .post
    request.host = "model.example"
    request.fields = [.init(name: "Authorization", value: "Bearer a b")]
    #expect(
      Self.text(request) == """
        POST /v1/models/bert HTTP/1.1\r
        Host: model.example\r
        User-Agent: steelyard/1\r
        Accept: */*\r
        Accept-Encoding: identity\r
        Content-Length: 0\r
        Authorization: Bearer a b\r
        \r\n
        """)
  }

  @Test(arguments: zip(HealthPolicy.Method.allCases, [Method.get, .head, .options, .post]))
  func everyMethodIsSentAsItIsCalled(policy: HealthPolicy.Method, method: Method) {
    var request = Self.request("/health", .health)
    request.method = policy
    #expect(request.clientRequest.method == method)
    #expect(Self.text(request).hasPrefix("\(policy.rawValue) /health HTTP/1.1\r\n"))
  }

  @Test func aCanaryCarriesItsContentAndItsFieldsTakeThePlaceOfOurs() {
    var request = Self.request("/v1/completions", .canary)
    request.method = .post
    request.content = Array("{\"a\": \"ü\"}".utf8)
    request.fields = [.init(name: "accept", value: "text/event-stream")]
    let expected = """
      POST /v1/completions HTTP/1.1\r
      Host: 10.0.0.1:8000\r
      User-Agent: steelyard/1\r
      Accept-Encoding: identity\r
      Connection: close\r
      Content-Length: 11\r
      accept: text/event-stream\r
      \r
      {"a": "ü"}
      """
    #expect(Self.text(request) == expected)
    // Content is for POST alone.
    request.method = .get
    #expect(!Self.text(request).contains("{"))
  }

  @Test func theProxyHeaderComesFirstOnAConnection() {
    var request = Self.request()
    #expect(request.clientRequest.preface.isEmpty)
    request.proxyHeader = .v1
    #expect(request.clientRequest.preface == Array("PROXY UNKNOWN\r\n".utf8))
    request.proxyHeader = .v2
    #expect(
      request.clientRequest.preface
        == [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x20, 0, 0, 0])
  }

  // MARK: Outcomes

  private struct Row: Sendable {
    var answer: String
    var kind = PollRequest.Kind.prometheus
    var needsContent = false
    /// nil: an answer.
    var failure: PollFailure?
  }

  private static let long = "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n"
  private static let away =
    "HTTP/1.1 302 Found\r\nLocation: https://x/m\r\nContent-Length: 0\r\n\r\n"
  private static let rows: [Row] = [
    Row(
      answer: long,
      failure: PollFailure(.tooLarge, "more than 20 bytes, the limit of `page_bytes`")),
    // Of a check the status is all that matters, unless it needs the content.
    Row(answer: long, kind: .health, failure: nil),
    Row(
      answer: long, kind: .health, needsContent: true,
      failure: PollFailure(.tooLarge, "more than 20 bytes")),
    Row(answer: long, kind: .canary, failure: PollFailure(.tooLarge, "more than 20 bytes")),
    Row(
      answer: away,
      failure: PollFailure(
        .status, "302: the page is at https://x/m; `path` and `port` have to say so")),
    Row(answer: away, kind: .health, failure: nil),
    Row(answer: "SSH-2.0-x\r\n", failure: PollFailure(.badHTTP, "bad_status_line")),
  ]

  @Test(arguments: rows.indices) func failuresSayWhatIsToBeDone(row: Int) {
    let row = Self.rows[row]
    var request = Self.request("/m", row.kind)
    request.needsContent = row.needsContent
    var exchange = ClientExchange()
    var parser = HeadParser()
    exchange.begin(request.clientRequest, userAgent: "steelyard/1")
    let isOver = Array(row.answer.utf8).withUnsafeBytes { exchange.receive($0, &parser) }
    #expect(isOver)
    let isPage = row.kind == .prometheus || row.kind == .json
    let failure = exchange.withOutcome { outcome -> PollFailure? in
      if case .failed(let failure) = PollOutcome(outcome, isPage: isPage) { failure } else { nil }
    }
    #expect(failure == row.failure)
  }

  @Test func aPageThatIsNoGzipAfterAllIsABadPage() {
    var exchange = ClientExchange()
    var parser = HeadParser()
    exchange.begin(Self.request().clientRequest, userAgent: "steelyard/1")
    let bytes = Array("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n".utf8) + [0x1F, 0x8B, 0x78]
    let isOver = bytes.withUnsafeBytes { exchange.receive($0, &parser) }
    #expect(isOver)
    let failure = exchange.withOutcome { outcome -> PollFailure? in
      if case .failed(let failure) = PollOutcome(outcome, isPage: true) { failure } else { nil }
    }
    #expect(failure == PollFailure(.badPage, "malformed gzip content"))
  }

  @Test(arguments: ClientFailure.Kind.allCases)
  func theClientsFailuresHaveTheSameLabelHere(kind: ClientFailure.Kind) {
    let label = PollFailure(ClientFailure(kind, ""), isPage: false).kind.label
    switch kind {
    case .badContent: #expect(label == "bad_page")
    case .stopped: #expect(label == "local")
    default: #expect(label == kind.label)
    }
  }
}
