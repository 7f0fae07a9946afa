// Lists of targets as Prometheus' `file_sd_configs` and `http_sd_configs` read them: groups of
// `targets` (addresses with ports) with `labels`. Some labels are settings of the endpoint; the
// others are its labels.
// Source: Prometheus, "Configuration", <file_sd_config> and <http_sd_config>.
import Configuration
import Fleet
import Primitives

enum TargetList {
  /// The most bytes of one list.
  static var byteCountMax: Int { 8 << 20 }

  private struct Group: Decodable {
    var targets: [String]
    var labels: [String: String]?
  }

  /// The members of a list in JSON. Errors: `malformed` with the place; nothing of it is used then.
  static func members(json content: [UInt8]) throws(SourceFailure) -> [Member] {
    try members(try SourceJSON.decode(content, "no list of `targets` and `labels`"))
  }

  /// The same of a list in YAML.
  static func members(yaml content: [UInt8], path: String) throws(SourceFailure) -> [Member] {
    let list: [YAMLFile.TextGroup]
    do throws(ConfigurationErrors) {
      list = try YAMLFile.textGroups(content, path: path)
    } catch {
      throw SourceFailure(
        .malformed, "\(error.diagnostics.first?.shortText ?? "no list of targets")")
    }
    return try members(list.map { Group(targets: $0.targets, labels: $0.labels) })
  }

  private static func members(_ groups: [Group]) throws(SourceFailure) -> [Member] {
    var members: [Member] = []
    for group in groups {
      let settings = try MemberSettings(group.labels ?? [:])
      for target in group.targets {
        guard let address = SocketAddress(target), address.port > 0 else {
          throw SourceFailure(
            .malformed, "the target \(Self.shown(target)) is no address with a port")
        }
        members.append(settings.member(address))
        if members.count > DiscoverySource.membersMax {
          throw SourceFailure(.tooLarge, "more than \(DiscoverySource.membersMax) targets")
        }
      }
    }
    return members
  }

  /// A foreign text as it is safe to print.
  static func shown(_ text: String) -> String {
    let visible = text.unicodeScalars.prefix(60).map { scalar -> Character in
      scalar.value >= 0x20 && scalar.value != 0x7F ? Character(scalar) : "?"
    }
    return "\"\(String(visible))\(text.unicodeScalars.count > 60 ? "…" : "")\""
  }
}

/// What the labels of a member say.
struct MemberSettings {
  private var template = Member(address: .loopback(port: 1))

  /// `weight`, `backup`, `drain` and `name` are settings. Labels that an endpoint may not have are
  /// not kept, those that begin with `__` among them, which are Prometheus' own. Errors: a setting
  /// with a wrong value.
  init(_ labels: [String: String]) throws(SourceFailure) {
    for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
      switch name {
      case "weight":
        guard let weight = Double(value), weight >= 0, weight <= 1_000_000 else {
          throw SourceFailure(
            .malformed, "`weight` is \(TargetList.shown(value)); it is 0 to 1000000")
        }
        template.weight = weight
      case "backup": template.isBackup = try Self.truth(name, value)
      case "drain": template.isDraining = try Self.truth(name, value)
      case "name": template.name = value
      default:
        template.note(name, value)
      }
    }
  }

  func member(_ address: SocketAddress, uid: String? = nil) -> Member {
    var member = template
    member.address = address
    member.uid = uid
    return member
  }

  private static func truth(_ name: String, _ value: String) throws(SourceFailure) -> Bool {
    switch value {
    case "true": return true
    case "false", "": return false
    default:
      throw SourceFailure(
        .malformed, "`\(name)` is \(TargetList.shown(value)); it is \"true\" or \"false\"")
    }
  }
}

extension Member {
  /// Keeps a label, if an endpoint may have it.
  mutating func note(_ label: String, _ value: String) {
    guard Endpoint.isLabelName(label), labels.count < Endpoint.labelsMax,
      value.utf8.count <= Endpoint.labelBytesMax,
      value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
    else { return }
    labels[label] = value
  }
}
