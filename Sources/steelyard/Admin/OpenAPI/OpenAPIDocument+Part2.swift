// A part of docs/openapi.yaml; scripts/embed-openapi wrote it.

extension OpenAPIDocument {
  static let part2 = #"""
        Ratio: {type: number, minimum: 0, maximum: 1}
        Pool:
          type: object
          required: [name, law, balance, is_frozen, is_dry_run, endpoints]
          properties:
            name: {type: string}
            law: {type: string, enum: [capacity, headroom, steps, static]}
            balance: {type: string, enum: [least_request, round_robin, random, ip_hash, hash]}
            is_frozen: {type: boolean}
            is_dry_run: {type: boolean}
            endpoints: {type: array, items: {$ref: "#/components/schemas/Endpoint"}}
        Endpoint:
          type: object
          required:
            - address
            - eligibility
            - is_backup
            - base_weight
            - target_weight
            - weight
            - share
            - reason
            - detail
            - in_flight
            - completed
            - failed
          properties:
            address: {type: string}
            eligibility:
              type: string
              enum: [ready, starting, unhealthy, stalled, ejected, draining, drained]
            is_backup: {type: boolean}
            base_weight: {type: number, minimum: 0}
            target_weight: {type: number, minimum: 0}
            weight: {type: number, minimum: 0, description: "The effective one, which picks use."}
            share: {$ref: "#/components/schemas/Ratio"}
            reason:
              type: string
              description: As in `steelyard_endpoint_weight_reason`.
            detail: {type: string}
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
              description: The newest first.
              items:
                type: object
                required: [time, kind, pool, endpoint, text]
                properties:
                  time: {type: number}
                  kind: {type: string, enum: [weight, eligibility, tuning, scrape]}
                  pool: {type: string, nullable: true}
                  endpoint: {type: string, nullable: true}
                  text: {type: string}
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
                  text: {type: string}
        Known:
          type: number
          nullable: true
          minimum: 0
        PoolStatus:
          type: object
          required: [name, balance, law, dry_run, frozen, in_flight, queue, endpoints]
          properties:
            name: {type: string}
            balance: {type: string}
            law: {type: string}
            dry_run: {type: boolean}
            frozen: {type: boolean}
            requests_per_second: {$ref: "#/components/schemas/Known"}
            error_ratio: {$ref: "#/components/schemas/Known"}
            p50_seconds: {$ref: "#/components/schemas/Known"}
            p99_seconds: {$ref: "#/components/schemas/Known"}
            first_byte_p50_seconds: {$ref: "#/components/schemas/Known"}
            first_byte_p99_seconds: {$ref: "#/components/schemas/Known"}
            arrivals_per_second: {$ref: "#/components/schemas/Known"}
            answered_per_second: {$ref: "#/components/schemas/Known"}
            refused_per_second: {$ref: "#/components/schemas/Known"}
            given_up_per_second: {$ref: "#/components/schemas/Known"}
            client_errors_per_second: {$ref: "#/components/schemas/Known"}
            server_errors_per_second: {$ref: "#/components/schemas/Known"}
            failure_ratio:
              allOf: [{$ref: "#/components/schemas/Known"}]
              description: >-
                Of the requests that are over, those whose clients did not get what they asked for:
                5xx or cut, refused (not by a rate limit), or given up after a wait that is long for
                the pool.
            in_flight: {type: integer, minimum: 0}
            queue:
              type: object
              nullable: true
              required: [length, limit, oldest_wait_seconds]
              properties:
                length: {type: integer, minimum: 0}
                limit: {type: integer, minimum: 0}
                oldest_wait_seconds: {type: number, minimum: 0}
            demand_ratio: {$ref: "#/components/schemas/Known"}
            forecast_requests_per_second: {$ref: "#/components/schemas/Known"}
            endpoints: {type: array, items: {$ref: "#/components/schemas/EndpointStatus"}}
        EndpointStatus:
          type: object
          required: [address, backup, state, effective_weight, reason, in_flight]
          properties:
            address: {type: string}
            backup: {type: boolean}
            state:
              type: string
              enum: [ready, starting, unhealthy, stalled, ejected, draining, drained]
            base_weight: {type: number, minimum: 0}
            target_weight: {type: number, minimum: 0}
            effective_weight: {type: number, minimum: 0}
            reason: {type: string, description: As in `steelyard_endpoint_weight_reason`.}
            reason_text: {type: string}
            weight_share: {$ref: "#/components/schemas/Known"}
            traffic_share: {$ref: "#/components/schemas/Known"}
            in_flight: {type: integer, minimum: 0}
            connections: {type: integer, minimum: 0}
            requests_per_second: {$ref: "#/components/schemas/Known"}
            error_ratio: {$ref: "#/components/schemas/Known"}
            p50_seconds: {$ref: "#/components/schemas/Known"}
            p99_seconds: {$ref: "#/components/schemas/Known"}
            first_byte_p50_seconds: {$ref: "#/components/schemas/Known"}
            first_byte_p99_seconds: {$ref: "#/components/schemas/Known"}
            ejections: {type: integer, minimum: 0}
            tuning: {type: string, nullable: true, description: What operators said of it.}

    """#
}
