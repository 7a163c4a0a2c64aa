"""Configurations of a model route's guard, as the stack of a route renders them."""

from __future__ import annotations

from typing import Any

from model.model_guard_config import ModelGuardConfig
from tests.support.waiting import PATIENT_GUARD

ACCESS = {
    "issuer": "https://example.cloudflareaccess.com",
    "jwks_uri": "https://example.cloudflareaccess.com/cdn-cgi/access/certs",
    "front_doors": [{"hostname": "models.example.com", "audience": "a" * 64}],
}


def small(**changes: Any) -> dict[str, Any]:
    """The one model `small`, which the provider calls gpt-x."""
    model = {"name": "small", "kinds": ["chat"], "inner_host": "small.models.internal", "provider_model": "gpt-x"}
    return {**model, **changes}


def route_document(**changes: Any) -> dict[str, Any]:
    """A route with one model for everyone; `changes` on top."""
    return {
        "version": 1,
        "model_route": {"environment": "dev", "name": "models"},
        "listen": {"port": 9020},
        "path": "/v1",
        "inner": {"url": "http://127.0.0.1:8000", "key": {"env": "RINGWALL_INNER_KEY"}},
        "models": [small()],
        "identity": {"access": ACCESS, "agents": {"abc.access": "ci"}},
        "grants": [{"to": {"all": True}, "models": ["small"]}],
        "limits": {},
        "guard": {**PATIENT_GUARD, **changes.pop("guard", {})},
        "audit": {"path": "/var/log/ringwall/models.jsonl"},
        **changes,
    }


def route_config(**changes: Any) -> ModelGuardConfig:
    return ModelGuardConfig.model_validate(route_document(**changes))
