// Families of TLS. Catalogue.swift says how one is added.
import Exposition

extension MetricSection {
  static let tls = MetricSection(
    "TLS",
    text: "[tls.md](tls.md) says how certificates are replaced.",
    [
      .tlsCertificateNotAfterTimestampSeconds, .tlsCertificateReloadsTotal,
      .tlsCertificateFilesRefused,
    ])
}

extension MetricFamily {
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
