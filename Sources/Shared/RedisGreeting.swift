// What is said on a new connection before it is used, and how the replies are judged. Pure. All
// commands are sent at once; the replies come in their order.
package import Fleet

/// The first exchange with a server or a sentinel.
package struct RedisGreeting: Sendable {
  /// Name and password, as they are sent.
  package struct Login: Sendable, Equatable {
    package var username: String?
    package var password: String?

    package init(username: String? = nil, password: String? = nil) {
      self.username = username
      self.password = password
    }
  }

  /// What came of the greeting.
  package enum Outcome: Sendable, Equatable {
    case unfinished
    /// The server can be used.
    case ready
    /// The master that a sentinel named.
    case master(SharedPolicy.Server)
    case failed(RedisFailure)
  }

  private enum Step: Sendable {
    case login, select, role, master
    /// Its reply does not matter.
    case name
  }

  private var steps: [Step] = []
  private let masterName: String
  private var found: SharedPolicy.Server?

  /// The commands.
  package private(set) var bytes: [UInt8] = []

  /// The greeting of a server. Its database is selected, and it has to be a master.
  package init(login: Login, database: Int) {
    masterName = ""
    say(login)
    if database != 0 { say(.select, "SELECT", "\(database)") }
    say(.name, "CLIENT", "SETNAME", "steelyard")
    say(.role, "ROLE")
  }

  /// The greeting of a sentinel: it is asked for the master of that name.
  package init(login: Login, master name: String) {
    masterName = name
    say(login)
    say(.master, "SENTINEL", "get-master-addr-by-name", name)
  }

  private mutating func say(_ login: Login) {
    guard let password = login.password else { return }
    if let username = login.username {
      say(.login, "AUTH", username, password)
    } else {
      say(.login, "AUTH", password)
    }
  }

  private mutating func say(_ step: Step, _ words: String...) {
    steps.append(step)
    RESPValue.append(command: words.map { Array($0.utf8) }, to: &bytes)
  }

  /// Takes the next reply. Requires: the greeting is not over.
  package mutating func take(_ reply: RESPValue) -> Outcome {
    let step = steps.removeFirst()
    if case .error(let text) = reply {
      switch step {
      case .name: break
      // A user that may not ask for the role may be able to do everything else.
      case .role where text.hasPrefix("NOPERM"): break
      default: return .failed(RedisFailure(error: text))
      }
    } else {
      switch step {
      case .login, .select, .name: break
      case .role:
        guard reply.items?.first?.text == "master" else {
          let role = reply.items?.first?.text ?? "nothing"
          return .failed(
            RedisFailure(.notReady, "the server is no master but \(role.prefix(40))"))
        }
      case .master:
        guard let items = reply.items, items.count == 2, let host = items[0].text,
          let port = items[1].text.flatMap({ UInt16($0) }), !host.isEmpty, host.utf8.count < 256
        else {
          return .failed(RedisFailure(.sentinel, "the sentinel knows no master `\(masterName)`"))
        }
        found = SharedPolicy.Server(host: host, port: port)
      }
    }
    guard steps.isEmpty else { return .unfinished }
    return found.map(Outcome.master) ?? .ready
  }
}
