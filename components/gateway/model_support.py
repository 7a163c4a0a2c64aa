"""What a gateway edition cannot carry of a model route: each an error at its key, which names the edition that can.

The inner route itself is built in `inner_plugins` and `inner_entities` from what passes here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pcre2

from components.editions import Protection
from components.gateway.gateway_support import gateway_problems
from components.gateway.guardless_support import guardless_problems
from components.gateway.spec import name_of
from components.gateway.unsupported import lacking
from model.base import split_url
from model.errors import InputError
from model.model_route import ModelTarget, RoutedModel, bound_name
from model.stacks import ModelStack, manifest_path

#: Options of ai-proxy that one setting of a stack file can give, and the providers that read each (3.9.3, kong/llm/schemas,
#: kong/llm/drivers).
OPTIONS: dict[str, frozenset[str]] = {
    "anthropic_version": frozenset({"anthropic"}),
    "azure_api_version": frozenset({"azure"}),
    "azure_deployment_id": frozenset({"azure"}),
    "azure_instance": frozenset({"azure"}),
    "llama2_format": frozenset({"llama2"}),
    "mistral_format": frozenset({"mistral"}),
}
#: Options without which Kong refuses the plugin, by provider (its schema's entity checks).
NEEDED: dict[str, tuple[str, ...]] = {
    "anthropic": ("anthropic_version",),
    "azure": ("azure_deployment_id", "azure_instance"),
    "llama2": ("llama2_format",),
    "mistral": ("mistral_format",),
}
_FORMATS = {"llama2_format": ("ollama", "openai", "raw"), "mistral_format": ("ollama", "openai")}
#: Providers whose API has no address of its own (a model of one's own), so that the target must name one.
_WITHOUT_ADDRESS = frozenset({"llama2"})
#: Drivers that make the address for each request, by model and by whether it streams (kong/llm/drivers/gemini.lua), so that
#: a fixed one would be wrong for half of them.
_OWN_ADDRESS = frozenset({"gemini"})


#: Bytes of one text of ai-prompt-decorator and ai-prompt-guard, and how many messages the first takes (their schemas; Lua
#: counts bytes).
_MAX_TEXT = 500
_MAX_PARTS = 15


def support_problems(stack: ModelStack) -> list[InputError]:
    """What this environment's edition cannot do of a model route."""
    guardless = guardless_problems(stack) if stack.manifest.guard is None else []
    if guardless and stack.settings.gateway.edition != "ai":
        return guardless
    models = (problem for name in sorted(stack.manifest.models) for problem in _model(stack, name))
    return [*guardless, *_prompts(stack), *gateway_problems(stack), *models]


def prompt_parts(system: str) -> list[str]:
    """A system message in the parts that ai-prompt-decorator takes, one after the other."""
    parts, size = [""], 0
    for character in system:
        length = len(character.encode())
        if size + length > _MAX_TEXT:
            parts.append("")
            size = 0
        parts[-1] += character
        size += length
    return parts


def _prompts(stack: ModelStack) -> Iterator[InputError]:
    policy = stack.manifest.prompt_policy
    if policy.system is not None and len(prompt_parts(policy.system)) > _MAX_PARTS:
        yield stack.document.error(
            manifest_path(stack, "prompt_policy", "system"),
            f"is {len(policy.system.encode())} bytes, and Kong takes {_MAX_PARTS} messages of {_MAX_TEXT}",
            "shorten it",
        )
    for key, patterns in (("deny", policy.deny), ("allow", policy.allow)):
        for index, pattern in enumerate(patterns):
            if problem := _unreadable(pattern):
                yield stack.document.error(
                    manifest_path(stack, "prompt_policy", key, index),
                    f"is no regular expression that Kong reads (PCRE): {problem}",
                    "correct it: by a pattern that it cannot read, Kong answers every prompt with 500",
                )
            if len(pattern.encode()) > _MAX_TEXT:
                yield stack.document.error(
                    manifest_path(stack, "prompt_policy", key, index),
                    f"is {len(pattern.encode())} bytes, and Kong takes {_MAX_TEXT}",
                    "shorten it, or write two",
                )


def _unreadable(pattern: str) -> str | None:
    """What PCRE says about a pattern that it does not compile. As bytes: Kong hands no UTF flag on (3.9.3,
    kong/plugins/ai-prompt-guard/filters/guard-prompt.lua)."""
    try:
        pcre2.compile(pattern.encode())
    except pcre2.PatternError as error:
        return str(error).removeprefix("compilation failed ")
    return None


