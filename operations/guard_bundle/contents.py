"""The contents of a bundle before it is signed: the server's configuration, and the principals that its guard will deny.

Reading, signing and writing the file is in `files`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from components.guard.settings import OUTPUT
from model.base import seconds, validate
from model.errors import InputError
from model.guard_bundle import AnyGuardConfig, format_of
from model.json import parse_json
from model.loader import Document
from model.problems import Wrong
from operations.guard_bundle.files import read

_DAYS = re.compile(r"([1-9][0-9]{0,3})d")
_PRINCIPAL = re.compile(r"(person|agent):[^\x00-\x20\x7f]{1,256}")


def configuration_of(stack: str, file: Path | None, exported: Callable[[], object]) -> AnyGuardConfig:
    """The configuration to sign, from `file` or else from the stack's outputs; it must be this server's.

    Raises:
        InputError: it is no guard configuration, another server's, or has a demo identity.
    """
    source, text = (
        (file, read(file)) if file is not None else (Path(f"{stack}: {OUTPUT}"), _exported(stack, exported()))
    )
    try:
        value = parse_json(text if isinstance(text, str) else text.decode("utf-8"))
    except ValueError as error:
        raise InputError(
            f"is no rendered guard configuration: {error}",
            file=source,
            remedy=f"render it with `ringwall outputs {stack} {OUTPUT}`",
        ) from None
    config: AnyGuardConfig = validate(format_of(value), value, Document(source, value, {}), ())
    server = f"{config.server.environment}.{config.server.name}"
    if server != stack:
        raise InputError(f"is the configuration of {server}, not of {stack}", file=source, remedy=f"name {server}")
    if config.identity.demo is not None:
        raise InputError(
            "has a demo identity, which verifies nobody",
            file=source,
            key="identity.demo",
            remedy="run it unsigned on your own machine; sign a configuration with a real identity",
        )
    return config


def validity(text: str) -> int:
    """Seconds from `--valid`: days such as ``90d``, or a duration. Raises InputError."""
    try:
        return int(days[1]) * 86_400 if (days := _DAYS.fullmatch(text)) else seconds(text)
    except Wrong:
        raise InputError(
            f"{text} is no duration", key="--valid", remedy='write it such as "90d", "8h" or "30m"'
        ) from None


def _exported(stack: str, text: object) -> str:
    if not isinstance(text, str) or text == "[secret]":
        raise InputError(
            f"{stack} exports no readable {OUTPUT}",
            remedy=f"name a server or a model route that has a guard (ENV.SERVER), and run `ringwall up {stack}` first; or "
            "give --config",
        )
    return text


def denied_by(
    config: AnyGuardConfig, deny: Sequence[str], allow: Sequence[str], before: frozenset[str]
) -> tuple[frozenset[str], set[str]]:
    """The new deny list, and the principals that are taken off it. `before` is the previous bundle's deny list."""
    added = {principal for text in deny for principal in _principals(text, config, "--deny")}
    # A principal may be given as the previous bundle spells it: the agent may have left the configuration since.
    lifted = {p for text in allow for p in ((text,) if text in before else _principals(text, config, "--allow"))}
    for principal in sorted(lifted):
        if principal not in before:
            raise InputError(f"{principal} is not denied by the previous bundle", key="--allow", remedy="leave it out")
        if principal in added:
            raise InputError(f"{principal} is in --deny and --allow", key="--allow", remedy="take one of the two out")
    return (before | added) - lifted, lifted


def _principals(text: str, config: AnyGuardConfig, option: str) -> list[str]:
    """The principals that `text` names, as the guard knows them: an agent's name stands for the client ids of its service
    tokens."""
    if not _PRINCIPAL.fullmatch(text):
        raise InputError(
            f"{text} names no principal", key=option, remedy="write person:SUB, agent:NAME or agent:CLIENT_ID"
        )
    kind, _, name = text.partition(":")
    agents = config.identity.agents
    if kind == "person" or name in agents:
        return [text]
    ids = sorted(client for client, agent in agents.items() if agent == name)
    if not ids:
        known = ", ".join(sorted(set(agents.values()))) or "none"
        raise InputError(
            f"the configuration admits no agent {name} (it admits: {known}), so this would change nothing",
            key=option,
            remedy="correct the name",
        )
    return [f"agent:{client}" for client in ids]
