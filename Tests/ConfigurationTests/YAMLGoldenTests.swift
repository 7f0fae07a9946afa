// What is wrong with the text itself, and carets under tabs, wide characters and long lines.
// Golden texts: input → what is printed.
import Testing

@testable import Configuration

@Suite struct YAMLGoldenTests {
  @Test(arguments: rows)
  func theFileIsAnsweredWith(_ row: Golden) {
    #expect(rendered(row.text) == row.expected, sourceLocation: row.location)
  }

  private static let rows: [Golden] = [
    Golden(
      "",
      #"""
      a.yaml:1:1: error: the file is empty
      hint: it needs at least `listeners` and `pools`
      """#),
    Golden(
      #"""
      # nothing

      """#,
      #"""
      a.yaml:1:1: error: the file is empty
      # nothing
      ^
      hint: it needs at least `listeners` and `pools`
      """#),
    Golden(
      #"""
      a: &x 1
      b: *x
      c: !!str d
      ? [1]
      : 2

      """#,
      #"""
      a.yaml:1:1: error: unknown key `a` in the file
      a: &x 1
      ^
      hint: its keys are `admin`, `workers`, `shutdown_timeout`, `limits`, `log`, `access_log`, `dns`, `tracing`, `hints`, `shared`, …
      a.yaml:1:1: error: `listeners` is missing in the file
      a: &x 1
      ^
      a.yaml:1:1: error: `pools` is missing in the file
      a: &x 1
      ^
      a.yaml:1:4: error: YAML anchors are not supported
      a: &x 1
         ^
      hint: remove it
      a.yaml:2:1: error: unknown key `b` in the file
      b: *x
      ^
      hint: its keys are `admin`, `workers`, `shutdown_timeout`, `limits`, `log`, `access_log`, `dns`, `tracing`, `hints`, `shared`, …
      a.yaml:2:4: error: YAML aliases are not supported
      b: *x
         ^
      hint: write the value out again
      a.yaml:3:1: error: unknown key `c` in the file
      c: !!str d
      ^
      hint: its keys are `admin`, `workers`, `shutdown_timeout`, `limits`, `log`, `access_log`, `dns`, `tracing`, `hints`, `shared`, …
      a.yaml:3:4: error: YAML tags are not supported
      c: !!str d
         ^
      hint: remove it
      a.yaml:4:3: error: a key must be text, not a list
      ? [1]
        ^
      """#),
    Golden(
      #"""
      a: 1
      ---
      b: 2

      """#,
      #"""
      a.yaml:2:1: error: the document has ended before this
      ---
      ^
      hint: a configuration is one YAML document: no second `---`, one value at the top
      """#),
    Golden(
      #"""
      %YAML 1.1
      ---
      a: 1

      """#,
      #"""
      a.yaml:1:1: error: YAML directives are not supported
      %YAML 1.1
      ^
      hint: remove this line
      """#),
    Golden(
      #"""
      listeners:
        - listen: ":80"
      	pool: a

      """#,
      #"""
      a.yaml:3:1: error: not YAML: found character that cannot start any token while scanning for the next token
      	pool: a
      ^
      hint: YAML is indented with spaces; this is a tab
      """#),
    Golden(
      #"""
      listeners: [
        {listen: ":80"
      pools: {}

      """#,
      #"""
      a.yaml:3:1: error: not YAML: did not find expected ',' or '}' while parsing a flow mapping that began in line 2
      pools: {}
      ^
      """#),
    Golden(
      #"""
      pools: {"a": {"endpoints": ["10.0.0.1:1"], "été 你好":		1, "wörkers":	2}}
      listeners: [{listen: ":80", "😀": 1, routs: []}]

      """#,
      #"""
      a.yaml:1:44: error: unknown key `été 你好` in pool `a`
      pools: {"a": {"endpoints": ["10.0.0.1:1"], "été 你好":		1, "wörkers":	2}}
                                                 ^
      hint: its keys are `balance`, `hash`, `affinity`, `retries`, `breakers`, `host`, `endpoints`, `discover`, `timeouts`, `keepalive`, …
      a.yaml:1:58: error: unknown key `wörkers` in pool `a`
      pools: {"a": {"endpoints": ["10.0.0.1:1"], "été 你好":		1, "wörkers":	2}}
                                                            		   ^
      hint: its keys are `balance`, `hash`, `affinity`, `retries`, `breakers`, `host`, `endpoints`, `discover`, `timeouts`, `keepalive`, …
      a.yaml:2:29: error: unknown key `😀` in this listener
      listeners: [{listen: ":80", "😀": 1, routs: []}]
                                  ^
      hint: its keys are `listen`, `head_timeout`, `idle_timeout`, `body_timeout`, `send_timeout`, `body_rate_min`, `trusted_proxies`, `proxy_protocol`, `tls`, `http2`, …
      a.yaml:2:37: error: unknown key `routs` in this listener
      listeners: [{listen: ":80", "😀": 1, routs: []}]
                                           ^
      hint: did you mean `routes`?
      """#),
    Golden(
      "listeners: [{listen: \":80\"}]\r\nwrokers: 2\r\npools: {a: {endpoints: [\"10.0.0.1:1\"]}}\r\n",
      #"""
      a.yaml:2:1: error: unknown key `wrokers` in the file
      wrokers: 2
      ^
      hint: did you mean `workers`?
      """#),
    Golden(
      #"""
      listeners: [{listen: ":80"}]
      pools: {a: {endpoints: ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.2:2", "10.0.0.2:3", "10.0.0.2:4", "10.0.0.2:5", "10.0.0.2:6", "10.0.0.2:7", "10.0.0.2:8", "10.0.0.2:9", "10.0.0.2:10", "10.0.0.2:11", "10.0.0.2:12", "10.0.0.2:13", "10.0.0.2:14", "10.0.0.2:15", "10.0.0.2:16", "10.0.0.2:17", "10.0.0.2:18", "10.0.0.2:19", "x", "10.0.0.3:1", "10.0.0.3:2", "10.0.0.3:3", "10.0.0.3:4", "10.0.0.3:5", "10.0.0.3:6", "10.0.0.3:7", "10.0.0.3:8"]}}

      """#,
      #"""
      a.yaml:2:315: error: `x` has no port
      ….0.2:13", "10.0.0.2:14", "10.0.0.2:15", "10.0.0.2:16", "10.0.0.2:17", "10.0.0.2:18", "10.0.0.2:19", "x", "10.0.0.3:1", "10.0.0.3:2", "10.0.0.3:3", "10.0.0.3:4",…
                                                                                                           ^
      hint: write it like `10.0.0.1:8000`
      """#),
    Golden(
      #"""
      listeners: [{"\e[31m": 1}]
      pools: {a: {endpoints: ["x\ny:1"]}}

      """#,
      #"""
      a.yaml:1:13: error: `listen` is missing in this listener
      listeners: [{"\e[31m": 1}]
                  ^
      a.yaml:1:14: error: unknown key `\u{1B}[31m` in this listener
      listeners: [{"\e[31m": 1}]
                   ^
      hint: its keys are `listen`, `head_timeout`, `idle_timeout`, `body_timeout`, `send_timeout`, `body_rate_min`, `trusted_proxies`, `proxy_protocol`, `tls`, `http2`, …
      a.yaml:2:25: error: `x\u{A}y` is not an IP address or host name
      pools: {a: {endpoints: ["x\ny:1"]}}
                              ^
      """#),
  ]
}
