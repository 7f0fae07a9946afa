// What the endpoints know: their ports, what was rendered for them, and what their metrics say.
import HTTP
import Primitives

struct Endpoints: ~Copyable {
  struct Counts {
    var running = 0
    var finished = 0
    var tokens = 0
    /// Of finished ones, arrival to end.
    var nanoseconds: Int64 = 0
  }

  private struct Rendered {
    let answer: Answer
    let isPersistent: Bool
    let bytes: RenderedAnswer
  }

  /// Different answers that are kept; what goes beyond is refused.
  private static let renderedMax = 256

  private(set) var ports: [UInt16] = []
  private(set) var counts: [Counts] = []
  private var rendered: [Rendered] = []
  var parser = HeadParser()
  /// The last request head, which the next one usually equals.
  var known = KnownHead(RequestPlan())
  let tokens = TokenText()

  var count: Int { ports.count }

  mutating func add(port: UInt16) {
    ports.append(port)
    counts.append(Counts())
  }

  mutating func begin(_ number: Int32) { counts[Int(number)].running += 1 }

  mutating func end(_ peer: Peer, at now: Int64) {
    let number = Int(peer.number)
    counts[number].running -= 1
    counts[number].finished += 1
    counts[number].nanoseconds += max(0, now - peer.startedAt)
  }

  mutating func countToken(_ number: Int32) { counts[Int(number)].tokens += 1 }

  /// What the request asks; the head's fields are in `parser`.
  mutating func plan(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer) -> RequestPlan {
    var plan = RequestPlan()
    let target = bytes[head.targetStart..<max(head.targetStart, head.targetEnd)]
    plan.answer = Answer(target: String(decoding: target, as: UTF8.self))
    plan.framing = head.framing
    plan.isPersistent = head.isPersistent
    plan.isHead = head.method == .head
    plan.knowsChunks = head.minorVersion >= 1
    switch plan.answer {
    case .bytes, .health, .notFound:
      plan.rendered = render(plan.answer, isPersistent: plan.isPersistent)
    case .stream:
      if !plan.knowsChunks {
        plan.rendered = render(.notFound, isPersistent: plan.isPersistent)
      }
    case .metrics: break
    }
    return plan
  }

  private mutating func render(_ answer: Answer, isPersistent: Bool) -> RenderedAnswer {
    for one in rendered where one.answer == answer && one.isPersistent == isPersistent {
      return one.bytes
    }
    // The two that never fail to be there are rendered first.
    let isFull = rendered.count >= Self.renderedMax && answer != .notFound
    if isFull { return render(.notFound, isPersistent: isPersistent) }
    let bytes =
      switch answer {
      case .bytes(let count, let fields):
        RenderedAnswer(
          status: "200 OK", count: count, fields: fields, isPersistent: isPersistent)
      case .health:
        RenderedAnswer(status: "200 OK", count: 2, fields: false, isPersistent: isPersistent)
      default:
        RenderedAnswer(
          status: "404 Not Found", count: 9, fields: false, isPersistent: isPersistent)
      }
    rendered.append(Rendered(answer: answer, isPersistent: isPersistent, bytes: bytes))
    return bytes
  }

  /// The page that vLLM's server would show, as far as the preset `vllm` reads it, with its head.
  func metricsPage(_ number: Int32, isPersistent: Bool) -> [UInt8] {
    let counts = counts[Int(number)]
    let label = "{model_name=\"bench\",engine=\"0\"}"
    let seconds = Double(counts.nanoseconds) / 1e9
    let page = """
      # TYPE vllm:num_requests_running gauge
      vllm:num_requests_running\(label) \(counts.running)
      # TYPE vllm:num_requests_waiting gauge
      vllm:num_requests_waiting\(label) 0
      # TYPE vllm:kv_cache_usage_perc gauge
      vllm:kv_cache_usage_perc\(label) 0.1
      # TYPE vllm:generation_tokens_total counter
      vllm:generation_tokens_total\(label) \(counts.tokens + counts.finished)
      # TYPE vllm:request_success_total counter
      vllm:request_success_total{model_name="bench",engine="0",finished_reason="stop"} \
      \(counts.finished)
      # TYPE vllm:e2e_request_latency_seconds histogram
      vllm:e2e_request_latency_seconds_bucket{model_name="bench",engine="0",le="+Inf"} \
      \(counts.finished)
      vllm:e2e_request_latency_seconds_sum\(label) \(seconds)
      vllm:e2e_request_latency_seconds_count\(label) \(counts.finished)

      """
    var head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
    head += "Content-Length: \(page.utf8.count)\r\n"
    if !isPersistent { head += "Connection: close\r\n" }
    return Array((head + "\r\n" + page).utf8)
  }
}
