// The files of one description, those of its directories included, and what they look like now.
import Fleet
import IO

/// What the contexts of one description are made of.
struct CredentialInputs {
  struct Input {
    let path: String
    /// What the file has to hold, like "certificate".
    let what: String
  }

  /// Of a listener; the first is the default.
  private(set) var pairs: [CertificateFiles] = []
  private(set) var files: [Input] = []

  /// Lists directories. Error: one cannot be listed, or holds no pairs.
  init(_ key: CredentialKey) throws(TLSError) {
    switch key {
    case .server(let tls, _):
      for source in tls.certificates {
        switch source {
        case .files(let files): pairs.append(files)
        case .directory(let path): pairs += try PairDirectory.pairs(path)
        }
      }
      for files in pairs { add(files) }
      add(tls.clientCA, "client authority")
      add(tls.revocations, "revocation list")
      if case .file(let path) = tls.tickets { add(path, "ticket key") }
    case .client(let tls, _):
      add(tls.ca, "authority")
      if let files = tls.certificate { add(files) }
      add(tls.revocations, "revocation list")
    }
  }

  private mutating func add(_ files: CertificateFiles) {
    add(files.certificate, "certificate")
    add(files.key, "key")
  }

  private mutating func add(_ path: String?, _ what: String) {
    if let path { files.append(Input(path: path, what: what)) }
  }

  /// The stamps of the files by path. `known` are stamps of the same look, which are not taken
  /// again.
  func stamps(_ known: inout [String: FileStamp]) throws(TLSError) -> [String: FileStamp] {
    var stamps: [String: FileStamp] = [:]
    for file in files {
      if known[file.path] == nil {
        do throws(IOError) {
          known[file.path] = try FileStamp(file.path)
        } catch {
          throw TLSError(file.path, file.what, error)
        }
      }
      stamps[file.path] = known[file.path]
    }
    return stamps
  }
}
