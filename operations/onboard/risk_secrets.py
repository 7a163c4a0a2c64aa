"""Tools that only read, and read what nobody should be handed without a decision: credentials, any file, others' calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from model.text import visible
from operations.onboard.risk_names import words
from operations.onboard.risk_parameters import Parameters, own_parameters
from operations.onboard.risk_words import (
    ABOUT_FILES,
    AUTHENTICATION,
    FILE_WORDS,
    KEY_HOLDERS,
    KIND_PARAMETERS,
    KUBERNETES,
    READ,
    READ_CONTENTS,
    SECRET_ITEMS,
    SENSITIVE,
    VARIABLE_HOLDERS,
)

#: What a Helm release was installed with, or made: passwords stand in both.
_RELEASE = frozenset(("values", "manifest", "manifests"))


@dataclass(frozen=True)
class ServerTraits:
    """What a server's name and the names of all its tools say about each of them."""

    prefix: str | None = None
    """The word before its tools' names."""
    runs_commands: bool = False
    """It runs commands on its host, which no list of allowed folders confines."""
    keeps_secrets: bool = False
    """It is a password manager or a store of secrets."""


def secrets_read(definition: dict[str, Any], parts: Sequence[str], traits: ServerTraits) -> Iterator[str]:
    """Say what a reading tool hands out; nothing for one that hands out no secret."""
    parameters = own_parameters(definition.get("inputSchema"))
    yield from (f'it reads what its name calls "{secret}"' for secret in _named_secrets(parts, bare=not parameters))
    yield from (
        f'it can read what a parameter calls "{visible(choice[:40])}"' for choice in _chosen_secrets(parameters)
    )
    if _reads_cluster(definition, parts, parameters):
        yield "it can read the cluster's secrets"
    if (
        traits.keeps_secrets
        and (len(parts) == 1 or not SECRET_ITEMS.isdisjoint(parts))
        and not READ.isdisjoint(parts[:2])
    ):
        yield "it reads what a program for passwords keeps"
    if traits.runs_commands and _reads_any_file(parts, parameters):
        yield "it can read any file of the host, where its server runs commands too"
    if _reads_calls(parts):
        yield "it hands out what was called before, with arguments and results"


def _named_secrets(parts: Sequence[str], *, bare: bool) -> Iterator[str]:
    """The secrets that a name speaks of. `bare` is whether the tool takes no parameter: an environment of no name is the
    process's own."""
    for place, word in enumerate(parts):
        holder = parts[place - 1] if place else ""
        variable = word in ("variable", "variables", "vars") and not VARIABLE_HOLDERS.isdisjoint(parts)
        token = word in ("token", "tokens") and _is_credential(parts, place)
        own_environment = word == "environment" and bare and place == len(parts) - 1
        if word in SENSITIVE or variable or token or own_environment:
            yield word
        elif (word in ("key", "keys") and holder in KEY_HOLDERS) or (word == "string" and holder == "connection"):
            yield f"{holder} {word}"


def _chosen_secrets(parameters: Parameters) -> list[str]:
    """The first value that a caller may choose and that is the name of a secret."""
    choices = [choice for part in parameters.values() if isinstance(part.get("enum"), list) for choice in part["enum"]]
    secrets = (choice for choice in choices if isinstance(choice, str) and not SENSITIVE.isdisjoint(words(choice)))
    return sorted(secrets)[:1]


def _reads_cluster(definition: dict[str, Any], parts: Sequence[str], parameters: Parameters) -> bool:
    """Whether a caller chooses the kind of what is read from a Kubernetes cluster, and may choose secrets."""
    name = str(definition.get("name", "")).lower()
    if "helm" in parts and not _RELEASE.isdisjoint(_vocabulary(definition, parts, parameters)):
        return True
    cluster = not KUBERNETES.isdisjoint(parts) or "k8s" in name or "namespace" in parameters
    if not cluster or not {"log", "logs"}.isdisjoint(parts):
        return False
    kinds = [part.get("enum") for key, part in parameters.items() if "_".join(words(key)) in KIND_PARAMETERS]
    return any(not isinstance(kind, list) or "secret" in " ".join(map(str, kind)).lower() for kind in kinds)


def _vocabulary(definition: dict[str, Any], parts: Sequence[str], parameters: Parameters) -> frozenset[str]:
    """The words of a tool's name, description and parameters."""
    texts = [definition.get("description"), *parameters, *(part.get("description") for part in parameters.values())]
    choices = [part.get("enum") for part in parameters.values()]
    texts += [item for choice in choices if isinstance(choice, list) for item in choice]
    return frozenset([*parts, *(word for text in texts if isinstance(text, str) for word in words(text))])


def _is_credential(parts: Sequence[str], place: int) -> bool:
    """Whether a token is one to sign in with: named so, or the very thing that is read ("get_token")."""
    last = place == len(parts) - 1
    return last and (not AUTHENTICATION.isdisjoint(parts) or (place <= 1 and parts[0] != "count"))


def _reads_any_file(parts: Sequence[str], parameters: Parameters) -> bool:
    paths = any("".join(words(name)[-1:]) in ("path", "paths", "file", "filename", "filepath") for name in parameters)
    about = parts[-1] in ABOUT_FILES
    return paths and not about and not READ_CONTENTS.isdisjoint(parts) and not FILE_WORDS.isdisjoint(parts)


def _reads_calls(parts: Sequence[str]) -> bool:
    name = set(parts)
    calls = {"call", "calls", "request", "requests", "prompt", "prompts"} & name
    return bool({"tool", "tools", "mcp"} & name and calls and {"recent", "history", "log", "logs", "calls"} & name)
