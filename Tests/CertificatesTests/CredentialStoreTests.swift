import Fleet
import IO
import Primitives
import Testing

@testable import Certificates

@Suite struct CredentialStoreTests {
  let folder: CertificateFolder
  let credentials = Credentials(workerCount: 2)
  let store: CredentialStore

  init() throws {
    folder = try CertificateFolder()
    store = CredentialStore(credentials)
  }

  private func failure(_ tls: ServerTLS?, pool: ClientTLS? = nil) -> String {
    do throws(TLSError) {
      try store.load(fleet(tls, pool: pool), now: .zero)
      return ""
    } catch {
      return error.message
    }
  }

  /// Loads a fleet and says that it is in force.
  private func use(_ fleet: Fleet, now: Nanoseconds = .zero) throws {
    try store.load(fleet, now: now)
    store.settle(fleet, now: now)
  }

  @Test func aFleetWithoutTLSLoadsNothing() throws {
    try use(fleet(nil))
    #expect(credentials.revision == 0)
    #expect(store.tick(now: .seconds(100)).isEmpty)
  }

  @Test func everyThreadHasAContextOfItsOwn() throws {
    let tls = ServerTLS(certificates: [.files(try folder.pair("a"))])
    var client = ClientTLS()
    client.ca = folder["a.pem"]
    try use(fleet(tls, pool: client))
    #expect(credentials.revision == 1)
    let servers = (0..<3).compactMap { credentials.server(tls, thread: $0) }
    let clients = (0..<3).compactMap { credentials.client(client, thread: $0) }
    #expect(Set(servers.map(ObjectIdentifier.init)).count == 3)
    #expect(Set(clients.map(ObjectIdentifier.init)).count == 3)
  }

  @Test func theExpectedNameAndHSTSNeedNoContextsOfTheirOwn() throws {
    var tls = ServerTLS(certificates: [.files(try folder.pair("a"))])
    var client = ClientTLS()
    client.ca = folder["a.pem"]
    try use(fleet(tls, pool: client))
    let (server, own) = (credentials.server(tls, thread: 0), credentials.client(client, thread: 0))
    tls.strictTransport = .seconds(60)
    client.serverName = "b.example"
    #expect(server != nil && credentials.server(tls, thread: 0) === server)
    #expect(own != nil && credentials.client(client, thread: 0) === own)
  }

  @Test func everyHTTPVersionHasContextsOfItsOwn() throws {
    let tls = ServerTLS(certificates: [.files(try folder.pair("a"))])
    var client = ClientTLS()
    client.ca = folder["a.pem"]
    var fleet = fleet(tls, pool: client)
    try use(fleet)
    let before = try #require(credentials.server(tls, thread: 0))
    let own = try #require(credentials.client(client, thread: 0))
    #expect(credentials.server(tls, offersHTTP2: true, thread: 0) == nil)
    fleet.listeners[0].http2 = HTTP2Policy()
    fleet.pools[0].endpointProtocol = .auto
    try use(fleet, now: .seconds(1))
    let server = try #require(credentials.server(tls, offersHTTP2: true, thread: 0))
    let both = try #require(credentials.client(client, .auto, thread: 0))
    #expect(server !== before && both !== own)
    // What else HTTP/2 has does not concern the context.
    fleet.listeners[0].http2?.streamsMax = 7
    try use(fleet, now: .seconds(2))
    #expect(credentials.server(tls, offersHTTP2: true, thread: 0) === server)
    // The contexts without HTTP/2 go once no fleet names them.
    _ = store.tick(now: .seconds(60))
    #expect(credentials.server(tls, thread: 0) == nil)
    #expect(credentials.client(client, thread: 0) == nil)
    #expect(credentials.client(client, .auto, thread: 0) === both)
  }

  @Test func whatOnlyTheControlThreadUsesIsBuiltForItAlone() throws {
    var fleet = fleet(nil)
    fleet.adminTLS = ServerTLS(certificates: [.files(try folder.pair("a"))])
    try use(fleet)
    let tls = try #require(fleet.adminTLS)
    #expect(credentials.server(tls, thread: credentials.controlThread) != nil)
    #expect(credentials.server(tls, thread: 0) == nil)
    // A listener with the same description needs it on workers too.
    fleet.listeners[0].tls = tls
    try use(fleet)
    #expect(credentials.server(tls, thread: 0) != nil)
  }

