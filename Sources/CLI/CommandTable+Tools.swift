// The commands that need no running steelyard.
import Demo
import Fleet
import Manual
import Simulation

extension CommandTable {
  static let probe: CommandSpec = {
    var one = CommandSpec(
      "probe", label: "probe URL",
      summary: "fetch a metrics page: which preset fits, what it says, what is missing",
      synopsis: [
        "probe URL [--preset NAME] [--interval TIME] [--timeout TIME] [--strict] [--json] "
          + "[--ca FILE] [--cert FILE] [--key FILE]"
      ],
      text: [
        """
        Fetches a metrics page twice and says which presets fit it, what every signal comes to, \
        which load the headroom law would see, and what is missing or wrong. Without a path in URL \
        the preset's is taken, or /metrics; without a port the preset's, or 80, or 443 for \
        https://. With --strict it \
        also checks every line of the page against OpenMetrics or the Prometheus text format, \
        and names the first error.
        """
      ],
      examples: [
        "steelyard probe http://10.0.0.1:8000/metrics",
        "steelyard probe 10.0.0.1:8501 --preset tfserving",
        "steelyard probe http://gpu-7:9400 --interval 5s",
        "steelyard probe http://127.0.0.1:9900/metrics --strict",
        "steelyard probe https://gpu-7:8000/metrics --ca /etc/steelyard/internal-ca.pem",
      ])
    one.words = [WordSpec("URL", .text)]
    one.options = [
      OptionSpec(
        "--preset", "NAME", .choice(Preset.all.map(\.name)),
        "read it with this preset (steelyard presets lists them)"),
      OptionSpec(
        "--interval", "TIME", .duration(0.1...300),
        "between the two fetches: rates need it (1s; 100ms to 5m)"),
      OptionSpec(
        "--timeout", "TIME", .duration(0.01...300), "for each fetch (5s; 10ms to 5m)"),
      OptionSpec("--strict", text: "check the page; the exit code says whether it is valid"),
      OptionSpec("--json", text: "the result as JSON"),
    ]
    one.options += tlsOptions
    one.exits = [
      (0, "a preset fits; with --strict: the page is valid"), (64, "usage"),
      (69, "no page, none that a preset fits; with --strict: it is not valid"),
      (70, "the system refused something"),
    ]
    return one
  }()

  static let presets: CommandSpec = {
    var one = CommandSpec(
      "presets", summary: "the known kinds of metrics pages; presets show NAME prints one",
      synopsis: ["presets [show NAME]"],
      text: [
        """
        Lists the presets that `scrape: [{preset: NAME}]` knows. With show it prints one as YAML: \
        an item of `scrape` with every signal in full, to be read, or pasted into a file and \
        changed.
        """
      ],
      examples: ["steelyard presets", "steelyard presets show vllm"])
    one.words = [WordSpec("ACTION", .choice(["show", "list"]), isRequired: false)]
    one.wordsAfter = ["show": [WordSpec("NAME", .choice(Preset.all.map(\.name)))], "list": []]
    one.exits = [(0, "done"), (64, "usage")]
    return one
  }()

  static let metrics: CommandSpec = {
    var one = CommandSpec(
      "metrics", summary: "the families of /metrics; --markdown prints docs/metrics.md",
      synopsis: ["metrics [--markdown]"],
      text: [
        """
        Lists every family of metrics that steelyard exports at /metrics of its admin address: its \
        name, type and labels.
        """
      ],
      examples: ["steelyard metrics", "steelyard metrics | grep seconds"])
    one.options = [
      OptionSpec("--markdown", text: "print docs/metrics.md, which says what they mean")
    ]
    one.exits = [(0, "done"), (64, "usage")]
    return one
  }()

  static let rules: CommandSpec = {
    var one = CommandSpec(
      "rules", label: "rules [FILE]",
      summary: "alert rules, or a dashboard, with links to runbooks at an address of your own",
      synopsis: ["rules [FILE] [--runbooks URL]"],
      text: [
        """
        Prints FILE, alert rules or a dashboard, with all its links to runbooks leading to URL. \
        Without FILE it is \
        the package's, /usr/share/steelyard/prometheus/alerts.yml.
        """
      ],
      examples: [
        "steelyard rules --runbooks https://wiki.example/runbooks > /etc/prometheus/alerts.yml",
        "steelyard rules config/prometheus/alerts.yml",
      ])
    one.words = [WordSpec("FILE", .file, isRequired: false)]
    one.options = [
      OptionSpec(
        "--runbooks", "URL", .text, "where the runbooks are (\(Version.runbooks))")
    ]
    one.exits = [
      (0, "done"), (64, "usage"), (65, "FILE has no link to runbooks"),
      (66, "FILE missing or unreadable"),
    ]
    return one
  }()

