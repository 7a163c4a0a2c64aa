"""How Kong's Admin API behaves towards pulumi-kong 4.6.3 (source: Kong OSS 3.9 schemas and Admin API answers)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sandbox.behaviour import Behaviour, Package, Reference, Refused, allowed_values, by_name, is_unknown, text
from sandbox.schema import Problem
from sandbox.state import World
from sandbox.wire import Props, SecretValue, has_secret, reveal


def token(name: str) -> str:
    """The type token of a kong resource class."""
    return f"kong:index/{name[0].lower()}{name[1:]}:{name}"


SERVICE, ROUTE, PLUGIN, UPSTREAM = token("Service"), token("Route"), token("Plugin"), token("Upstream")
TARGET, CONSUMER, CERTIFICATE = token("Target"), token("Consumer"), token("Certificate")

_NAME: Final = re.compile(r"^[\w.\-~]+$")
_HOST: Final = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9_.\-]*[A-Za-z0-9])?$")
_PROTOCOLS: Final = ("http", "https", "tcp", "tls", "tls_passthrough", "udp", "grpc", "grpcs", "ws", "wss")


def _named(props: Props) -> Iterator[Problem]:
    name = text(props, "name")
    if name is not None and not _NAME.match(name):
        yield Problem(
            "name", f"invalid value {name!r}: the only accepted ascii characters are alphanumerics or ., -, _, and ~"
        )


def _service(props: Props) -> Iterator[Problem]:
    yield from _named(props)
    yield from allowed_values(props, "protocol", _PROTOCOLS)
    path = text(props, "path")
    if path is not None and not path.startswith("/"):
        yield Problem("path", "should start with: /")
    port = props.get("port")
    if isinstance(port, int) and not 0 <= port <= 65535:
        yield Problem("port", "value should be between 0 and 65535")
    if text(props, "protocol") not in (None, "https", "tls"):
        for name in ("tlsVerify", "tlsVerifyDepth", "clientCertificateId", "caCertificateIds"):
            if props.get(name) is not None:
                yield Problem(name, "must not be set: only https and tls services use it")


def _route(props: Props) -> Iterator[Problem]:
    yield from _named(props)
    protocols = props.get("protocols")
    if isinstance(protocols, list):
        for index, protocol in enumerate(protocols):
            if isinstance(protocol, str) and protocol not in _PROTOCOLS:
                yield Problem(f"protocols[{index}]", f"expected one of: {', '.join(_PROTOCOLS)}")
        matchers = ("methods", "hosts", "headers", "paths", "snis")
        http = {"http", "https"} & {p for p in protocols if isinstance(p, str)}
        if http and not any(props.get(name) for name in matchers):
            yield Problem("protocols", f"must set one of {', '.join(matchers)} when 'protocols' is http or https")
    paths = props.get("paths")
    for index, path in enumerate(paths if isinstance(paths, list) else []):
        if isinstance(path, str) and not path.startswith(("/", "~/")):
            yield Problem(f"paths[{index}]", "should start with: / (fixed path) or ~/ (regex path)")
    yield from allowed_values(props, "pathHandling", ("v0", "v1"))


def _plugin(props: Props) -> Iterator[Problem]:
    if text(props, "name") is None and not is_unknown(props.get("name")):
        yield Problem(
            "name", "missing required property: the real provider would invent a plugin name that does not exist"
        )
    config = reveal(props.get("configJson"))
    if isinstance(config, str):
        try:
            if not isinstance(json.loads(config), dict):
                yield Problem("configJson", "contains an invalid JSON: not an object")
        except ValueError as error:
            # The position only: the text may hold a secret.
            position = (
                f"line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else "unreadable"
            )
            yield Problem("configJson", f"contains an invalid JSON: {position}")


def _upstream(props: Props) -> Iterator[Problem]:
    name = text(props, "name")
    if name is not None and not _HOST.match(name):
        yield Problem("name", f"invalid value {name!r}: must be a valid hostname")
    hash_on = ("none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture")
    yield from allowed_values(props, "hashOn", hash_on)
    yield from allowed_values(props, "hashFallback", hash_on)
    if text(props, "hashOn") == "header" and props.get("hashOnHeader") is None:
        yield Problem("hashOnHeader", "required field missing when hashOn is header")
    if text(props, "hashOn") == "cookie" and props.get("hashOnCookie") is None:
        yield Problem("hashOnCookie", "required field missing when hashOn is cookie")
    slots = props.get("slots")
    if isinstance(slots, int) and not 10 <= slots <= 65536:
        yield Problem("slots", "value should be between 10 and 65536")


def _target(props: Props) -> Iterator[Problem]:
    weight = props.get("weight")
    if isinstance(weight, int) and not 0 <= weight <= 65535:
        yield Problem("weight", "value should be between 0 and 65535")


def _consumer(props: Props) -> Iterator[Problem]:
    if props.get("username") is None and props.get("customId") is None:
        yield Problem("username", "at least one of these fields must be non-empty: 'custom_id', 'username'")


def _jwt(props: Props) -> Iterator[Problem]:
    algorithms = (f"{family}{bits}" for family in ("HS", "RS", "ES", "PS") for bits in (256, 384, 512))
    yield from allowed_values(props, "algorithm", [*algorithms, "EdDSA"])
    for name in ("key", "secret"):
        if reveal(props.get(name)) in (None, ""):
            yield Problem(name, "length must be at least 1: this provider sends an empty string when it is left out")


def _named_unique(*groups: str) -> tuple[tuple[str, ...], ...]:
    return tuple((group,) for group in groups)


#: The redis record of rate-limiting and response-ratelimiting with its defaults (their schema.lua). Every member has a
#: deprecated name beside the record, `redis_host` for `redis.host`.
_REDIS: Final = {
    "host": None,
    "port": 6379,
    "timeout": 2000,
    "username": None,
    "password": None,
    "database": 0,
    "ssl": False,
    "ssl_verify": False,
    "server_name": None,
}
_WITH_REDIS: Final = ("rate-limiting", "response-ratelimiting")
#: Maps, which a PATCH replaces; other objects of a config are records, which it merges (kong/db/schema, `merge_values`).
_MAPS: Final = frozenset({"headers", "resource_attributes", "limits", "custom_fields_by_lua"})


def _computed_config(world: World, id_: str, props: Props, _old: Props) -> Props:
    """The config as Kong gives it back, in clear: the real provider does not mark it secret, so neither does this."""
    text_ = reveal(props.get("configJson"))
    sent = json.loads(text_) if isinstance(text_, str) else {}
    record = world.find(PLUGIN, id_)
    held = record.outputs.get("computedConfig") if record is not None else None
    config = _merged(sent, json.loads(held)) if isinstance(held, str) else sent
    answer = _with_deprecated_names(text(props, "name"), sent, config)
    return {"computedConfig": _go_json(answer)}


def _go_json(value: Any) -> str:
    """As Go's encoding/json writes it, which the provider compares with: sorted, compact, HTML's characters escaped."""
    text_ = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[&<>\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", text_)


def _merged(sent: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """What a PATCH leaves: members that were not sent stay as they were; arrays and maps are replaced whole."""
    merged = {**held, **sent}
    for name, value in sent.items():
        before = held.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and name not in _MAPS:
            merged[name] = _merged(value, before)
    return merged


def _with_deprecated_names(name: str | None, sent: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Deprecated names as `process_auto_fields` treats them: refused where they contradict, answered where the schema
    says what replaced them, else taken and never answered."""
    if name == "opentelemetry" and "endpoint" in config:
        replaced = config.get("traces_endpoint") or config["endpoint"]
        return {key: value for key, value in config.items() if key != "endpoint"} | {"traces_endpoint": replaced}
    if name not in _WITH_REDIS:
        return dict(config)
    record = sent.get("redis") or {}
    redis = {**_REDIS, **(config.get("redis") or {})}
    for member in _REDIS:
        old = sent.get(f"redis_{member}")
        if old is None:
            continue
        if record.get(member) not in (None, old):
            raise Refused(
                f'HTTP status 400 (message: "schema violation (config.redis_{member}: both deprecated and new field are '
                f'used but their values mismatch: redis_{member} = {old} vs redis.{member} = {record[member]})")'
            )
        redis[member] = old
    return {**config, "redis": redis, **{f"redis_{member}": value for member, value in redis.items()}}


