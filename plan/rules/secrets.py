"""Rules for secrets and providers: no secret in clear in what a program declares, and no provider that the environment
of a machine could change. What looks like a secret is decided in `model.masking`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from model.masking import REFERENCE, is_secret_name, secret_shape
from plan.findings import Severity
from plan.protectors import KONG_PLUGIN
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, items, mapping, strings
from plan.values import Json

#: Inputs that are credentials although their names do not say so.
_CREDENTIALS: Final = {
    "kong:index/consumerKeyAuth:ConsumerKeyAuth": ("key",),
    "kong:index/certificate:Certificate": ("privateKey", "certificate_key"),
}
#: Fields of Kong's plugins that say how a credential is handled, and hold a word of a list or a claim's name.
_HANDLING: Final = frozenset(
    {
        "authorization_cookie_same_site",
        "credential_claim",
        "login_tokens",
        "session_cookie_same_site",
        "tokens_count_strategy",
    }
)
#: In the tool lock a server describes its parameters, such as `password`: only texts shaped like credentials count there.
_WORDS_ONLY: Final = "tool_lock"
#: Kong's transformers take `name:value` in these lists; a value of theirs that is a template or reference is none.
_PAIRED: Final = frozenset({"headers", "querystring", "body"})
_PAIR = re.compile(r"([^:\s]+):\s*(?!\{vault://|\$[({])\S")
#: What the plan puts for a value only the provider knows, with nothing before or after it.
_SYMBOL = re.compile(r"\$\{[^{}]*\}")


@rule(
    id="secret-in-clear",
    severity=Severity.ERROR,
    reason="What a program declares in clear stands in the plan, state, history and backups in clear.",
    remedy="give a reference ({vault://env/NAME} for the gateway, {env: NAME} or {file: /path} for the host) or a Pulumi"
    " secret, and rotate the value",
    source="run with Pulumi 3.256: state, .bak, history and backups kept it readable",
    waivable=False,
)
def secret_in_clear(subject: Subject) -> Iterator[Broken]:
    for resource in subject.graph.resources:
        credentials = _CREDENTIALS.get(resource.type, ())
        for path, shape in _clear(resource.inputs, credentials):
            yield Broken(f"holds {shape} in clear at {path}", resource)
    for path, shape in _clear(subject.graph.outputs, ()):
        yield Broken(f"the stack exports {shape} in clear at {path}")


@rule(
    id="secret-computed-config",
    severity=Severity.ERROR,
    reason="pulumi-kong answers a plugin's whole configuration as computedConfig, in clear even where config_json is a"
    " secret.",
    remedy='add additional_secret_outputs=["computed_config"] to the plugin',
    source="run with pulumi-kong 4.6.3",
    waivable=False,
)
def computed_config(subject: Subject) -> Iterator[Broken]:
    for plugin in subject.graph.by_type(KONG_PLUGIN):
        outputs = items(plugin.options.get("additional_secret_outputs"))
        if not {"computedConfig", "computed_config"} & set(map(str, outputs)):
            yield Broken("keeps computedConfig readable in state", plugin)


@rule(
    id="provider-implicit",
    severity=Severity.ERROR,
    reason="A default provider takes account, address and TLS switches from whatever the machine's environment holds.",
    remedy="hand the resource its provider by opts, and set pulumi:disable-default-providers",
    source="Pulumi docs, default providers; pulumi-kong SDK reads TLS_SKIP_VERIFY",
)
def provider_implicit(subject: Subject) -> Iterator[Broken]:
    for resource in subject.graph.resources:
        if not resource.custom or resource.type.startswith("pulumi:"):
            continue
        name = (resource.provider or "").rsplit("::", 1)[-1]
        if resource.provider is None or name == "default" or name.startswith("default_"):
            yield Broken("has no provider of its own", resource)


def _clear(value: Json, credentials: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    reported: set[str] = set()
    rendered = {text for text in mapping(value).values() if isinstance(text, str) and len(text) > 1000}
    for path, text in strings(value):
        # A file of the host bundle that is also an output of its own is judged as that output, once.
        if text in rendered and len(path) > 1:
            continue
        place = ".".join(path)
        if place in reported or not text or _SYMBOL.fullmatch(text) or REFERENCE.fullmatch(text):
            continue
        shape = secret_shape(text)
        if shape is None and _WORDS_ONLY not in path and _names_credential(path, text, credentials):
            shape = "a credential"
        if shape is not None:
            reported.add(place)
            yield place, shape


def _names_credential(path: tuple[str, ...], text: str, credentials: tuple[str, ...]) -> bool:
    key = path[-1] if path else ""
    if key in _PAIRED and (pair := _PAIR.match(text)):
        key = pair[1]
    if path[0] == "configJson" and key in _HANDLING:
        return False
    return key in credentials or is_secret_name(key)


RULES: Final[tuple[Rule, ...]] = (secret_in_clear, computed_config, provider_implicit)
