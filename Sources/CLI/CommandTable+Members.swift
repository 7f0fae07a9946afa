// The commands about endpoints that are not in the configuration file.
import Manual

extension CommandTable {
  static let endpoints: CommandSpec = {
    var one = CommandSpec(
      "endpoints", summary: "endpoints of a running steelyard: list, add, change, remove them",
      synopsis: [
        "endpoints [--pool POOL | --json]",
        "endpoints add POOL ADDRESS [--weight NUMBER] [--backup] [--name NAME] [--labels LIST] "
          + "[--for TIME | --persist]",
        "endpoints set POOL ADDRESS [--weight NUMBER] [--drain] [--backup] [--name NAME] [--labels LIST] "
          + "[--for TIME | --persist]",
        "endpoints remove POOL ADDRESS",
      ],
      text: [
        """
        Lists the endpoints of every pool by where they come from, or adds some to a pool at once, \
        without a reload. `add` and `set` are the same: the endpoint has the settings that are \
        given, whatever it had before. With `--for` it is dropped after that time unless the \
        command is repeated: a server registers itself so, and is gone when it stops. `remove` \
        takes out what was added; requests that run there go on. An endpoint of the file, or of a \
        source, stays as long as that has it. Each change leaves a line in steelyard's log.
        """
      ],
      examples: [
        "steelyard endpoints", "steelyard endpoints add text 10.0.0.9:8000 --weight 2",
        "steelyard endpoints add text 10.0.0.9:8000 --for 30s",
        "steelyard endpoints remove text 10.0.0.9:8000",
      ])
    one.words = [WordSpec("ACTION", .choice(["add", "set", "remove"]), isRequired: false)]
    let words = [WordSpec("POOL", .pool), WordSpec("ADDRESS", .endpoint)]
    one.wordsAfter = ["add": words, "set": words, "remove": words]
    one.options =
      [
        poolOption,
        OptionSpec("--weight", "NUMBER", .number(0...1_000_000), "its weight (1)"),
        OptionSpec("--backup", text: "it is used while no other endpoint can be"),
        OptionSpec("--drain", text: "it takes no new requests"),
        OptionSpec("--name", "NAME", .text, "what people call it"),
        OptionSpec("--uid", "TEXT", .text, "another one at the same address is another endpoint"),
        OptionSpec("--labels", "LIST", .text, "labels, like zone=a,model=b"),
        forOption, persistOption, jsonOption,
      ] + adminOptions
    one.lists = [environment]
    one.exits = adminExits
    return one
  }()

  static let discover: CommandSpec = {
    var one = CommandSpec(
      "discover", summary: "what each source of endpoints says now",
      synopsis: ["discover [--pool POOL | --json] [--admin ADDRESS] [--token-file FILE]"],
      text: [
        """
        Shows for every pool where its endpoints come from: the file, host names, the sources of \
        `discover`, and what was added at run time; what each of them says now, and why it fails, \
        if it does.
        """
      ],
      examples: ["steelyard discover", "steelyard discover --pool text"])
    one.options = [poolOption, jsonOption] + adminOptions
    one.lists = [environment]
    one.exits = adminExits
    return one
  }()
}
