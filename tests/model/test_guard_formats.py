"""The guard's configuration and the host's bundle: closed formats that survive being written and read."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from pydantic import ValidationError

from model.guard_bundle import GuardBundle
from model.guard_config import GuardConfig, Listen
from model.host_bundle import HostBundle
from model.zone import Zone
from tests.support.projects import lock

CONFIG: dict[str, Any] = {
    "version": 1,
    "server": {"environment": "dev", "name": "one"},
    "listen": {"port": 9010},
    "path": "/mcp",
    "origin": {"url": "http://127.0.0.1:3000/mcp"},
    "identity": {
        "access": {
            "issuer": "https://example.cloudflareaccess.com",
            "jwks_uri": "https://example.cloudflareaccess.com/cdn-cgi/access/certs",
            "front_doors": [{"hostname": "one.example.com", "audience": "a" * 64}],
        },
        "agents": {"abc.access": "ci"},
    },
    "grants": [{"to": {"agents": ["ci"]}, "tools": ["get_ticket"]}],
    "limits": {},
    "guard": {},
    "audit": {"path": "/var/log/ringwall/one.jsonl"},
    "tool_lock_sha256": "sha256:" + "0" * 64,
    "tool_lock": lock().dump(),
}
BUNDLE: dict[str, Any] = {
    "version": 1,
    "sequence": 1,
    "config": CONFIG,
    "signature": {"key_id": "0" * 16, "value": "A" * 86},
}
HOST: dict[str, Any] = {
    "version": 1,
    "environment": "dev",
    "server": "one",
    "host": "dev-1",
    "hostnames": ["one.example.com"],
    "listeners": [{"process": "guard", "address": "127.0.0.1:9010", "purpose": "traffic"}],
    "cloudflared": {"mode": "remote", "tunnel_id": "t", "arguments": ["tunnel", "--a", "1", "--b", "1"]},
    "kong": {"version": "3.9.3", "role": "data_plane", "settings": {"admin_listen": "off"}},
    "guard": {
        "arguments": ["run"],
        "config_file": "/etc/ringwall/one.json",
        "config_sha256": "sha256:" + "0" * 64,
        "public_key_file": "/etc/ringwall/one.pub",
        "state_directory": "/var/lib/ringwall/one",
        "audit_log": "/var/log/ringwall/one.jsonl",
    },
    "origin": {"command": ["node", "s.js", "-v", "-v"]},
    "files": [{"path": "/etc/x", "mode": "0640", "sha256": "sha256:" + "0" * 64, "content": "x"}],
    "provided": [{"path": "/etc/ringwall/one.json", "purpose": "p"}],
    "secrets": [{"reader": "guard", "reference": {"env": "KEY"}, "purpose": "p"}],
}
ZONE: dict[str, Any] = {
    "version": 1,
    "cloudflare": {"zone": "example.com", "zone_id": "1" * 32},
    "existing_ruleset": "2" * 32,
    "keep": [{"ref": "a", "expression": "true", "action": "skip", "skip": {"ruleset": "current"}}],
    "rules": [{"hostnames": ["one.example.com"], "countries": ["SE"]}],
}
FORMATS: dict[str, tuple[Any, dict[str, Any]]] = {
    "guard-config": (GuardConfig, CONFIG),
    "guard-bundle": (GuardBundle, BUNDLE),
    "host-bundle": (HostBundle, HOST),
    "zone": (Zone, ZONE),
}
WRONG: list[tuple[str, tuple[str | int, ...], Any]] = [
    ("guard-config", ("version",), 2),
    ("guard-config", ("version",), True),
    ("guard-config", ("nonsense",), 1),
    ("guard-config", ("listen", "port"), 80),
    ("guard-config", ("listen", "address"), "0.0.0.0"),
    ("guard-config", ("origin", "url"), "http://10.0.0.1:3000"),
    ("guard-config", ("identity", "access", "front_doors"), []),
    ("guard-config", ("identity", "access", "jwks_uri"), "http://example.com/certs"),
    ("guard-config", ("identity", "access", "front_doors", 0, "audience"), ""),
    ("guard-config", ("identity", "agents"), {"abc.access": "Not A Name"}),
    ("guard-config", ("tool_lock_sha256",), "0" * 64),
    ("guard-config", ("tool_lock", "tools", 0, "sha256"), "sha256:" + "0" * 64),
    ("guard-config", ("audit", "path"), "audit.jsonl"),
    ("guard-config", ("audit", "fsync"), "never"),
    ("guard-config", ("redis",), {"url": "redis://user:secret@127.0.0.1"}),
    ("guard-bundle", ("sequence",), 0),
    ("guard-bundle", ("sequence",), "1"),
    ("guard-bundle", ("signature", "algorithm"), "none"),
    ("guard-bundle", ("signature", "value"), ""),
    ("guard-bundle", ("signature", "value"), "A" * 86 + "\n"),
    ("guard-bundle", ("denied",), ["person:x", "person:x"]),
    ("host-bundle", ("listeners", 0, "process"), "sshd"),
    ("host-bundle", ("files", 0, "mode"), "640"),
    ("host-bundle", ("files", 0, "path"), "etc/x"),
    ("host-bundle", ("kong", "role"), "control_plane"),
    ("host-bundle", ("secrets", 0, "reference"), {"value": "hunter2"}),
    ("host-bundle", ("guard", "arguments"), [""]),
    ("host-bundle", ("guard", "state_directory"), "state"),
    ("host-bundle", ("provided", 0, "path"), "one.json"),
    ("zone", ("rules", 0, "countries"), []),
    ("zone", ("rules", 0, "countries"), ["EU"]),
    ("zone", ("rules", 0, "hostnames"), []),
    ("zone", ("rules", 0, "hostnames"), ["*.example.com"]),
    ("zone", ("rules", 0, "hostnames"), ["one.example.org"]),
    ("zone", ("cloudflare", "zone_id"), "x"),
    ("zone", ("keep", 0, "action"), "block"),
    ("zone", ("existing_ruleset",), None),
]


@pytest.mark.parametrize("name", FORMATS)
def test_a_document_survives_being_written_and_read(name: str) -> None:
    model, value = FORMATS[name]
    before = model.model_validate(value)
    assert model.model_validate(json.loads(json.dumps(before.dump()))) == before


@pytest.mark.parametrize(("name", "path", "value"), WRONG)
def test_a_wrong_value_is_refused_where_it_stands(name: str, path: tuple[str | int, ...], value: Any) -> None:
    model, good = FORMATS[name]
    document: Any = copy.deepcopy(good)
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(ValidationError) as caught:
        model.model_validate(document)
    (first, *_) = caught.value.errors()
    common = min(len(path), len(first["loc"]))
    assert first["loc"][:common] == path[:common]


def test_counters_are_shared_where_the_manifest_says_so_and_nowhere_else() -> None:
    local, remote = {"url": "redis://127.0.0.1:6379/0"}, {"url": "rediss://counters.example.com:6380/1"}
    document = {**CONFIG, "guard": {"redis": local}, "redis": local}
    assert GuardConfig.model_validate(document).redis == GuardConfig.model_validate(document).guard.redis
    for redis in (None, remote):
        with pytest.raises(ValidationError, match=r"differs from guard\.redis"):
            GuardConfig.model_validate({**document, "redis": redis})


def test_a_guard_beyond_loopback_needs_both_certificates_and_the_key() -> None:
    tls = {"tls_certificate": {"file": "/c"}, "tls_key": {"file": "/k"}, "client_ca": {"file": "/ca"}}
    assert Listen.model_validate({"address": "10.0.0.5", "port": 9010, **tls}).address == "10.0.0.5"
    for missing in tls:
        remaining = {key: value for key, value in tls.items() if key != missing}
        with pytest.raises(ValidationError, match="beyond loopback"):
            Listen.model_validate({"address": "10.0.0.5", "port": 9010, **remaining})
