// A part of docs/openapi.yaml; scripts/embed-openapi wrote it.

extension OpenAPIDocument {
  static let part2 = #"""
          example: {changes: ["pool text changed"]}
        Explanation:
          type: object
          required:
            - pool
            - law
            - balance
            - dry_run
            - frozen
            - floor_ratio
            - slew_per_second
            - slow_start_seconds
            - evidence_decay_seconds
            - balancers
            - scrape_interval_seconds
            - orders
            - endpoints
          properties:
            pool: {type: string}
            law: {type: string, enum: [capacity, headroom, steps, static]}
            balance: {type: string, enum: [least_request, round_robin, random, ip_hash, hash]}
            dry_run: {type: boolean}
            frozen: {type: boolean}
            freeze_reason: {type: string, description: Why weights stay as they are.}
            floor_ratio: {$ref: "#/components/schemas/Ratio"}
            slew_per_second: {type: number, minimum: 0, description: In configured weights.}
            slow_start_seconds: {type: number, minimum: 0}
            median_response_seconds:
              type: number
              minimum: 0
              description: The median over the endpoints of the mean response time.
            median_answers_per_second: {type: number, minimum: 0}
            evidence_decay_seconds: {type: number, minimum: 0}
            shape:
              type: object
              description: >-
                How endpoints slow down as they get more to do; of the law `capacity`, where it steers.
              required: [source, delay_price]
              properties:
                source: {type: string, enum: [none, configured, engine, pages, learnt]}
                slots: {type: number, minimum: 1, description: "Of endpoints without a `concurrency` of their own."}
                delay_price: {type: number, minimum: 0, description: "How much the delay of others counts in a pick."}
            balancers: {type: number, minimum: 1}
            scrape_interval_seconds: {type: number, minimum: 0}
            response_normal_seconds:
              type: number
              minimum: 0
              description: With these the pool's response times are compared, where they are known.
            response_alarm_seconds: {type: number, minimum: 0}
            p99_alarm_seconds: {type: number, minimum: 0}
            orders: {type: array, items: {$ref: "#/components/schemas/Order"}}
            endpoints:
              type: array
              items: {$ref: "#/components/schemas/EndpointExplanation"}
        Order:
          type: object
          required: [name]
          properties:
            name:
              type: string
              enum: [freeze, law, floor, slew, dry_run, pin, scale, drain]
            value: {type: string}
            remaining_seconds:
              type: number
              description: "Absent: until it is taken back."
            sessions_remaining_seconds:
              type: number
              minimum: 0
              description: For how long clients with its cookie still come back to a drained one.
        EndpointExplanation:
          type: object
          required:
            - address
            - state
            - backup
            - base_weight
            - target_weight
            - effective_weight
            - reason
            - reason_text
            - watchdog
            - requests
            - pages
            - orders
            - changes
          properties:
            address: {type: string}
            state:
              type: string
              description: As in `steelyard_endpoint_eligibility`.
              enum: [ready, starting, unhealthy, stalled, ejected, draining, drained]
            backup: {type: boolean}
            base_weight: {type: number, minimum: 0}
            target_weight: {type: number, minimum: 0}
            effective_weight: {type: number, minimum: 0, description: What picks use.}
            factor:
              type: number
              minimum: 0
              description: Effective ÷ base weight.
            reason: {type: string, description: As in `steelyard_endpoint_weight_reason`.}
            reason_text: {type: string}
            health:
              type: object
              required: [state]
              properties:
                state: {type: string}
                failure: {type: string}
                detail: {type: string}
            watchdog:
              type: object
              required: [state, still_seconds]
              properties:
                state: {type: string, enum: [fine, stalled, trial]}
                cause: {type: string}
                still_seconds: {type: number, minimum: 0}
            ejection:
              type: object
              description: What requests found; absent where the endpoint is not ejected.
              required: [reason, failures, seconds, next_trial_seconds, text]
              properties:
                reason: {type: string}
                failures: {type: integer, minimum: 1, description: In a row.}
                seconds: {type: number, minimum: 0, description: Since it began.}
                next_trial_seconds:
                  type: number
                  minimum: 0
                  description: Until some request may try it; 0, single requests do.
                text: {type: string}
            canary:
              type: object
              description: The operator's requests that try it; absent where there was none yet.
              required: [last, age_seconds, seconds, good_in_row, good_needed]
              properties:
                last:
                  type: string
                  enum:
                    - good
                    - late
                    - status
                    - timeout
                    - refused
                    - unreachable
                    - cut
                    - bad_http
                    - too_large
                    - local
                detail: {type: string}
                age_seconds: {type: number, minimum: 0, description: Since the last one ended.}
                seconds: {type: number, minimum: 0, description: From its sending to its end.}
                last_good_age_seconds: {type: number, minimum: 0, description: "Absent: none was good."}
                good_in_row: {type: integer, minimum: 0}
                good_needed: {type: integer, minimum: 1, description: Until a request tries it.}
                usual_seconds: {type: number, minimum: 0, description: Of a good one.}
            requests:
              type: object
              required: [in_flight, started, completed, failed, refused, ejections, readmissions]
              properties:
                in_flight: {type: integer, minimum: 0}
                started: {type: integer, minimum: 0}
                completed: {type: integer, minimum: 0}
                failed: {type: integer, minimum: 0}
                refused:
                  type: integer
                  minimum: 0
                  description: Answered with an error that is no failure of the endpoint's.
                ejections: {type: integer, minimum: 0}
                readmissions: {type: integer, minimum: 0}
                oldest_seconds:
                  type: number
                  minimum: 0
                  description: How long the oldest request in flight has run.
            answers: {$ref: "#/components/schemas/Answers"}
            usually: {$ref: "#/components/schemas/Answers"}
            others:
              type: object
              description: The load of other balancers.
              required: [requests, mean_requests]
              properties:
                requests: {type: number, minimum: 0}
                mean_requests: {type: number, minimum: 0}
            terms:
              type: object
              description: Of the law `capacity`; docs/control.md names them.
              required: [amount, seconds, unanswered_seconds, usual, lately, factor, like_count]
              properties:
                amount: {type: number}
                seconds: {type: number}
                unanswered_seconds: {type: number, minimum: 0}
                usual:
                  type: number
                  description: ln of how much better than its base weight it is over minutes.
                lately:
                  type: number
                  description: ln of how much better than that it was in the last seconds.
                factor: {type: number, minimum: 0}
                like_count:
                  type: integer
                  minimum: 1
                  description: Endpoints with the same weight, as their speeds cannot be told apart.
            limit:
              type: object
              description: The utilisation that lowers the weight.
              required: [signal, value, normal, alarm, ratio]
              properties:
                signal: {type: string}
                value: {type: number}
                normal: {type: number}
                alarm: {type: number}
                ratio: {$ref: "#/components/schemas/Ratio"}
            pages:
              type: array
              items:
                type: object
                required: [url, signals]
                properties:
                  url: {type: string}
                  age_seconds: {type: number}
                  failure: {type: string}
                  detail: {type: string}
                  signals:
                    type: array
                    items:
                      type: object
                      required: [name, freshness]
                      properties:
                        name: {type: string}
                        value: {type: number}
                        freshness: {type: string, enum: [fresh, stale, expired, blackout]}
                        age_seconds: {type: number}
                        role: {type: string}
                        normal: {type: number}
                        alarm: {type: number}
                        load: {$ref: "#/components/schemas/Ratio"}
                        absence: {type: string}
            orders: {type: array, items: {$ref: "#/components/schemas/Order"}}
            changes:
              type: array
              maxItems: 3
              description: Of the target weight, the newest first.
              items:
                type: object
                required: [age_seconds, from, to, reason, reason_text]
                properties:
                  age_seconds: {type: number}
                  from: {type: number, minimum: 0}
                  to: {type: number, minimum: 0}
                  reason: {type: string}
                  reason_text: {type: string}
        Answers:
          type: object
          description: Recent answers, as sums that fade.
          required: [count, mean_response_seconds]
          properties:
            count: {type: number, minimum: 0}
            window_seconds: {type: number, minimum: 0}
            mean_response_seconds: {type: number, minimum: 0}
        Ratio: {type: number, minimum: 0, maximum: 1}
        Pool:
          type: object
          required: [name, law, balance, frozen, dry_run, endpoints]
          properties:
            name: {type: string}
            law: {type: string, enum: [capacity, headroom, steps, static]}
            balance: {type: string, enum: [least_request, round_robin, random, ip_hash, hash]}
            frozen: {type: boolean}
            dry_run: {type: boolean}
            endpoints: {type: array, items: {$ref: "#/components/schemas/Endpoint"}}
        Endpoint:
          type: object
          required:
            - address
            - state
            - backup
            - base_weight
            - target_weight
            - effective_weight
            - weight_share
            - reason
            - reason_text
            - in_flight
            - completed
            - failed
          properties:
            address: {type: string}
            state:
              type: string
              description: As in `steelyard_endpoint_eligibility`.
              enum: [ready, starting, unhealthy, stalled, ejected, draining, drained]
            backup: {type: boolean}
            base_weight: {type: number, minimum: 0}
            target_weight: {type: number, minimum: 0}
            effective_weight: {type: number, minimum: 0, description: What picks use.}
            weight_share: {$ref: "#/components/schemas/Ratio"}
            reason:
              type: string
              description: As in `steelyard_endpoint_weight_reason`.
            reason_text: {type: string}
            in_flight: {type: integer, minimum: 0}
            completed: {type: integer, minimum: 0}
            failed: {type: integer, minimum: 0}
        TargetGroup:
          type: object
          required: [targets, labels]
          properties:
            targets: {type: array, minItems: 1, items: {type: string}}
            labels:
              type: object
              description: >-
                `pool`, `__metrics_path__`, `__param_*`, `__meta_steelyard_pool`,
                `__meta_steelyard_endpoint`, `__meta_steelyard_preset` (a preset's name or
                `custom`).
              additionalProperties: {type: string}
          example:
            targets: ["10.0.0.1:9100"]
            labels:
              pool: text
              __metrics_path__: /metrics
              __meta_steelyard_pool: text
              __meta_steelyard_endpoint: "10.0.0.1:8000"
              __meta_steelyard_preset: node
        Status:
          type: object
          required:
            - version
            - time
            - uptime_seconds
            - ready
            - revision
            - workers
            - connections
            - requests_per_second
            - own_errors_per_second
            - write
            - pools
            - decisions
            - weight_changes
            - condition_count
            - conditions
          properties:
            version: {type: string}
            time: {type: number, description: Seconds since 1970.}
            uptime_seconds: {type: number, minimum: 0}
            ready: {type: boolean, description: As /readyz says.}
            revision: {type: integer, minimum: 0, description: Of the published weight table.}
            workers: {type: integer, minimum: 1}
            connections: {type: integer, minimum: 0}
            requests_per_second: {$ref: "#/components/schemas/Known"}
            arrivals_per_second:
              allOf: [{$ref: "#/components/schemas/Known"}]
              description: Requests that came for a pool, whatever became of them.
            answered_per_second:
              allOf: [{$ref: "#/components/schemas/Known"}]
              description: Ended with an endpoint's answer of whatever status.
            refused_per_second:
              allOf: [{$ref: "#/components/schemas/Known"}]
              description: Refused by steelyard, by a rate limit too.
            given_up_per_second:
              allOf: [{$ref: "#/components/schemas/Known"}]
              description: Their clients left before the answer was whole.
            client_errors_per_second:
              allOf: [{$ref: "#/components/schemas/Known"}]
              description: Of those answered, with 4xx.
            server_errors_per_second:
              allOf: [{$ref: "#/components/schemas/Known"}]
              description: Of those answered, with 5xx or cut.
            own_errors_per_second:
              type: number
              minimum: 0
              description: Answers of 500 and above that steelyard gave in an endpoint's place.
            write:
              type: string
              enum: [open, token, none]
              description: "How changes may be made: without a token, with one, not at all."
            pools: {type: array, items: {$ref: "#/components/schemas/PoolStatus"}}
            decisions:
              type: array
              maxItems: 50
              description: All but changes of weights, the newest first.
              items: {$ref: "#/components/schemas/Decision"}
            weight_changes:
              type: array
              maxItems: 20
              description: The last changes of target weights, the newest first.
              items: {$ref: "#/components/schemas/Decision"}
            condition_count:
              type: integer
              minimum: 0
              description: How many conditions hold, those beyond the first 100 too.
            conditions:
              type: array
              description: What the alert rules would say, where that can be told within seconds.
              items:
                type: object
                required: [alert, severity, pool, endpoint, since, text]
                properties:
                  alert: {type: string, description: The rule's name; docs/runbooks.md has it.}
                  severity: {type: string, enum: [warning, critical, disaster]}
                  pool: {type: string, nullable: true}
                  endpoint: {type: string, nullable: true}
                  since: {type: number}

    """#
}
