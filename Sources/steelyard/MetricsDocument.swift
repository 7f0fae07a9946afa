// docs/metrics.md: the catalogue's tables and the words around them.
import Exposition

enum MetricsDocument {
  static var markdown: String {
    ([intro] + Catalogue.sections.map(section) + [questions]).joined(separator: "\n")
  }

  private static func section(_ section: MetricSection) -> String {
    var text = "## \(section.title)\n\n"
    if !section.text.isEmpty { text += section.text + "\n\n" }
    text += "| family | type | labels | meaning |\n|---|---|---|---|\n"
    for family in section.families {
      let labels = family.labels.joined(separator: ", ")
      text += "| `\(family.name)` | \(family.type.rawValue) | \(labels)\(labels.isEmpty ? "" : " ")"
      text += "| \(family.meaning) |\n"
    }
    return text
  }

  private static let intro = """
    # Metrics

    What steelyard exports at `/metrics` of the admin address. Base units throughout: seconds,
    bytes, 0…1. Counters begin at 0, an endpoint's too where a reload brings it (one that comes
    back soon goes on with its own), and are summed over the workers when the page is asked for.
    `endpoint` is `address:port`; `page` is `:port/path` of a scraped page. Every label has a
    bounded set of values. Series of an endpoint, pool or host name that a reload took away are
    gone from the next page.

    `steelyard metrics` lists the families; this page is what `steelyard metrics --markdown` says.

    ## Formats

    The request's `Accept` decides between the text format 0.0.4 (what a client gets that does not
    say) and OpenMetrics 1.0, which Prometheus prefers by itself:

    ```sh
    curl -s http://127.0.0.1:9900/metrics
    curl -s -H 'Accept: application/openmetrics-text; version=1.0.0' http://127.0.0.1:9900/metrics
    ```

    * OpenMetrics ends with `# EOF`, so that half a page is noticed, and names the units. An `info`
      is a `gauge` in the text format. Names of samples are the same in both.
    * Weights (`q=0.5`) are heeded, the most precise range that fits counts, and where two are
      liked as much the one that was named more precisely wins, then the text format. A client
      that accepts neither gets the text format all the same: a monitor that reads a page it did
      not ask for is better than one that reads nothing, and `Content-Type` says what it is.
    * `_created` is not exported: it would be one more line for each counter, and
      `process_start_time_seconds` tells when they began.
    * All names are classic ones (`[a-zA-Z0-9_:]`), so every `escaping=` of Prometheus 3 leaves
      them as they are; label values are UTF-8.

    """

  private static let questions = """
    ## Questions and expressions

    * Error ratio of a pool: `sum by (pool) \
    (rate(steelyard_requests_total{code=~"5xx|truncated"}[5m])) / sum by (pool) \
    (rate(steelyard_requests_total[5m]))`
    * p99 of a pool: `histogram_quantile(0.99, sum by (pool, le) \
    (rate(steelyard_request_duration_seconds_bucket[5m])))`
    * Share of traffic against share of weight: `sum by (endpoint) \
    (rate(steelyard_requests_total{pool="text"}[5m])) / on () group_left () sum \
    (rate(steelyard_requests_total{pool="text"}[5m]))` beside `steelyard_endpoint_weight`
    * Endpoints whose weight rests on old numbers: \
    `steelyard_endpoint_weight_reason{reason=~"stale|expired"} == 1`

    """
}
