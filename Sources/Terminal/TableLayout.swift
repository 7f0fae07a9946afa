// Tables for a given number of columns of a terminal: widths follow the contents, the least
// important columns are left out until the others fit, and the last text column is cut to the
// remaining width.

/// The layout of a table: its cells as safe text and the widths of its columns.
package struct TableLayout: Sendable {
  package struct Column: Sendable {
    package var title: String
    package var isRight: Bool
    /// A column with a smaller number is left out later if there is little room.
    package var priority: Int
    /// The width to which it is cut before another column is left out; nil: it is never cut.
    package var widthMin: Int?
    package var widthMax = 40
    /// The width of the column if its contents are narrower.
    package var widthLeast = 0
    /// Names often differ only at their end, which stays if one is cut.
    package var isName: Bool

    package init(
      _ title: String, isRight: Bool = true, priority: Int, widthMin: Int? = nil,
      isName: Bool = false
    ) {
      self.title = title
      self.isRight = isRight
      self.priority = priority
      self.widthMin = widthMin
      self.isName = isName
    }
  }

  package typealias Cell = (text: String, tone: Tone)

  private let columns: [Column]
  /// The width of each column; nil: it is left out.
  package private(set) var widths: [Int?]
  private let gap: String

  /// Lays out a table with these rows within `width` columns.
  package init(_ columns: [Column], _ rows: [[Cell]], width: Int) {
    self.columns = columns
    gap = String(repeating: " ", count: width >= 80 ? 2 : 1)
    widths = [Int?](repeating: nil, count: columns.count)
    var wanted = columns.map { max($0.widthLeast, SafeText.width(SafeText.of($0.title))) }
    for row in rows {
      for (index, cell) in row.enumerated() {
        wanted[index] = max(wanted[index], SafeText.width(SafeText.of(cell.text)))
      }
    }
    for index in columns.indices { wanted[index] = min(wanted[index], columns[index].widthMax) }
    var left = width + gap.count
    var cutable: [Int] = []
    for index in columns.indices.sorted(by: { columns[$0].priority < columns[$1].priority }) {
      let least = min(wanted[index], columns[index].widthMin ?? wanted[index])
      guard least + gap.count <= left else {
        // The first column is always shown, however narrow.
        if widths.allSatisfy({ $0 == nil }) { widths[index] = max(1, left - gap.count) }
        if columns[index].widthMin != nil { continue }
        break
      }
      widths[index] = least
      left -= least + gap.count
      if least < wanted[index] { cutable.append(index) }
    }
    // The remaining width goes to the columns that were cut, in the order of their priority.
    for index in cutable {
      guard let width = widths[index] else { continue }
      let more = min(left, wanted[index] - width)
      widths[index] = width + more
      left -= more
    }
  }

  /// The titles; `sorted` is the column that rows are sorted by.
  package func header(sorted: Int? = nil, isDescending: Bool = false) -> ScreenLine {
    var line = ScreenLine()
    for (index, column) in columns.enumerated() {
      guard let width = widths[index] else { continue }
      if line.width > 0 { line.append(gap) }
      let isSorted = index == sorted
      // The mark must not widen a column, or columns would jump.
      var title = column.title
      if isSorted {
        let mark = isDescending ? "▾" : "▴"
        title =
          SafeText.width(title) < width ? title + mark : String(title.prefix(width - 1)) + mark
      }
      line.append(
        SafeText.fitted(title, to: width, isRight: column.isRight), isSorted ? .notice : .title)
    }
    return line
  }

  package func line(_ row: [Cell]) -> ScreenLine {
    var line = ScreenLine()
    for (index, column) in columns.enumerated() {
      guard let width = widths[index] else { continue }
      if line.width > 0 { line.append(gap) }
      let safe = SafeText.of(row[index].text)
      let text = column.isName ? SafeText.cutWithin(safe, to: width) : safe
      line.append(
        SafeText.fitted(text, to: width, isRight: column.isRight), row[index].tone)
    }
    return line
  }
}
