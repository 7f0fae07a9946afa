// The commands that talk to a running steelyard.
import Manual
import Terminal

extension CommandTable {
  static let top: CommandSpec = {
    var one = CommandSpec(
      "top", summary: "watch a running steelyard in the terminal; keys drain, pin and undo",
      synopsis: [
        "top [--pool POOL] [--sort COLUMN] [--interval TIME] [--once] [--json] [--admin ADDRESS] "
          + "[--token-file FILE]"
      ],
      text: [
        """
        Shows pools, endpoints with their weights and why, what is wrong and what was decided \
        lately, kept up to date. The key ? lists the keys: arrows choose an endpoint, s < > r \
        sort, / filters, p chooses a pool, d drains, w pins a weight, u undoes; each of these \
        three asks first. Without a terminal it prints once.
        """
      ],
      examples: [
        "steelyard top", "steelyard top --pool text --sort p99",
        "steelyard top --once | grep -v ready",
        "steelyard top --json | jq '.conditions[].alert'",
      ])
    let columns = FleetColumn.allCases.map(\.rawValue)
    one.options = [
      OptionSpec("--pool", "POOL", .pool, "one pool only"),
      OptionSpec(
        "--sort", "COLUMN", .choice(columns),
        "the column to sort by: " + columns.joined(separator: ", ")
          + "; pool is the configured order"),
      OptionSpec(
        "--interval", "TIME", .duration(0.2...60), "how often to ask (1s; 200ms to 1m)"),
      OptionSpec("--once", text: "print the tables once and end"),
      OptionSpec("--json", text: "print the status as JSON once and end"),
    ]
    one.options += adminOptions
    one.lists = [
      ListSpec(
        environment.title,
        environment.rows + [("NO_COLOR", "where it is set and not empty: no colours")])
    ]
    one.exits = [
      (0, "done"), (64, "usage"), (65, "no such pool"), (69, "nobody answers"), (77, "no token"),
    ]
    return one
  }()

  static let weights: CommandSpec = {
    var one = CommandSpec(
      "weights", summary: "a running steelyard's weights; pin, scale, freeze, set and undo them",
      synopsis: [
        "weights [--pool POOL] [--json]", "weights pin ENDPOINT WEIGHT [--for TIME | --persist]",
        "weights scale ENDPOINT FACTOR [--for TIME | --persist]",
        "weights freeze POOL [--for TIME]",
        "weights set POOL NAME=VALUE [--for TIME]", "weights reset ENDPOINT|POOL",
      ],
      text: [
        """
        Shows the weights of a running steelyard, or changes them at once, without a reload. A pin \
        replaces the law's weight, a factor multiplies it, a frozen pool keeps its weights as they \
        are. ENDPOINT is an address, or a name of the configuration. NAME is law, floor, slew or \
        dry_run. Health still decides who gets requests at all. \
        What is said holds for TIME, or until `reset`, or until steelyard ends; a reload keeps it. \
        With `--persist` it is kept over a restart, in the configuration's `state_file`. \
        Each order leaves a line in steelyard's log.
        """
      ],
      examples: [
        "steelyard weights", "steelyard weights pin 10.0.0.3:8000 0.5 --for 10m",
        "steelyard weights set text dry_run=true", "steelyard weights reset text",
      ])
    one.words = [
      WordSpec("ACTION", .choice(["pin", "scale", "freeze", "set", "reset"]), isRequired: false)
    ]
    let (endpoint, pool) = (WordSpec("ENDPOINT", .endpoint), WordSpec("POOL", .pool))
    one.wordsAfter = [
      "pin": [endpoint, WordSpec("WEIGHT", .text)],
      "scale": [endpoint, WordSpec("FACTOR", .text)], "freeze": [pool],
      "set": [
        pool, WordSpec("NAME=VALUE", .assignment(["law=", "floor=", "slew=", "dry_run="])),
      ],
      "reset": [WordSpec("ENDPOINT|POOL", .target)],
    ]
    one.options = [poolOption, forOption, persistOption, jsonOption] + adminOptions
    one.lists = [environment]
    one.exits = adminExits
    return one
  }()

