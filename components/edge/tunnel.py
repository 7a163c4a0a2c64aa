"""Ingress rules of a tunnel, as the provider takes them and as the config.yml of a locally managed tunnel. Pure.

cloudflared checks the Access token only where a rule itself carries `originRequest.access` (cloudflared, ingress source);
one at the top level is shown and never enforced. So every rule carries it, and the last one is a 404.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from model.base import seconds
from model.stacks import PerimeterManifest

CATCH_ALL = "http_status:404"


def ingress_rules(
    manifest: PerimeterManifest, team: str, gateway_port: int, audiences: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One rule a host name, in the provider's spelling; `audiences` may be Outputs. The service has no path: cloudflared
    refuses even a trailing slash."""
    rules: list[dict[str, Any]] = [
        {
            "hostname": hostname,
            "service": f"http://127.0.0.1:{gateway_port}",
            "origin_request": {
                "access": {"required": True, "team_name": team, "aud_tags": [audiences[hostname]]},
                "connect_timeout": seconds(manifest.timeouts.connect),
                "http_host_header": hostname,
            },
        }
        for hostname in manifest.hostnames
    ]
    return [*rules, {"service": CATCH_ALL}]


def is_tunnel_secret(value: str) -> bool:
    """Whether Cloudflare takes `value` as the secret of a locally managed tunnel: base64 of at least 32 bytes."""
    try:
        return len(base64.b64decode(value, validate=True)) >= 32
    except (binascii.Error, ValueError):
        return False


def config_yml(
    manifest: PerimeterManifest,
    team: str,
    gateway_port: int,
    audiences: Mapping[str, str],
    tunnel_id: str,
    credentials_file: str,
) -> str:
    """config.yml of a locally managed tunnel, deterministic. Every scalar is quoted JSON, which is YAML as well."""
    lines = [f"tunnel: {json.dumps(tunnel_id)}", f"credentials-file: {json.dumps(credentials_file)}", "ingress:"]
    for rule in ingress_rules(manifest, team, gateway_port, audiences):
        if "hostname" not in rule:
            lines.append(f"  - service: {json.dumps(rule['service'])}")
            continue
        request, access = rule["origin_request"], rule["origin_request"]["access"]
        lines += [
            f"  - hostname: {json.dumps(rule['hostname'])}",
            f"    service: {json.dumps(rule['service'])}",
            "    originRequest:",
            f"      connectTimeout: {request['connect_timeout']}s",
            f"      httpHostHeader: {json.dumps(request['http_host_header'])}",
            "      access:",
            "        required: true",
            f"        teamName: {json.dumps(access['team_name'])}",
            f"        audTag: {json.dumps(access['aud_tags'])}",
        ]
    return "\n".join(lines) + "\n"
