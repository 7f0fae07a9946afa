import Testing

@testable import HTTP

@Suite struct QualityListTests {
  private static let offers = [
    QualityList.Offer("text/plain", ["version": "0.0.4", "charset": "utf-8"]),
    QualityList.Offer(
      "application/openmetrics-text", ["version": "1.0.0", "charset": "utf-8"],
      indifferent: ["escaping"]),
  ]

  @Test(
    arguments: [
      // Prometheus 2.30 and before; 2.42; 2.49 and later with protobuf; 3 with UTF-8 names.
      ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 0),
      (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
          + "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 1
      ),
      (
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
          + "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;"
          + "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 1
      ),
      (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
          + "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;"
          + "escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1", 1
      ),
      ("", nil), ("*/*", 0), ("text/*", 0), ("application/*", 1), ("text/html, */*;q=0.8", 0),
      ("application/openmetrics-text", 1), ("APPLICATION/OpenMetrics-Text;Version=1.0.0", 1),
      ("application/openmetrics-text;version=\"1.0.0\"", 1),
      ("application/openmetrics-text;version=2.0.0", nil),
      ("application/openmetrics-text;version=2.0.0, */*;q=0.1", 0),
      ("application/openmetrics-text; charset=utf-8", 1),
      ("application/openmetrics-text; charset=latin-1", nil),
      ("text/plain;q=0.5, application/openmetrics-text;q=0.5", 0),
      ("*/*, application/openmetrics-text", 1),
      ("text/plain;q=0.499, application/openmetrics-text;q=0.5", 1),
      ("application/openmetrics-text;q=0, */*", 0), ("*/*;q=0", nil),
      ("text/plain;version=0.0.4;q=0, text/plain", nil),
      ("application/openmetrics-text;q=1.001, text/plain;q=0.1", 0),
      ("application/openmetrics-text;q=-1", nil), ("application/openmetrics-text;q=", nil),
      ("application/openmetrics-text;q=0.1234", nil), ("application/openmetrics-text;q=2", nil),
      ("application / openmetrics-text", nil), ("application/openmetrics-text;version", nil),
      ("text/plain/x", nil), ("\"text/plain, */*\"", nil), (";;;,,,;q=1", nil),
      ("a;b=\",\";q=0.1, application/openmetrics-text ; q=0.2 ,", 1),
    ] as [(String, Int?)])
  func theBestOfferIs(_ field: String, _ index: Int?) {
    #expect(QualityList(field).best(of: Self.offers)?.index == index)
  }

  @Test func whatTheRangeAskedForIsTold() {
    let field = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6"
    let choice = QualityList(field).best(of: Self.offers)
    #expect(choice?.parameters == ["version": "1.0.0", "escaping": "allow-utf-8"])
  }

  @Test(arguments: [
    ("", false), ("gzip", true), ("x-gzip", true), ("GZip", true), ("gzip, deflate, br", true),
    ("deflate, br", false), ("identity", false), ("*", true), ("*;q=0", false),
    ("gzip;q=0", false), ("gzip;q=0, *", false), ("gzip;q=0.0", false), ("gzip;q=0.001", true),
    ("gzip;q=0.5, identity", false), ("gzip, identity;q=0.5", true), ("gzip, identity", true),
    ("identity;q=0, gzip;q=0.1", true), ("gzip;q=x", false), ("gzipped", false), ("gzip;", true),
    ("br, *;q=0.1", true), ("identity, *;q=0.1", false),
  ])
  func gzipIsPreferred(_ field: String, _ expected: Bool) {
    #expect(QualityList(field).prefersGzip == expected)
  }

  @Test func noFieldMakesItLong() {
    let many = String(repeating: "a/b,", count: 5_000)
    #expect(QualityList(many).elements.count == 64)
    #expect(QualityList(String(repeating: "\"\\", count: 5_000)).elements.isEmpty)
  }
}
