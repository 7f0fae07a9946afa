// Certificates made with the openssl command, in a folder that is removed in the end.
import Fleet
import Foundation
import Primitives
import Testing

final class CertificateFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "steelyard-certificates-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  subscript(_ name: String) -> String { "\(path)/\(name)" }

  /// A self-signed certificate for `host` with its key, at `NAME.pem` and `NAME.key`.
  @discardableResult
  func pair(_ name: String, host: String = "localhost", days: Int = 30) throws -> CertificateFiles {
    let (certificate, key) = (self["\(name).pem"], self["\(name).key"])
    try openssl([
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
      "-subj", "/CN=\(host)", "-addext", "subjectAltName=DNS:\(host)", "-days", "\(days)",
      "-keyout", key, "-out", certificate,
    ])
    try chmod(key, 0o600)
    return CertificateFiles(certificate: certificate, key: key)
  }

  func write(_ name: String, _ text: String) throws {
    try text.write(toFile: self[name], atomically: true, encoding: .utf8)
  }

  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: self[name]) }

  /// Puts a copy of one file in place of another, as rename(2) does.
  func replace(_ name: String, with other: String) throws {
    let next = self["next-\(UUID().uuidString)"]
    try FileManager.default.copyItem(atPath: self[other], toPath: next)
    guard rename(next, self[name]) == 0 else { throw CocoaError(.fileWriteUnknown) }
  }

  /// Makes a link, or turns the one that is there.
  func link(_ name: String, to target: String) throws {
    let next = self["link-\(UUID().uuidString)"]
    try FileManager.default.createSymbolicLink(atPath: next, withDestinationPath: target)
    guard rename(next, self[name]) == 0 else { throw CocoaError(.fileWriteUnknown) }
  }

  func chmod(_ file: String, _ mode: Int) throws {
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
  }

  func openssl(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }
}

/// A fleet with one listener, of HTTP/1 alone, and one pool.
func fleet(
  _ tls: ServerTLS?, pool: ClientTLS? = nil, port: UInt16 = 8443
) -> Fleet {
  var fleet = Fleet()
  fleet.pools = [Pool(name: "p", endpoints: [])]
  fleet.pools[0].tls = pool
  fleet.listeners = [
    Listener(address: .loopback(port: port), routes: [Route(pathPrefix: "/", pool: 0)])
  ]
  fleet.listeners[0].tls = tls
  fleet.listeners[0].http2 = nil
  return fleet
}

extension CertificateFolder {
  func makeDirectory(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: self[name], withIntermediateDirectories: false)
  }

  func move(_ name: String, to other: String) throws {
    guard rename(self[name], self[other]) == 0 else { throw CocoaError(.fileWriteUnknown) }
  }
}
