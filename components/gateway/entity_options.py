"""Options that Ringwall sets at Kong beside plugins: those of services, routes, upstreams, targets, consumers, credentials.

Names are the provider's; see `components.gateway.options` for how the tables are used.
"""

from __future__ import annotations

from typing import Final

from components.gateway.option_table import OptionTable

_TAGS = "absent: none. An empty list is not sent by the provider, so a tag is never taken off."
_STATUSES = "[]: none counts."

ENTITIES: Final[dict[str, OptionTable]] = {
    "service": OptionTable(
        "kong/db/schema/entities/services.lua, kong/runloop/handler.lua, kong/runloop/balancer",
        {
            "name": "Unique at the gateway. null: it has none.",
            "protocol": "absent: http. With http any of the TLS inputs below is refused by the schema.",
            "host": "The name of an upstream: its targets. Any other name: DNS. No answer: 503.",
            "port": "absent: 80; 0 to 65535. An upstream's targets bring their own.",
            "retries": "absent: 5. 0: one try. nginx tries again after a failed connection and, but for a POST that "
            "was sent, after a timeout.",
            "connect_timeout, write_timeout, read_timeout": "Milliseconds; absent: 60000. 0 and below: refused by the "
            "schema. read_timeout is the longest silence between two reads, then 504, or the end of a stream.",
            "client_certificate_id": "absent: Kong shows none.",
            "ca_certificate_ids": "absent or []: the authorities of `lua_ssl_trusted_certificate` in kong.conf.",
            "tls_verify": "absent: nginx's own default, off.",
            "tls_verify_depth": "absent: nginx's own default, 1. Above 64: refused by the schema.",
            "tags": _TAGS,
        },
    ),
    "route": OptionTable(
        "kong/db/schema/entities/routes.lua, kong/router (flavor traditional_compatible)",
        {
            "name": "Unique at the gateway. null: it has none.",
            "service_id": "absent: the route answers 503 unless a plugin answers.",
            "protocols": "absent: http and https. http alone: a TLS request is not matched.",
            "hosts": "absent or []: any host. Compared without port and case; one `*` at an end is a pattern.",
            "paths": "absent or []: any path. Plain: a prefix. `~`: a regular expression, anchored at the start only, "
            "hence our `$`. Compared after normalization: `//mcp` and `/%6dcp` are `/mcp` (run).",
            "methods": "absent or []: any method. Others: 404.",
            "strip_path": "absent: true, the matched part is cut off.",
            "preserve_host": "absent: false, the upstream sees its own name as Host.",
            "regex_priority": "Among regular expressions the higher goes first; equal: the older route.",
            "path_handling": "v0: service path, then request path, one slash between.",
            "https_redirect_status_code": "Used where protocols is https alone.",
            "request_buffering": "absent: true, a body is read whole before the upstream is asked.",
            "response_buffering": "absent: true, the events of a stream wait for its end (run).",
            "tags": _TAGS,
        },
    ),
    "upstream": OptionTable(
        "kong/db/schema/entities/upstreams.lua, kong/runloop/balancer, lua-resty-healthcheck",
        {
            "name": "Unique; a service's host names it.",
            "slots": "10 to 65536, else refused by the schema.",
            "hash_on, hash_on_header": "header without a name: refused by the schema. A request without that header: "
            "hash_fallback.",
            "hash_fallback": "none: round robin.",
            "hash_on_cookie_path": "Unused but with hash_on cookie.",
            "client_certificate_id": "Shown by probes over https. absent: none.",
            "healthchecks.active.type, healthchecks.passive.type": "tcp: statuses are not looked at.",
            "healthchecks.active.timeout": "Seconds for one probe; the provider takes whole ones.",
            "healthchecks.active.concurrency": "Targets probed at once; below 1: refused by the schema.",
            "healthchecks.active.http_path": "Asked with GET and without the request's Host.",
            "healthchecks.active.https_sni": "absent: the target's own name.",
            "healthchecks.active.https_verify_certificate": "false: any certificate will do.",
            "healthchecks.active.healthy.interval": "0: healthy targets are not probed.",
            "healthchecks.active.healthy.http_statuses, healthchecks.active.unhealthy.http_statuses, "
            "healthchecks.passive.healthy.http_statuses, healthchecks.passive.unhealthy.http_statuses": _STATUSES
            + " Outside 100 to 999: refused by the schema.",
            "healthchecks.active.healthy.successes": "0: no target comes back by probes.",
            "healthchecks.active.unhealthy.interval": "0: what is out is not probed and never comes back.",
            "healthchecks.active.unhealthy.http_failures, healthchecks.active.unhealthy.tcp_failures, "
            "healthchecks.active.unhealthy.timeouts": "0: such a failure never takes a target out. Counted in a row; "
            "above 255: refused by the schema.",
            "healthchecks.passive.healthy.successes": "0: an answer does not set the failures back. What is out gets "
            "no requests, so only probes bring it back.",
            "healthchecks.passive.unhealthy.http_failures, healthchecks.passive.unhealthy.tcp_failures, "
            "healthchecks.passive.unhealthy.timeouts": "0: such a failure never takes a target out. The default "
            "statuses hold 429: three of them closed a server (run). A stream cut after its headers does not count "
            "(run).",
            "tags": _TAGS,
        },
    ),
    "target": OptionTable(
        "kong/db/schema/entities/targets.lua",
        {
            "target": "address:port; without a port 8000. Taken already in this upstream: 409.",
            "upstream_id": "Required; an upstream's end takes its targets along.",
            "weight": "0: no requests, but the provider does not send it, and absent is 100. Above 65535: refused.",
            "tags": _TAGS,
        },
    ),
    "consumer": OptionTable(
        "kong/db/schema/entities/consumers.lua",
        {
            "username, custom_id": "Unique each. Empty or both absent: refused by the schema.",
            "tags": _TAGS,
        },
    ),
    "consumer_acl": OptionTable(
        "kong/plugins/acl/daos.lua",
        {
            "consumer_id": "Required; a consumer's end takes its groups along.",
            "group": "Empty: refused by the schema. Not unique: any consumer may be put into it.",
            "tags": _TAGS,
        },
    ),
    "consumer_key_auth": OptionTable(
        "kong/plugins/key-auth/daos.lua",
        {
            "consumer_id": "Required; a consumer's end takes its keys along.",
            "key": "Unique at the gateway. absent: Kong makes one up, which nobody knows. Kong answers it in clear.",
            "tags": _TAGS,
        },
    ),
    "jwt credential": OptionTable(
        "kong/plugins/jwt/daos.lua; written by `ringwall keys sync`",
        {
            "key": "The key's `kid`. absent: made up. Unique over all consumers: taken is 409. Empty: refused.",
            "rsa_public_key": "absent with RS256: refused by the schema.",
            "algorithm": "absent: HS256. A token with another `alg` is 401, HS256 with the public key too (recorded).",
            "secret": "absent: made up. Unused with RS256. Empty: refused.",
            "tags": _TAGS,
        },
    ),
    "plugin": OptionTable(
        "kong/db/schema/entities/plugins.lua, kong/runloop/plugins_iterator.lua",
        {
            "name": "Not enabled in kong.conf: 400. A second one of the kind at one place: 409.",
            "config_json": "An option left out keeps what Kong has on update, so every one is written, null too.",
            "enabled": "absent: true. false: it does not run, and a wider one of its kind does.",
            "service_id": "absent: every request of the gateway, but where a service or route has its own of that "
            "kind.",
            "strict_match": "The provider's, not Kong's: false leaves a changed config unrepaired.",
            "tags": _TAGS,
        },
    ),
}
