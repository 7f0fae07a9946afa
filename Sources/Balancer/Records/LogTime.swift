// Wall-clock time in the formats of the access log, in UTC. Invariant: the date is computed at most
// once a second (days → civil date: Howard Hinnant, "chrono-compatible low-level date algorithms").
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP
import Primitives

/// The date and time of a second since 1970.
struct LogTime {
  private var second: Int64 = -1
  private var year = 1970
  private var month = 1
  private var day = 1
  private var secondOfDay = 0

  private mutating func take(_ second: Int64) {
    guard second != self.second else { return }
    self.second = second
    let days = Int(second / 86_400)
    secondOfDay = Int(second % 86_400)
    // An era has 400 years and begins on March 1st of its year 0.
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// Writes `2026-01-31T12:00:00.123Z` (RFC 3339). Requires: a time not before 1970.
  mutating func writeRFC3339(_ wall: Nanoseconds, to writer: inout ByteWriter) {
    take(wall.rawValue / 1_000_000_000)
    writer.append(number: year)
    writer.append("-")
    writer.append(pair: month)
    writer.append("-")
    writer.append(pair: day)
    writer.append("T")
    writeClock(to: &writer)
    let milliseconds = Int(wall.rawValue / 1_000_000 % 1_000)
    writer.append(".")
    writer.append(number: milliseconds / 100)
    writer.append(pair: milliseconds % 100)
    writer.append("Z")
  }

  /// Writes `31/Jan/2026:12:00:00 +0000` (common log format). Requires: a time not before 1970.
  mutating func writeCommon(_ wall: Nanoseconds, to writer: inout ByteWriter) {
    take(wall.rawValue / 1_000_000_000)
    let names: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
    writer.append(pair: day)
    writer.append("/")
    writer.append(UnsafeRawPointer(names.utf8Start) + 3 * (month - 1), 3)
    writer.append("/")
    writer.append(number: year)
    writer.append(":")
    writeClock(to: &writer)
    writer.append(" +0000")
  }

  private func writeClock(to writer: inout ByteWriter) {
    writer.append(pair: secondOfDay / 3_600)
    writer.append(":")
    writer.append(pair: secondOfDay / 60 % 60)
    writer.append(":")
    writer.append(pair: secondOfDay % 60)
  }
}

extension ByteWriter {
  /// Appends two digits. Requires: a number in 0...99.
  fileprivate mutating func append(pair number: Int) {
    if number < 10 { append("0") }
    append(number: number)
  }
}
