// A directory of certificates: `NAME.crt` or `NAME.pem` with `NAME.key`. Entries whose names begin
// with a dot do not count (Kubernetes keeps its own there). A certificate without a key is no pair:
// authorities may lie beside. A key without a certificate is an error.
import Fleet
import IO

enum PairDirectory {
  /// The most pairs of a directory.
  static let pairsMax = 1_000
  /// The most entries of a directory.
  static let entriesMax = 8 * pairsMax

  /// The pairs of a directory, by name.
  static func pairs(_ path: String) throws(TLSError) -> [CertificateFiles] {
    let names: [String]?
    do throws(IOError) {
      names = try FileReader.names(inDirectory: path, countMax: entriesMax)
    } catch {
      throw TLSError("the certificate directory \(path) cannot be read: \(error.reason)")
    }
    guard let names else {
      throw TLSError("the certificate directory \(path) has more than \(entriesMax) entries")
    }
    return try pairs(names, in: path)
  }

  /// The pairs among the names of a directory's entries.
  static func pairs(_ names: [String], in path: String) throws(TLSError) -> [CertificateFiles] {
    let all = Set(names)
    var found: [CertificateFiles] = []
    for name in names where name.hasSuffix(".key") && !name.hasPrefix(".") {
      let stem = name.dropLast(".key".count)
      guard let certificate = ["crt", "pem"].map({ "\(stem).\($0)" }).first(where: all.contains)
      else {
        throw TLSError(
          "the certificate directory \(path) has \(name), but neither \(stem).crt nor \(stem).pem")
      }
      found.append(
        CertificateFiles(certificate: "\(path)/\(certificate)", key: "\(path)/\(name)"))
    }
    guard !found.isEmpty else {
      throw TLSError(
        "the certificate directory \(path) has no pair of NAME.crt (or NAME.pem) and NAME.key")
    }
    guard found.count <= pairsMax else {
      throw TLSError("the certificate directory \(path) has more than \(pairsMax) pairs")
    }
    return found
  }
}
