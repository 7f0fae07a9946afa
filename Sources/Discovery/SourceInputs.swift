// What sources read besides the answers of servers: files of targets, tokens, and what a pod knows
// of its cluster.
import Certificates
import Client
import Fleet
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
        do throws(IOError) {
          guard let content = try FileReader.read(path, byteCountMax: TargetList.byteCountMax)
          else {
            return .failed(
              SourceFailure(.tooLarge, "\(path) has more than \(TargetList.byteCountMax) bytes"))
          }
          files.append(SourceFile(path: path, content: content))
        } catch {
          // It may have been removed a moment ago.
          if !error.isMissingFile { throw error }
        }
      }
      return .files(files)
    } catch {
      return .failed(SourceFailure(.missing, "\(pattern): \(error.reason)"))
    }
  }
}

enum SourceToken {
  /// The field that carries the source's token; nil: it has none. The file is read each time,
  /// because tokens are renewed.
  static func field(_ source: DiscoverySource) throws(SourceFailure) -> ClientRequest.Field? {
    guard let origin = source.token ?? PodEnvironment.token(for: source) else { return nil }
    let text: String
    do throws(TokenReader.Failure) {
      text = try TokenReader.credential(origin)
    } catch {
      throw SourceFailure(.denied, error.message)
    }
    switch source.kind {
    case .consul: return .init("X-Consul-Token", text)
    case .etcd: return .init("Authorization", text)
    case .file, .http, .srv, .kubernetes: return .init("Authorization", "Bearer \(text)")
    }
  }
}

/// Where a pod finds its cluster. Source: Kubernetes, "Accessing the Kubernetes API from a Pod".
enum PodEnvironment {
  private static let folder = DiscoverySource.podFolder

  /// The API server; nil: this is no pod.
  static var server: DiscoverySource.Server? {
    guard let host = TokenReader.environment("KUBERNETES_SERVICE_HOST"),
      let port = TokenReader.environment("KUBERNETES_SERVICE_PORT"), let number = UInt16(port)
    else { return nil }
    return DiscoverySource.Server(host: host, port: number)
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
