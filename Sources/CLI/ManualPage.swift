// The manual page, docs/steelyard.1: what `steelyard help --man` prints.
import Manual

enum ManualPage {
  static var text: String {
    ManText.page(
      date: "2026-11-21",
      summary: "load balancer for inference servers whose weights follow their metrics",
      before: [
        ManText.Section(
          "DESCRIPTION",
          [
            """
            steelyard is an HTTP load balancer. It scrapes the Prometheus metrics of every \
            endpoint, \
            computes weights that follow their load, and hands them to the balancer in the same \
            process: nothing is rewritten, reloaded or dropped. It exports metrics of its own, and \
            says for every weight why it is what it is.
            """,
            """
            One file says what listens where, which requests go to which pool of endpoints, and \
            how \
            their weights are found. A file with one listener, one pool and two addresses is \
            enough; \
            `steelyard check --print FILE` shows every other value in force.
            """,
          ])
      ], CommandTable.all,
      after: [
        ManText.Section(
          "FILES",
          rows: [
            ("/etc/steelyard/steelyard.yaml", "the configuration of the packaged service"),
            ("/usr/share/doc/steelyard/config", "configurations with every key explained"),
            ("/usr/share/steelyard/prometheus", "rules and alerts for Prometheus"),
            ("/usr/share/steelyard/dashboards", "dashboards for Grafana"),
          ]),
        ManText.Section(
          "ENVIRONMENT",
          rows: [
            ("STEELYARD_ADMIN", "the admin address, where --admin does not say it"),
            ("STEELYARD_TOKEN", "the token, where --token-file does not say it"),
            ("NO_COLOR", "where it is set and not empty, nothing is shown in colours"),
            ("TERM", "dumb: no escape sequences at all"),
            ("NOTIFY_SOCKET, WATCHDOG_USEC", "set by systemd for the service"),
          ]),
        ManText.Section(
          "SIGNALS", ["Of steelyard serve:"], rows: CommandTable.serve.lists[0].rows),
        ManText.Section(
          "EXIT STATUS", rows: ExitCode.meanings.map { ("\($0.code.rawValue)", $0.text) }),
        ManText.Section(
          "SEE ALSO",
          ["nginx(8), haproxy(1), prometheus(1), systemd.service(5), curl(1)"]),
      ])
  }
}

extension ExitCode {
  /// The meaning of each exit code.
  static let meanings: [(code: ExitCode, text: String)] = [
    (.ok, "done"), (.usage, "a bad option or a missing argument"),
    (.refused, "a running steelyard refused an order"),
    (.noInput, "a file is missing or cannot be read"),
    (
      .unavailable,
      "an address cannot be listened on, nobody answers there, or a page is no metrics page"
    ),
    (.internalError, "the system refused something that it never should"),
    (.cannotCreate, "an output cannot be written"),
    (.noPermission, "the admin server wants a token, or a better one"),
    (.configuration, "the configuration has errors"),
  ]
}
