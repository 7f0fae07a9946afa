// The command line of `steelyard probe`.
import Fleet
import Primitives

/// The options of `steelyard probe`.
struct ProbeOptions: Equatable {
  var url: ProbeURL
  /// TLS of an `https://` URL, by the options.
  var tls = ClientTLS()
  /// The preset to read the page with; nil: the one that fits best.
  var preset: Preset?
  /// The time between the two fetches.
  var interval = Nanoseconds.seconds(1)
  /// The timeout of each fetch.
  var timeout = Nanoseconds.seconds(5)
  /// The page is checked line by line.
  var isStrict = false
  var isJSON = false

  init(_ arguments: CommandArguments) throws(UsageError) {
    url = try ProbeURL(arguments.words[0])
    if let tls = try ClientTLS.given(arguments) {
      guard url.isTLS else {
        throw arguments.error("--ca and --cert are for an https:// URL")
      }
      self.tls = tls
    }
    preset = arguments.text("--preset").flatMap(Preset.named)
    if let interval = arguments.duration("--interval") { self.interval = interval }
    if let timeout = arguments.duration("--timeout") { self.timeout = timeout }
    isStrict = arguments.has("--strict")
    isJSON = arguments.has("--json")
  }
}