def _model(stack: ModelStack, name: str) -> Iterator[InputError]:
    model = stack.manifest.models[name]
    for kind, protection in (
        ("responses", Protection.MODEL_RESPONSES),
        ("embeddings", Protection.MODEL_EMBEDDINGS),
    ):
        if kind in model.kinds:
            yield from lacking(stack, protection, "models", name, "kinds")
    if len({target.order for target in model.targets}) > 1:
        yield from lacking(stack, Protection.MODEL_ORDER, "models", name, "targets")
    for index, target in enumerate(model.targets):
        yield from _target(stack, ("models", name, "targets", index), target)
    if len(model.targets) > 1:
        yield from _several(stack, name, model)


def _target(stack: ModelStack, key: tuple[str | int, ...], target: ModelTarget) -> Iterator[InputError]:
    def error(problem: str, remedy: str, *below: str) -> InputError:
        return stack.document.error(manifest_path(stack, *key, *below), problem, remedy)

    if target.provider == "bedrock":
        yield error(
            "bedrock signs each request with AWS keys, which a header cannot carry",
            "name a provider that takes a key in a header, or a gateway of your own before it",
            "provider",
        )
        return
    if target.url is None and target.provider in _WITHOUT_ADDRESS:
        yield error(f"{target.provider} has no address of its own", "give the full address of your server", "url")
    if target.url is not None and target.provider in _OWN_ADDRESS:
        yield error(f"{target.provider}'s address is made for each request", "remove it", "url")
    if target.url is not None:
        parts = split_url(target.url)
        if parts.query or parts.fragment:
            yield error("ai-proxy sends no query of its address", "write it without ? and #", "url")
    for option, value in sorted(target.options.items()):
        if target.provider not in OPTIONS.get(option, ()):
            known = ", ".join(sorted(name for name, providers in OPTIONS.items() if target.provider in providers))
            yield error(
                f"is no option that {target.provider} has here",
                f"write {known.replace(', ', ' or ')}" if known else "remove it",
                "options",
                option,
            )
        elif option in _FORMATS and value not in _FORMATS[option]:
            yield error(f"{value} is no format", f"write {' or '.join(_FORMATS[option])}", "options", option)
    for option in NEEDED.get(target.provider, ()):
        if option not in target.options:
            yield error(f"{target.provider} needs {option}", "add it", "options")


def _several(stack: ModelStack, name: str, model: RoutedModel) -> Iterator[InputError]:
    """One ai-proxy sends a request in one form; what targets may differ in is the host alone, which an upstream chooses."""
    first, *further = model.targets
    if name_of(Protection.MODEL_PROXY, stack.settings) != "ai-proxy":
        yield from _balanced(stack, name, model)
        return
    if any((target.provider, target.model) != (first.provider, first.model) for target in further):
        yield from lacking(stack, Protection.LLM_FAILOVER, "models", name, "targets")
        return
    for index, target in enumerate(model.targets):
        key = ("models", name, "targets", index)
        if target.url is None:
            yield stack.document.error(
                manifest_path(stack, *key, "url"), "several targets need an address each", "add its full URL"
            )
    addresses = [split_url(target.url) for target in model.targets if target.url is not None]
    if len({(parts.scheme, parts.path) for parts in addresses}) > 1:
        yield stack.document.error(
            manifest_path(stack, "models", name, "targets"),
            "the addresses differ in more than host and port",
            "give all the same scheme and path, or make them models of their own",
        )
    if len({(parts.hostname, parts.port) for parts in addresses}) < len(addresses):
        yield stack.document.error(
            manifest_path(stack, "models", name, "targets"), "two targets are the same address", "remove one"
        )
    forms = {(t.credential, t.credential_header, tuple(sorted(t.options.items()))) for t in model.targets}
    if len(forms) > 1:
        yield from lacking(stack, Protection.LLM_FAILOVER, "models", name, "targets")


def _balanced(stack: ModelStack, name: str, model: RoutedModel) -> Iterator[InputError]:
    """What ai-proxy-advanced cannot be told about several targets."""
    key = manifest_path(stack, "models", name, "targets")
    orders = {target.order for target in model.targets}
    if len(orders) > 1 and len({(target.order, target.weight) for target in model.targets}) > len(orders):
        yield stack.document.error(
            key,
            "targets of one order have different weights, which ai-proxy-advanced takes for an order of its own",
            "give those of one order the same weight, or leave order out",
        )
    if (
        stack.manifest.guard is not None
        and "chat" in model.kinds
        and len({bound_name(target) for target in model.targets}) > 1
        and model.max_output_tokens is None
    ):
        yield stack.document.error(
            key,
            "the providers bound an answer under different names, so the guard's bound reaches the first alone",
            f"add max_output_tokens to models.{name}",
        )
