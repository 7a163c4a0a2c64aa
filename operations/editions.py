"""Who enforces which protection: in each edition of Kong, and of one stack in its environment's edition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from components.editions import TABLE, ByGuard, ByPlugin, Entry, Protection, enforcer
from components.gateway.inner_plugins import inner_plugins
from components.gateway.model_support import support_problems
from components.gateway.plugins import environment_plugins, identity_plugin, metadata_plugins, server_plugins
from components.gateway.spec import PluginSpec, name_of
from components.gateway.verification import verifying
from model.errors import InputErrors
from model.kong_versions import Edition
from model.stacks import EnvironmentStack, ModelStack, PerimeterStack, ServerStack, has_guard

EDITIONS: Final[tuple[Edition, ...]] = ("oss", "enterprise", "ai")


@dataclass(frozen=True)
class EditionRow:
    """A protection, and who enforces it."""

    protection: Protection
    entry: Entry

    @property
    def key(self) -> str:
        """The protection's name in documents."""
        return key_of(self.protection)

    @property
    def by(self) -> str:
        """The plugin with its first version, or `the guard`, or `nobody`."""
        return enforcer_words(self.entry)

    @property
    def reason(self) -> str:
        """Why it is so, or what to do where nobody enforces it."""
        return reason_of(self.entry)

    def as_json(self) -> dict[str, Any]:
        return {"protection": self.key, "meaning": self.protection.value, **entry_document(self.entry)}


def key_of(protection: Protection) -> str:
    return protection.name.lower().replace("_", "-")


def enforcer_words(entry: Entry) -> str:
    if isinstance(entry, ByPlugin):
        return f"{entry.name} {entry.since}"
    return "the guard" if isinstance(entry, ByGuard) else "nobody"


def reason_of(entry: Entry) -> str:
    return entry.reason if isinstance(entry, ByPlugin | ByGuard) else entry.remedy


def entry_document(entry: Entry) -> dict[str, Any]:
    """One cell of the table for a machine; `by` is plugin, guard or nobody."""
    if isinstance(entry, ByPlugin):
        return {"by": "plugin", "plugin": entry.name, "since": entry.since, "reason": entry.reason or None}
    if isinstance(entry, ByGuard):
        return {"by": "guard", "reason": entry.reason}
    return {"by": "nobody", "remedy": entry.remedy}


def table_document() -> list[dict[str, Any]]:
    """The whole table, protection by protection."""
    return [
        {
            "protection": key_of(protection),
            "meaning": protection.value,
            "editions": {edition: entry_document(TABLE[edition][protection]) for edition in EDITIONS},
        }
        for protection in Protection
    ]


def enforced(stack: EnvironmentStack | PerimeterStack) -> list[EditionRow]:
    """Each protection that a stack uses, in the table's order; raises InputError for what its edition cannot enforce."""
    gateway = stack.environment.settings.gateway
    used = {spec.protection for spec in _plugins(stack)} | set(_further(stack))
    return [
        EditionRow(protection, enforcer(protection, gateway.edition, gateway.version))
        for protection in Protection
        if protection in used
    ]


def _plugins(stack: EnvironmentStack | PerimeterStack) -> list[PluginSpec]:
    """The plugins that the stack's program declares; the identity check with audiences that only a deployment knows."""
    if isinstance(stack, EnvironmentStack):
        return environment_plugins(stack)
    specs = [
        identity_plugin(stack, dict.fromkeys(stack.manifest.hostnames, "known when deployed")),
        *server_plugins(stack),
        *metadata_plugins(stack),
    ]
    if isinstance(stack, ModelStack):
        if problems := support_problems(stack):
            raise InputErrors(problems)
        if has_guard(stack):
            specs += [
                spec
                for model, routed in stack.manifest.models.items()
                for kind in routed.kinds
                for spec in inner_plugins(stack, model, kind)
            ]
    return specs


def _further(stack: EnvironmentStack | PerimeterStack) -> Iterator[Protection]:
    """What no plugin of its own enforces: the guard's work, and what a plugin does beside its first purpose."""
    if isinstance(stack, PerimeterStack):
        settings, verified = stack.settings, verifying(stack)
        if name_of(Protection.ISSUER, settings) == name_of(verified, settings):
            yield Protection.ISSUER
    if isinstance(stack, ServerStack):
        yield from (Protection.TOOL_ACCESS, Protection.INSPECTION, Protection.PRINCIPAL_TOKENS)
        if stack.manifest.limits.tools:
            yield Protection.TOOL_RATE
    elif isinstance(stack, ModelStack):
        if has_guard(stack):
            yield from (Protection.MODEL_TOKENS, Protection.PROMPT_INSPECTION)
        for model in stack.manifest.models.values():
            if "responses" in model.kinds:
                yield Protection.MODEL_RESPONSES
            if "embeddings" in model.kinds:
                yield Protection.MODEL_EMBEDDINGS
            if len({target.order for target in model.targets}) > 1:
                yield Protection.MODEL_ORDER
            if len({(target.provider, target.model) for target in model.targets}) > 1:
                yield Protection.LLM_FAILOVER
