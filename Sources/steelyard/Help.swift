// What --help says.

import Controller
import Demo
import Simulation

enum Help {
  static let overview = """
    steelyard: a load balancer for inference servers whose weights follow their metrics

    usage: steelyard <command> [options]

      serve FILE      proxy, scrape and steer as FILE says
      check FILE      say what is wrong with FILE; --print shows every value in force
      weights         a running steelyard's weights; pin, scale, freeze, set and undo them
      drain ENDPOINT  no new requests for an endpoint, until it is taken back
      reload          have a running steelyard read its file again
      explain [POOL]  from samples to weights, in words and numbers
      probe URL       fetch a metrics page: which preset fits, what it says, what is missing
      presets         the known kinds of metrics pages; presets show NAME prints one
      metrics         the families of /metrics; --markdown prints docs/metrics.md
      simulate FILE   what a fleet would do under several policies, on a virtual clock
      demo            see it work: four endpoints, traffic and a live table in one process
      help [COMMAND]  this text, or a command's
      --version       the version

    examples:
      steelyard check config/minimal.yaml
      steelyard serve /etc/steelyard.yaml
      steelyard explain text
      steelyard weights pin 10.0.0.3:8000 0.5 --for 10m
      steelyard probe http://10.0.0.1:8000/metrics
      steelyard demo --seconds 30
    """

  static let weights = """
    usage: steelyard weights [--pool POOL] [--json]
           steelyard weights pin ENDPOINT WEIGHT [--for TIME]
           steelyard weights scale ENDPOINT FACTOR [--for TIME]
           steelyard weights freeze POOL [--for TIME]
           steelyard weights set POOL NAME=VALUE [--for TIME]
           steelyard weights reset ENDPOINT|POOL

    Shows the weights of a running steelyard, or changes them at once, without a reload. A pin
    replaces the law's weight, a factor multiplies it, a frozen pool keeps its weights as they are.
    NAME is law, floor, slew or dry_run. Health still decides who gets requests at all. What is
    said holds for TIME, or until `reset`, or until steelyard ends; a reload keeps it. Each order
    leaves a line in steelyard's log.

    options:
      --admin ADDRESS    where steelyard's admin server listens (127.0.0.1:9900)
      --token-file FILE  the token that it asks for, where it does
      --pool POOL        of which pool, where an endpoint is in several
      --for TIME         such as 30s, 10m, 2h
      --json             as JSON, for scripts

    environment, where no option says otherwise:
      STEELYARD_ADMIN    the admin address
      STEELYARD_TOKEN    the token

    exit codes: 0 done, 64 usage, 65 refused, 69 nobody answers, 77 no token or not enough of one

    examples:
      steelyard weights
      steelyard weights pin 10.0.0.3:8000 0.5 --for 10m
      steelyard weights set text dry_run=true
      steelyard weights reset text
    """

  static let drain = """
    usage: steelyard drain ENDPOINT [--pool POOL] [--deadline TIME] [--for TIME] [--undo]
                           [--admin ADDRESS] [--token-file FILE]

    The endpoint gets no new requests; those that run go on, and clients with its affinity cookie
    come back to it, until `--deadline` where that is given. After `--for` the drain is over.
    `--undo` takes back everything that was said of the endpoint, pins and factors too. Watch its
    `in flight` in `steelyard weights`.

    exit codes: 0 done, 64 usage, 65 refused, 69 nobody answers, 77 no token or not enough of one

    examples:
      steelyard drain 10.0.0.3:8000 --for 30m
      steelyard drain 10.0.0.3:8000 --deadline 10m
      steelyard drain 10.0.0.3:8000 --undo
    """

  static let reload = """
    usage: steelyard reload [--admin ADDRESS] [--token-file FILE]

    A running steelyard reads its file again, as by the signal HUP, and says what has changed. A
    file with errors changes nothing; they are shown. Requests that run go on.

    exit codes: 0 done, 64 usage, 65 refused, 69 nobody answers, 77 no token or not enough of one

    examples:
      steelyard reload
      steelyard reload --admin 10.0.0.9:9900
    """

  static let explain = """
    usage: steelyard explain [POOL] [--admin ADDRESS] [--token-file FILE]

    Says for each endpoint how its weight came to be: pages, signals with their freshness, the
    balancer's own evidence, the law's terms, limits and operators' orders, the last changes.

    exit codes: 0 done, 64 usage, 65 no such pool, 69 nobody answers, 77 no token

    examples:
      steelyard explain
      steelyard explain text --admin 10.0.0.9:9900
    """

  static let serve = """
    usage: steelyard serve FILE

    Reads FILE (YAML or JSON), listens, proxies, scrapes the endpoints' metrics and moves their
    weights. Logs go to standard error, one line an event.

    signals:
      TERM, INT   stop accepting, finish what runs (shutdown_timeout at most), exit 0;
                  a second one ends at once
      HUP         read FILE again; a file with errors changes nothing
      USR1        open the access log anew, after it was rotated

    exit codes: 0 ended by a signal, 64 usage, 66 FILE or a token file missing or unreadable,
                69 an address in use, 70 the system refused something, 78 errors in FILE

    examples:
      steelyard serve config/minimal.yaml
      kill -HUP $(pidof steelyard)
    """

  static let check = """
    usage: steelyard check FILE [--print]

    Says everything that is wrong with FILE, each with its line and column. With --print it shows
    every value in force; those that FILE leaves out are marked as defaults.

    exit codes: 0 no errors, 64 usage, 66 FILE missing or unreadable, 78 errors in FILE

    examples:
      steelyard check config/example.yaml
      steelyard check --print config/minimal.yaml
    """

  static func text(for command: String) -> String? {
    switch command {
    case "serve": serve
    case "check": check
    case "weights": weights
    case "drain": drain
    case "reload": reload
    case "explain": explain
    case "demo": DemoOptions.help
    case "presets": PresetsCommand.help
    case "metrics": MetricsCommand.help
    case "probe": ProbeOptions.help
    case "simulate": SimulateOptions.help
    default: nil
    }
  }
}