def _strict(outputs: Props) -> Props:
    """With strict_match the provider takes what Kong has for the config, so drift in it is seen and repaired."""
    if outputs.get("strictMatch") is not True:
        return {}
    actual = reveal(outputs.get("computedConfig"))
    return {"configJson": SecretValue(actual) if has_secret(outputs.get("configJson")) else actual}


def _plugin_refusal(props: Props, reason: str) -> str:
    """Print the whole config, secrets and all, as the real provider does when a plugin cannot be created."""
    config = reveal(props.get("configJson"))
    return f"failed to create kong plugin: &{{{text(props, 'name')} config:{config}}} error: {reason}"


def _conflict(_type: str, _name: str, group: tuple[str, ...], props: Props) -> str:
    fields = ",".join(f'{name}="{_shown(props.get(name))}"' for name in group if props.get(name) is not None)
    return f"HTTP status 409 (message: \"UNIQUE violation detected on '{{{fields}}}'\")"


def _shown(value: Any) -> Any:
    return "[secret]" if isinstance(value, SecretValue) or has_secret(value) else value


def _credential_id(world: World, props: Props) -> str:
    return f"{world.mint_uuid('credential')}|{props.get('consumerId')}"


_FOREIGN: Final = (
    'HTTP status 400 (message: "the foreign key \'{{id=\\"{id}\\"}}\' '
    "does not reference an existing '{target}' entity.\")"
)


