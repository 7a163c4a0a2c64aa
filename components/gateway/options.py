"""Every option that Ringwall sets at Kong, and what Kong's source does with it at its edges.

docs/reference/gateway.md is made from these tables; a test fails when a planned stack sets an option that no table has, or
a table has one that no stack sets. Read in Kong/kong at tag 3.9.3: the plugins' handlers and schemas. *Recorded* means that
a real Kong 3.9.3 answered so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from components.gateway.inner_options import INNER_PLUGINS
from components.gateway.option_table import OptionTable

#: Options whose value is a map with keys of our choice: one row each.
_MAPS: Final = frozenset({"custom_fields_by_lua", "headers", "resource_attributes"})


def options_of(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The options in a config, records by their parts, in the tables' spelling."""
    for name, value in config.items():
        option = f"{prefix}{name}"
        if not isinstance(value, Mapping) or (name in _MAPS and not prefix):
            yield option
        elif option == "limits":
            yield from (f"limits.*.{period}" for periods in value.values() for period in periods)
        else:
            yield from options_of(value, f"{option}.")


_PERIODS = (
    "null: no such limit; 0 and below: refused by the schema, as are no period at all and a longer period with a "
    "lower limit. Windows are calendar ones of UTC, so twice the limit can pass around a boundary."
)
_REDIS = {
    "redis.host, redis.port": "host null: refused by the schema with policy redis, unused otherwise. port: 0 to 65535.",
    "redis.timeout": "Milliseconds to connect, send and read. Negative: refused by the schema. When it ends the "
    "counters are out of reach (fault_tolerant).",
    "redis.username, redis.password": "password null or empty: no AUTH. username null or empty: AUTH with the "
    "password alone. Both may be vault references.",
    "redis.database": "0: no SELECT.",
    "redis.ssl, redis.ssl_verify": "ssl false or null: clear text. ssl_verify false or null: any certificate will do.",
    "redis.server_name": "null: no name is asked for, so the certificate's name is not compared with one.",
    "redis_host, redis_port, redis_timeout, redis_username, redis_password, redis_database, redis_ssl, redis_ssl_verify, "
    "redis_server_name": "Deprecated names of the members of `redis`, which Kong always answers. null or absent: the "
    "member counts. Beside a member of another value: refused by the schema.",
}
_QUEUE = {
    "queue.max_batch_size": "1: one entry a message, as an object; more: an array. 0 and below: refused by the schema.",
    "queue.max_coalescing_delay": "Seconds a batch waits to be filled; 0: not at all.",
    "queue.max_entries": "Full: the oldest entries are dropped, and the error log says so. 0: refused by the schema.",
    "queue.max_bytes": "null: no limit in bytes.",
    "queue.max_retry_time": "Seconds, then the batch is dropped; 0: after its first failure.",
    "queue.initial_retry_delay, queue.max_retry_delay": "Seconds, doubled from the one to the other. Below 0.001: "
    "refused by the schema.",
    "queue.concurrency_limit": "1: one sender, in order; -1: one a message. Anything else: refused by the schema.",
}
_CUSTOM_FIELDS = (
    "Field to Lua that gives its value; `return nil` takes the field off. null: every header but Authorization is "
    "logged in clear, and four fields hold the query string."
)

