"""JSON Schemas of every file format, for editors and other tools. Schemas that others wrote stand in model/schemas.py."""

from __future__ import annotations

from typing import Any

from model.access_tests import AccessTests
from model.base import Model
from model.engine_contract import VerdictAnswer, VerdictRequest
from model.environment import Environment
from model.guard_bundle import GuardBundle
from model.guard_config import GuardConfig
from model.host_bundle import HostBundle
from model.model_guard_config import ModelGuardConfig
from model.model_route import ModelRoute
from model.server import Server
from model.tool_lock import ToolLock
from model.zone import Zone

#: Word on the command line -> the model.
FORMATS: dict[str, type[Model]] = {
    "environment": Environment,
    "server": Server,
    "model": ModelRoute,
    "zone": Zone,
    "tool-lock": ToolLock,
    "guard-config": GuardConfig,
    "model-guard-config": ModelGuardConfig,
    "guard-bundle": GuardBundle,
    "host-bundle": HostBundle,
    "access-test": AccessTests,
    "verdict-request": VerdictRequest,
    "verdict-answer": VerdictAnswer,
}


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema 2020-12 of one format, with a title and a stable `$id`."""
    schema = FORMATS[name].model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ringwall:schema:{name}:1",
        **schema,
    }


def stack_file_schema() -> dict[str, Any]:
    """JSON Schema of a whole `Pulumi.<stack>.yaml`, for an editor's `yaml-language-server` line."""
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for name in ("environment", "server", "model", "zone"):
        schema = FORMATS[name].model_json_schema(by_alias=True)
        definitions.update(schema.pop("$defs", {}))
        properties[f"ringwall:{name}"] = schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:ringwall:schema:stack:1",
        "title": "Ringwall stack file",
        "type": "object",
        "properties": {
            "config": {"type": "object", "properties": properties},
            "encryptionsalt": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "secretsprovider": {"type": "string"},
        },
        "required": ["config"],
        "additionalProperties": False,
        "$defs": definitions,
    }
