"""What decK takes in a file before it asks any gateway: its JSON schema, for the entities that Ringwall writes.

Source: github.com/Kong/go-database-reconciler, pkg/file/kong_json_schema.json and pkg/file/template.go, which `deck file
validate`, `render` and every `deck gateway` command read a file by. Unknown fields are refused everywhere but in a config,
and so is null.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_TAGS: Final = {"tags": list}
_HEALTHY: Final = {"http_statuses": list, "interval": int, "successes": int}
_UNHEALTHY: Final = {"http_failures": int, "http_statuses": list, "interval": int, "tcp_failures": int, "timeouts": int}
_CHECKS: Final = {"healthy": _HEALTHY, "unhealthy": _UNHEALTHY, "type": str}
_PLUGIN: Final = {"name": str, "config": dict, "enabled": bool, "protocols": list, "instance_name": str, **_TAGS}
_ROUTE: Final = {
    **dict.fromkeys(("name", "path_handling"), str),
    **dict.fromkeys(("https_redirect_status_code", "regex_priority"), int),
    **dict.fromkeys(("preserve_host", "request_buffering", "response_buffering", "strip_path"), bool),
    **dict.fromkeys(("hosts", "methods", "paths", "protocols", "tags"), list),
    "headers": dict,
}
#: A field's kind, the fields of a record, or a list of one record.
_FILE: Final[dict[str, Any]] = {
    "_format_version": str,
    "_info": {"select_tags": list},
    "services": [
        {
            **dict.fromkeys(("name", "host", "path", "protocol", "url"), str),
            **dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout", "port", "retries"), int),
            **dict.fromkeys(("enabled", "tls_verify"), bool),
            "tls_verify_depth": int,
            "ca_certificates": list,
            "routes": [_ROUTE],
            "plugins": [_PLUGIN],
            **_TAGS,
        }
    ],
    "upstreams": [
        {
            **dict.fromkeys(("name", "algorithm", "hash_on", "hash_on_header", "hash_fallback", "host_header"), str),
            "hash_on_cookie_path": str,
            "slots": int,
            "healthchecks": {
                "active": {
                    **_CHECKS,
                    **dict.fromkeys(("http_path", "https_sni"), str),
                    **dict.fromkeys(("concurrency", "timeout"), int),
                    "https_verify_certificate": bool,
                    "headers": dict,
                },
                "passive": _CHECKS,
                "threshold": (int, float),
            },
            "targets": [{"target": str, "weight": int, **_TAGS}],
            **_TAGS,
        }
    ],
    "consumers": [
        {
            "username": str,
            "custom_id": str,
            "acls": [{"group": str, **_TAGS}],
            "keyauth_credentials": [{"key": str, **_TAGS}],
            "jwt_secrets": [{"algorithm": str, "key": str, "secret": str, "rsa_public_key": str, **_TAGS}],
            **_TAGS,
        }
    ],
    "plugins": [_PLUGIN],
}
#: An empty text counts as missing (github.com/Kong/deck/issues/181).
_REQUIRED: Final = {
    "jwt_secrets": ("algorithm", "key", "secret"),
    "keyauth_credentials": ("key",),
    "acls": ("group",),
    "targets": ("target",),
    **dict.fromkeys(("services", "routes", "plugins", "upstreams"), ("name",)),
}
_TEMPLATE: Final = re.compile(r'\$\{\{ env "([^"]*)" \}\}')


def rendered(text: str, variables: Mapping[str, str]) -> str:
    """The text with decK's variables put in, before it is read as YAML."""

    def value(match: re.Match[str]) -> str:
        assert match[1].startswith("DECK_"), f"{match[1]}: decK reads variables that begin with DECK_ alone"
        return variables[match[1]]

    result = _TEMPLATE.sub(value, text)
    assert "${{" not in result, "decK knows env here and no other function"
    return result


def deck_problems(document: Mapping[str, Any]) -> list[str]:
    """What decK would refuse about a file."""
    return list(_record(document, _FILE, "", ""))


def _record(value: Any, fields: Mapping[str, Any], path: str, section: str) -> Iterator[str]:
    for name in _REQUIRED.get(section, ()):
        if not value.get(name):
            yield f"{path}{name} is required"
    for name, item in value.items():
        kind = fields.get(name)
        if kind is None:
            yield f"{path}{name} is not allowed"
        elif isinstance(kind, list):
            for index, entry in enumerate(item):
                yield from _record(entry, kind[0], f"{path}{name}.{index}.", name)
        elif isinstance(kind, dict):
            yield from _record(item, kind, f"{path}{name}.", "")
        elif not isinstance(item, kind) or (isinstance(item, bool) and kind is not bool):
            yield f"{path}{name} is a {type(item).__name__}"
