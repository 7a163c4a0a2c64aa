"""Agents as the stack file and the deployed outputs describe them, and the edit that rotates a secret. No output here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model.composer import compose
from model.errors import InputError
from model.loader import MAX_DEPTH, KeyPath, parse
from model.stacks import EnvironmentStack
from operations.project.write import replace_scalar

AGENTS: KeyPath = ("config", "ringwall:environment", "agents")


def describe(environment: EnvironmentStack, agent: str, deployed: dict[str, Any], *, reveal: bool) -> dict[str, Any]:
    """One agent as the file and the environment's stack outputs tell; `client_secret` is there only with `reveal`.

    Raises:
        InputError: with `reveal`, the deployed environment has no credentials of this agent.
    """
    settings = environment.settings.agents[agent]
    row: dict[str, Any] = {
        "agent": agent,
        "client_id": _text_at(deployed, "contract", "agents", agent),
        "expires_at": _text_at(deployed, "agent_expires_at", agent),
        "token_duration": settings.token_duration,
        "secret_version": settings.secret_version,
        "previous_secret_expires_at": settings.previous_secret_expires_at,
        "countries": list(settings.countries),
        "addresses": list(settings.addresses),
        "posture": list(settings.posture),
        "common_name": settings.common_name,
        "servers": {
            name: manifest.hostname
            for name, manifest in environment.manifests.items()
            if agent in manifest.access.agents
        },
    }
    if reveal:
        row["client_secret"] = _text_at(deployed, "agent_credentials", agent, "client_secret")
        if row["client_secret"] is None:
            raise InputError(
                f"{environment.name} as deployed has no credentials of {agent}",
                remedy=f"run `ringwall up {environment.name}`",
            )
    return row


def rotated(text: str, agent: str, version: int, expires: str) -> str:
    """The stack file's text with both keys of the agent set; nothing else changes.

    Raises:
        InputError: the file has no such agent.
    """
    agent_path = (*AGENTS, agent)
    missing: list[str] = []
    for key, scalar in (("secret_version", str(version)), ("previous_secret_expires_at", f'"{expires}"')):
        if _has(text, (*agent_path, key)):
            text = replace_scalar(text, (*agent_path, key), scalar)
        else:
            missing.append(f"{key}: {scalar}")
    if not missing:
        return text
    node = _mapping(text, agent_path)
    if node is None:
        raise InputError(f"the file has no agent {agent}")
    start = node.start_mark
    if node.flow_style:
        # Right behind the brace.
        return f"{text[: start.index + 1]}{', '.join(missing)}, {text[start.index + 1 :]}"
    end = "\r\n" if "\r\n" in text else "\n"
    return text[: start.index] + "".join(f"{line}{end}{' ' * start.column}" for line in missing) + text[start.index :]


def _mapping(text: str, path: KeyPath) -> Any:
    node, _ = compose(text, MAX_DEPTH + 2)
    for part in path:
        node = next((value for key, value in node.value if key.value == part), None) if node is not None else None
    return node


def _has(text: str, path: KeyPath) -> bool:
    return path in parse(text, Path("text")).lines


def _text_at(outputs: dict[str, Any], *path: str) -> str | None:
    value: Any = outputs
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
