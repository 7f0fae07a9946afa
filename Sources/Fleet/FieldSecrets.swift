// Fills in the values of header fields whose source is a file or the environment, at start and at
// each reload: one walk over all fields of a configuration.

extension Fleet {
  /// Fills in the values of fields that have a `source`. `read` returns the value; its arguments
  /// are the source and the purpose, such as "header `Authorization` of the checks of pool `text`".
  /// Errors: those of `read`; the fleet is unchanged then.
  package mutating func readSecrets<Failure: Error>(
    _ read: (TokenSource, String) throws(Failure) -> String
  ) throws(Failure) {
    var filled = self
    for index in pools.indices {
      for position in pools[index].sources.indices {
        let owner = "of source `\(pools[index].sources[position].label)`"
        let fields = pools[index].sources[position].fields
        filled.pools[index].sources[position].fields = try Self.filled(fields, owner, read)
      }
      for page in pools[index].weights.scrapes.indices {
        let owner = "of page \(page + 1) of pool `\(pools[index].name)`"
        let fields = pools[index].weights.scrapes[page].fields
        filled.pools[index].weights.scrapes[page].fields = try Self.filled(fields, owner, read)
      }
      if let fields = pools[index].health?.fields {
        let owner = "of the checks of pool `\(pools[index].name)`"
        filled.pools[index].health?.fields = try Self.filled(fields, owner, read)
      }
      if let fields = pools[index].canary?.fields {
        let owner = "of the canary of pool `\(pools[index].name)`"
        filled.pools[index].canary?.fields = try Self.filled(fields, owner, read)
      }
    }
    for index in hooks.indices {
      let owner = "of hook \(index + 1)"
      filled.hooks[index].fields = try Self.filled(hooks[index].fields, owner, read)
    }
    self = filled
  }

  private static func filled<Failure: Error>(
    _ fields: [HealthPolicy.Field], _ owner: String,
    _ read: (TokenSource, String) throws(Failure) -> String
  ) throws(Failure) -> [HealthPolicy.Field] {
    var filled = fields
    for index in fields.indices {
      guard let source = fields[index].source else { continue }
      filled[index].value = try read(source, "header `\(fields[index].name)` \(owner)")
    }
    return filled
  }
}
