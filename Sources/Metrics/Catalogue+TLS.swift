// Families of TLS. Catalogue.swift says how one is added.
import Exposition
import IO

extension MetricSection {
  static let tls = MetricSection(
    "TLS",
    text: "[tls.md](tls.md) says how certificates are replaced.",
    [
      .tlsHandshakesTotal, .tlsFailuresTotal,
      .tlsCertificateNotAfterTimestampSeconds, .tlsCertificateReloadsTotal,
      .tlsCertificateFilesRefused,
    ])
}

extension MetricFamily {
  static let tlsHandshakesTotal = MetricFamily(
    "steelyard_tls_handshakes_total", .counter, ["side", "kind"],
    help: "TLS handshakes that were completed, by side and kind.",
    meaning:
      "TLS handshakes that were completed, with the `client` or with the `endpoint`: `full`, or "
      + "`resumed` from an earlier session")
  static let tlsFailuresTotal = MetricFamily(
    "steelyard_tls_failures_total", .counter, ["side", "reason"],
    help: "TLS connections that failed, by side and reason.",
    meaning:
      "TLS connections that failed, in the handshake or later, by reason: "
      + TLSFailure.allCases.map { "`\($0.label)`" }.joined(separator: ", ")
      + ". A side is shown from its first connection on")
  static let tlsCertificateNotAfterTimestampSeconds = MetricFamily(
    "steelyard_tls_certificate_not_after_timestamp_seconds", .gauge, ["file", "use"],
    help: "When a certificate in use expires, seconds since 1970.",
    meaning:
      "When a certificate in use expires, seconds since 1970. `use` is `listener`, `admin`, or "
      + "`client` where steelyard shows it to a server")
  static let tlsCertificateReloadsTotal = MetricFamily(
    "steelyard_tls_certificate_reloads_total", .counter, ["result"],
    help: "Changes of certificate files that were noticed while running, by result.",
    meaning:
      "Changes of certificate files that were noticed while running, a listener or pool each: "
      + "`taken`, `refused` (the files before stay in use)")
  static let tlsCertificateFilesRefused = MetricFamily(
    "steelyard_tls_certificate_files_refused", .gauge,
    help: "Listeners, pools and others whose changed certificate files cannot be used.",
    meaning:
      "Listeners, pools and others whose changed certificate files cannot be used: those before "
      + "stay in use; the log says why")
}
