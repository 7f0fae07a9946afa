// What a good file means: the fleet it gives, and the effective configuration.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct ConfigurationFileTests {
  @Test func minimalFileIsTheDefaultsAndTwoEndpoints() throws {
    let fleet = try ConfigurationFile.read(Example.bytes("minimal"), path: "").fleet
    var expected = Fleet()
    let any = try #require(SocketAddress("0.0.0.0:8080"))
    expected.listeners = [Listener(address: any, routes: [Route(pathPrefix: "/", pool: 0)])]
    expected.pools = [
      Pool(
        name: "text",
        endpoints: [
          Endpoint(address: try #require(SocketAddress("10.0.0.1:8000"))),
          Endpoint(address: try #require(SocketAddress("10.0.0.2:8000"))),
        ])
    ]
    // The values that the file makes explicit: four fifths of the interval, the law's slew.
    expected.pools[0].weights.timeout = .milliseconds(800)
    expected.pools[0].weights.slewPerSecond = 10
    #expect(fleet == expected)
  }

  @Test func everyDefaultIsPrintedAndMarked() throws {
    let text =
      "listeners: [{listen: \":80\"}]\npools: {a: {endpoints: [\"10.0.0.1:1\"], health: {}}}"
    #expect(
      try load(text).effective == """
        admin:
          listen: "127.0.0.1:9900" # default
          tls: none # default
          read_token: none # default
          write_token: none # default
          ready_unless_empty: [] # default
        workers: auto # default
        shutdown_timeout: 30s # default
        limits:
          connections: 20000 # default
          endpoints: auto # default
          head_bytes: 16KiB # default
          fields: 100 # default
          body_bytes: 1GiB # default
          replay_bytes: 64MiB # default
          buffered_bytes: auto # default
          request_buffer_bytes: 16KiB # default
          connections_per_client: 10000 # default
        log:
          level: info # default
          format: logfmt # default
        access_log:
          path: none # default
          format: logfmt # default
          query: true # default
        dns:
          interval: 5s # default
          timeout: 5s # default
          family: any # default
        tracing:
          request_id: accept # default
          answer_request_id: true # default
          traceparent: renew # default
          served_by: false # default
        hints:
          trusted: [] # default
        shared: none # default
        hooks: [] # default
        agent_check:
          listen: none # default
        upgrade:
          ready_timeout: 1m # default
          drain_timeout: 5m # default
        state_file: none # default
        listeners:
          - listen: "0.0.0.0:80"
            head_timeout: 10s # default
            idle_timeout: 75s # default
            body_timeout: 1m # default
            send_timeout: 1m # default
            body_rate_min: 500 # default
            trusted_proxies: [] # default
            proxy_protocol: false # default
            tls: none # default
            http2:
              streams: 100 # default
              max_age: 1h # default
              max_requests: none # default
            routes:
              - match:
                  host: [] # default
                  path_prefix: / # default
                  method: [] # default
                  headers: {} # default
                pool: a # default
                rewrite: none # default
                timeouts: {} # default
                body_bytes: inherit # default
                request_buffer_bytes: inherit # default
                retries: inherit # default
                idempotent: false # default
                access_log: true # default
                rate_limits: [] # default
        pools:
          a:
            balance: least_request # default
            hash: none # default
            affinity: none # default
            retries:
              max: 2 # default
              statuses: [429, 500, 502, 503, 504] # default
              timeouts: false # default
              replay_bytes: 64KiB # default
              budget:
                ratio: 0.2 # default
                per_second: 3 # default
            breakers:
              max_connections: none # default
              max_requests: 5000 # default
              max_retries: none # default
              endpoint:
                max_connections: none # default
                max_requests: none # default
            host: client # default
            endpoints:
              - address: "10.0.0.1:1"
                weight: 1 # default
                concurrency: learned # default
                backup: false # default
                metrics: pool # default
                name: none # default
                labels: {} # default
            discover: [] # default
            timeouts:
              connect: 5s # default
              send: 1m # default
              first_byte: 5m # default
              idle: 5m # default
              exchange: none # default
              tunnel: 1h # default
            keepalive:
              connections: 512 # default
              idle: 4s # default
              requests: any # default
              streams: 100 # default
            proxy_protocol: none # default
            tls: false # default
            protocol: http1 # default
            health:
              type: http # default
              path: /health # default
              port: endpoint # default
              method: GET # default
              host: address # default
              headers: {} # default
              tls: pool # default
              statuses: 200-399 # default
              body: none # default
              model: none # default
              service: "" # default
              interval: 5s # default
              timeout: 2s # default
              fall: 3 # default
              rise: 2 # default
              start_period: 0s # default
            canary: none # default
            watchdog:
              timeout: 5s # default
              pause: 2s # default
            on_marked_down:
              causes: unreachable # default
              end_after: 10s # default
            ejection:
              max_fails: auto # default
              fail_timeout: 30s # default
              statuses: auto # default
              error_ratio: 0.3 # default
              slow_ratio: none # default
              max_ratio: 0.5 # default
              panic_ratio: 0.5 # default
            shed: none # default
            slow_start: 3s # default
            queue:
              max_concurrent: none # default
              max_length: 1000 # default
              timeout: 30s # default
              priority: none # default
            rate_limits: [] # default
            weights:
              law: capacity # default
              interval: 1s # default
              interval_min: 100ms # default
              timeout: 800ms # default
              page_bytes: 4MiB # default
              floor: 0.05 # default
              slew: 10 # default
              dry_run: false # default
              steps:
                - {below: 30, weight: 4} # default
                - {below: 60, weight: 3} # default
                - {below: 80, weight: 2} # default
                - {weight: 1} # default
              scrape: [] # default
            thresholds:
              profile: learned # default
              error_ratio:
                normal: 0.01 # default
                alarm: 0.05 # default
              response_time: learned # default
              p99: learned # default
              first_byte: learned # default
              endpoint_connections: 5000 # default
              queue_length:
                normal: 10 # default
                alarm: 50 # default
              success_ratio:
                normal: 0.99 # default
                alarm: 0.95 # default
              give_up_ratio: 0.05 # default
              client_error_ratio: 0.5 # default
              endpoint_error_ratio: 0.1 # default
              patience: learned # default
              objective: 0.999 # default
              request_rate: none # default

        """)
  }

  @Test(arguments: Example.names)
  func effectiveConfigurationLoadsAndGivesAnEqualFleet(_ name: String) throws {
    let file = try ConfigurationFile.read(Example.bytes(name), path: "config/\(name).yaml")
    let again = try load(file.effective)
    #expect(again.fleet == file.fleet)
    #expect(!again.effective.contains("# default"))
    #expect(try load(again.effective).effective == again.effective)
  }

  @Test func exampleHoldsEverythingItSays() throws {
    let fleet = try ConfigurationFile.read(Example.bytes("example"), path: "").fleet
    let routes = fleet.listeners[0].routes
    #expect(routes[0] == Route(pathPrefix: "/", pool: 0))
    var timeouts = ExchangeTimeouts()
    timeouts.firstByte = .seconds(600)
    #expect(routes[1] == Route(pathPrefix: "/api/image/", pool: 1, timeouts: timeouts))
    let text = fleet.pools[0]
    #expect(text.endpoints.map(\.baseWeight) == [1, 3, 1, 1])
    #expect(text.endpoints.map(\.concurrency) == [nil, nil, 64, nil])
    #expect(text.endpoints.map(\.isBackup) == [false, false, false, true])
    #expect(text.endpoints.map(\.name) == [nil, nil, nil, "spare"])
    #expect(text.endpoints[3].labels == ["zone": "b"])
    #expect(text.affinity == AffinityPolicy(cookie: "steelyard"))
    #expect(text.endpoints.allSatisfy { $0.endpointIndex == -1 })
    #expect(text.health == HealthPolicy())
    #expect(text.weights.law == .headroom)
    #expect(text.weights.scrapes.map(\.preset) == ["vllm", "node", nil])
    #expect(text.weights.scrapes.map(\.port) == [nil, 9100, 9835])
    #expect(fleet.pools[1].endpoints[0].address == SocketAddress("[fd00::11]:8501"))
    #expect(fleet.pools[1].health == nil)
    #expect(fleet.pools[1].balance == .hash)
    #expect(fleet.pools[1].hash.source == .header("x-user"))
  }

  @Test func retriesAndBreakersAreReadInFull() throws {
    let fleet = try load(
      """
      limits: {replay_bytes: 1MiB}
      listeners: [{listen: ":80", routes: [{idempotent: true}]}]
      pools:
        a:
          endpoints: ["10.0.0.1:1"]
          retries:
            {max: 7, statuses: [503, 429, 503], timeouts: true, replay_bytes: 2MiB,
             budget: {ratio: 0.5, per_second: 0}}
          breakers:
            {max_connections: 9, max_requests: none, max_retries: 8,
             endpoint: {max_connections: 7, max_requests: 6}}
          ejection:
            {max_fails: 2, statuses: [404, 500-599], error_ratio: none, slow_ratio: 12,
             max_ratio: 1, panic_ratio: 0}
      """
    ).fleet
    var pool = Pool(name: "a", endpoints: [])
    pool.retries.retriesMax = 7
    pool.retries.statuses = RetryStatuses([429, 503])
    pool.retries.repeatsTimeouts = true
    pool.retries.replayBytesMax = 2 << 20
    pool.retries.budgetRatio = 0.5
    pool.retries.budgetPerSecond = 0
    pool.breakers.connectionsMax = 9
    pool.breakers.requestsMax = nil
    pool.breakers.retriesMax = 8
    pool.breakers.endpointConnectionsMax = 7
    pool.breakers.endpointRequestsMax = 6
    pool.ejection.failsMax = 2
    pool.ejection.statuses = RetryStatuses([404] + Array(500...599))
    pool.ejection.errorRatio = nil
    pool.ejection.slowRatio = 12
    pool.ejection.ejectedRatioMax = 1
    pool.ejection.panicRatio = 0
    #expect(fleet.pools[0].retries == pool.retries)
    #expect(fleet.pools[0].breakers == pool.breakers)
    #expect(fleet.pools[0].ejection == pool.ejection)
    #expect(fleet.listeners[0].routes[0].isIdempotent)
    #expect(fleet.limits.replayBytesMax == 1 << 20)
  }

  @Test func presetSignalsKeepWhatTheFileDoesNotChange() throws {
    let fleet = try ConfigurationFile.read(Example.bytes("example"), path: "").fleet
    var expected = try #require(Preset.named("vllm")).signals
    expected[1].thresholds = .init(normal: 4, alarm: 16)
    #expect(fleet.pools[0].weights.scrapes[0].signals == expected)
    #expect(fleet.pools[0].weights.scrapes[1].signals == Preset.named("node")?.signals)
  }

  @Test func signalsOfOnesOwnAreReadInFull() throws {
    let fleet = try ConfigurationFile.read(Example.bytes("example"), path: "").fleet
    typealias Selector = SampleSelector
    let idle = Selector.LabelMatch(label: "mode", values: ["idle"], isMember: false)
    #expect(
      fleet.pools[0].weights.scrapes[2].signals == [
        SignalSpec(
          "gpu",
          .value(
            Selector(
              ["my_gpu_percent", "my_old_gpu_percent"],
              labels: [.init(label: "gpu", values: ["0", "1"])])),
          aggregate: .max, scale: 0.01, thresholds: .init(normal: 0.8, alarm: 0.9), isRatio: true),
        SignalSpec(
          "busy", .rate(Selector(["my_request_duration_seconds_sum"])),
          thresholds: .init(normal: 10, alarm: 50)),
        SignalSpec(
          "memory_share", .valueRatio(Selector(["used_bytes"]), Selector(["total_bytes"])),
          thresholds: .init(normal: 0.8, alarm: 0.9), isRatio: true),
        SignalSpec(
          "processor",
          .rateRatio(
            Selector(["my_cpu_seconds_total"], labels: [idle]), Selector(["my_cpu_seconds_total"])),
          thresholds: .init(normal: 0.7, alarm: 0.85), isRatio: true),
      ])
  }

  @Test func signalAddedToAPresetComesAfterItsOwn() throws {
    let text = pool(
      "weights: {scrape: [{preset: vllm, signals: [{name: x, metric: y, alarm: 2, normal: 1}]}]}")
    let file = try load(text)
    let signals = file.fleet.pools[0].weights.scrapes[0].signals
    let own = try #require(Preset.named("vllm")).signals.map(\.name)
    #expect(signals.map(\.name) == own + ["x"])
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test func aSignalSaysWhatItIsToALaw() throws {
    let text = pool(
      """
      weights:
        scrape:
          - preset: vllm
            signals: [{name: waiting, role: none}, {name: kv_cache, utilisation: false}]
          - signals:
              - {name: ended, metric: {all: [ok_total, bad_total]}, kind: rate, role: completions}
              - {name: used, metric: u, utilisation: true}
              - {name: part, metric: a, of: {all: [a, b]}, utilisation: false}
      """)
    let file = try load(text)
    let scrapes = file.fleet.pools[0].weights.scrapes
    #expect(scrapes[0].signals.prefix(3).map(\.role) == [.running, nil, nil])
    #expect(scrapes[0].signals.prefix(3).map(\.isRatio) == [false, false, false])
    #expect(
      scrapes[1].signals == [
        SignalSpec("ended", .rate(.all(["ok_total", "bad_total"])), role: .completions),
        SignalSpec("used", .value(["u"]), isRatio: true),
        SignalSpec("part", .valueRatio(["a"], .all(["a", "b"]))),
      ])
    #expect(file.effective.contains("role: completions\n"))
    #expect(file.effective.contains("metric: {all: [ok_total, bad_total]}\n"))
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test func metricReplacesThePresetsSignal() throws {
    let text = pool(
      """
      weights:
        scrape: [{preset: vllm, signals: [{name: kv_cache, metric: y, normal: 1, alarm: 2}]}]
      """
    )
    let file = try load(text)
    let signal = file.fleet.pools[0].weights.scrapes[0].signals[2]
    #expect(
      signal
        == SignalSpec("kv_cache", .value(.init(["y"])), thresholds: .init(normal: 1, alarm: 2)))
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test func jsonIsReadAsWell() throws {
    let text = """
      {"listeners": [{"listen": ":8080", "routes": [
      \t{"match": {"path_prefix": "\\/a\\u0062"}, "pool": "a", "timeouts": {"idle": "1.5s"}}]}],
       "pools": {"a": {"endpoints": ["10.0.0.1:8000"], "retries": {"max": 0}}}, "workers": 3}
      """
    let fleet = try load(text).fleet
    #expect(fleet.workerCount == 3)
    #expect(fleet.listeners[0].routes[0].match.path == .prefix("/ab"))
    #expect(fleet.listeners[0].routes[0].timeouts?.idle == .milliseconds(1_500))
    #expect(fleet.listeners[0].routes[0].timeouts?.connect == .seconds(5))
    #expect(fleet.pools[0].retries.retriesMax == 0)
  }

  @Test func routeTimeoutsStartFromThePoolsWhereverThePoolStands() throws {
    let text = """
      listeners:
        - listen: ":80"
          routes: [{pool: a, timeouts: {connect: 1s}}, {match: {path_prefix: /b}, timeouts: {}}]
      pools: {a: {endpoints: ["10.0.0.1:1"], timeouts: {idle: 7s}}}
      """
    let routes = try load(text).fleet.listeners[0].routes
    #expect(routes[0].timeouts?.connect == .seconds(1))
    #expect(routes[0].timeouts?.idle == .seconds(7))
    #expect(routes[1].timeouts == nil)
  }

  @Test func aRefusedValueIsNotComparedWithOthers() {
    let text = pool(
      """
      health: {interval: 10, timeout: 8s}
      weights: {scrape: [{signals: [{name: a, metric: b, normal: high, alarm: 1}]}]}
      """)
    #expect(
      messages(text) == [
        "5:24: `interval` must be a duration, not `10`",
        "6:64: `normal` must be a number, or `none`, not `high`",
      ])
  }

  @Test func byteOrderMarkIsSkipped() throws {
    let text = pool("retries: {max: 1}")
    #expect(try load("\u{FEFF}" + text).fleet == load(text).fleet)
    #expect(messages("\u{FEFF}listners: []")[0].hasPrefix("1:1: unknown key `listners`"))
  }
}
