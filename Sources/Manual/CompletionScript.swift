// Completion for bash: commands, options, files, values, and the present names of pools and
// endpoints, for which the program is called. The shell expands nothing that a server sends.

/// Scripts that let a shell complete command lines.
package enum CompletionScript {
  static let header =
    "# Completion of steelyard. Made by `steelyard completion SHELL`: do not edit."

  package static func bash(_ commands: [CommandSpec]) -> String {
    var text = """
      \(header)
      _steelyard() {
        local line=${COMP_LINE:0:COMP_POINT} word index
        local -a words=() shown=()
        read -ra words <<<"$line"
        [[ $line == *[[:space:]] ]] && words+=("")
        local current=${words[-1]} count=${#words[@]}
        local command=${words[1]-} option=${words[count - 2]}
        COMPREPLY=()
        if [ "$count" -le 2 ]; then
          shown=(\(commands.map(\.name).joined(separator: " ")) --help --version)
          _steelyard_offer "$current" "${shown[@]}"
          return
        fi

      """
    text += bashOptionValues(commands)
    text += """
        # The words of the command that are no options and no values of options.
        local -a plain=()
        for ((index = 2; index < count - 1; index++)); do
          word=${words[index]}
          case $word in
            *=*) ;;
            \(valued(commands).map { $0 }.joined(separator: "|"))) ((index++)) && continue ;;
          esac
          [[ $word == -* ]] || plain+=("$word")
        done
        local place=${#plain[@]} first=${plain[0]-}
        case $command in

      """
    for command in commands {
      text += "    \(command.name))\n"
      let options = command.options.map(\.name) + ["--help"]
      text += "      [[ $current == -* ]] && shown=(\(options.joined(separator: " ")))\n"
      text += bashWords(command)
      text += "      ;;\n"
    }
    return text + """
        esac
        _steelyard_offer "$current" "${shown[@]}"
      }

      # _steelyard_offer CURRENT WORD...: those that begin so.
      _steelyard_offer() {
        local current=$1 word
        shift
        # bash replaces what stands after the last colon only.
        local head=""
        [[ $COMP_WORDBREAKS == *:* && $current == *:* ]] && head=${current%:*}:
        for word in "$@"; do
          [[ $word == "$current"* ]] || continue
          [[ $word == *= ]] && compopt -o nospace 2>/dev/null
          word=${word#"$head"}
          COMPREPLY+=("$(printf %q "$word")")
        done
      }

      # _steelyard_names KIND: of the steelyard that runs; none where it does not answer.
      _steelyard_names() {
        shown=()
        local name
        while IFS= read -r name; do shown+=("$name"); done \\
          < <(steelyard completion "$1" 2>/dev/null)
      }

      _steelyard_files() {
        compopt -o filenames 2>/dev/null
        local name
        while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -f -- "$1")
      }

      complete -F _steelyard steelyard

      """
  }

  /// The options of any command that take a value.
  static func valued(_ commands: [CommandSpec]) -> [String] {
    Set(commands.flatMap(\.options).filter { $0.value != nil }.map(\.name)).sorted()
  }

  private static func bashOptionValues(_ commands: [CommandSpec]) -> String {
    var text = "  case $command$option in\n"
    for command in commands {
      for option in command.options where option.value != nil {
        text += "    \(command.name)\(option.name))\n"
        text += "      \(bashOffer(option.kind))\n"
        if option.kind != .file { text += "      _steelyard_offer \"$current\" \"${shown[@]}\"\n" }
        text += "      return\n      ;;\n"
      }
    }
    return text + "  esac\n"
  }

  private static func bashWords(_ command: CommandSpec) -> String {
    var text = ""
    for (place, kind) in command.words.map(\.kind).enumerated() where !kind.isFree {
      text += "      [[ $current != -* && $place -eq \(place) ]] && { \(bashOffer(kind)); }\n"
    }
    for (word, after) in command.wordsAfter.sorted(by: { $0.key < $1.key }) {
      for (index, kind) in after.map(\.kind).enumerated() where !kind.isFree {
        text += "      [[ $current != -* && $first == \(word) && $place -eq \(index + 1) ]]"
        text += " && { \(bashOffer(kind)); }\n"
      }
    }
    return text
  }

  /// Sets `shown`, or replies by itself.
  private static func bashOffer(_ kind: WordKind) -> String {
    switch kind {
    case .text, .duration, .number, .whole, .wholes: "shown=()"
    case .file: "_steelyard_files \"$current\""
    case .pool: "_steelyard_names pools"
    case .endpoint: "_steelyard_names endpoints"
    case .target: "_steelyard_names targets"
    case .choice(let words), .choices(let words), .assignment(let words):
      "shown=(\(words.joined(separator: " ")))"
    }
  }
}