  static let cert: CommandSpec = {
    var one = CommandSpec(
      "cert", label: "cert dev", summary: "throw-away certificates to try TLS with",
      synopsis: ["cert dev [--directory DIR] [--name NAME]... [--days N] [--force]"],
      text: [
        """
        Makes an authority, a certificate for servers and one for clients, with P-256 keys: \
        ca.pem, server.pem, server.key, client.pem and client.key. The server's is for localhost, \
        127.0.0.1, ::1 and every NAME. It prints the `tls` block to write into the configuration \
        and a curl command to try it.
        """,
        """
        The authority's key is not kept, so it signs nothing else: make all of them again when \
        they end. docs/tls.md says how to use certificates of a real authority.
        """,
      ],
      examples: [
        "steelyard cert dev --directory certificates",
        "steelyard cert dev --name lb.test --name 10.0.0.9 --days 90 --force",
      ])
    one.words = [WordSpec("ACTION", .choice(["dev"]))]
    one.options = [
      OptionSpec("--directory", "DIR", .file, "where to write them; made if it is missing (.)"),
      OptionSpec(
        "--name", "NAME", .text, "a host name or IP address of the server; may be repeated"),
      OptionSpec("--days", "N", .whole, "how long they are valid (30; 1 to 3650)"),
      OptionSpec("--force", text: "replace files of these names"),
    ]
    one.exits = [
      (0, "done"), (64, "usage"), (73, "a file is there already, or cannot be written"),
    ]
    return one
  }()

  static let simulate: CommandSpec = {
    var one = CommandSpec(
      "simulate", label: "simulate FILE",
      summary: "what a fleet would do under several policies, on a virtual clock",
      synopsis: [
        "simulate FILE [--policies A,B] [--seeds 1,2,3] [--csv FILE] [--shares FILE] [--svg FILE] "
          + "[--print]",
        "simulate --list-policies",
      ],
      text: [
        """
        Says how a fleet would do under several load-balancing policies, without touching it. FILE \
        describes the endpoints (how many, how fast, how many requests at a time), the traffic and \
        what goes wrong; every policy gets the same arrivals on a virtual clock. `steelyard` is \
        the \
        real picker and control law of this program; peers' policies are modelled after their \
        documentation. The table has the medians over the seeds; latencies include those of \
        requests that were given up, and p99 is compared with that of the first policy.
        """,
        "FILE needs `endpoints` alone; config/scenarios has examples with every key explained.",
      ],
      examples: [
        "steelyard simulate config/scenarios/one-slow.yaml",
        "steelyard simulate my-fleet.yaml --policies least_request_true,steelyard --svg plot.svg",
        "steelyard simulate my-fleet.yaml --seeds 1,2,3,4,5 --csv runs.csv",
      ])
    one.words = [WordSpec("FILE", .file, isRequired: false)]
    one.options = [
      OptionSpec(
        "--policies", "A,B", .choices(PolicyName.allCases.map(\.rawValue)),
        "instead of those in FILE; the first is compared with"),
      OptionSpec("--seeds", "1,2,3", .wholes, "instead of those in FILE"),
      OptionSpec("--csv", "FILE", .file, "one row for each policy and seed"),
      OptionSpec("--shares", "FILE", .file, "CSV: requests sent to each endpoint in each second"),
      OptionSpec(
        "--svg", "FILE", .file,
        "a plot: p99, failures, and who got the requests under the first policy"),
      OptionSpec("--print", text: "the scenario with every value in force, nothing is run"),
      OptionSpec("--list-policies", text: "the policies and what they do"),
    ]
    one.exits = [
      (0, "done"), (64, "usage"), (66, "FILE missing or unreadable"),
      (73, "an output cannot be written"), (78, "errors in FILE"),
    ]
    return one
  }()

  static let demo: CommandSpec = {
    var one = CommandSpec(
      "demo", summary: "see it work: four endpoints, traffic and a live table in one process",
      synopsis: ["demo [--seconds N] [--balance POLICY] [--rate N] [--seed N] [--fault FAULT]..."],
      text: [
        """
        Runs four inference endpoints of speeds 1, 1, 2 and 4, twice, a balancer in front and one \
        stream of requests that goes to both sets: to one under equal static weights, to the other \
        under weights that follow the endpoints' metrics. On a terminal it shows a live table with \
        keys; at the end, or after --seconds, it compares the two. Without a terminal it prints \
        lines and ends after 30 s.
        """
      ],
      examples: [
        "steelyard demo", "steelyard demo --seconds 30 --fault 4:slow@5 --fault 4:recover@15",
        "steelyard demo --balance least_request --fault 2:hang@5",
      ])
    let policies = DemoOptions.policies.map(\.rawValue)
    one.options = [
      OptionSpec("--seconds", "N", .number(1...86_400), "end after N seconds"),
      OptionSpec(
        "--balance", "POLICY", .choice(policies),
        "for both sets: \(policies.joined(separator: ", ")) (\(policies[0]))"),
      OptionSpec(
        "--rate", "N", .number(1...2_000),
        "requests a second to each set (88; all four together can do 160)"),
      OptionSpec("--seed", "N", .whole, "of the random arrivals and sizes (1)"),
      OptionSpec(
        "--fault", "FAULT", .text,
        "ENDPOINT:MODE@SECONDS, MODE is slow, hang, fail, die or recover"),
    ]
    one.exits = [(0, "done"), (64, "usage"), (70, "the system refused something")]
    return one
  }()
}
