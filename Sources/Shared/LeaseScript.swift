// What the common store is asked: one script that counts the replicas and settles many keys at
// once, in one step for everybody. It is sent as a whole (EVAL): a kilobyte more, and a server that
// was restarted needs no second question.

import Primitives

package enum LeaseScript {
  /// The most keys of one call: the server does nothing else while it runs.
  static let keysMax = 128
  /// The numbers of an answer for each key.
  private static let width = 3
  /// How long a replica counts after its last call.
  static let presence = 5

  /// KEYS: the set of replicas, then buckets. ARGV: this replica, its presence in seconds, the time
  /// after which nobody waits for the answer any more (µs since 1970; 0: none), then interval (µs),
  /// burst, charge and ask of each bucket. A bucket is the time at which it is full again, µs since
  /// 1970 by the server's clock. The same arithmetic as `LeaseRule.settle`; a time farther ahead
  /// than twice the burst is one of another clock.
  static let text = """
    local t = redis.call('TIME')
    local now = t[1] * 1000000 + t[2]
    if tonumber(ARGV[3]) > 0 and now > tonumber(ARGV[3]) then return {} end
    redis.call('ZADD', KEYS[1], now, ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2] * 1000000)
    redis.call('ZREMRANGEBYSCORE', KEYS[1], now + ARGV[2] * 1000000, '+inf')
    redis.call('EXPIRE', KEYS[1], ARGV[2])
    local out = {redis.call('ZCARD', KEYS[1]), now}
    for k = 2, #KEYS do
      local a = 4 * k - 4
      local interval, burst = tonumber(ARGV[a]), tonumber(ARGV[a + 1])
      local charge, ask = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
      local full = tonumber(redis.call('GET', KEYS[k]) or 0)
      full = math.max(now, math.min(full, now + 2 * burst * interval)) + charge * interval
      local room = math.floor((now + burst * interval - full) / interval + 0.000001)
      local grant = math.max(0, math.min(ask, room))
      full = full + grant * interval
      local wait = 0
      if grant < ask then wait = math.max(0, full + interval - now - burst * interval) end
      if full > now then
        redis.call('SET', KEYS[k], string.format('%.0f', full), 'PX',
          math.floor((full - now) / 1000) + 1)
      end
      out[#out + 1] = grant
      out[#out + 1] = math.ceil(full - now)
      out[#out + 1] = math.ceil(wait)
    end
    return out
    """

  /// A call for up to `keysMax` keys.
  static func command(
    replicas: String, replica: String, deadline: Int64,
    _ items: [(key: String, rule: LeaseRule, claim: LeaseClaim)]
  ) -> [[UInt8]] {
    var words = ["EVAL", text, "\(1 + items.count)", replicas]
    words += items.map(\.key)
    words += [replica, "\(presence)", "\(deadline)"]
    for item in items {
      words += [
        "\(item.rule.interval / 1_000)", "\(item.rule.burst)", "\(item.claim.charge)",
        "\(item.claim.ask)",
      ]
    }
    return words.map { Array($0.utf8) }
  }

  /// What the store said to a call.
  package struct Reply: Sendable, Equatable {
    package let replicas: Int
    /// The server's clock, µs since 1970.
    package let time: Int64
    package let answers: [LeaseAnswer]
  }

  /// The reply to a call for `count` keys; nil: it is not one of the script.
  package static func reply(_ value: RESPValue, count: Int) -> Reply? {
    guard let items = value.items, items.count == 2 + width * count else { return nil }
    var numbers: [Int] = []
    for item in items {
      // No time and no duration is longer.
      guard let number = item.number, (0...Int64(1) << 53).contains(number) else { return nil }
      numbers.append(Int(number))
    }
    let answers = (0..<count).map { index in
      let at = 2 + width * index
      return LeaseAnswer(
        grant: min(numbers[at], 1_000_000), untilFull: .microseconds(numbers[at + 1]),
        wait: .microseconds(numbers[at + 2]))
    }
    return Reply(
      replicas: min(max(1, numbers[0]), 1_000), time: Int64(numbers[1]), answers: answers)
  }

  /// The call came when nobody waited for its answer any more: nothing was done.
  package static func isLate(_ value: RESPValue) -> Bool { value.items == [] }
}

extension Nanoseconds {
  /// At most a hundred years.
  fileprivate static func microseconds(_ count: Int) -> Nanoseconds {
    Nanoseconds(Int64(min(count, 3_153_600_000_000_000)) * 1_000)
  }
}
