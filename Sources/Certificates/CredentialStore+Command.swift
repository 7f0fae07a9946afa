// Contexts for a command, which asks one server and ends.
package import Fleet
package import IO

extension CredentialStore {
  /// A context of a description whose files are read now. Error: names the file and what is wrong.
  package static func context(_ tls: ClientTLS) throws(TLSError) -> ClientContext {
    let files = CredentialFiles()
    defer { files.wipe() }
    do throws(TLSError) {
      return try ClientContext(try files.options(tls), library: try TLSLibrary())
    } catch {
      throw error.naming(.client(tls, .http1))
    }
  }
}