  /// So many that each thread's are built on a thread of its own.
  @Test func manyPairsAreBuiltForAllThreadsAtOnce() throws {
    let pair = try folder.pair("p0")
    for number in 1..<40 {
      try folder.replace("p\(number).pem", with: "p0.pem")
      try folder.replace("p\(number).key", with: "p0.key")
    }
    let tls = ServerTLS(certificates: [.directory(folder.path)])
    try use(fleet(tls))
    let servers = (0..<3).compactMap { credentials.server(tls, thread: $0) }
    #expect(Set(servers.map(ObjectIdentifier.init)).count == 3)
    #expect(servers.allSatisfy { $0.certificates.count == 40 })
    #expect(store.report.certificates.count == 40)
    try folder.write("p7.key", "nothing\n")
    #expect(
      failure(tls).contains("\(folder["p7.pem"]): no private key in PEM form"), "\(failure(tls))")
    #expect(credentials.server(tls, thread: 0) === servers.first)
    #expect(pair.certificate == folder["p0.pem"])
  }

  @Test func anErrorNamesPlaceAndFile() throws {
    let pair = try folder.pair("a")
    let other = try folder.pair("b")
    let missing = CertificateFiles(certificate: folder["none.pem"], key: pair.key)
    #expect(
      failure(ServerTLS(certificates: [.files(missing)]))
        == "listener 127.0.0.1:8443: the certificate file \(folder["none.pem"]) cannot be read: "
        + "No such file or directory")
    let mixed = CertificateFiles(certificate: pair.certificate, key: other.key)
    #expect(
      failure(ServerTLS(certificates: [.files(mixed)])).contains(
        "\(pair.certificate): the key does not belong to the certificate"))
    try folder.write("text.pem", "hello\n")
    var client = ClientTLS()
    client.ca = folder["text.pem"]
    #expect(
      failure(nil, pool: client).hasPrefix("pool p: `ca` \(folder["text.pem"]): no certificate"))
    let folderAsFile = CertificateFiles(certificate: folder.path, key: pair.key)
    #expect(
      failure(ServerTLS(certificates: [.files(folderAsFile)])).hasSuffix("it is no regular file"))
    try folder.write("large.pem", String(repeating: "-", count: 1 << 20 + 1))
    let large = CertificateFiles(certificate: folder["large.pem"], key: pair.key)
    #expect(failure(ServerTLS(certificates: [.files(large)])).hasSuffix("is larger than 1 MiB"))
    #expect(credentials.revision == 0)
  }

  @Test func afterAnErrorNothingHasChanged() throws {
    let tls = ServerTLS(certificates: [.files(try folder.pair("a"))])
    try use(fleet(tls))
    let before = credentials.server(tls, thread: 0)
    var bad = fleet(tls, pool: ClientTLS())
    bad.pools[0].tls?.ca = folder["none.pem"]
    #expect(throws: TLSError.self) { try store.load(bad, now: .zero) }
    #expect(credentials.revision == 1)
    #expect(credentials.server(tls, thread: 0) === before)
    #expect(store.report.certificates.map(\.file) == [folder["a.pem"]])
  }

  @Test func aReplacedPairIsTakenWithoutBeingAskedFor() throws {
    let tls = ServerTLS(certificates: [.files(try folder.pair("a", days: 30))])
    try use(fleet(tls))
    let before = try #require(credentials.server(tls, thread: 1))
    #expect(store.tick(now: .seconds(10)).isEmpty)
    #expect(credentials.revision == 1)
    try folder.pair("a", host: "b.example")
    let changes = store.tick(now: .seconds(20))
    guard case .replaced("listener 127.0.0.1:8443", let certificates) = changes.first else {
      Issue.record("\(changes)")
      return
    }
    #expect(certificates.map(\.names) == [["b.example"]])
    #expect(credentials.revision == 2)
    #expect(credentials.server(tls, thread: 1) !== before)
    #expect(store.tick(now: .seconds(30)).isEmpty)
  }

  /// The secret's files are links into `..data`, itself a link that is turned.
  @Test func aLinkTurnedToOtherFilesIsAChange() throws {
    try folder.pair("one", host: "one.example")
    try folder.pair("two", host: "two.example")
    for (version, name) in [("v1", "one"), ("v2", "two")] {
      try folder.makeDirectory(version)
      try folder.replace("\(version)/tls.crt", with: "\(name).pem")
      try folder.replace("\(version)/tls.key", with: "\(name).key")
    }
    try folder.link("..data", to: "v1")
    try folder.link("tls.crt", to: "..data/tls.crt")
    try folder.link("tls.key", to: "..data/tls.key")
    let files = CertificateFiles(certificate: folder["tls.crt"], key: folder["tls.key"])
    try use(fleet(ServerTLS(certificates: [.files(files)])))
    #expect(store.report.certificates.map(\.facts.names) == [["one.example"]])
    try folder.link("..data", to: "v2")
    #expect(store.tick(now: .seconds(10)).count == 1)
    #expect(store.report.certificates.map(\.facts.names) == [["two.example"]])
  }

  @Test func filesThatAreBadTwiceAreToldOnceAndChangeNothing() throws {
    let tls = ServerTLS(certificates: [.files(try folder.pair("a"))])
    try use(fleet(tls))
    try folder.pair("b", host: "b.example")
    // The certificate is there, its key is not yet.
    try folder.replace("a.pem", with: "b.pem")
    #expect(store.tick(now: .seconds(10)).isEmpty)
    #expect(store.report.troubles.isEmpty)
    let changes = store.tick(now: .seconds(11))
    guard case .refused("listener 127.0.0.1:8443", let reason) = changes.first else {
      Issue.record("\(changes)")
      return
    }
    #expect(reason.contains("the key does not belong"))
    #expect(store.report.troubles == ["listener 127.0.0.1:8443: \(reason)"])
    for second in 12..<40 { #expect(store.tick(now: .seconds(Double(second))).isEmpty) }
    #expect(credentials.revision == 1)
    try folder.replace("a.key", with: "b.key")
    #expect(store.tick(now: .seconds(50)).count == 1)
    #expect(store.report.troubles.isEmpty)
    #expect(store.report.certificates.map(\.facts.names) == [["b.example"]])
    #expect((store.report.replacedCount, store.report.refusedCount) == (1, 1))
  }

  @Test func aFileThatWasGoneForAWhileIsNoChange() throws {
    let tls = ServerTLS(certificates: [.files(try folder.pair("a"))])
    try use(fleet(tls))
    try folder.move("a.pem", to: "aside.pem")
    #expect(store.tick(now: .seconds(10)).isEmpty)
    #expect(store.tick(now: .seconds(11)).count == 1)
    // The rename changes the inode's time, so that the file is read once more.
    try folder.move("aside.pem", to: "a.pem")
    #expect(store.tick(now: .seconds(20)).count == 1)
    #expect(store.report.troubles.isEmpty)
  }

  @Test func aPairIsAddedToADirectory() throws {
    try folder.pair("b", host: "b.example")
    try folder.write("ca.crt", "an authority, without a key\n")
    let tls = ServerTLS(certificates: [.directory(folder.path)])
    try use(fleet(tls))
    #expect(store.report.certificates.map(\.file) == [folder["b.pem"]])
    try folder.pair("a", host: "a.example")
    #expect(store.tick(now: .seconds(10)).count == 1)
    #expect(store.report.certificates.map(\.file) == [folder["a.pem"], folder["b.pem"]])
    try folder.remove("b.pem")
    #expect(store.tick(now: .seconds(20)).isEmpty)
    let changes = store.tick(now: .seconds(21))
    guard case .refused(_, let reason) = changes.first else {
      Issue.record("\(changes)")
      return
    }
    #expect(reason.hasSuffix("has b.key, but neither b.crt nor b.pem"))
    #expect(store.report.certificates.count == 2)
  }

  @Test func aReloadTakesChangedFilesAtOnceAndLeavesOthersAlone() throws {
    let tls = ServerTLS(certificates: [.files(try folder.pair("a"))])
    var other = tls
    other.certificates = [.files(try folder.pair("b"))]
    var both = fleet(tls)
    both.adminTLS = other
    try use(both)
    let admin = credentials.server(other, thread: 2)
    let listener = credentials.server(tls, thread: 0)
    try folder.pair("a")
    try use(both)
    #expect(credentials.server(tls, thread: 0) !== listener)
    #expect(credentials.server(other, thread: 2) === admin)
  }

  @Test func contextsThatNobodyNamesAreDropped() throws {
    let first = ServerTLS(certificates: [.files(try folder.pair("a"))])
    let second = ServerTLS(certificates: [.files(try folder.pair("b"))])
    try use(fleet(first))
    try use(fleet(second), now: .seconds(1))
    // Workers may still run with the fleet before.
    #expect(credentials.server(first, thread: 0) != nil)
    #expect(store.report.certificates.map(\.file) == [folder["b.pem"]])
    _ = store.tick(now: .seconds(20))
    #expect(credentials.server(first, thread: 0) == nil)
    #expect(credentials.server(second, thread: 0) != nil)
  }

  @Test func ticketKeysAreMadeAnewAndTheLastThreeDecrypt() throws {
    let tls = ServerTLS(certificates: [.files(try folder.pair("a"))])
    try use(fleet(tls))
    let first = try #require(store.ring?.keys.first)
    let hours = 3_600.0
    #expect(store.tick(now: .seconds(11.9 * hours)).isEmpty)
    #expect(store.tick(now: .seconds(12 * hours)) == [.ticketKeysMade])
    #expect(credentials.revision == 2)
    let next = try #require(store.ring?.keys)
    #expect(next.count == 2 && next[1] == first && next[0] != first)
    for day in 1...4 { _ = store.tick(now: .seconds(Double(day) * 24 * hours)) }
    #expect(store.ring?.keys.count == 3)
    #expect(store.ring?.keys.contains(first) == false)
  }

  @Test func aKeyThatOthersMayReadIsToldOnce() throws {
    let files = try folder.pair("a")
    try folder.chmod(files.key, 0o644)
    let tls = ServerTLS(certificates: [.files(files)])
    try use(fleet(tls))
    #expect(store.takeExposedFiles() == [files.key])
    try folder.pair("a")
    try folder.chmod(files.key, 0o644)
    #expect(store.tick(now: .seconds(10)).count == 1)
    #expect(store.takeExposedFiles() == [])
  }

  @Test func aCertificateIsListedOnceAUse() throws {
    let tls = ServerTLS(certificates: [.files(try folder.pair("a", days: 9))])
    var client = ClientTLS()
    client.isInsecure = true
    client.certificate = try folder.pair("c")
    var all = fleet(tls, pool: client)
    var stricter = tls
    stricter.versionMin = .tls13
    all.listeners += fleet(stricter, port: 8444).listeners
    all.adminTLS = tls
    try use(all)
    #expect(
      store.report.certificates.map { "\($0.use) \($0.file)" } == [
        "admin \(folder["a.pem"])", "client \(folder["c.pem"])", "listener \(folder["a.pem"])",
      ])
    let days =
      (store.report.certificates[0].facts.notAfter - store.report.certificates[0].facts.notBefore)
    #expect(days == 9 * 86_400)
  }

  @Test func whatWasReadIsOverwritten() throws {
    let files = CredentialFiles()
    let path = try folder.pair("a").key
    let first = try files.bytes(path, "key").withUnsafeBytes { $0.baseAddress }
    // Nobody else holds the bytes: they are overwritten where they are.
    let address = try #require(first)
    try files.secret(path, "key").withUnsafeBytes { #expect($0.baseAddress == address) }
    #expect(files.stamp(path) != nil)
    files.wipe()
    #expect(files.stamp(path) == nil)
    var bytes: [UInt8] = [1, 2, 3]
    bytes.wipe()
    #expect(bytes == [0, 0, 0])
  }
}
