// What is wrong with the tree: keys, lists, names, references, addresses.
// Golden texts: input → what is printed.
import Testing

@testable import Configuration

@Suite struct StructureGoldenTests {
  @Test(arguments: rows)
  func theFileIsAnsweredWith(_ row: Golden) {
    #expect(rendered(row.text) == row.expected, sourceLocation: row.location)
  }

  private static let rows: [Golden] = [
    Golden(
      #"""
      [1]
      """#,
      #"""
      a.yaml:1:1: error: the file must be a mapping, not a list
      [1]
      ^
      """#),
    Golden(
      #"""
      listeners: [{listen: ":80"}]
      upstreams:
        a: {endpoints: ["10.0.0.1:1"]}

      """#,
      #"""
      a.yaml:2:1: error: unknown key `upstreams` in the file
      upstreams:
      ^
      hint: did you mean `pools`?
      """#),
    Golden(
      #"""
      listeners: [{bind: ":80"}]
      pools:
        a:
          endpionts: ["10.0.0.1:1"]
          lb_policy: least_conn
          blance: rr
          quux: 1

      """#,
      #"""
      a.yaml:1:14: error: unknown key `bind` in this listener
      listeners: [{bind: ":80"}]
                   ^
      hint: did you mean `listen`?
      a.yaml:4:5: error: unknown key `endpionts` in pool `a`
          endpionts: ["10.0.0.1:1"]
          ^
      hint: did you mean `endpoints`?
      a.yaml:5:5: error: unknown key `lb_policy` in pool `a`
          lb_policy: least_conn
          ^
      hint: did you mean `balance`?
      a.yaml:6:5: error: unknown key `blance` in pool `a`
          blance: rr
          ^
      hint: did you mean `balance`?
      a.yaml:7:5: error: unknown key `quux` in pool `a`
          quux: 1
          ^
      hint: did you mean `queue`?
      """#),
    Golden(
      #"""
      pools: {}
      listeners:

      """#,
      #"""
      a.yaml:1:8: error: `pools` needs at least one entry
      pools: {}
             ^
      a.yaml:2:11: error: `listeners` has no value
      listeners:
                ^
      """#),
    Golden(
      #"""
      listeners: [{listen: ":80"}]
      pools: {a: {servers: []}}
      queue: 1

      """#,
      #"""
      a.yaml:2:13: error: unknown key `servers` in pool `a`
      pools: {a: {servers: []}}
                  ^
      hint: did you mean `endpoints`?
      a.yaml:3:1: error: unknown key `queue` in the file
      queue: 1
      ^
      hint: its keys are `admin`, `workers`, `shutdown_timeout`, `limits`, `log`, `access_log`, `dns`, `tracing`, `hints`, `shared`, …
      """#),
    Golden(
      #"""
      listeners:
        - {listen: ":80", pool: txt}
        - {listen: "0.0.0.0:80", routes: [{match: {path_prefix: /a}, pool: b}, {match: {path_prefix: /a}, pool: text}]}
        - {listen: "127.0.0.1:9900", pool: text, routes: []}
        - {listen: ":81"}
      pools:
        text: {endpoints: ["10.0.0.1:1"]}
        image: {endpoints: ["10.0.0.1:1"]}

      """#,
      #"""
      a.yaml:2:27: error: there is no pool `txt`
        - {listen: ":80", pool: txt}
                                ^
      hint: did you mean `text`?
      a.yaml:3:14: error: `0.0.0.0:80` is already listened on in line 2
        - {listen: "0.0.0.0:80", routes: [{match: {path_prefix: /a}, pool: b}, …
                   ^
      a.yaml:3:70: error: there is no pool `b`
        - {listen: "0.0.0.0:80", routes: [{match: {path_prefix: /a}, pool: b}, {match: {path_prefix: /a}, pool: text}]}
                                                                           ^
      hint: the pools are `text`, `image`
      a.yaml:3:96: error: `/a` is already the prefix of the route in line 3
        - {listen: "0.0.0.0:80", routes: [{match: {path_prefix: /a}, pool: b}, {match: {path_prefix: /a}, pool: text}]}
                                                                                                     ^
      a.yaml:4:14: error: `127.0.0.1:9900` is already listened on by `admin`, which has this default
        - {listen: "127.0.0.1:9900", pool: text, routes: []}
                   ^
      a.yaml:4:38: error: a listener has `pool` or `routes`, not both
        - {listen: "127.0.0.1:9900", pool: text, routes: []}
                                           ^
      hint: in `routes`, the pool for everything else has no `match`
      a.yaml:4:52: error: `routes` needs at least one item
        - {listen: "127.0.0.1:9900", pool: text, routes: []}
                                                         ^
      a.yaml:5:5: error: this listener needs `pool` or `routes`
        - {listen: ":81"}
          ^
      hint: the pools are `text`, `image`
      """#),
    Golden(
      #"""
      listeners: [{listen: ":80"}]
      pools:
        a b: {endpoints: ["10.0.0.1:1", {address: "10.0.0.1:1"}]}
        a b: 3

      """#,
      #"""
      a.yaml:3:3: error: the key of a pool must be a name: 1 to 64 letters, digits, `_`, `-` or `.`, not `a b`
        a b: {endpoints: ["10.0.0.1:1", {address: "10.0.0.1:1"}]}
        ^
      a.yaml:3:45: error: `10.0.0.1:1` is already an endpoint of this pool, in line 3
        a b: {endpoints: ["10.0.0.1:1", {address: "10.0.0.1:1"}]}
                                                  ^
      hint: for a larger share of the requests, give it a `weight`
      a.yaml:4:3: error: `a b` is given twice; first in line 3
        a b: 3
        ^
      """#),
    Golden(
      #"""
      listeners: [{listen: ":80"}]
      pools:
        a:
          endpoints:
            - gpu1..local:8000
            - 10.0.0.1
            - http://10.0.0.1:8000/v1
            - 10.0.0.1:99999
            - ::1:8000
            - :8000
            - 10.0.0.256:1
            - [a]
            - localhost:0
            -
            - {address: localhost:1, port: 3}

      """#,
      #"""
      a.yaml:5:9: error: `gpu1..local` is not an IP address or host name
            - gpu1..local:8000
              ^
      a.yaml:6:9: error: `10.0.0.1` has no port
            - 10.0.0.1
              ^
      hint: write it like `10.0.0.1:8000`
      a.yaml:7:9: error: `http://10.0.0.1:8000/v1` is a URL, an address and port is needed
            - http://10.0.0.1:8000/v1
              ^
      hint: leave out `http://` and any path
      a.yaml:8:9: error: the port in `10.0.0.1:99999` must be a whole number 1 to 65535
            - 10.0.0.1:99999
              ^
      a.yaml:9:9: error: `::1` is not an IP address
            - ::1:8000
              ^
      hint: write `[::1]:8000`
      a.yaml:10:9: error: `:8000` has no address before the port
            - :8000
              ^
      hint: write it like `10.0.0.1:8000`
      a.yaml:11:9: error: `10.0.0.256` is not an IP address
            - 10.0.0.256:1
              ^
      a.yaml:12:9: error: this endpoint must be a mapping, not a list
            - [a]
              ^
      a.yaml:13:9: error: the port in `localhost:0` must be a whole number 1 to 65535
            - localhost:0
              ^
      a.yaml:14:8: error: an endpoint must be an address and port, not nothing
            -
             ^
      hint: write it like `10.0.0.1:8000`
      a.yaml:15:32: error: unknown key `port` in this endpoint
            - {address: localhost:1, port: 3}
                                     ^
      hint: did you mean `address`?
      """#),
    Golden(
      #"""
      listeners: [{listen: 8080}, {listen: "*:80"}, {listen: ":x"}, {listen: ""}]
      admin: {listen: localhost}
      pools: {a: {endpoints: ["10.0.0.1:1"]}}

      """#,
      #"""
      a.yaml:1:22: error: `8080` is no address and port
      listeners: [{listen: 8080}, {listen: "*:80"}, {listen: ":x"}, {listen: ""}]
                           ^
      hint: write `0.0.0.0:8080`
      a.yaml:1:38: error: `*` is not an IP address
      listeners: [{listen: 8080}, {listen: "*:80"}, {listen: ":x"}, {listen: ""}]
                                           ^
      hint: every address is `0.0.0.0:80`
      a.yaml:1:56: error: the port in `:x` must be a whole number 0 to 65535
      listeners: [{listen: 8080}, {listen: "*:80"}, {listen: ":x"}, {listen: ""}]
                                                             ^
      a.yaml:1:72: error: `listen` must be an address and port, not empty text
      listeners: [{listen: 8080}, {listen: "*:80"}, {listen: ":x"}, {listen: ""}]
                                                                             ^
      hint: write it like `0.0.0.0:8080`
      a.yaml:2:17: error: `localhost` has no port
      admin: {listen: localhost}
                      ^
      hint: write it like `0.0.0.0:8080`
      """#),
    Golden(
      #"""
      listeners: [{listen: ":80", routes: [{}, {match: {prefix: /a?b}, pool: a}, {match: {path_prefix: "/a b"}, pol: a, timeouts: {first_byte: 0s}}]}, {listen: ":81", rout: []}]
      pools:
        a: {endpoints: ["10.0.0.1:1"]}
        b: {endpoints: [{weight: -1}]}

      """#,
      #"""
      a.yaml:1:38: error: `pool` is missing in this route
      listeners: [{listen: ":80", routes: [{}, {match: {prefix: /a?b}, pool: a}, {match: {path_prefix: …
                                           ^
      a.yaml:1:51: error: unknown key `prefix` in `match`
      listeners: [{listen: ":80", routes: [{}, {match: {prefix: /a?b}, pool: a}, {match: {path_prefix: "/a b"}, pol:…
                                                        ^
      hint: did you mean `path_prefix`?
      a.yaml:1:98: error: `path_prefix` must be a path of at most 2048 visible ASCII characters, without `#` and `?`, not `"/a b"`
      listeners: [{listen: ":80", routes: [{}, {match: {prefix: /a?b}, pool: a}, {match: {path_prefix: "/a b"}, pol: a, timeouts: {first_byte: 0s}}]}, {listen: ":8…
                                                                                                       ^
      hint: other characters are written as `%` and two digits
      a.yaml:1:107: error: unknown key `pol` in this route
      …ers: [{listen: ":80", routes: [{}, {match: {prefix: /a?b}, pool: a}, {match: {path_prefix: "/a b"}, pol: a, timeouts: {first_byte: 0s}}]}, {listen: ":81", rout:…
                                                                                                           ^
      hint: did you mean `pool`?
      a.yaml:1:138: error: `first_byte` must be 1ms to 24h, not `0s`
      …{}, {match: {prefix: /a?b}, pool: a}, {match: {path_prefix: "/a b"}, pol: a, timeouts: {first_byte: 0s}}]}, {listen: ":81", rout: []}]
                                                                                                           ^
      a.yaml:1:162: error: unknown key `rout` in this listener
      …b}, pool: a}, {match: {path_prefix: "/a b"}, pol: a, timeouts: {first_byte: 0s}}]}, {listen: ":81", rout: []}]
                                                                                                           ^
      hint: did you mean `routes`?
      a.yaml:4:19: error: `address` is missing in this endpoint
        b: {endpoints: [{weight: -1}]}
                        ^
      a.yaml:4:28: error: `weight` must be 0 to 1000000, not `-1`
        b: {endpoints: [{weight: -1}]}
                                 ^
      """#),
  ]
}
