// The status and its history as JSON: the content of GET /api/v1/status and of the events of
// /api/v1/status/events. Numbers have four significant digits; whole numbers are exact.
import Fleet
import Primitives

extension StatusSnapshot {
  /// One object on one line, without a newline.
  package var json: [UInt8] {
    let endpointCount = pools.reduce(0) { $0 + $1.endpoints.count }
    var json = JSONWriter(byteCapacity: 8_192 + 512 * endpointCount)
    json.object { json in
      json.put("version", version)
      json.put("time", wall: wall.rawValue)
      json.put("uptime_seconds", wall: uptime.rawValue)
      json.put("ready", isReady)
      json.put("revision", revision)
      json.put("workers", workerCount)
      json.put("connections", connections)
      json.put("requests_per_second", requestsPerSecond)
      requests.write(to: &json)
      json.put("own_errors_per_second", ownErrorsPerSecond)
      json.put("write", write.rawValue)
      json.key("pools")
      json.array(pools) { json, pool in pool.write(to: &json) }
      json.key("decisions")
      json.array(decisions) { json, decision in decision.write(to: &json) }
      json.key("weight_changes")
      json.array(weightChanges) { json, change in change.write(to: &json) }
      json.put("condition_count", conditionCount)
      json.key("conditions")
      json.array(conditions) { json, condition in
        json.object {
          $0.put("alert", condition.alert)
          $0.put("severity", condition.severity.rawValue)
          $0.put("pool", condition.pool)
          $0.put("endpoint", condition.endpoint)
          $0.put("since", wall: condition.since.rawValue)
          $0.put("text", condition.text)
        }
      }
    }
    return json.bytes
  }
}

extension Decision {
  fileprivate func write(to json: inout JSONWriter) {
    json.object {
      $0.put("time", wall: wall.rawValue)
      $0.put("kind", kind.rawValue)
      $0.put("pool", pool)
      $0.put("endpoint", endpoint)
      $0.put("text", text)
    }
  }
}

extension PoolSnapshot {
  fileprivate func write(to json: inout JSONWriter) {
    json.object { json in
      json.put("name", name)
      json.put("balance", balance)
      json.put("law", law)
      json.put("dry_run", isDryRun)
      json.put("frozen", isFrozen)
      traffic.write(to: &json)
      requests.write(to: &json)
      json.put("failure_ratio", failureRatio)
      json.put("in_flight", inFlight)
      json.key("queue")
      if let queue {
        json.object {
          $0.put("length", queue.length)
          $0.put("limit", queue.limit)
          $0.put("oldest_wait_seconds", queue.oldestWait.seconds)
        }
      } else {
        json.number(nil)
      }
      json.put("demand_ratio", demandRatio)
      json.put("forecast_requests_per_second", forecast)
      json.key("endpoints")
      json.array(endpoints) { json, endpoint in endpoint.write(to: &json) }
    }
  }
}

extension EndpointSnapshot {
  fileprivate func write(to json: inout JSONWriter) {
    json.object { json in
      json.put("address", address)
      json.put("name", name)
      json.put("backup", isBackup)
      json.put("state", state.label)
      json.put("state_text", stateText)
      json.key("ejection")
      if let ejection {
        json.object {
          $0.put("reason", ejection.reason.label)
          $0.put("failures", UInt64(ejection.failures))
          $0.put("seconds", ejection.seconds)
          $0.put("next_trial_seconds", ejection.nextTrialSeconds)
        }
      } else {
        json.number(nil)
      }
      json.put("base_weight", row.base)
      json.put("target_weight", row.target)
      json.put("effective_weight", row.effective)
      json.put("reason", row.reason.kind.label)
      json.put("reason_text", reasonText)
      json.put("weight_share", weightShare)
      json.put("traffic_share", trafficShare)
      json.put("in_flight", inFlight)
      json.put("connections", connections)
      traffic.write(to: &json)
      json.put("ejections", ejections)
      json.put("tuning", tuning)
    }
  }
}

extension RequestNumbers {
  fileprivate func write(to json: inout JSONWriter) {
    json.put("arrivals_per_second", arrivals)
    json.put("answered_per_second", answered)
    json.put("refused_per_second", refused)
    json.put("given_up_per_second", givenUp)
    json.put("client_errors_per_second", clientErrors)
    json.put("server_errors_per_second", serverErrors)
  }
}

extension TrafficNumbers {
  fileprivate func write(to json: inout JSONWriter) {
    json.put("requests_per_second", requestsPerSecond)
    json.put("error_ratio", errorRatio)
    json.put("p50_seconds", p50)
    json.put("p99_seconds", p99)
    json.put("first_byte_p50_seconds", firstByteP50)
    json.put("first_byte_p99_seconds", firstByteP99)
  }
}

extension StatusHistory {
  /// The charts of the last two minutes, one point a second, the oldest first; null is a gap.
  package var chartsJSON: [UInt8] {
    var json = JSONWriter(byteCapacity: 65_536)
    json.object { json in
      json.put("time", wall: reading?.wall.rawValue ?? 0)
      json.put("interval_seconds", Self.interval.seconds)
      json.key("pools")
      json.array(reading?.pools ?? []) { json, pool in
        guard let history = pools[pool.name] else { return }
        json.object { json in
          json.put("name", pool.name)
          json.put("arrivals_per_second", history.arrivalChart)
          json.put("failure_ratio", history.failureChart)
          json.put("p99_seconds", history.p99Chart)
          json.put("in_flight", history.inFlightChart)
          json.put("queue_length", history.queueChart)
          json.key("endpoints")
          json.array(pool.endpoints) { json, endpoint in
            json.object {
              $0.put("address", "\(endpoint.address)")
              $0.put(
                "requests_per_second",
                history.endpoints[endpoint.address]?.rateChart ?? ChartRing())
            }
          }
        }
      }
    }
    return json.bytes
  }
}

extension JSONWriter {
  fileprivate mutating func put(_ name: StaticString, _ chart: ChartRing) {
    key(name)
    array(chart.values) { json, value in json.number(value) }
  }
}
