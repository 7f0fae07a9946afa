// What several steelyards share: settings with their secrets, the limits, and what the log has of
// the common store.
import Admin
import Balancer
import Certificates
import Events
import Fleet
import IO
import Primitives
import Shared

extension Steelyard {
  static let sharedTag: UInt32 = 3

  /// How the common store of a configuration is reached; nil: nothing is shared. Errors: a secret
  /// that cannot be read.
  static func sharedSettings(
    _ fleet: Fleet, _ log: LogDriver
  ) throws(StartError) -> SharedLimits.Settings? {
    guard let policy = fleet.shared else { return nil }
    let secret = try token(policy.secret, "`shared.secret`", log)
    let link = RedisLink.Settings(
      policy, login: try login(policy.login, "`shared.redis.password`", log),
      sentinelLogin: try login(
        policy.sentinel?.login ?? SharedPolicy.Login(), "`shared.redis.sentinel.password`", log))
    // SipHash of the secret under a fixed key: whoever sees the names in the store learns nothing
    // of the clients' keys.
    let identity = SipHash(0x7374_6565_6C79_6172, 0x643A_7368_6172_6564)
    let hash = Array(secret.text.utf8).withUnsafeBytes { identity($0) }
    return SharedLimits.Settings(link, identity: hash)
  }

  private static func login(
    _ login: SharedPolicy.Login, _ key: String, _ log: LogDriver
  ) throws(StartError) -> RedisGreeting.Login {
    guard let source = login.password else { return RedisGreeting.Login() }
    return RedisGreeting.Login(
      username: login.username, password: try fieldValue(source, key, log))
  }

  /// Gives the balancer the hash of the keys of shared limits. Before the fleet is published.
  static func prepareShared(
    _ settings: SharedLimits.Settings?, before: SharedLimits.Settings?, _ balancer: Balancer
  ) {
    guard let settings, settings.identity != before?.identity else { return }
    balancer.admission.setSharedHash(SipHash(settings.identity, ~settings.identity))
  }

  /// Follows a configuration. The balancer has its fleet already.
  func applyShared(_ settings: SharedLimits.Settings?) {
    var limits: [SharedLimits.Limit] = []
    for scope in RateScope.all(of: configured) {
      for limit in scope.limits where limit.isShared {
        guard case .shared(let table) = balancer.admission.buckets(limit, of: scope) else {
          continue
        }
        limits.append(
          SharedLimits.Limit(
            name: scope.sharedName(of: limit), rule: LeaseRule(limit), table: table))
      }
    }
    sharedSettings = settings
    shared.apply(settings, limits)
  }

  /// Tells the log what became of the common store.
  func noteShared() {
    for notice in shared.status.takeNews() {
      switch notice {
      case .reached(let server):
        log.write(
          .info, "shared store reached",
          ["server": "\(server)", "replicas": shared.status.replicas])
      case .lost(let failure):
        log.write(
          .warning, "shared store unreachable, limits are this replica's share",
          ["reason": failure.kind.rawValue, "detail": failure.detail])
      }
    }
  }
}
