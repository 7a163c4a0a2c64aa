"""What a bundle that somebody signs holds: the server's configuration, and whom its guard denies from then on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from components.guard.settings import OUTPUT
from model.base import validate
from model.errors import InputError
from model.guard_config import GuardConfig
from model.json import parse_json
from model.loader import Document
from operations.guard_bundle.files import read

_PRINCIPAL = re.compile(r"(person|agent):[^\x00-\x20\x7f]{1,256}")


def configuration_of(stack: str, file: Path | None, exported: Callable[[], object]) -> GuardConfig:
    """The configuration to sign, which must be this very server's: in `file`, else what its stack exported."""
    where, text = (file, read(file)) if file is not None else (Path(f"{stack}: {OUTPUT}"), _exported(stack, exported()))
    try:
        value = parse_json(text if isinstance(text, str) else text.decode("utf-8"))
    except ValueError as error:
        raise InputError(
            f"is no rendered guard configuration: {error}",
            file=where,
            remedy=f"render it with `ringwall outputs {stack} {OUTPUT}`",
        ) from None
    config = validate(GuardConfig, value, Document(where, value, {}), ())
    of = f"{config.server.environment}.{config.server.name}"
    if of != stack:
        raise InputError(f"is the configuration of {of}, not of {stack}", file=where, remedy=f"name {of}")
    if config.identity.demo is not None:
        raise InputError(
            "has a demo identity, which verifies nobody",
            file=where,
            key="identity.demo",
            remedy="run it unsigned on your own machine; sign a configuration with a real identity",
        )
    return config


def _exported(stack: str, text: object) -> str:
    if not isinstance(text, str) or text == "[secret]":
        raise InputError(
            f"{stack} exports no readable {OUTPUT}",
            remedy=f"name a server (ENV.SERVER) and run `ringwall up {stack}` first, or give --config",
        )
    return text


def denied_by(
    config: GuardConfig, deny: Sequence[str], allow: Sequence[str], before: frozenset[str]
) -> tuple[frozenset[str], set[str]]:
    """Who is denied now, and who no longer is."""
    added = {principal for text in deny for principal in _principals(text, config, "--deny")}
    # As the previous bundle spells it: the agent may be out of the configuration by now.
    lifted = {p for text in allow for p in ((text,) if text in before else _principals(text, config, "--allow"))}
    for principal in sorted(lifted):
        if principal not in before:
            raise InputError(f"{principal} is not denied by the previous bundle", key="--allow", remedy="leave it out")
        if principal in added:
            raise InputError(f"{principal} is in --deny and --allow", key="--allow", remedy="take one of the two out")
    return (before | added) - lifted, lifted


def _principals(text: str, config: GuardConfig, option: str) -> list[str]:
    """As the guard knows them: an agent by the client ids of its service tokens, which are found by its name."""
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
