import Testing

@testable import Manual

@Suite struct ManualTests {
  static let command: CommandSpec = {
    var one = CommandSpec(
      "juggle", label: "juggle N", summary: "throw N endpoints into the air",
      synopsis: ["juggle N [--high METRES] [--with WORD]", "juggle --stop"],
      text: ["Throws them. \(String(repeating: "And catches them again. ", count: 20))"],
      examples: ["steelyard juggle 3"])
    one.options = [
      OptionSpec("--high", "METRES", .choice(["1", "2"]), "how high: it's [bounded]"),
      OptionSpec("--with", "WORD", .file, "what else"), OptionSpec("--stop", text: "no more"),
    ]
    one.exits = [(0, "done"), (64, "usage")]
    one.words = [WordSpec("N", .choice(["a", "b"]))]
    one.wordsAfter = ["a": [WordSpec("POOL", .pool)]]
    return one
  }()

  @Test func helpHasEverythingWithinItsWidth() {
    let text = HelpText.of(Self.command)
    for part in [
      "usage: steelyard juggle N [--high METRES] [--with WORD]\n       steelyard juggle --stop\n",
      "  --high METRES  how high", "  --stop         no more", "exit codes: 0 done, 64 usage",
      "examples:\n  steelyard juggle 3",
    ] {
      #expect(text.contains(part), "\(part)\n\(text)")
    }
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 96 })
    #expect(!text.contains("\u{A0}"))
  }

  @Test func theManualPageEscapesWhatMeansSomethingToRoff() {
    var one = Self.command
    one.lists = [ListSpec("odd", [("a\"b", ".starts with a dot \\ and 'quotes'")])]
    let page = ManText.page(
      date: "2026-01-01", summary: "x", before: [], [one], after: [ManText.Section("FILES")])
    #expect(page.contains(".B \"a\\(dqb\"\n\\&.starts with a dot \\e and \\(aqquotes\\(aq\n"))
    #expect(page.contains("\\-\\-high METRES"))
    #expect(page.split(separator: "\n").allSatisfy { $0.count <= 100 })
  }

  @Test func everyShellGetsEveryOption() {
    let commands = [Self.command]
    for script in [
      CompletionScript.bash(commands), CompletionScript.zsh(commands),
      CompletionScript.fish(commands),
    ] {
      for word in ["juggle", "high", "with", "stop"] { #expect(script.contains(word)) }
    }
    // Text of help within zsh's and fish's quotes.
    #expect(CompletionScript.zsh(commands).contains("it'\\''s \\[bounded\\]"))
    #expect(CompletionScript.fish(commands).contains("it\\'s [bounded]"))
  }
}
