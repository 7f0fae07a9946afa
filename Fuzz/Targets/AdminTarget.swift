// Laws of the admin server's requests, from the bytes to what is to be done: what is refused has a
// status with a phrase and a short text that reads back; nobody changes or reads anything without
// the token that it takes; orders are within their ranges; an empty line before changes nothing.
import Admin
import Controller
import HTTP
import Primitives

enum AdminTarget {
  private static let readToken = "read-token-0123456789"
  private static let writeToken = "write-token-0123456789"

  static let target = FuzzTarget(
    "admin", byteCountMax: 600,
    words: [
      "GET ", "POST ", "HEAD ", " HTTP/1.1\r\n", "Host: localhost:9900\r\n", "Host: [::1]\r\n",
      "Host: 127.0.0.1\r\n", "Origin: http://a\r\n", "Authorization: Bearer ", readToken,
      writeToken,
      "\r\n", "\r\n\r\n", "/api/v1/", "pools/", "/explain", "/set?", "/freeze?for=1m", "/reset",
      "/endpoints/", "10.0.0.1:80", "[::1]:80", "/pin?weight=", "/scale?factor=",
      "/drain?deadline=1s",
      "floor=0.5", "slew=1", "law=steps", "dry_run=true", "&for=1h", "%2f", "%00", "/status/events",
      "/metrics", "/readyz", "/sd/prometheus", "reload", "openapi.yaml",
    ],
    check: { data throws(Finding) in try AdminTarget.check(data) },
    seeds: { _ in
      let host = " HTTP/1.1\r\nHost: localhost\r\n"
      let texts = [
        "GET /metrics\(host)Accept-Encoding: gzip;q=0.5, *\r\n\r\n",
        "POST /api/v1/pools/te%78t/set?law=steps&for=1s\(host)Origin: http://a\r\n\r\n",
        "POST /api/v1/pools/a/endpoints/10.0.0.1:80/pin?weight=1e1\(host)\r\n",
        "POST /api/v1/pools/a/endpoints/[::1]:80/drain?deadline=1m&for=1h\(host)"
          + "Authorization: Bearer \(writeToken)\r\n\r\n",
        "GET /api/v1/pools HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "\r\nGET /api/v1/status\(host)Authorization: Bearer \(readToken)\r\n\r\n",
      ]
      return texts.enumerated().flatMap { index, text in
        (0..<8).map { FuzzInput.make(Array(text.utf8), options: $0) }
      }
    })

  // SAFETY: a target runs on one thread at a time.
  nonisolated(unsafe) private static let parsers = HeadParsers.all()

  static func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
    let input = FuzzInput(data)
    guard let request = read(input.bytes) else { return }
    try checkEmptyLine(input.bytes, request)
    var access = AdminAccess(isLoopback: input.options & 4 == 0)
    if input.options & 1 != 0 { access.readToken = Secret(readToken.utf8) }
    if input.options & 2 != 0 { access.writeToken = Secret(writeToken.utf8) }
    for need in AdminResource.Need.allCases { try checkAccess(access, request, need) }
    let resource: AdminResource
    do throws(Problem) {
      resource = try AdminResource.find(request.path)
    } catch {
      return try check(error)
    }
    guard resource.takes(request.method) else { return }
    let order = Result { () throws(Problem) in try TuningRequest(resource, request.query) }
    switch order {
    case .success(nil): break
    case .success(.some(let order)): try check(order, resource)
    case .failure(let problem): try check(problem)
    }
  }

  private static func read(_ bytes: UnsafeRawBufferPointer) -> AdminRequest? {
    var head = RequestHead()
    let parsers = parsers[4]
    guard parsers.whole.parse(bytes, into: &head) == .complete else { return nil }
    return AdminRequest(bytes, head, parsers.whole)
  }

  /// RFC 9112 §2.2.
  private static func checkEmptyLine(
    _ bytes: UnsafeRawBufferPointer, _ request: AdminRequest
  ) throws(Finding) {
    guard bytes.first != 0x0D else { return }
    let moved = [0x0D, 0x0A] + bytes
    let other = moved.withUnsafeBytes { read($0) }
    try require(
      other?.path == request.path && other?.query == request.query
        && other?.fields == request.fields && other?.method == request.method,
      "behind an empty line: \(other.map { "\($0)" } ?? "nothing")")
  }

  private static func checkAccess(
    _ access: AdminAccess, _ request: AdminRequest, _ need: AdminResource.Need
  ) throws(Finding) {
    let scope: AdminAccess.Scope
    do throws(Problem) {
      scope = try access.check(request, needs: need)
    } catch {
      try require(need != .nothing, "what is for everybody is refused")
      try require(!"\(error)".contains("0123456789"), "a token is told")
      return try check(error)
    }
    let shown = request.fields["authorization"]?.split(separator: " ").last.map(String.init)
    let showsWrite = access.writeToken != nil && shown == writeToken
    let showsRead = access.readToken != nil && shown == readToken
    switch need {
    case .nothing: break
    case .write where access.writeToken != nil:
      try require(showsWrite && scope == .write, "a change without the token: \(request)")
    case .write:
      try require(
        access.readToken == nil && access.isLoopback && request.fields["origin"] == nil
          && isLocal(request),
        "a change that nobody may make: \(request)")
    case .read where access.readToken != nil:
      try require(showsRead || showsWrite, "read without a token: \(request)")
    case .read:
      try require(showsWrite || !access.isLoopback || isLocal(request), "a name: \(request)")
    }
  }

  /// Whether Host is no name that a web page could let point here.
  private static func isLocal(_ request: AdminRequest) -> Bool {
    guard let host = request.fields["host"]?.lowercased() else { return true }
    return host.hasPrefix("localhost")
      || host.utf8.allSatisfy { "0123456789abcdef.:[]".utf8.contains($0) }
  }

  private static func check(_ problem: Problem) throws(Finding) {
    try require(Problem.phrase(problem.status) != "Error", "status \(problem.status)")
    try require(problem.detail.utf8.count < 800, "a long text: \(problem.detail)")
    try require(
      !problem.detail.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F },
      "a control character: \(problem.detail)")
    let again = Problem.read(problem.json)
    try require(again?.detail == problem.detail && again?.status == problem.status, "read back")
  }

  private static func check(_ order: TuningRequest, _ resource: AdminResource) throws(Finding) {
    try require(resource.need(of: .post) == .write, "an order by \(resource)")
    let year = Nanoseconds.seconds(31_536_000)
    for span in [order.lasts, order.deadline] {
      if let span { try require(span > .zero && span <= year, "for \(span)") }
    }
    let isInRange =
      switch order.action {
      case .pin(let weight): (0...1_000_000).contains(weight)
      case .scale(let factor): (0...1_000).contains(factor)
      case .set(.floor(let ratio)): (0...1).contains(ratio)
      case .set(.slew(let slew)): (0.01...100).contains(slew)
      case .drain, .freeze, .reset, .set(.law), .set(.dryRun): true
      }
    try require(isInRange, "\(order.action.text) is out of its range")
  }
}
