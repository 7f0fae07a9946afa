// A part of docs/openapi.yaml; scripts/embed-openapi wrote it.

extension OpenAPIDocument {
  static let part3 = #"""
                  text: {type: string}
        Decision:
          type: object
          required: [time, kind, pool, endpoint, text]
          properties:
            time: {type: number}
            kind:
              type: string
              enum: [weight, eligibility, ejection, tuning, scrape, freeze, reload]
            pool: {type: string, nullable: true}
            endpoint: {type: string, nullable: true}
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
            state_text: {type: string, nullable: true, description: Why it is out of service.}
            ejection:
              type: object
              nullable: true
              description: What requests found, whatever health checks and operators say.
              required: [reason, failures, seconds, next_trial_seconds]
              properties:
                reason: {type: string}
                failures: {type: integer, minimum: 1, description: In a row.}
                seconds: {type: number, minimum: 0, description: Since it began.}
                next_trial_seconds:
                  type: number
                  minimum: 0
                  description: Until some request may try it; 0, single requests do.
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
