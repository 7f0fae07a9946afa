// What sources read besides the answers of servers: files of targets, tokens, and what a pod knows
// of its cluster.
import Client
import Fleet
import Glibc
import IO
import Primitives

enum TargetFiles {
  /// The most files of a pattern.
  private static var countMax: Int { 1_000 }

  /// The files that match a pattern, sorted by path.
  static func read(_ pattern: String) -> SourceAnswer {
    do throws(IOError) {
      guard let paths = try FileReader.paths(matching: pattern, countMax: countMax) else {
        return .failed(SourceFailure(.tooLarge, "more than \(countMax) files match \(pattern)"))
      }
      var files: [SourceFile] = []
      for path in paths {
        guard let content = try FileReader.read(path, byteCountMax: TargetList.byteCountMax) else {
          return .failed(
            SourceFailure(.tooLarge, "\(path) has more than \(TargetList.byteCountMax) bytes"))
        }
        files.append(SourceFile(path: path, content: content))
      }
      return .files(files)
    } catch {
      return .failed(SourceFailure(.missing, "\(pattern): \(error.reason)"))
    }
  }
}

enum SourceToken {
  /// A token of Kubernetes has about 1,500 bytes.
  private static var byteCountMax: Int { 16_384 }

  /// The field that carries the source's token; nil: it has none. The file is read each time,
  /// because tokens are renewed.
  static func field(_ source: DiscoverySource) throws(SourceFailure) -> ClientRequest.Field? {
    guard let origin = source.token ?? PodEnvironment.token(for: source) else { return nil }
    let text = try text(origin)
    switch source.kind {
    case .consul: return .init("X-Consul-Token", text)
    case .etcd: return .init("Authorization", text)
    case .file, .http, .srv, .kubernetes: return .init("Authorization", "Bearer \(text)")
    }
  }

  private static func text(_ origin: TokenSource) throws(SourceFailure) -> String {
    var bytes: [UInt8]
    switch origin {
    case .environment(let name):
      guard let value = getenv(name) else {
        throw SourceFailure(.denied, "the environment has no variable \(name)")
      }
      bytes = Array(String(cString: value).utf8)
    case .file(let path):
      do throws(IOError) {
        guard let content = try FileReader.read(path, byteCountMax: byteCountMax) else {
          throw IOError("read", Int(EFBIG))
        }
        bytes = content
      } catch {
        throw SourceFailure(.denied, "the token file \(path): \(error.reason)")
      }
    }
    while let last = bytes.last, last == 0x0A || last == 0x0D || last == 0x20 {
      bytes.removeLast()
    }
    guard !bytes.isEmpty, bytes.allSatisfy(Secret.isVisible) else {
      throw SourceFailure(.denied, "the token is not visible ASCII on one line")
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Where a pod finds its cluster. Source: Kubernetes, "Accessing the Kubernetes API from a Pod".
enum PodEnvironment {
  private static let folder = DiscoverySource.podFolder

  /// The API server; nil: this is no pod.
  static var server: DiscoverySource.Server? {
    guard let host = getenv("KUBERNETES_SERVICE_HOST"),
      let port = getenv("KUBERNETES_SERVICE_PORT"), let number = UInt16(String(cString: port))
    else { return nil }
    return DiscoverySource.Server(host: String(cString: host), port: number)
  }

  static var namespace: String {
    guard let bytes = try? FileReader.read("\(folder)/namespace", byteCountMax: 253) else {
      return "default"
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  static func token(for source: DiscoverySource) -> TokenSource? {
    source.kind == .kubernetes && source.server == nil ? .file("\(folder)/token") : nil
  }
}
