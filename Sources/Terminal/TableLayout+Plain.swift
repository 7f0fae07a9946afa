// Tables of commands that print once: plain text, as wide as its contents.

extension TableLayout {
  /// The lines of a table, two blanks between its columns, none at the ends of lines. Columns in
  /// `right` are aligned to the right; a column is at least as wide as `widthsMin` says; columns
  /// without any content are left out. Requires: all rows have the same number of cells.
  package static func plain(
    _ rows: [[String]], right: Set<Int> = [], widthsMin: [Int] = []
  ) -> [String] {
    guard let first = rows.first else { return [] }
    let kept = first.indices.filter { column in rows.contains { !$0[column].isEmpty } }
    let columns = kept.map { column in
      var one = Column("", isRight: right.contains(column), priority: 0)
      one.widthMax = .max
      one.widthLeast = column < widthsMin.count ? widthsMin[column] : 0
      return one
    }
    let cells = rows.map { row in kept.map { Cell(text: row[$0], tone: .normal) } }
    let layout = TableLayout(columns, cells, width: 100_000)
    return cells.map { row in
      var line = layout.line(row).plain
      while line.hasSuffix(" ") { line.removeLast() }
      return line
    }
  }
}
