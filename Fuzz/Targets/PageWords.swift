// Pieces of metrics pages that the fuzzer may use, and pages to begin with.

enum PageWords {
  static let all = [
    "# TYPE ", "# HELP ", "# UNIT ", "# EOF\n", "# EOF", " counter\n", " gauge\n", " histogram\n",
    " summary\n", " info\n", " stateset\n", " gaugehistogram\n", " unknown\n", "_total", "_bucket",
    "_sum", "_count", "_created", "_info", "{le=\"+Inf\"} ", "{quantile=\"0.5\"} ", "NaN", "+Inf",
    "-Inf", "1e308", "# {a=\"b\"} 1", "{\"a.b\"} 1\n", "\\n", "\\\"", "\\\\", " 17.5\n", "\n",
    "process_start_time_seconds 1\n",
  ]

  static let pages = [
    #"""
    # HELP :a \x
    # TYPE :a gauge
    :a{b="c\"é",d="\\",} 1.25e3 17 # {x="y"} 1

    {"my.n\né", "l.1" = "v"} -Inf
    # TYPE "my" counter
    z{} 12345678901234567890
    # EOF
    """#, "u{gpu=\"0\"} 1\nu{gpu=\"1\"} 10\nu{gpu=\"2\"} NaN\r\n", documents[0], documents[1],
  ]

  /// OpenMetrics documents.
  static let documents = [
    """
    # TYPE a counter
    # UNIT a_seconds seconds
    # EOF

    """,
    """
    # HELP a_seconds x
    # TYPE a_seconds histogram
    # UNIT a_seconds seconds
    a_seconds_bucket{le="1.0"} 1 # {trace_id="x"} 0.5 1.5
    a_seconds_bucket{le="+Inf"} 2
    a_seconds_count 2
    a_seconds_sum 3.5
    # TYPE b counter
    b_total{l="\\"\\\\\\n"} 17 1.5
    b_created{l="\\"\\\\\\n"} 1 1.5
    # TYPE c info
    c_info{v="1"} 1
    # TYPE d stateset
    d{d="on"} 1
    d{d="off"} 0
    # TYPE e summary
    e{quantile="0.5"} 1
    e_count 3
    e_sum 4
    # EOF

    """,
  ]
}
