// A terminal as the demo needs it: single keys, a table redrawn in place on the alternate screen,
// and everything restored at the end.
import CSystem

package final class Terminal {
  private var saved = termios()
  private var isRaw = false

  package init() {}

  deinit { restore() }

  /// Whether standard input and output are terminals.
  package static var isTerminal: Bool { isatty(0) == 1 && isatty(1) == 1 }

  /// Columns and rows; 80 × 24 where the terminal does not say.
  package var size: (columns: Int, rows: Int) {
    let (columns, rows) = (Int(sy_terminal_columns(1)), Int(sy_terminal_rows(1)))
    return (columns > 0 ? columns : 80, rows > 0 ? rows : 24)
  }

  /// Keys come one at a time and are not shown; Ctrl-C stays a signal.
  package func begin() {
    guard !isRaw, tcgetattr(0, &saved) == 0 else { return }
    var raw = saved
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
    withUnsafeMutableBytes(of: &raw.c_cc) { characters in
      characters[Int(VMIN)] = 0
      characters[Int(VTIME)] = 0
    }
    guard tcsetattr(0, TCSANOW, &raw) == 0 else { return }
    isRaw = true
    write("\u{1b}[?1049h\u{1b}[?25l")
  }

  /// Gives the terminal back as it was. May be called again.
  package func restore() {
    guard isRaw else { return }
    isRaw = false
    write("\u{1b}[?25h\u{1b}[?1049l")
    tcsetattr(0, TCSANOW, &saved)
  }

  /// The next key that was pressed, nil when there is none.
  package func key() -> UInt8? {
    var byte: UInt8 = 0
    return isRaw && sy_read(0, &byte, 1) == 1 ? byte : nil
  }

  /// Shows the lines from the top, over what stood there, without flicker: each line is overwritten
  /// and only its rest is cleared. What does not fit is cut.
  package func show(_ lines: [String]) {
    let (columns, rows) = size
    var text = "\u{1b}[H"
    for line in lines.prefix(max(1, rows - 1)) { text += line.prefix(columns) + "\u{1b}[K\r\n" }
    write(text + "\u{1b}[J")
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