  static let drain: CommandSpec = {
    var one = CommandSpec(
      "drain", label: "drain ENDPOINT",
      summary: "no new requests for an endpoint, until it is taken back",
      synopsis: [
        "drain ENDPOINT [--pool POOL] [--deadline TIME] [--for TIME | --persist] [--undo] [--admin ADDRESS] "
          + "[--token-file FILE]"
      ],
      text: [
        """
        The endpoint, given by its address or its name, gets no new requests; those that run go \
        on, and clients with its affinity cookie come back to it, until `--deadline` where that is \
        given. After `--for` the drain is over. `--undo` takes back everything that was said of \
        the endpoint, pins and factors too. \
        Watch its `in flight` in `steelyard top`.
        """
      ],
      examples: [
        "steelyard drain 10.0.0.3:8000 --for 30m", "steelyard drain 10.0.0.3:8000 --deadline 10m",
        "steelyard drain 10.0.0.3:8000 --undo",
      ])
    one.words = [WordSpec("ENDPOINT", .endpoint)]
    one.options =
      [
        poolOption,
        OptionSpec(
          "--deadline", "TIME", .duration(orderSpan),
          "until when clients with its cookie still come back"),
        forOption, persistOption,
        OptionSpec("--undo", text: "take the drain back, pins and factors too"),
      ] + adminOptions
    one.lists = [environment]
    one.exits = adminExits
    return one
  }()

  static let reload: CommandSpec = {
    var one = CommandSpec(
      "reload", summary: "have a running steelyard read its file again",
      synopsis: ["reload [--admin ADDRESS] [--token-file FILE]"],
      text: [
        """
        A running steelyard reads its file again, as by the signal HUP, and says what has changed. \
        A file with errors changes nothing; they are shown. Requests that run go on.
        """
      ],
      examples: ["steelyard reload", "steelyard reload --admin 10.0.0.9:9900"])
    one.options = adminOptions
    one.lists = [environment]
    one.exits = adminExits
    return one
  }()

  static let upgrade: CommandSpec = {
    var one = CommandSpec(
      "upgrade", summary: "replace a running steelyard by a new process, without a refused request",
      synopsis: ["upgrade [--admin ADDRESS] [--token-file FILE]"],
      text: [
        """
        A running steelyard starts the program anew, as by the signal USR2: from the same path, so \
        that a new version counts, with the same arguments. The new process reads the file, takes \
        over the listening sockets, weights, ejections, orders and counters, and accepts \
        connections; the old one finishes its requests (upgrade.drain_timeout at most) and ends. \
        What needs a restart otherwise, such as workers, takes effect. If the new process cannot \
        serve, it ends, the reason is shown, and the old one goes on.
        """
      ],
      examples: ["steelyard upgrade", "steelyard upgrade --admin 10.0.0.9:9900"])
    one.options = adminOptions
    one.lists = [environment]
    one.exits = adminExits
    return one
  }()

  static let explain: CommandSpec = {
    var one = CommandSpec(
      "explain", label: "explain [POOL]", summary: "from samples to weights, in words and numbers",
      synopsis: ["explain [POOL] [--verbose] [--json] [--admin ADDRESS] [--token-file FILE]"],
      text: [
        """
        Says for each endpoint why its weight is what it is, in a sentence with its own numbers, \
        what its requests, checks and pages came to, operators' orders and the last changes. \
        `--verbose` adds every signal with its freshness, the balancer's own evidence, the law's \
        terms and the limits; `--json` prints all of these as data, an object for each pool.
        """
      ],
      examples: [
        "steelyard explain", "steelyard explain text --verbose",
        "steelyard explain text --json | jq '.endpoints[] | [.address, .reason_text]'",
      ])
    one.words = [WordSpec("POOL", .pool, isRequired: false)]
    one.options =
      [OptionSpec("--verbose", text: "the law's terms and every signal too"), jsonOption]
      + adminOptions
    one.lists = [environment]
    one.exits = [
      (0, "done"), (64, "usage"), (65, "no such pool"), (69, "nobody answers"), (77, "no token"),
    ]
    return one
  }()
}
