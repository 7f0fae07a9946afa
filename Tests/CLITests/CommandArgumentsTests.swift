// Command lines, read by a table: what is taken, and how everything else is refused.
import Manual
import Primitives
import Testing

@testable import CLI

@Suite struct CommandArgumentsTests {
  private static let command: CommandSpec = {
    var one = CommandSpec(
      "juggle", summary: "throw", synopsis: ["juggle FILE [N]", "juggle set POOL NAME=VALUE"],
      text: [], examples: [])
    one.words = [WordSpec("FILE", .file), WordSpec("N", .whole, isRequired: false)]
    one.wordsAfter = [
      "set": [WordSpec("POOL", .pool), WordSpec("NAME=VALUE", .assignment(["a="]))]
    ]
    one.options = [
      OptionSpec("--with", "WORD", .text, "anything"),
      OptionSpec("--high", "HOW", .choice(["low", "lofty"]), "one"),
      OptionSpec("--some", "A,B", .choices(["red", "green"]), "some"),
      OptionSpec("--every", "TIME", .duration(0.2...60), "a time"),
      OptionSpec("--rate", "N", .number(1...2_000), "a number"),
      OptionSpec("--seeds", "1,2", .wholes, "numbers"), OptionSpec("--stop", text: "no more"),
    ]
    return one
  }()

  private static func read(_ line: String) throws -> CommandArguments {
    let words = line.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
    return try CommandArguments(command, words)
  }

  @Test func wordsAndOptionsMayBeMixed() throws {
    let read = try Self.read("--with=a=b f --every 1.5s --stop 7 --rate 2.5 --seeds 3,1 --with c")
    #expect(read.words == ["f", "7"])
    #expect(read.values("--with") == ["a=b", "c"] && read.text("--with") == "c")
    #expect(read.duration("--every") == .milliseconds(1_500) && read.number("--rate") == 2.5)
    #expect(read.wholes("--seeds") == [3, 1])
    #expect(read.has("--stop") && !read.has("--some") && read.list("--some") == nil)
    #expect(try Self.read("f --every 1m").duration("--every") == .seconds(60))
    #expect(try Self.read("f --every 200ms").duration("--every") == .milliseconds(200))
    #expect(try Self.read("f --some green,red").list("--some") == ["green", "red"])
    #expect(try Self.read("-").words == ["-"])
    #expect(try Self.read("set p a=1=2").words == ["set", "p", "a=1=2"])
  }

  @Test(arguments: [
    ("", "FILE is missing; usage: steelyard juggle FILE [N]"),
    ("f 1 g", "unexpected word g; usage: steelyard juggle FILE [N]"),
    ("f x", "N is a whole number, not x"),
    ("f --wiht a", "unknown option --wiht; did you mean --with?"),
    ("f --zzz=1", "unknown option --zzz=1"), ("f -x", "unknown option -x"),
    ("f --", "unknown option --"), ("f --with", "--with needs a value: --with WORD"),
    ("f --with=", "--with needs a value: --with WORD"), ("f --stop=1", "--stop takes no value"),
    ("f --high lofti", "--high takes low or lofty, not lofti; did you mean `lofty`?"),
    ("f --some red,blue", "--some takes some of red or green, not blue"),
    ("f --some red,red", "--some takes each only once, not red twice"),
    ("f --every 1h", "--every takes a time from 200ms to 1m, not 1h"),
    ("f --every 1", "--every takes a time from 200ms to 1m, not 1"),
    ("f --every -1s", "--every takes a time from 200ms to 1m, not -1s"),
    ("f --every nans", "--every takes a time from 200ms to 1m, not nans"),
    ("f --rate 0", "--rate takes a number from 1 to 2000, not 0"),
    ("f --rate inf", "--rate takes a number from 1 to 2000, not inf"),
    ("f --rate 0x10", "--rate takes a number from 1 to 2000, not 0x10"),
    ("f --seeds 1,x", "--seeds takes whole numbers such as 1,2,3, not x"),
    ("f --seeds 1,", "--seeds takes whole numbers such as 1,2,3, not "),
    ("f --seeds 1,1", "--seeds takes each only once, not 1 twice"),
    (
      "f --seeds 9223372036854775808",
      "--seeds takes whole numbers such as 1,2,3, not 9223372036854775808"
    ),
    ("set p", "NAME=VALUE is missing; usage: steelyard juggle set POOL NAME=VALUE"),
    ("set p a", "NAME=VALUE is a=, not a"), ("set p =1", "NAME=VALUE is a=, not =1"),
  ])
  func whatDoesNotFitIsRefusedInOneForm(_ line: String, _ message: String) {
    let error = #expect(throws: UsageError.self) { try Self.read(line) }
    #expect(error?.message == "juggle: \(message); see: steelyard juggle --help")
  }

  /// The reader asks the table for the name of every word and the range of every value.
  @Test(arguments: CommandTable.all.map(\.name)) func theTableIsWhole(_ name: String) throws {
    let command = try #require(CommandTable.all.first { $0.name == name })
    #expect(command.synopsis.allSatisfy { $0.hasPrefix(name) } && !command.examples.isEmpty)
    for option in command.options {
      #expect(option.name.hasPrefix("--") && (option.value != nil || option.kind == .text))
    }
    let required = command.words.map(\.isRequired)
    #expect(required == required.sorted { $0 && !$1 }, "words that are not required come last")
    for (first, _) in command.wordsAfter {
      guard case .choice(let words) = command.words[0].kind else {
        Issue.record("\(name) \(first)")
        continue
      }
      #expect(words.contains(first))
    }
    for example in command.examples where example.hasPrefix("steelyard \(name)") {
      let line = example.prefix { !"|>&".contains($0) }
      let words = line.split(separator: " ").dropFirst(2).map(String.init)
      #expect(throws: Never.self, "\(example)") { try CommandArguments(command, words) }
    }
  }
}
