// docs/metrics.md: the catalogue's tables and the words around them.
import Exposition

/// The document.
package enum MetricsDocument {
  /// All of it, in Markdown.
  package static var markdown: String {
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
    * All names are classic ones (`[a-zA-Z0-9_:]`): the schemes `allow-utf-8`, `underscores` and
      `values` of Prometheus 3 leave them as they are. Who asks for `dots` gets `underscores`, and
      `Content-Type` says so. Label values are UTF-8.
    * Each bucket of `steelyard_request_duration_seconds` shows the last request in it that was
      traced, in OpenMetrics only: ` # {trace_id="…"} seconds time`. Prometheus keeps these with
      `--enable-feature=exemplar-storage`.

    ## Compression and cost

    A page of more than 1 KB is sent with gzip where `Accept-Encoding` allows it and does not like
    it less than none; `gzip;q=0` and HTTP/1.0 get it plain. A page of more than 128 KB is sent
    piece by piece: health probes, weights and other clients have their turn in between. Pages
    that wait for their clients hold 64 MB together at most, the next one is refused with 503; a
    client that takes nothing for a minute is let go.

    Rendering takes 12 ms for 1 000 endpoints, 166 lines each, and 2 ms for 100 (one core of a
    cloud machine, `make bench-page`; `ms head` is the time until the page is rendered and its
    head is there, `ms CPU` includes sending):

    ```text
    endpoints  format                lines      MB  MB sent  ms best  ms head   ms all  ms CPU
          100  text                  16899    1.69    1.69      1.2      1.8      2.9     1.3
          100  OpenMetrics, gzip     16925    1.70    0.09      1.8      2.1      5.4     4.7
         1000  text                 166300   16.81   16.81     11.4     12.3     24.8    18.7
         1000  OpenMetrics          166325   16.89   16.89     11.8     13.1     24.0    20.0
         1000  OpenMetrics, gzip    166325   16.89    0.73     12.2     13.9     46.7    50.0
    ```

    With hundreds of endpoints, give Prometheus a `scrape_timeout` and a `sample_limit` to match.

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
