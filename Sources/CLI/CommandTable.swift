// The commands of this program. Help, completion and the manual page are made of this table, and
// every command line is read by it.
import Manual

enum CommandTable {
  /// In the order of the overview.
  static let all: [CommandSpec] = Command.allCases.map(\.spec)

  static let overview = HelpText.overview(
    title: "steelyard: a load balancer for inference servers whose weights follow their metrics",
    all, extra: [("--version", "the version")],
    examples: [
      "steelyard check config/minimal.yaml",
      "steelyard serve /etc/steelyard/steelyard.yaml",
      "steelyard top",
      "steelyard explain text",
      "steelyard weights pin 10.0.0.3:8000 0.5 --for 10m",
      "steelyard probe http://10.0.0.1:8000/metrics",
      "steelyard cert dev --directory certificates",
      "steelyard demo --seconds 30",
    ])

  // MARK: What several have in common

  static let adminOptions =
    [
      OptionSpec(
        "--admin", "ADDRESS", .text,
        "where steelyard's admin server listens (127.0.0.1:9900); https://HOST:PORT with TLS"),
      OptionSpec("--token-file", "FILE", .file, "the token that it asks for, where it does"),
    ] + tlsOptions
  static let tlsOptions = [
    OptionSpec(
      "--ca", "FILE", .file, "the authorities of the server's certificate (the system's)"),
    OptionSpec("--cert", "FILE", .file, "the certificate that is shown to the server"),
    OptionSpec("--key", "FILE", .file, "its private key, where it is in a file of its own"),
  ]
  static let poolOption = OptionSpec(
    "--pool", "POOL", .pool, "of which pool, where an endpoint is in several")
  /// The range of `--for` and `--deadline` in seconds: a year at most.
  static let orderSpan = 0.001...31_536_000.0
  static let forOption = OptionSpec(
    "--for", "TIME", .duration(orderSpan), "for how long, such as 30s, 10m, 2h")
  static let persistOption = OptionSpec(
    "--persist", text: "keep it over a restart, in the configuration's `state_file`")
  static let jsonOption = OptionSpec("--json", text: "as JSON, for scripts")

  static let environment = ListSpec(
    "environment, where no option says otherwise",
    [("STEELYARD_ADMIN", "the admin address"), ("STEELYARD_TOKEN", "the token")])

  static let adminExits = [
    (0, "done"), (64, "usage"), (65, "refused"), (69, "nobody answers"),
    (77, "no token or not enough of one"),
  ]

  // MARK: The proxy

  static let serve: CommandSpec = {
    var one = CommandSpec(
      "serve", label: "serve FILE", summary: "proxy, scrape and steer as FILE says",
      synopsis: ["serve FILE"],
      text: [
        """
        Reads FILE (YAML or JSON), listens, proxies, scrapes the endpoints' metrics and moves \
        their \
        weights. Logs go to standard error, one line an event.
        """
      ],
      examples: ["steelyard serve config/minimal.yaml", "systemctl reload steelyard"])
    one.words = [WordSpec("FILE", .file)]
    one.lists = [
      ListSpec(
        "signals",
        [
          (
            "TERM, INT",
            """
            stop accepting, finish what runs (shutdown_timeout at most), exit 0; a second one ends \
            at once
            """
          ), ("HUP", "read FILE again; a file with errors changes nothing"),
          ("USR1", "open the access log anew, after it was rotated"),
        ])
    ]
    one.exits = [
      (0, "ended by a signal"), (64, "usage"), (66, "FILE or a token file missing or unreadable"),
      (69, "an address in use"), (70, "the system refused something"), (78, "errors in FILE"),
    ]
    return one
  }()

  static let check: CommandSpec = {
    var one = CommandSpec(
      "check", label: "check FILE",
      summary: "say what is wrong with FILE; --print shows every value in force",
      synopsis: ["check FILE [--print]"],
      text: [
        """
        Says everything that is wrong with FILE, each with its line and column, and warns of what \
        is allowed but hardly meant, such as a pool that no route leads to. With --print it \
        shows every value in force; those that FILE leaves out are marked as defaults.
        """
      ],
      examples: [
        "steelyard check config/example.yaml", "steelyard check --print config/minimal.yaml",
      ])
    one.words = [WordSpec("FILE", .file)]
    one.options = [OptionSpec("--print", text: "every value in force, as YAML")]
    one.exits = [
      (0, "no errors, warnings at most"), (64, "usage"), (66, "FILE missing or unreadable"),
      (78, "errors in FILE"),
    ]
    return one
  }()

  // MARK: The program itself

  static let completion: CommandSpec = {
    var one = CommandSpec(
      "completion", label: "completion SHELL", summary: "completion for bash, zsh or fish",
      synopsis: [
        "completion bash|zsh|fish",
        "completion pools|endpoints|targets [--admin ADDRESS] [--token-file FILE]",
      ],
      text: [
        """
        Prints a file that teaches the shell to complete steelyard's commands, options and values. \
        Pools and endpoints are asked of the running steelyard at the admin address; where nobody \
        answers within a second there are none. `pools`, `endpoints` and `targets` (both) print \
        these \
        names, one a line, and always end with exit code 0.
        """
      ],
      examples: [
        "steelyard completion bash > ~/.local/share/bash-completion/completions/steelyard",
        "steelyard completion zsh > ~/.zfunc/_steelyard",
        "steelyard completion fish > ~/.config/fish/completions/steelyard.fish",
      ])
    one.words = [
      WordSpec("SHELL", .choice(["bash", "zsh", "fish", "pools", "endpoints", "targets"]))
    ]
    one.options = adminOptions
    one.lists = [environment]
    one.exits = [(0, "done"), (64, "usage")]
    return one
  }()

  static let help: CommandSpec = {
    var one = CommandSpec(
      "help", label: "help [COMMAND]", summary: "this text, or a command's",
      synopsis: ["help [COMMAND]", "help --man"],
      text: ["Says what steelyard or one of its commands does, as `COMMAND --help`."],
      examples: [
        "steelyard help weights", "steelyard help --man > steelyard.1 && man ./steelyard.1",
      ])
    one.words = [
      WordSpec("COMMAND", .choice(Command.allCases.map(\.rawValue)), isRequired: false)
    ]
    one.options = [OptionSpec("--man", text: "the manual page, for man")]
    one.exits = [(0, "done"), (64, "usage")]
    return one
  }()
}
