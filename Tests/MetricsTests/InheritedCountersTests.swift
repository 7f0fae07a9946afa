// Counters of another process are added to those of a page, whatever differs between the two.
import Exposition
import Fleet
import Primitives
import Testing

@testable import Metrics

@Suite struct InheritedCountersTests {
  private func table(_ endpoints: [SocketAddress]) -> WeightTable {
    var fleet = Fleet()
    var pool = Pool(name: "text", endpoints: endpoints.map { Endpoint(address: $0) })
    for index in pool.endpoints.indices { pool.endpoints[index].endpointIndex = index }
    fleet.pools = [pool]
    return WeightBoard(fleet: fleet, endpointLimit: 4).table
  }

  private func added(
    _ other: String, to own: String, _ endpoints: [SocketAddress] = [.loopback(port: 1)]
  ) -> String {
    var inherited = InheritedCounters(Array(other.utf8))
    let first = inherited.added(to: Array(own.utf8), table(endpoints))
    #expect(first == inherited.added(to: Array(own.utf8), table(endpoints)))
    return String(decoding: first, as: UTF8.self)
  }

  @Test func countersAreAddedAndGaugesAreNot() {
    #expect(
      added(
        """
        # HELP a_total A.
        # TYPE a_total counter
        a_total{x="1"} 10
        a_total{x="2"} 20
        # HELP b B.
        # TYPE b gauge
        b 7

        """,
        to: """
          # HELP a_total A.
          # TYPE a_total counter
          a_total{x="1"} 5
          a_total{x="2"} 1
          # HELP b B.
          # TYPE b gauge
          b 2

          """) == """
          # HELP a_total A.
          # TYPE a_total counter
          a_total{x="1"} 15
          a_total{x="2"} 21
          # HELP b B.
          # TYPE b gauge
          b 2

          """)
  }

  @Test func theOrderMayDifferAndSeriesMayBeMissing() {
    let other = """
      # HELP a_total A.
      # TYPE a_total counter
      a_total{x="1"} 1
      a_total{x="2"} 2
      a_total{x="3 } 4"} 3
      # HELP c_total C.
      # TYPE c_total counter
      c_total 100

      """
    let own = """
      # HELP c_total C.
      # TYPE c_total counter
      c_total 1.5
      # HELP a_total A.
      # TYPE a_total counter
      a_total{x="3 } 4"} 30
      a_total{x="9"} 90
      a_total{x="1"} 10

      """
    #expect(
      added(other, to: own) == """
        # HELP c_total C.
        # TYPE c_total counter
        c_total 101.5
        # HELP a_total A.
        # TYPE a_total counter
        a_total{x="3 } 4"} 33
        a_total{x="9"} 90
        a_total{x="1"} 11
        a_total{x="2"} 2

        """)
  }

  @Test func seriesOfEndpointsThatAreGoneGo() {
    let other = """
      # HELP a_total A.
      # TYPE a_total counter
      a_total{pool="text",endpoint="127.0.0.1:1"} 1
      a_total{pool="text",endpoint="127.0.0.1:2"} 2
      a_total{pool="gone",reason="x"} 3
      a_total{pool="text",reason="x"} 4

      """
    let own = "# HELP a_total A.\n# TYPE a_total counter\n"
    let kept = added(other, to: own).split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(
      kept == [
        #"a_total{pool="text",endpoint="127.0.0.1:1"} 1"#, #"a_total{pool="text",reason="x"} 4"#,
      ])
  }

  @Test func openMetricsHasTheSameSums() throws {
    let other = """
      # HELP a_total A.
      # TYPE a_total counter
      a_total 2
      # HELP h_seconds H.
      # TYPE h_seconds histogram
      h_seconds_bucket{le="1"} 1
      h_seconds_bucket{le="+Inf"} 2
      h_seconds_sum 3.25
      h_seconds_count 2

      """
    let own = """
      # HELP a A.
      # TYPE a counter
      a_total 1
      # HELP h_seconds H.
      # TYPE h_seconds histogram
      # UNIT h_seconds seconds
      h_seconds_bucket{le="1"} 10 # {trace_id="ab"} 0.5 1.5
      h_seconds_bucket{le="+Inf"} 10
      h_seconds_sum 1.5
      h_seconds_count 10
      # EOF

      """
    let page = added(other, to: own)
    #expect(
      page == """
        # HELP a A.
        # TYPE a counter
        a_total 3
        # HELP h_seconds H.
        # TYPE h_seconds histogram
        # UNIT h_seconds seconds
        h_seconds_bucket{le="1"} 11 # {trace_id="ab"} 0.5 1.5
        h_seconds_bucket{le="+Inf"} 12
        h_seconds_sum 4.75
        h_seconds_count 12
        # EOF

        """)
  }

  @Test func whatIsNoPageAddsNothing() {
    let own = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"
    for other in [
      "", "\n\n", "a_total 5\n", "# TYPE\n", "# TYPE a_total counter\na_total\n", "\"{",
    ] {
      #expect(added(other, to: own) == own)
    }
    #expect(added("# TYPE a_total counter\na_total NaNs\n", to: own) == own)
  }
}
