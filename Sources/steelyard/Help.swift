// What --help says.

import Demo

enum Help {
  static let overview = """
    steelyard: a load balancer for inference servers whose weights follow their metrics

    usage: steelyard <command> [options]

      serve FILE      proxy, scrape and steer as FILE says
      check FILE      say what is wrong with FILE; --print shows every value in force
      demo            see it work: four endpoints, traffic and a live table in one process
      help [COMMAND]  this text, or a command's
      --version       the version

    examples:
      steelyard check config/minimal.yaml
      steelyard serve /etc/steelyard.yaml
      steelyard demo --seconds 30
    """

  static let serve = """
    usage: steelyard serve FILE

    Reads FILE (YAML or JSON), listens, proxies, scrapes the endpoints' metrics and moves their
    weights. Logs go to standard error, one line an event.

    signals:
      TERM, INT   stop accepting, finish what runs (shutdown_timeout at most), exit 0;
                  a second one ends at once
      HUP         read FILE again; a file with errors changes nothing

    exit codes: 0 ended by a signal, 64 usage, 66 FILE missing or unreadable, 69 an address in use,
                70 the system refused something, 78 errors in FILE

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
    case "demo": DemoOptions.help
    default: nil
    }
  }
}
