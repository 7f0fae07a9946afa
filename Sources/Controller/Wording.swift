// Untrusted bytes in a readable form, for errors.

package enum Wording {
  /// The beginning of untrusted bytes: printable ASCII on one line, at most 80 characters.
  package static func snippet(_ bytes: UnsafeRawBufferPointer) -> String {
    var text = ""
    for byte in bytes.prefix(80) {
      text.unicodeScalars.append(
        byte > 0x1F && byte < 0x7F ? Unicode.Scalar(byte) : byte == 0x0A ? " " : "?")
    }
    return bytes.count > 80 ? text + "…" : text
  }
}
