// A part of docs/openapi.yaml; scripts/embed-openapi wrote it.

extension OpenAPIDocument {
  static let part1 = #"""
    openapi: 3.0.3
    info:
      title: steelyard admin API
      version: "1"
      description: >-
        What a running steelyard says of itself, and how it is changed while it runs. Tokens,
        rules and examples: docs/admin-api.md. Within version 1 resources, parameters and keys are
        added, never taken away or given another meaning: ignore keys that you do not know.
      license: {name: Apache 2.0, url: "https://www.apache.org/licenses/LICENSE-2.0"}
    servers:
      - url: /
        description: The admin address, 127.0.0.1:9900 unless `admin.listen` says otherwise.
    security: [{read: []}, {write: []}]
    tags:
      - {name: health, description: For orchestrators and load balancers before this one.}
      - {name: metrics, description: For Prometheus.}
      - {name: status, description: What there is and why.}
      - {name: changes, description: In force at once; each leaves a line in the log.}

    paths:
      /healthz:
        get:
          tags: [health]
          summary: Whether the process works
          operationId: getHealth
          security: []
          responses:
            "200": {$ref: "#/components/responses/Text"}
            default: {$ref: "#/components/responses/Problem"}

      /readyz:
        get:
          tags: [health]
          summary: Whether new requests should come here
          description: >-
            Not before the first weights (each pool's pages were asked for once, or their time is
            over), and not any more once a graceful end has begun. The text says why not.
          operationId: getReadiness
          security: []
          responses:
            "200": {$ref: "#/components/responses/Text"}
            "503":
              description: Not ready, and why.
              content:
                text/plain: {schema: {type: string}, example: "not ready: ending\n"}
            default: {$ref: "#/components/responses/Problem"}

      /metrics:
        get:
          tags: [metrics]
          summary: Metrics for Prometheus
          description: >-
            The text format 0.0.4, or OpenMetrics where Accept prefers it; compressed where
            Accept-Encoding has gzip.
          operationId: getMetrics
          responses:
            "200":
              description: Every family of docs/metrics.md.
              content:
                text/plain: {schema: {type: string}}
                application/openmetrics-text: {schema: {type: string}}
            default: {$ref: "#/components/responses/Problem"}

      /sd/prometheus:
        get:
          tags: [metrics]
          summary: Endpoints' metrics pages as Prometheus targets
          description: Prometheus HTTP service discovery; docs/alerting.md has a job that uses it.
          operationId: getTargets
          responses:
            "200":
              description: A group for each page of each endpoint that is in the Prometheus format.
              content:
                application/json:
                  schema: {type: array, items: {$ref: "#/components/schemas/TargetGroup"}}
            default: {$ref: "#/components/responses/Problem"}

      /api/v1/status:
        get:
          tags: [status]
          summary: What the status page shows
          description: >-
            Rates, ratios and quantiles are those of about the last ten seconds, taken once a
            second; null is not known.
          operationId: getStatus
          responses:
            "200":
              description: The last reading.
              content:
                application/json: {schema: {$ref: "#/components/schemas/Status"}}
            "503":
              description: There is no reading yet; ask again in a second.
              content:
                application/problem+json: {schema: {$ref: "#/components/schemas/Problem"}}
            default: {$ref: "#/components/responses/Problem"}

      /api/v1/status/events:
        get:
          tags: [status]
          summary: The status every second
          description: >-
            Server-sent events: `history` once (the charts of the last two minutes), then `status`
            every second, each with JSON on one line. At most 32 streams at once (503).
          operationId: getStatusEvents
          responses:
            "200":
              description: A stream without an end.
              content:
                text/event-stream: {schema: {type: string}}
            default: {$ref: "#/components/responses/Problem"}

      /api/v1/openapi.yaml:
        get:
          tags: [status]
          summary: This description
          operationId: getDescription
          responses:
            "200":
              description: OpenAPI 3.0 in YAML.
              content:
                application/yaml: {schema: {}}
            default: {$ref: "#/components/responses/Problem"}

      /api/v1/pools:
        get:
          tags: [status]
          summary: Pools and endpoints with their weights
          operationId: getPools
          responses:
            "200":
              description: Every pool, in the order of the configuration.
              content:
                application/json:
                  schema:
                    type: object
                    required: [pools]
                    properties:
                      pools: {type: array, items: {$ref: "#/components/schemas/Pool"}}
            default: {$ref: "#/components/responses/Problem"}

