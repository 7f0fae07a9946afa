// TLS of commands that ask servers, by the options --ca, --cert and --key. The files are read once.
import Certificates
import Client
import Fleet
import IO

extension ClientTLS {
  /// Reads `--ca`, `--cert` and `--key`; nil: none of them is given. Requires: the options are in
  /// the command's table.
  static func given(_ arguments: CommandArguments) throws(UsageError) -> ClientTLS? {
    let (ca, certificate) = (arguments.text("--ca"), arguments.text("--cert"))
    let key = arguments.text("--key")
    if ca == nil, certificate == nil, key == nil { return nil }
    var tls = ClientTLS()
    tls.ca = ca
    if let certificate {
      // They may be one file.
      tls.certificate = CertificateFiles(certificate: certificate, key: key ?? certificate)
    } else if key != nil {
      throw arguments.error("--key has to come with --cert")
    }
    return tls
  }

  /// TLS of connections to the server called `name`. Errors: a file that cannot be used.
  func security(
    name: String, _ arguments: CommandArguments
  ) throws(UsageError) -> ClientSecurity {
    do throws(TLSError) {
      return ClientSecurity(try CredentialStore.context(self), name: serverName ?? name)
    } catch {
      throw arguments.error(error.message)
    }
  }
}
