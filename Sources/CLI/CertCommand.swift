// `steelyard cert dev`: throw-away certificates, so that TLS can be tried without an authority.
// Invariant: no file is replaced unless `--force` says so; keys are readable by their owner alone.
import Fleet
import IO
import Primitives

enum CertCommand {
  private static let daysDefault: UInt64 = 30
  private static let daysMax: UInt64 = 3_650
  private static let namesMax = 100

  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let days = arguments.whole("--days") ?? daysDefault
    guard (1...daysMax).contains(days) else {
      throw arguments.refusal("--days", takes: "1 to \(daysMax)", not: "\(days)")
    }
    let names = arguments.values("--name")
    if names.count > namesMax {
      throw arguments.error("--name may be given \(namesMax) times at most")
    }
    for name in names where !isName(name) {
      throw arguments.refusal("--name", takes: "a host name or an IP address", not: name)
    }
    do throws(Failure) {
      let made = try make(names, days: Int(days))
      let directory = try write(
        made, to: arguments.text("--directory") ?? ".", replaces: arguments.has("--force"))
      Console.out(told(directory, names, days: Int(days)), terminator: "")
      return .ok
    } catch {
      Console.error("steelyard: \(error.message)")
      return .cannotCreate
    }
  }

  private struct Failure: Error {
    let message: String
  }

  private struct File {
    let name: String
    let bytes: [UInt8]
    var mode: UInt32 = 0o644
  }

  private static func make(_ names: [String], days: Int) throws(Failure) -> [File] {
    do throws(TLSError) {
      let made = try DevelopmentCertificates(names: names, days: days)
      return [
        File(name: "ca.pem", bytes: made.authority),
        File(name: "server.pem", bytes: made.server.certificate),
        File(name: "server.key", bytes: made.server.key, mode: 0o600),
        File(name: "client.pem", bytes: made.client.certificate),
        File(name: "client.key", bytes: made.client.key, mode: 0o600),
      ]
    } catch {
      throw Failure(message: error.message)
    }
  }

  // Returns the absolute path of the directory.
  private static func write(
    _ files: [File], to directory: String, replaces: Bool
  ) throws(Failure) -> String {
    func at(_ file: File) -> String { "\(directory)/\(file.name)" }
    let taken = files.map(at).first(where: FileWriter.isTaken)
    if let taken, !replaces {
      throw Failure(
        message: "\(taken) is there already: --directory DIR writes elsewhere, "
          + "--force replaces it")
    }
    var path = directory
    do throws(IOError) {
      try FileWriter.makeDirectory(directory)
      for file in files {
        path = at(file)
        if FileWriter.isTaken(path) { try FileWriter.remove(path) }
        try FileWriter.create(file.bytes, at: path, mode: file.mode)
      }
    } catch {
      throw Failure(message: "cannot write \(path): \(error.reason)")
    }
    return FileWriter.realPath(directory) ?? directory
  }

  /// A host name, which may begin with `*.`, or an IP address.
  private static func isName(_ text: String) -> Bool {
    if IPAddress(text) != nil { return true }
    return HostNameText.isValid(text.hasPrefix("*.") ? text.dropFirst(2) : text[...])
  }

  // What was made, what to write into the file, and how to try it.
  private static func told(_ directory: String, _ names: [String], days: Int) -> String {
    let shown = (DevelopmentCertificates.ownNames + names).joined(separator: ", ")
    let word = days == 1 ? "day" : "days"
    let own = "--cert \(directory)/client.pem --key \(directory)/client.key"
    let trust = "curl --cacert \(directory)/ca.pem"
    return """
      Written to \(directory):
        ca.pem  server.pem  server.key  client.pem  client.key
      The server's certificate is for \(shown).
      All are valid for \(days) \(word), and for trials only.

      A listener:

        - listen: ":8443"
          tls:
            cert: "\(directory)/server.pem"
            key: "\(directory)/server.key"
            # client_ca: "\(directory)/ca.pem"   # only clients with a certificate

      A request, without and with the client's certificate:

        \(trust) https://localhost:8443/
        \(trust) \(own) https://localhost:8443/

      """
  }
}
