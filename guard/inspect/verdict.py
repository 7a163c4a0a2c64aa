"""The types between the guard and its engines: what is asked, and what may be answered. NO_VERDICT is never ALLOW."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Protocol

from model.parameter_kinds import KindTree
from model.value_types import value_type


class Leg(StrEnum):
    """The part of the conversation a text belongs to; the values are the keys of `model.defaults.LegPolicy`."""

    DEFINITIONS = "definitions"
    ARGUMENTS = "arguments"
    RESULTS = "results"
    PROMPTS = "prompts"
    RESOURCES = "resources"
    SERVER_REQUESTS = "server_requests"


class ModelLeg(StrEnum):
    """A part of a conversation with a model; the values are the keys of `model.model_route.ModelLegs`."""

    PROMPTS = "prompts"
    TOOL_RESULTS = "tool_results"
    DEFINITIONS = "definitions"
    ANSWERS = "answers"
    TOOL_CALLS = "tool_calls"

    @property
    def judged_as(self) -> Leg:
        """The leg by whose rules engines judge it: what a model reads, what it may call, what it calls with."""
        return _JUDGED_AS[self]


_JUDGED_AS = {
    ModelLeg.PROMPTS: Leg.PROMPTS,
    ModelLeg.TOOL_RESULTS: Leg.RESULTS,
    ModelLeg.DEFINITIONS: Leg.DEFINITIONS,
    ModelLeg.ANSWERS: Leg.RESOURCES,
    ModelLeg.TOOL_CALLS: Leg.ARGUMENTS,
}
AnyLeg = Leg | ModelLeg


class Outcome(StrEnum):
    ALLOW = "allow"
    BLOCK = "block"
    NO_VERDICT = "no_verdict"


class Category(StrEnum):
    """What a finding is about. Only `SECRET` and `PERSONAL_DATA` can be redacted."""

    INJECTION = "injection"
    JAILBREAK = "jailbreak"
    TOOL_POISONING = "tool_poisoning"
    SECRET = "secret"  # noqa: S105 - a category, not a secret
    PERSONAL_DATA = "personal_data"
    MALICIOUS_URL = "malicious_url"
    TOXIC = "toxic"
    MALICIOUS_CODE = "malicious_code"
    HIDDEN_TEXT = "hidden_text"
    POLICY = "policy"


@value_type()
class Text:
    """One string of a message and where it stands (JSON pointer, RFC 6901)."""

    pointer: str
    value: str


#: Every text is judged as everything it could be.
EVERYTHING = KindTree({})


@value_type()
class ScanItem:
    """One message part as an engine judges it: every string of it, keys included.

    `method` is the MCP method; `name` is the tool, prompt or resource URI. `document` is the same content as one JSON text
    (canonical, UTF-8). `principal` is a hash, never an identity, and `principal_kind` says whose: ``person`` or ``agent``,
    empty where nobody called. `correlation_id` is the incident id of the exchange.
    """

    leg: Leg
    server: str
    method: str
    name: str
    texts: tuple[Text, ...]
    document: str
    principal: str
    correlation_id: str
    #: What each argument is; empty where nothing says it.
    kinds: KindTree = EVERYTHING
    principal_kind: str = ""


@value_type()
class EngineFinding:
    """One thing that an engine found, without the matched text. `rule` is the engine's own label. `span` holds character
    offsets in the string at `pointer`, only when the engine is certain of them: redaction cuts there. `untrusted` marks
    text that tries to steer a model; it taints the principal even where policy lets it pass. An `advisory` finding is
    recorded and stops nothing."""

    category: Category
    rule: str
    pointer: str = ""
    span: tuple[int, int] | None = None
    confidence: float | None = None
    advisory: bool = False

    @property
    def untrusted(self) -> bool:
        return self.category in (Category.INJECTION, Category.JAILBREAK, Category.TOOL_POISONING, Category.HIDDEN_TEXT)


_NO_WORD = re.compile(r"[^a-z0-9_]+")


def rule_id(engine: str, finding: EngineFinding) -> str:
    """The rule behind a finding as files name it: the embedded engine's own id, such as ``poisoning.loot``, or a vendor's
    label behind the engine's name, such as ``lakera.prompt_attack``."""
    if engine == "embedded":
        return finding.rule
    return f"{engine}.{_NO_WORD.sub('_', finding.rule.lower()).strip('_') or 'unnamed'}"


@value_type()
class Verdict:
    """One engine's answer. `reference` is the vendor's id of the scan, `milliseconds` its duration. An answer that does not
    cover the whole text is NO_VERDICT, with the reason in `error`, which holds no payload text; an engine that never blocks
    says there what it did not read."""

    outcome: Outcome
    engine: str
    findings: tuple[EngineFinding, ...] = ()
    reference: str | None = None
    milliseconds: float = 0.0
    error: str | None = None


class VerdictEngine(Protocol):
    """Judges texts. It never raises because of the item or the vendor's answer: that is NO_VERDICT."""

    name: str

    async def scan(self, item: ScanItem, deadline: float) -> Verdict:
        """Judge `item` before `deadline` (`time.monotonic` seconds, retries included)."""
        ...

    async def close(self) -> None: ...
