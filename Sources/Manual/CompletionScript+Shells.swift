// Completion for zsh (zshcompsys(1), _arguments) and fish (complete(1)).

extension CompletionScript {
  // MARK: zsh

  package static func zsh(_ commands: [CommandSpec]) -> String {
    var text = """
      #compdef steelyard
      \(header)
      _steelyard() {
        local curcontext=$curcontext state line ret=1
        typeset -A opt_args
        _arguments -C \\
          '(- *)'{-h,--help}'[what there is]' '(- *)--version[the version]' \\
          '1: :->command' '*:: :->rest' && ret=0
        case $state in
          command)
            local -a commands=(

      """
    for command in commands {
      text += "        \(quote("\(command.name):\(command.summary)"))\n"
    }
    text += """
            )
            _describe -t commands command commands && ret=0
            ;;
          rest)
            case $words[1] in

      """
    for command in commands {
      text += "          \(command.name))\n            _arguments -C \\\n"
      for option in command.options {
        let value = option.value.map { ":\(zshText($0)):\(zshAction(option.kind))" } ?? ""
        let name = option.value == nil ? option.name : option.name + "="
        text += "              \(quote("*\(name)[\(zshText(option.text))]\(value)")) \\\n"
      }
      text += "              '(- *)'{-h,--help}'[what it does]'"
      for (place, kind) in command.words.map(\.kind).enumerated() {
        text += " \\\n              \(quote("\(place + 1): :\(zshAction(kind))"))"
      }
      if !command.wordsAfter.isEmpty { text += " \\\n              '*:: :->words'" }
      text += " && ret=0\n" + zshAfter(command) + "            ;;\n"
    }
    return text + """
            esac
            ;;
        esac
        return ret
      }

      # _steelyard_names KIND: of the steelyard that runs; none where it does not answer.
      _steelyard_names() {
        local -a names=(${(f)"$(steelyard completion $1 2>/dev/null)"})
        compadd -a names
      }

      if [ "$funcstack[1]" = _steelyard ]; then
        _steelyard "$@"
      else
        compdef _steelyard steelyard
      fi

      """
  }

  /// After `*:: :` the words begin with the one that decides what follows.
  private static func zshAfter(_ command: CommandSpec) -> String {
    guard !command.wordsAfter.isEmpty else { return "" }
    var text = "            if [[ $state == words ]]; then\n"
    text += "              case $line[1]:$CURRENT in\n"
    for (word, after) in command.wordsAfter.sorted(by: { $0.key < $1.key }) {
      for (index, kind) in after.map(\.kind).enumerated() where !kind.isFree {
        text += "                \(word):\(index + 2)) \(zshCall(kind)) && ret=0 ;;\n"
      }
    }
    return text + "              esac\n            fi\n"
  }

  private static func zshAction(_ kind: WordKind) -> String {
    switch kind {
    case .text, .duration, .number, .whole, .wholes: " "
    case .file: "_files"
    // In braces, because _arguments would otherwise pass it options of compadd.
    case .pool: "{_steelyard_names pools}"
    case .endpoint: "{_steelyard_names endpoints}"
    case .target: "{_steelyard_names targets}"
    case .choice(let words), .choices(let words), .assignment(let words):
      "(\(words.joined(separator: " ")))"
    }
  }

  private static func zshCall(_ kind: WordKind) -> String {
    switch kind {
    case .choice(let words): return "compadd -- \(words.joined(separator: " "))"
    case .assignment(let words): return "compadd -S '' -- \(words.joined(separator: " "))"
    default: break
    }
    return String(zshAction(kind).filter { $0 != "{" && $0 != "}" })
  }

  /// Text within an _arguments specification.
  private static func zshText(_ text: String) -> String {
    var result = ""
    for character in text {
      if "[]:\\".contains(character) { result.append("\\") }
      result.append(character)
    }
    return result
  }

  private static func quote(_ text: String) -> String {
    "'\(text.replacing("'", with: "'\\''"))'"
  }

  // MARK: fish

  package static func fish(_ commands: [CommandSpec]) -> String {
    var text = """
      \(header)
      # Whether so many words that are no options stand after the command, and the first is one of.
      function __steelyard_at
          set -l words (commandline -opc)[2..-1]
          set -l plain
          set -l skip 0
          for word in $words
              if test $skip = 1
                  set skip 0
              else if contains -- $word \(valued(commands).joined(separator: " "))
                  set skip 1
              else if not string match -q -- '-*' $word
                  set -a plain $word
              end
          end
          test (count $plain) -eq $argv[2]; and test "$plain[1]" = $argv[1]
          and begin
              test (count $argv) -lt 3; or test "$plain[2]" = $argv[3]
          end
      end
      function __steelyard_names
          steelyard completion $argv[1] 2>/dev/null
      end
      complete -c steelyard -f
      complete -c steelyard -s h -l help -d 'what it does'
      complete -c steelyard -n __fish_use_subcommand -l version -d 'the version'

      """
    for command in commands {
      text += "complete -c steelyard -n __fish_use_subcommand -a \(command.name)"
      text += " -d \(fishQuote(command.summary))\n"
    }
    for command in commands {
      let seen = "-n '__fish_seen_subcommand_from \(command.name)'"
      for option in command.options {
        text += "complete -c steelyard \(seen) -l \(option.name.dropFirst(2))"
        if option.value != nil { text += " \(fishValue(option.kind))" }
        text += " -d \(fishQuote(option.text))\n"
      }
      for (place, kind) in command.words.map(\.kind).enumerated() where !kind.isFree {
        text += "complete -c steelyard -n '__steelyard_at \(command.name) \(place + 1)'"
        text += " \(fishWord(kind))\n"
      }
      for (word, after) in command.wordsAfter.sorted(by: { $0.key < $1.key }) {
        for (index, kind) in after.map(\.kind).enumerated() where !kind.isFree {
          text += "complete -c steelyard -n '__steelyard_at \(command.name) \(index + 2) \(word)'"
          text += " \(fishWord(kind))\n"
        }
      }
    }
    return text
  }

  private static func fishValue(_ kind: WordKind) -> String {
    kind.isFree ? "-x" : kind == .file ? "-r -F" : "-x \(fishWord(kind))"
  }

  private static func fishWord(_ kind: WordKind) -> String {
    switch kind {
    case .text, .duration, .number, .whole, .wholes: ""
    case .file: "-F"
    case .pool: "-a '(__steelyard_names pools)'"
    case .endpoint: "-a '(__steelyard_names endpoints)'"
    case .target: "-a '(__steelyard_names targets)'"
    case .choice(let words), .choices(let words), .assignment(let words):
      "-a \(fishQuote(words.joined(separator: " ")))"
    }
  }

  private static func fishQuote(_ text: String) -> String {
    "'\(text.replacing("\\", with: "\\\\").replacing("'", with: "\\'"))'"
  }
}