def _foreign(name: str, target: str, on_delete: Any) -> Reference:
    plain = by_name(name, target, on_delete)
    return Reference(plain.target, plain.extract, on_delete, _FOREIGN)


def _credential(
    check: Any = None, *, unique: tuple[tuple[str, ...], ...] = (), sensitive: tuple[str, ...] = ()
) -> Behaviour:
    return Behaviour(
        identity=_credential_id,
        check=check or (lambda _: iter(())),
        replaces=frozenset({"consumerId"}),
        unique=unique,
        references=(_foreign("consumerId", CONSUMER, "cascade"),),
        sensitive=frozenset(sensitive),
        keeps_removed=True,
        missing_on_delete="error",
    )


BEHAVIOURS: Final = {
    SERVICE: Behaviour(
        check=_service,
        defaults={"port": 80, "retries": 5, "connectTimeout": 60000, "writeTimeout": 60000, "readTimeout": 60000},
        unique=_named_unique("name"),
        references=(_foreign("clientCertificateId", CERTIFICATE, "refuse"),),
        autonamed=True,
        keeps_removed=True,
    ),
    ROUTE: Behaviour(
        check=_route,
        defaults={
            "stripPath": True,
            "preserveHost": False,
            "regexPriority": 0,
            "pathHandling": "v0",
            "httpsRedirectStatusCode": 426,
            "requestBuffering": True,
            "responseBuffering": True,
        },
        unique=_named_unique("name"),
        references=(_foreign("serviceId", SERVICE, "refuse"),),
        unrefreshed=frozenset({"headers"}),
        autonamed=True,
        keeps_removed=True,
    ),
    PLUGIN: Behaviour(
        check=_plugin,
        computed=_computed_config,
        defaults={"enabled": True, "strictMatch": False},
        replaces=frozenset({"name"}),
        unique=(("name", "serviceId", "routeId", "consumerId"),),
        references=(
            _foreign("serviceId", SERVICE, "cascade"),
            _foreign("routeId", ROUTE, "cascade"),
            _foreign("consumerId", CONSUMER, "cascade"),
        ),
        json_text=frozenset({"configJson"}),
        refreshed=_strict,
        # Without strict_match the provider never reads the config back: only computedConfig shows drift.
        unrefreshed=frozenset({"configJson", "strictMatch"}),
        keeps_removed=True,
        create_refusal=_plugin_refusal,
    ),
    UPSTREAM: Behaviour(
        check=_upstream,
        defaults={"slots": 10000, "hashOn": "none", "hashFallback": "none", "hashOnCookiePath": "/"},
        unique=_named_unique("name"),
        references=(_foreign("clientCertificateId", CERTIFICATE, "refuse"),),
        autonamed=True,
        keeps_removed=True,
    ),
    TARGET: Behaviour(
        identity=lambda world, props: f"{props.get('upstreamId')}/{world.mint_uuid('target')}",
        check=_target,
        replaces=frozenset({"target", "weight", "upstreamId", "tags"}),
        unique=(("upstreamId", "target"),),
        references=(_foreign("upstreamId", UPSTREAM, "cascade"),),
        missing_on_delete="error",
    ),
    CONSUMER: Behaviour(check=_consumer, unique=_named_unique("username", "customId"), keeps_removed=True),
    CERTIFICATE: Behaviour(sensitive=frozenset({"privateKey"}), keeps_removed=True),
    token("ConsumerAcl"): _credential(unique=(("consumerId", "group"),)),
    token("ConsumerKeyAuth"): _credential(unique=(("key",),), sensitive=("key",)),
    token("ConsumerJwtAuth"): _credential(_jwt, unique=(("key",),), sensitive=("secret",)),
    token("ConsumerBasicAuth"): _credential(unique=(("username",),), sensitive=("password",)),
    token("ConsumerOauth2"): _credential(unique=(("clientId",),), sensitive=("clientSecret",)),
}

PACKAGE: Final = Package("kong", BEHAVIOURS, _conflict)