      /api/v1/pools/{pool}/explain:
        get:
          tags: [status]
          summary: How weights came to be
          description: >-
            From samples to weights: why each weight is what it is, pages, signals with their
            freshness, the balancer's own evidence, the law's terms, limits and operators' orders,
            the last changes. JSON has each number as data; what is not known is absent. Text, and
            the values of `reason_text`, are for people and change between releases.
          operationId: explainPool
          parameters:
            - {$ref: "#/components/parameters/Pool"}
            - name: format
              in: query
              description: Before what Accept says.
              schema: {type: string, enum: [json, text]}
            - name: detail
              in: query
              description: Of text only; `full` adds the law's terms and all signals.
              schema: {type: string, enum: [brief, full]}
          responses:
            "200":
              description: The explanation.
              content:
                application/json: {schema: {$ref: "#/components/schemas/Explanation"}}
                text/plain: {schema: {type: string}}
            "404": {$ref: "#/components/responses/Problem"}
            "406": {$ref: "#/components/responses/Problem"}
            default: {$ref: "#/components/responses/Problem"}

      /api/v1/reload:
        post:
          tags: [changes]
          summary: Read the configuration file again
          description: >-
            Also reads the token files again. A file with errors changes nothing: 422 with each of
            them. 409 is a good file that cannot be taken, such as one with another number of
            workers, or any once a graceful end has begun.
          operationId: reload
          security: [{write: []}]
          responses:
            "200":
              description: It is in force.
              content:
                application/json: {schema: {$ref: "#/components/schemas/Changes"}}
            "409": {$ref: "#/components/responses/Problem"}
            "422": {$ref: "#/components/responses/Problem"}
            default: {$ref: "#/components/responses/Problem"}

      /api/v1/pools/{pool}/freeze:
        post:
          tags: [changes]
          summary: Keep the weights of a pool as they are
          operationId: freezePool
          security: [{write: []}]
          parameters:
            - {$ref: "#/components/parameters/Pool"}
            - {$ref: "#/components/parameters/For"}
          responses: &changed
            "200": {$ref: "#/components/responses/Changed"}
            "404": {$ref: "#/components/responses/Problem"}
            default: {$ref: "#/components/responses/Problem"}

      /api/v1/pools/{pool}/set:
        post:
          tags: [changes]
          summary: Change one parameter of a pool's law
          description: 409 is a law that has no signal to read.
          operationId: setPool
          security: [{write: []}]
          parameters:
            - {$ref: "#/components/parameters/Pool"}
            - name: change
              in: query
              required: true
              description: "One of the four, such as `?dry_run=true`."
              style: form
              explode: true
              schema:
                type: object
                additionalProperties: false
                minProperties: 1
                maxProperties: 1
                properties:
                  law: {type: string, enum: [capacity, headroom, steps, static]}
                  floor: {type: number, minimum: 0, maximum: 1}
                  slew: {type: number, minimum: 0.01, maximum: 100}
                  dry_run: {type: boolean}
                example: {dry_run: true}
            - {$ref: "#/components/parameters/For"}
          responses:
            "200": {$ref: "#/components/responses/Changed"}
            "404": {$ref: "#/components/responses/Problem"}
            "409": {$ref: "#/components/responses/Problem"}
            default: {$ref: "#/components/responses/Problem"}

      /api/v1/pools/{pool}/reset:
        post:
          tags: [changes]
          summary: Take back everything that was said of a pool and its endpoints
          operationId: resetPool
          security: [{write: []}]
          parameters:
            - {$ref: "#/components/parameters/Pool"}
          responses: *changed

      /api/v1/pools/{pool}/endpoints/{endpoint}/pin:
        post:
          tags: [changes]
          summary: Give an endpoint a weight in place of the law's
          operationId: pinEndpoint
          security: [{write: []}]
          parameters:
            - {$ref: "#/components/parameters/Pool"}
            - {$ref: "#/components/parameters/Endpoint"}
            - name: weight
              in: query
              required: true
              schema: {type: number, minimum: 0, maximum: 1000000}
              example: 0.5
            - {$ref: "#/components/parameters/For"}
          responses: *changed

