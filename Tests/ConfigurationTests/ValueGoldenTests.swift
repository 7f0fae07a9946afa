// What is wrong with values: numbers, words, laws, signals.
// Golden texts: input → what is printed.
import Testing

@testable import Configuration

@Suite struct ValueGoldenTests {
  @Test(arguments: rows)
  func theFileIsAnsweredWith(_ row: Golden) {
    #expect(rendered(row.text) == row.expected, sourceLocation: row.location)
  }

  private static let rows: [Golden] = [
    Golden(
      #"""
      listeners: [{listen: ":80"}]
      workers: many
      shutdown_timeout: 30
      limits: {connections: 1.5, head_bytes: 1MB, fields: "100", body_bytes: 10m}
      pools: {a: {endpoints: ["10.0.0.1:1"], retries: 4, health: {interval: 1s}, keepalive: 5s, ejection: [], timeouts: }}

      """#,
      #"""
      a.yaml:2:10: error: `workers` must be a whole number 1 to 1024, or `auto`, not `many`
      workers: many
               ^
      a.yaml:3:19: error: `shutdown_timeout` must be a duration, not `30`
      shutdown_timeout: 30
                        ^
      hint: it needs a unit: `30s` or `30ms`
      a.yaml:4:23: error: `connections` must be a whole number 16 to 1000000, not `1.5`
      limits: {connections: 1.5, head_bytes: 1MB, fields: "100", body_bytes: 10m}
                            ^
      a.yaml:4:40: error: `head_bytes` must be 1KiB to 16KiB, not `1MB`
      limits: {connections: 1.5, head_bytes: 1MB, fields: "100", body_bytes: 10m}
                                             ^
      a.yaml:4:53: error: `fields` must be a whole number 8 to 200, without quotes, not `"100"`
      limits: {connections: 1.5, head_bytes: 1MB, fields: "100", body_bytes: 10m}
                                                          ^
      a.yaml:4:72: error: `body_bytes` must be a size, not `10m`
      limits: {connections: 1.5, head_bytes: 1MB, fields: "100", body_bytes: 10m}
                                                                             ^
      hint: sizes look like `65536`, `64KiB` or `10MB`
      a.yaml:5:49: error: `retries` must be a mapping, not a number
      pools: {a: {endpoints: ["10.0.0.1:1"], retries: 4, health: {interval: 1s}, keepalive: 5s, ejection: [], time…
                                                      ^
      hint: write `retries: {max: 4}`
      a.yaml:5:71: error: `timeout` (2s by default) must be less than `interval` (1s)
      pools: {a: {endpoints: ["10.0.0.1:1"], retries: 4, health: {interval: 1s}, keepalive: 5s, ejection: [], timeouts: }}
                                                                            ^
      a.yaml:5:87: error: `keepalive` must be a mapping, not `5s`
      pools: {a: {endpoints: ["10.0.0.1:1"], retries: 4, health: {interval: 1s}, keepalive: 5s, ejection: [], timeouts: }}
                                                                                            ^
      a.yaml:5:101: error: `ejection` must be a mapping, not a list
      pools: {a: {endpoints: ["10.0.0.1:1"], retries: 4, health: {interval: 1s}, keepalive: 5s, ejection: [], timeouts: }}
                                                                                                          ^
      a.yaml:5:115: error: `timeouts` has no value
      …dpoints: ["10.0.0.1:1"], retries: 4, health: {interval: 1s}, keepalive: 5s, ejection: [], timeouts: }}
                                                                                                           ^
      hint: remove it, or write `{}`
      """#),
    Golden(
      pool(
        #"""
        retries: {max: 8, statuses: [500, 200, x], timeouts: 1, replay_bytes: 17MiB, budget: {ratio: 20%}}
        breakers: {max_requests: 0, endpoint: {max_conns: 3}}
        ejection: {max_fails: never, slow_ratio: 1.5, max_ratio: 50%}
        """#),
      #"""
      a.yaml:5:20: error: `max` must be a whole number 0 to 7, not `8`
          retries: {max: 8, statuses: [500, 200, x], timeouts: 1, replay_bytes: 17MiB…
                         ^
      a.yaml:5:39: error: a status to retry must be a whole number 400 to 599, not `200`
          retries: {max: 8, statuses: [500, 200, x], timeouts: 1, replay_bytes: 17MiB, budget: {ratio: 2…
                                            ^
      a.yaml:5:44: error: a status to retry must be a whole number 400 to 599, not `x`
          retries: {max: 8, statuses: [500, 200, x], timeouts: 1, replay_bytes: 17MiB, budget: {ratio: 20%}}
                                                 ^
      a.yaml:5:58: error: `timeouts` must be `true` or `false`, not `1`
          retries: {max: 8, statuses: [500, 200, x], timeouts: 1, replay_bytes: 17MiB, budget: {ratio: 20%}}
                                                               ^
      a.yaml:5:75: error: `replay_bytes` must be 0 to 16MiB, not `17MiB`
          retries: {max: 8, statuses: [500, 200, x], timeouts: 1, replay_bytes: 17MiB, budget: {ratio: 20%}}
                                                                                ^
      a.yaml:5:98: error: `ratio` must be a number, not `20%`
          retries: {max: 8, statuses: [500, 200, x], timeouts: 1, replay_bytes: 17MiB, budget: {ratio: 20%}}
                                                                                                       ^
      hint: write it as a ratio: `0.2`
      a.yaml:6:30: error: `max_requests` must be a whole number 1 to 1000000, or `none`, not `0`
          breakers: {max_requests: 0, endpoint: {max_conns: 3}}
                                   ^
      a.yaml:6:44: error: unknown key `max_conns` in `endpoint`
          breakers: {max_requests: 0, endpoint: {max_conns: 3}}
                                                 ^
      hint: did you mean `max_connections`?
      a.yaml:7:27: error: `max_fails` must be a whole number 0 to 1000, or `auto`, not `never`
          ejection: {max_fails: never, slow_ratio: 1.5, max_ratio: 50%}
                                ^
      a.yaml:7:46: error: `slow_ratio` must be 2 to 1000, or `none`, not `1.5`
          ejection: {max_fails: never, slow_ratio: 1.5, max_ratio: 50%}
                                                   ^
      a.yaml:7:62: error: `max_ratio` must be a number, not `50%`
          ejection: {max_fails: never, slow_ratio: 1.5, max_ratio: 50%}
                                                                   ^
      hint: write it as a ratio: `0.5`
      """#),
    Golden(
      pool(
        #"""
        health: {timeout: 5s, path: health}
        balance: least_conn
        endpoints: ["10.0.0.2:1"]
        """#),
      #"""
      a.yaml:5:23: error: `timeout` (5s) must be less than `interval` (5s by default)
          health: {timeout: 5s, path: health}
                            ^
      a.yaml:5:33: error: `path` must be a path, not `health`
          health: {timeout: 5s, path: health}
                                      ^
      hint: write `/health`
      a.yaml:6:14: error: `balance` must be `round_robin`, `least_request`, `random`, `ip_hash` or `hash`, not `least_conn`
          balance: least_conn
                   ^
      hint: did you mean `least_request`?
      a.yaml:7:5: error: `endpoints` is given twice; first in line 4
          endpoints: ["10.0.0.2:1"]
          ^
      """#),
    Golden(
      pool(
        #"""
        weights:
          law: headrom
          timeout: 1s
          floor: 5%
          slew: nan
          steps: [{below: 30, weight: 4}, {below: 20, weight: 3}, {below: 80, weight: 2}]
          scrape:
            - {preset: vlm}
            - {preset: zzzz, port: 0}
            - {signals: []}
        """#),
      #"""
      a.yaml:6:12: error: `law` must be `static`, `steps`, `headroom` or `capacity`, not `headrom`
            law: headrom
                 ^
      hint: did you mean `headroom`?
      a.yaml:7:16: error: `timeout` (1s) must be less than `interval` (1s by default)
            timeout: 1s
                     ^
      a.yaml:8:14: error: `floor` must be a number, not `5%`
            floor: 5%
                   ^
      hint: write it as a ratio: `0.05`
      a.yaml:9:13: error: `slew` must be a number, not `nan`
            slew: nan
                  ^
      a.yaml:10:47: error: steps must ascend: 20 comes after 30
            steps: [{below: 30, weight: 4}, {below: 20, weight: 3}, {below: 80, weight: 2}]
                                                    ^
      a.yaml:10:71: error: the last step is for every load above, it has no `below`
            steps: [{below: 30, weight: 4}, {below: 20, weight: 3}, {below: 80, weight: 2}]
                                                                            ^
      hint: add a step `{weight: 1}` after it
      a.yaml:12:20: error: there is no preset `vlm`
              - {preset: vlm}
                         ^
      hint: did you mean `vllm`?
      a.yaml:13:20: error: there is no preset `zzzz`
              - {preset: zzzz, port: 0}
                         ^
      hint: the presets are `vllm`, `sglang`, `tgi`, `trtllm`, `llamacpp`, `lmdeploy`, `tfserving`, `triton`, `torchserve`, `ray-serve`, …
      a.yaml:13:32: error: `port` must be a whole number 1 to 65535, or `endpoint`, not `0`
              - {preset: zzzz, port: 0}
                                     ^
      a.yaml:14:21: error: `signals` needs at least one item
              - {signals: []}
                          ^
      """#),
    Golden(
      pool(
        #"""
        weights: {law: headroom}
        """#),
      #"""
      a.yaml:5:20: error: `law: headroom` needs `scrape`: it has no metrics to read
          weights: {law: headroom}
                         ^
      hint: for example `scrape: [{preset: node}]`
      """#),
    Golden(
      pool(
        #"""
        weights: {law: steps, scrape: [{preset: tfserving}]}
        """#),
      #"""
      a.yaml:5:20: error: `law: steps` needs a signal that is a ratio: a gauge whose `alarm` is at most 1, or `kind: ratio`
          weights: {law: steps, scrape: [{preset: tfserving}]}
                         ^
      """#),
    Golden(
      pool(
        #"""
        weights: {law: headroom, scrape: [{signals: [{name: x, metric: y}]}]}
        """#),
      #"""
      a.yaml:5:20: error: `law: headroom` needs a signal with `normal` and `alarm`
          weights: {law: headroom, scrape: [{signals: [{name: x, metric: y}]}]}
                         ^
      """#),
    Golden(
      pool(
        #"""
        weights:
          scrape:
            - preset: node
              signals:
                - {name: cpu, alarm: 0.6}
                - {name: memory, kind: rate}
                - {name: memory}
                - {name: own}
            - format: json
              signals:
                - {name: x, metric: "a{b=\"c\"}", normal: 1}
                - {name: y, metric: a, labels: {b: c}, of: a}
                - {name: z, metric: a, kind: gauge, of: b, aggregate: mean}
                - {name: v, metric: a, labels: {b: {is: c}, d: {}, e: []}}
        """#),
      #"""
      a.yaml:9:34: error: `normal` (0.7 by default) must be less than `alarm` (0.6)
                  - {name: cpu, alarm: 0.6}
                                       ^
      a.yaml:10:36: error: `kind` needs `metric`: the preset says how `memory` is read
                  - {name: memory, kind: rate}
                                         ^
      hint: with `metric` the signal is your own, whatever its name
      a.yaml:11:22: error: signal `memory` is already given in line 10
                  - {name: memory}
                           ^
      a.yaml:12:15: error: `metric` is missing in signal `own`
                  - {name: own}
                    ^
      a.yaml:15:33: error: `metric` must be the name of a metric, not `"a{b="c"}"`
                  - {name: x, metric: "a{b=\"c\"}", normal: 1}
                                      ^
      hint: labels go in `labels`
      a.yaml:15:55: error: `normal` needs `alarm`
                  - {name: x, metric: "a{b=\"c\"}", normal: 1}
                                                            ^
      a.yaml:16:44: error: a JSON page has no labels
                  - {name: y, metric: a, labels: {b: c}, of: a}
                                                 ^
      a.yaml:16:56: error: a metric divided by itself is always 1
                  - {name: y, metric: a, labels: {b: c}, of: a}
                                                             ^
      hint: `of_labels` are the labels of the divisor; without it they are `labels`
      a.yaml:17:53: error: `of` is for `kind: ratio`, `kind: rate_ratio` and `kind: rate_over`
                  - {name: z, metric: a, kind: gauge, of: b, aggregate: mean}
                                                          ^
      a.yaml:17:67: error: `aggregate` must be `sum`, `max`, `avg` or `min`, not `mean`
                  - {name: z, metric: a, kind: gauge, of: b, aggregate: mean}
                                                                        ^
      hint: did you mean `avg`?
      a.yaml:18:44: error: a JSON page has no labels
                  - {name: v, metric: a, labels: {b: {is: c}, d: {}, e: []}}
                                                 ^
      a.yaml:18:49: error: unknown key `is` in label `b`
                  - {name: v, metric: a, labels: {b: {is: c}, d: {}, e: []}}
                                                      ^
      hint: its keys are `not`, `matches`, `not_matches`
      a.yaml:18:60: error: label `d` needs a value, a list, `{not: …}`, `{matches: …}` or `{not_matches: …}`
                  - {name: v, metric: a, labels: {b: {is: c}, d: {}, e: []}}
                                                                 ^
      a.yaml:18:67: error: label `e` needs at least one value
                  - {name: v, metric: a, labels: {b: {is: c}, d: {}, e: []}}
                                                                        ^
      """#),
    Golden(
      pool(
        #"""
        weights:
          scrape:
            - labels: {gpu: {matches: "[0"}}
              signals:
                - {name: a, metric: m, labels: {d: {matches: ["\\d+", "a)|(b"], also: x}}}
                - {name: b, metric: m_bucket, kind: quantile}
                - {name: c, metric: m, kind: mean, aggregate: max, quantile: 0.5}
                - {name: d, metric: m, kind: quantile, quantile: 95}
                - {name: e, metric: m, absent: zero, role: busy}
                - {name: f, metric: m, labels: {d: {matches: "(?:a)"}, e: {matches: "a{500}{500}"}}}
        """#),
      #"""
      a.yaml:7:35: error: label `gpu`: the pattern `[0` has a `[` without its `]`
              - labels: {gpu: {matches: "[0"}}
                                        ^
      a.yaml:9:59: error: label `d`: the pattern `\d+` has `\d`, which is not POSIX
                  - {name: a, metric: m, labels: {d: {matches: ["\\d+", "a)|(b"], also: x}}}
                                                                ^
      hint: write `[0-9]` for `\d`, `[A-Za-z0-9_]` for `\w`, `[[:space:]]` for `\s`
      a.yaml:9:67: error: label `d`: the pattern `a)|(b` has a `)` without its `(`
                  - {name: a, metric: m, labels: {d: {matches: ["\\d+", "a)|(b"], also: x}}}
                                                                        ^
      a.yaml:9:77: error: unknown key `also` in label `d`
                  - {name: a, metric: m, labels: {d: {matches: ["\\d+", "a)|(b"], also: x}}}
                                                                                  ^
      hint: its keys are `not`, `matches`, `not_matches`
      a.yaml:10:15: error: `quantile` is missing in signal `b`
                  - {name: b, metric: m_bucket, kind: quantile}
                    ^
      a.yaml:10:33: error: `kind: quantile` needs the name of a histogram, without `_bucket`
                  - {name: b, metric: m_bucket, kind: quantile}
                                      ^
      hint: write `m`
      a.yaml:11:59: error: `aggregate` is `sum` for `kind: mean`: all series are one histogram
                  - {name: c, metric: m, kind: mean, aggregate: max, quantile: 0.5}
                                                                ^
      hint: choose series with `labels`
      a.yaml:11:74: error: `quantile` is for `kind: quantile`
                  - {name: c, metric: m, kind: mean, aggregate: max, quantile: 0.5}
                                                                               ^
      a.yaml:12:62: error: `quantile` must be 0 to 1, not `95`
                  - {name: d, metric: m, kind: quantile, quantile: 95}
                                                                   ^
      a.yaml:13:44: error: `absent` must be a number, or `none`, not `zero`
                  - {name: e, metric: m, absent: zero, role: busy}
                                                 ^
      a.yaml:13:56: error: `role` must be `running`, `waiting`, `completions`, `failures`, `concurrency` or `progress`, or `none`, not `busy`
                  - {name: e, metric: m, absent: zero, role: busy}
                                                             ^
      a.yaml:14:58: error: label `d`: the pattern `(?:a)` has `(?`, which is not POSIX
                  - {name: f, metric: m, labels: {d: {matches: "(?:a)"}, e: {matches: "a{500}{500}"}}}
                                                               ^
      hint: groups are written `(…)`
      a.yaml:14:81: error: label `e`: the pattern `a{500}{500}` repeats too much
                  - {name: f, metric: m, labels: {d: {matches: "(?:a)"}, e: {matches: "a{500}{500}"}}}
                                                                                      ^
      hint: all `{…}` together at most 1000 times
      """#),
  ]
}
