// An event for hooks, and its three forms: words of a command, the environment of a command, JSON.
package import Fleet
import HTTP
package import Primitives

/// An event with its circumstances.
package struct Occurrence: Sendable, Equatable {
  package var event: HookEvent
  /// The name of the pool; empty: the event concerns no pool.
  package var pool: String
  package var endpoint: SocketAddress?
  /// The reason, in a few words.
  package var reason: String
  /// Wall-clock time.
  package var at: Nanoseconds

  package init(
    _ event: HookEvent, pool: String = "", endpoint: SocketAddress? = nil, reason: String = "",
    at: Nanoseconds
  ) {
    self.event = event
    self.pool = pool
    self.endpoint = endpoint
    self.reason = reason
    self.at = at
  }

  /// The address of the endpoint; empty: the event concerns no endpoint.
  package var endpointText: String { endpoint.map { "\($0)" } ?? "" }

  /// The words of a command with their placeholders replaced. Replacements are not searched again,
  /// and each word stays one word.
  package func words(_ template: [String]) -> [String] {
    let values = [
      "event": event.rawValue, "pool": pool, "endpoint": endpointText, "reason": reason,
    ]
    return template.map { word in
      var text = ""
      var rest = word[...]
      while let open = rest.firstIndex(of: "{") {
        text += rest[..<open]
        rest = rest[open...]
        guard let close = rest.firstIndex(of: "}"),
          let value = values[String(rest[rest.index(after: open)..<close])]
        else {
          text += "{"
          rest = rest.dropFirst()
          continue
        }
        text += value
        rest = rest[rest.index(after: close)...]
      }
      return (text + rest).filter { $0 != "\0" }
    }
  }

  /// The environment of a command: the event, and of this process's environment only the variables
  /// that programs need to run, because the rest may hold secrets.
  package func environment(from own: [String]) -> [String] {
    let kept = own.filter { line in
      let name = line.prefix { $0 != "=" }
      return ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"].contains(String(name))
        || name.hasPrefix("LC_")
    }
    let path = kept.contains { $0.hasPrefix("PATH=") } ? [] : ["PATH=/usr/bin:/bin"]
    let all = [
      "STEELYARD_EVENT=\(event.rawValue)", "STEELYARD_POOL=\(pool)",
      "STEELYARD_ENDPOINT=\(endpointText)", "STEELYARD_HOST=\(endpoint?.host ?? "")",
      "STEELYARD_PORT=\(endpoint.map { "\($0.port)" } ?? "")", "STEELYARD_REASON=\(reason)",
      "STEELYARD_TIME=\(EventLine.timestamp(at))",
    ]
    return kept + path + all.map { $0.filter { $0 != "\0" } }
  }

  /// The event as a JSON object; members without a value are null. `time` is in seconds since 1970.
  package var json: [UInt8] {
    func text(_ value: String) -> String {
      if value.isEmpty { return "null" }
      return withUnsafeTemporaryAllocation(
        byteCount: 6 * value.utf8.count + 2, alignment: 1
      ) { room in
        var writer = ByteWriter(room)
        var value = value
        writer.append("\"")
        value.withUTF8 { writer.append(json: UnsafeRawBufferPointer($0)) }
        writer.append("\"")
        return String(decoding: writer.written, as: UTF8.self)
      }
    }
    let (seconds, rest) = at.rawValue.quotientAndRemainder(dividingBy: 1_000_000_000)
    let millis = String(1_000 + rest / 1_000_000).dropFirst()
    return Array(
      ("{\"event\":\(text(event.rawValue)),\"pool\":\(text(pool)),"
        + "\"endpoint\":\(text(endpointText)),\"reason\":\(text(reason)),"
        + "\"time\":\(seconds).\(millis)}").utf8)
  }
}
