// The syntax of host names.

public enum HostNameText {
  /// Whether the text is a host name without a final dot: labels of letters, digits, `-` and `_`
  /// (which Docker's service names contain), 63 bytes each and 253 together (RFC 1123 §2.1). The
  /// last label must not be a number: that would be a malformed IPv4 address.
  public static func isValid(_ name: some StringProtocol) -> Bool {
    guard (1...253).contains(name.utf8.count) else { return false }
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    let areGood = labels.allSatisfy { label in
      (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
        && label.utf8.allSatisfy {
          isLetter($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F
        }
    }
    return areGood && labels.last?.utf8.contains(where: isLetter) == true
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
}
