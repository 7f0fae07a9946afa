// PUT and DELETE of /api/v1/pools/NAME/endpoints/ADDRESS: an endpoint that is added at run time, by
// an operator or by itself, and renewed before its time is over.
package import Fleet
package import Primitives

/// An endpoint to add, to change, to renew or to remove.
package struct MemberRequest: Sendable, Equatable {
  package var pool: String
  package var member: Member
  package var isRemoval: Bool
  /// nil: until it is removed.
  package var lasts: Nanoseconds?
  /// It is kept over a restart.
  package var persists = false

  /// Errors: an address or a parameter that is wrong.
  init(pool: String, _ address: String, isRemoval: Bool, _ query: String) throws(Problem) {
    guard let found = SocketAddress(address), found.port > 0 else {
      throw Problem(404, "\(AdminParameters.shown(address)) is no address like 10.0.0.1:8000")
    }
    self.pool = pool
    self.isRemoval = isRemoval
    member = Member(address: found)
    var parameters = try AdminParameters(query)
    if !isRemoval {
      if parameters.has("weight") {
        member.weight = try parameters.number("weight", 0...1_000_000)
      }
      member.isBackup = try Self.truth("backup", &parameters)
      member.isDraining = try Self.truth("drain", &parameters) ?? false
      persists = try Self.truth("persist", &parameters) ?? false
      member.name = parameters.take("name")
      member.uid = parameters.take("uid")
      if let name = member.name, !Endpoint.isName(name) {
        throw Problem(400, "name has 1 to 64 letters, digits, `_`, `-` and `.`")
      }
      if let uid = member.uid,
        !(1...128).contains(uid.utf8.count) || !uid.utf8.allSatisfy(Secret.isVisible)
      {
        throw Problem(400, "uid has 1 to 128 bytes of visible ASCII")
      }
      try takeLabels(parameters.take("labels"))
      lasts = try parameters.duration("for")
      if persists, lasts != nil {
        throw Problem(
          409, "persist and for exclude each other: who renews itself comes back itself")
      }
    }
    try parameters.requireNoOther()
  }

  /// `zone=a,model=b`.
  private mutating func takeLabels(_ text: String?) throws(Problem) {
    guard let text else { return }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    for part in parts {
      let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard halves.count == 2, Self.isLabel(halves[0]), parts.count <= Endpoint.labelsMax,
        halves[1].utf8.count <= Endpoint.labelBytesMax,
        halves[1].utf8.allSatisfy({ (0x20...0x7E).contains($0) })
      else {
        throw Problem(
          400, "labels are at most \(Endpoint.labelsMax) of NAME=VALUE, separated by commas")
      }
      member.labels[String(halves[0])] = String(halves[1])
    }
  }

  /// Letters, digits and `_`, with a letter first.
  private static func isLabel(_ name: Substring) -> Bool {
    guard let first = name.utf8.first, Endpoint.isLabelName(String(name)) else { return false }
    return first != UInt8(ascii: "_")
  }

  private static func truth(
    _ name: String, _ parameters: inout AdminParameters
  ) throws(Problem) -> Bool? {
    switch parameters.take(name) {
    case nil: return nil
    case "true": return true
    case "false": return false
    default: throw Problem(400, "\(name) is true or false")
    }
  }
}