PLUGINS: Final[dict[str, OptionTable]] = {
    "pre-function": OptionTable(
        "kong/plugins/pre-function: handler.lua, schema.lua (priority 1000000)",
        {
            "access": "[]: nothing runs. A chunk that raises is a 500 and nothing goes on. A chunk that returns a "
            "function is not run again, the function is.",
            "header_filter": "[]: nothing runs. It runs for Kong's own answers too, 401 and 429 among them.",
            "certificate, rewrite, body_filter, log": "[]: nothing runs. All six phases empty: refused by the schema.",
        },
    ),
    "jwt": OptionTable(
        "kong/plugins/jwt: handler.lua, jwt_parser.lua, schema.lua (priority 1450)",
        {
            "uri_param_names": "absent: `[jwt]`, a token in the query string counts. []: none is read.",
            "cookie_names": "absent or []: no cookie is read.",
            "header_names": "absent: `[authorization]`. []: no header is read, so every request is 401. A header sent "
            "twice: the first counts, the second is passed on unread (recorded). `Bearer` may stand anywhere in the "
            "value, in small letters too (recorded); a bare token is 401 (recorded).",
            "key_claim_name": "absent: `iss`. Looked up in the payload and only then in the header: a payload `kid` "
            "wins over an unknown one in the header (recorded). Missing or empty: 401 (missing: recorded). An array: "
            "500 (run).",
            "secret_is_base64": "Concerns HS256 and its kin; our credentials are RS256.",
            "claims_to_verify": "absent, null or []: no time is looked at. A listed claim that is missing, null or "
            'text is refused: 401 `"must be a number"` (recorded). `exp` ends at its second, `nbf` begins at its '
            "second: no leeway. A claim that is not listed is ignored, `nbf` in the future too (recorded). `exp: "
            "1e18` is a number (recorded).",
            "anonymous": "null: a failure is 401. A consumer: every failure goes on as that consumer.",
            "run_on_preflight": "false: no OPTIONS request is authenticated, with a forged token or without "
            "(recorded).",
            "maximum_expiration": "0 or absent: no limit. Negative or above 31536000: refused by the schema, as "
            "without `exp` in claims_to_verify. Counted from now and not from `iat` (recorded).",
            "realm": "null: `WWW-Authenticate` has none.",
        },
    ),
    "acl": OptionTable(
        "kong/plugins/acl: handler.lua, groups.lua, schema.lua (priority 950)",
        {
            "allow": "[] or null without `deny`: refused by the schema. Any consumer in one of the groups passes, "
            "with whatever credential it has (recorded): a stranger's consumer in the group is admitted. No consumer: "
            "401.",
            "deny": "null or []: nobody is denied by name. With `allow` as well: refused by the schema.",
            "hide_groups_header": "false: `X-Consumer-Groups` goes upstream.",
            "always_use_authenticated_groups": "true: groups that an authentication plugin set are used although "
            "there is a consumer.",
        },
    ),
    "request-size-limiting": OptionTable(
        "kong/plugins/request-size-limiting: handler.lua, schema.lua (priority 951)",
        {
            "allowed_payload_size": "absent: 128. The schema has no lower bound: 0 refuses every body but the empty "
            "one, a negative number every request. What is over: 413, or 417 with `Expect: 100-continue` (both "
            "recorded), over which a client may lose its session: it stands at four times `limits.body_kilobytes`, at "
            "which the guard answers.",
            "size_unit": "absent: megabytes. A kilobyte is 1024 bytes (recorded).",
            "require_content_length": "true: whatever has no length is 411, a GET too, but a chunked body within the "
            "size passes (recorded). false: a body without a length is read and counted (recorded).",
        },
    ),
    "rate-limiting": OptionTable(
        "kong/plugins/rate-limiting: handler.lua, policies/init.lua, schema.lua (priority 910)",
        {
            "second, minute, hour, day, month, year": _PERIODS
            + " Four times the stack file's numbers, at which the guard "
            "answers inside the protocol.",
            "limit_by": "absent: consumer. `header`: a missing header counts by the client's address, an empty one is "
            "a bucket of its own, of two the first counts (recorded).",
            "header_name": "null with limit_by header: refused by the schema.",
            "path": "null: unused but with limit_by path.",
            "policy": "absent: local, counters of one node that a restart forgets. `redis`: shared ones.",
            "fault_tolerant": "absent: true, and counters out of reach let everything through. false: 500.",
            "hide_client_headers": "true: no `RateLimit-*` headers, and a 429 without Retry-After.",
            "error_code": "absent: 429. 0 and below: refused by the schema.",
            "error_message": "absent: the text we write.",
            "sync_rate": "-1: Redis is asked at every request. More: counted here and written every so many seconds, "
            "so limits are passed meanwhile. Local counters ignore it.",
            **_REDIS,
        },
    ),
    "response-ratelimiting": OptionTable(
        "kong/plugins/response-ratelimiting: access.lua, header_filter.lua, log.lua, schema.lua (priority 900)",
        {
            "header_name": "absent: x-kong-limit; it is taken off the answer. Missing, text, no number or an unknown "
            "name: nothing is counted. Negative: gives budget back. Decimals count. Of two values for a name the last "
            "counts, of two headers the first (all recorded).",
            "limit_by": "absent: consumer, without one the credential, without either the client's address.",
            "policy": "absent: local, counters of one node that a restart forgets. `redis`: shared ones.",
            "fault_tolerant": "absent: true, and counters out of reach let everything through. false: 500.",
            "block_on_first_violation": "true: a remainder of exactly 0 is 429 before the upstream is asked. Below 0 "
            "the upstream is asked, its answer goes out under 429, and it is not counted (recorded). false: never "
            "before.",
            "hide_client_headers": "true: no `X-RateLimit-*` to the client. The upstream is told the remainder in "
            "`X-RateLimit-Remaining-<name>` either way, below 0 too.",
            "limits.*.second, limits.*.minute, limits.*.hour, limits.*.day, limits.*.month, limits.*.year": _PERIODS,
            **_REDIS,
        },
    ),
    "request-transformer": OptionTable(
        "kong/plugins/request-transformer: access.lua, schema.lua (priority 801)",
        {
            "remove.headers": "[]: none. Whatever the case, every repeat (recorded). Host cannot be taken off; a "
            "header beyond the first 100 is not seen.",
            "http_method, replace.uri": "null: unchanged.",
            "remove.body, remove.querystring, rename.body, rename.headers, rename.querystring, replace.body, "
            "replace.headers, replace.querystring, add.body, add.headers, add.querystring, append.body, "
            "append.headers, append.querystring": "[]: nothing. Values are templates: `$(...)` is run.",
        },
    ),
    "correlation-id": OptionTable(
        "kong/plugins/correlation-id: handler.lua, schema.lua (priority 100001)",
        {
            "header_name": "absent: Kong-Request-ID. A client's own value is kept, of two the first (recorded).",
            "generator": "absent: `uuid#counter`, which counts a worker's requests. `uuid`: random.",
            "echo_downstream": "absent: false. true: the answer carries it, Kong's own answers too.",
        },
    ),
    "prometheus": OptionTable(
        "kong/plugins/prometheus: handler.lua, exporter.lua, schema.lua (priority 13)",
        {
            "per_consumer": "false or null: no consumer's name in a metric.",
            "status_code_metrics, latency_metrics, bandwidth_metrics, upstream_health_metrics, ai_metrics": "absent, "
            "false or null: those metrics are not kept.",
        },
    ),
    "request-termination": OptionTable(
        "kong/plugins/request-termination: handler.lua, schema.lua (priority 2)",
        {
            "status_code": "absent: 503. Below 100 or above 599: refused by the schema.",
            "body, content_type": "body null: `message` as JSON. content_type without a body: refused by the schema. "
            "The answer is the same for every method, OPTIONS too (recorded).",
            "message": "null: the body. With `body` or `content_type` as well: refused by the schema.",
            "echo": "true: the request is told back, with its headers; refused by the schema beside `body`.",
            "trigger": "null: every request ends here. A name: only those with such a header or query argument.",
        },
    ),
    "cors": OptionTable(
        "kong/plugins/cors: handler.lua, schema.lua (priority 2000)",
        {
            "origins": "null or []: `*`. One literal origin: named in every answer, a stranger's and one without "
            "Origin too, and a stranger's POST goes on (recorded). Several: the one that asks, else none. Anything "
            "besides letters, digits and `.:/-` makes an entry a pattern.",
            "headers": "null or []: whatever a preflight asks for is allowed.",
            "exposed_headers": "null or []: none.",
            "methods": "absent: all nine. A preflight without Origin or "
            "Access-Control-Request-Method is none and goes on (without Origin: recorded).",
            "max_age": "null: no such header. 0 and below are passed on as they are.",
            "credentials": "true with `*`: any origin may send cookies.",
            "private_network": "true: a page may reach a private address.",
            "preflight_continue": "true: preflights go upstream and no header is added.",
        },
    ),
    "http-log": OptionTable(
        "kong/plugins/http-log: handler.lua, schema.lua; kong/tools/queue.lua (priority 12)",
        {
            "http_endpoint": "A query string is dropped; `user:password@` becomes an Authorization header. The "
            "collector's certificate is not verified.",
            "method, content_type": "absent: POST, application/json.",
            "timeout, keepalive": "Milliseconds.",
            "retry_count, queue_size, flush_timeout": "Deprecated; null: `queue` decides.",
            "headers": "null: none. Host, Content-Length and Content-Type: refused by the schema.",
            "custom_fields_by_lua": _CUSTOM_FIELDS,
            **_QUEUE,
        },
    ),
    "file-log": OptionTable(
        "kong/plugins/file-log: handler.lua, schema.lua (priority 9)",
        {
            "path": "With any of * & % \\ and `: refused by the schema. Not writable: the line is lost and the error "
            "log says so.",
            "reopen": "false: after a rotation Kong writes on into the old file.",
            "custom_fields_by_lua": _CUSTOM_FIELDS,
        },
    ),
    "opentelemetry": OptionTable(
        "kong/plugins/opentelemetry: handler.lua, traces.lua, logs.lua, schema.lua; kong/tools/queue.lua (priority 14)",
        {
            "traces_endpoint, logs_endpoint": "null: none sent. Both null: refused by the schema. Traces need "
            "`tracing_instrumentations` in kong.conf, off by default.",
            "headers": "null: none. Values may be vault references.",
            "resource_attributes": "null: `service.name` is kong.",
            "batch_span_count, batch_flush_delay": "Deprecated; null: `queue` decides.",
            "connect_timeout, send_timeout, read_timeout": "Milliseconds. Negative: refused by the schema.",
            "http_response_header_for_traceid": "null: no answer tells its trace id.",
            "header_type": "Deprecated for `propagation`; preserve: a caller's format is kept.",
            "sampling_rate": "null: `tracing_sampling_rate` of kong.conf. 0: nothing. Beyond 0 to 1: refused by the "
            "schema.",
            "propagation.extract, propagation.clear, propagation.inject": "null: as header_type says.",
            "propagation.default_format": "Format where a caller sent none. null: refused by the schema.",
            **_QUEUE,
        },
    ),
    **INNER_PLUGINS,
}