      /api/v1/pools/{pool}/endpoints/{endpoint}/scale:
        post:
          tags: [changes]
          summary: Multiply an endpoint's weight
          operationId: scaleEndpoint
          security: [{write: []}]
          parameters:
            - {$ref: "#/components/parameters/Pool"}
            - {$ref: "#/components/parameters/Endpoint"}
            - name: factor
              in: query
              required: true
              schema: {type: number, minimum: 0, maximum: 1000}
              example: 0.5
            - {$ref: "#/components/parameters/For"}
          responses: *changed

      /api/v1/pools/{pool}/endpoints/{endpoint}/drain:
        post:
          tags: [changes]
          summary: No new requests for an endpoint
          operationId: drainEndpoint
          security: [{write: []}]
          parameters:
            - {$ref: "#/components/parameters/Pool"}
            - {$ref: "#/components/parameters/Endpoint"}
            - {$ref: "#/components/parameters/For"}
            - name: deadline
              in: query
              description: >-
                Until then clients with an affinity cookie of the endpoint still come back to it.
                Less than `for`, where that is given.
              schema: {$ref: "#/components/schemas/Duration"}
              example: 5m
          responses: *changed

      /api/v1/pools/{pool}/endpoints/{endpoint}/reset:
        post:
          tags: [changes]
          summary: Take back everything that was said of an endpoint
          operationId: resetEndpoint
          security: [{write: []}]
          parameters:
            - {$ref: "#/components/parameters/Pool"}
            - {$ref: "#/components/parameters/Endpoint"}
          responses: *changed

    components:
      securitySchemes:
        read:
          type: http
          scheme: bearer
          description: "`admin.read_token`, for everything but changes. Where none is configured, none is asked for."
        write:
          type: http
          scheme: bearer
          description: >-
            `admin.write_token`, for everything. Where no token is configured, none is asked for
            at a loopback address, and elsewhere nothing can be changed.

      parameters:
        Pool:
          name: pool
          in: path
          required: true
          description: A pool's name.
          schema: {type: string, pattern: "^[A-Za-z0-9_.-]{1,64}$"}
          example: text
        Endpoint:
          name: endpoint
          in: path
          required: true
          description: Address and port, IPv6 in brackets; as `/api/v1/pools` shows it.
          schema:
            type: string
            pattern: "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|\\[[0-9a-f:.]{2,45}\\]):[0-9]{1,5}$"
          example: "10.0.0.1:8000"
        For:
          name: for
          in: query
          description: How long it holds; until it is taken back unless given. A year at most.
          schema: {$ref: "#/components/schemas/Duration"}
          example: 10m

      responses:
        Text:
          description: One word.
          content:
            text/plain: {schema: {type: string}, example: "ok\n"}
        Changed:
          description: It is in force.
          content:
            application/json: {schema: {$ref: "#/components/schemas/Result"}}
        Problem:
          description: >-
            400 a parameter or the path is wrong, 401 a token is missing or not known
            (WWW-Authenticate says which), 403 it may not do this, 404 no such resource, pool or
            endpoint, 405 another method (Allow says which), 406 no such format, 413 there was
            content, 414 too long a path or query, 421 a Host that is neither an address nor
            localhost.
          headers:
            WWW-Authenticate:
              description: With 401 and 403 for want of a token.
              schema: {type: string}
            Allow: {description: With 405., schema: {type: string}}
          content:
            application/problem+json: {schema: {$ref: "#/components/schemas/Problem"}}

      schemas:
        Duration:
          type: string
          description: "A number and `ms`, `s`, `m` or `h`: 250ms, 2s, 10m, 1h."
          pattern: "^([1-9][0-9]{0,3}(ms|s|m)|[1-9][0-9]{0,2}h)$"
        Problem:
          type: object
          description: RFC 9457.
          required: [type, title, status, detail]
          properties:
            type: {type: string, enum: ["about:blank"]}
            title: {type: string}
            status: {type: integer, minimum: 400, maximum: 599}
            detail: {type: string}
            errors:
              type: array
              description: The errors of a configuration file, as `steelyard check` shows them.
              items: {type: string}
          example: {type: "about:blank", title: Not Found, status: 404, detail: there is no pool txt}
        Result:
          type: object
          required: [result]
          properties: {result: {type: string}}
          example: {result: "drain: in force"}
        Changes:
          type: object
          required: [changes]
          properties:
            changes: {type: array, items: {type: string}}

    """#
}
