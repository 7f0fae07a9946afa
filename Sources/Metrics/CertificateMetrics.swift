// The families of certificates: when they expire, and whether changed files were taken.
import Certificates
import Exposition
import IO

struct CertificateMetrics {
  let report: CertificateReport

  func write(to writer: inout MetricsWriter) {
    writer.open(.tlsCertificateNotAfterTimestampSeconds)
    for each in report.certificates {
      writer.sample(
        each.facts.notAfter, Labels(["file": each.file, "use": each.use.rawValue]))
    }
    writer.open(.tlsCertificateReloadsTotal)
    writer.sample(report.replacedCount, Labels(["result": "taken"]))
    writer.sample(report.refusedCount, Labels(["result": "refused"]))
    writer.open(.tlsCertificateFilesRefused)
    writer.sample(report.troubles.count)
  }
}
