// A terminal for interactive programs: single keys, frames drawn in place on the alternate screen
// with one write, and the original state restored at the end. Stdin reads keys, stdout is the
// screen.
import CSystem
package import IO

package final class TerminalDriver {
  private var saved = termios()
  /// `saved` holds the original state of the terminal.
  private var isSaved = false
  private var isRaw = false
  /// The lines on the screen; empty: unknown.
  private var shown: [String] = []

  package init() {}

  deinit { restore() }

  /// Whether standard input and output are terminals that know escape sequences.
  package static var isUsable: Bool {
    isatty(0) == 1 && isatty(1) == 1 && palette(of: 1, hasEscapes: true) != .plain
  }

  /// The palette for a descriptor, according to the environment. `hasEscapes`: the output needs a
  /// terminal anyway.
  package static func palette(of fd: Int32, hasEscapes: Bool = false) -> Palette {
    func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    return Palette.of(
      isTerminal: isatty(fd) == 1, noColor: variable("NO_COLOR"), term: variable("TERM"),
      hasEscapes: hasEscapes)
  }

  /// Columns and rows; 80 × 24 if the terminal does not say.
  package var size: (columns: Int, rows: Int) {
    let (columns, rows) = (Int(sy_terminal_columns(1)), Int(sy_terminal_rows(1)))
    return (columns > 0 ? min(columns, 1_000) : 80, rows > 0 ? min(rows, 1_000) : 24)
  }

  /// Starts interactive mode: keys come one at a time and are not echoed; Ctrl-C and Ctrl-Z stay
  /// signals. The alternate screen, no cursor, no line wrapping, bracketed pastes. Call again after
  /// `restore`, or after the process was stopped and the terminal may have been changed.
  package func begin() {
    if !isSaved { isSaved = tcgetattr(0, &saved) == 0 }
    guard isSaved else { return }
    var raw = saved
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
    raw.c_iflag &= ~tcflag_t(IXON | ICRNL)
    withUnsafeMutableBytes(of: &raw.c_cc) { characters in
      characters[Int(VMIN)] = 0
      characters[Int(VTIME)] = 0
    }
    guard tcsetattr(0, TCSANOW, &raw) == 0 else { return }
    isRaw = true
    shown = []
    write("\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[?2004h\u{1b}[2J")
  }

  /// Restores the original state of the terminal. May be called again.
  package func restore() {
    guard isRaw else { return }
    isRaw = false
    write("\u{1b}[0m\u{1b}[?2004l\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l")
    // Keys that were not read would go to the shell.
    tcsetattr(0, TCSAFLUSH, &saved)
  }

  /// Restores the terminal and stops the process, as Ctrl-Z should; returns when it continues.
  package func suspend() {
    restore()
    kill(getpid(), SIGSTOP)
    begin()
  }

  /// Waits for a key or the waker, or for so many milliseconds.
  package func wait(_ waker: Waker, milliseconds: Int32) {
    waker.wait(orReading: 0, milliseconds: milliseconds)
  }

  /// The bytes typed since the last call; nil: the terminal is gone.
  package func typed() -> [UInt8]? {
    guard isRaw, sy_poll(0, 0, 0) != 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: 1_024)
    let count = sy_read(0, &bytes, bytes.count)
    return count > 0 ? Array(bytes.prefix(count)) : nil
  }

  /// Makes the next frame draw everything again.
  package func forget() {
    shown = []
    write("\u{1b}[2J")
  }

  /// Shows a frame: writes the changed lines in one write. Requires: each line has exactly as many
  /// columns as the screen.
  package func show(_ lines: [String]) {
    var text = ""
    for (index, line) in lines.enumerated() where index >= shown.count || shown[index] != line {
      text += "\u{1b}[\(index + 1);1H\(line)"
    }
    if lines.count < shown.count { text += "\u{1b}[\(lines.count + 1);1H\u{1b}[J" }
    shown = lines
    write(text)
  }

  private func write(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let count = sy_write(1, rest.baseAddress, rest.count)
        if count <= 0 { return }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      }
    }
  }
}
