"""Amazon Bedrock Guardrails: `POST {base}/guardrail/{id}/version/{version}/apply` (ApplyGuardrail), one text a request.

Sources: Amazon Bedrock API reference, "ApplyGuardrail" and its types, and botocore's model of bedrock-runtime 2023-09-30,
read in November 2026; never tried with an account. A Bedrock API key is sent as a bearer token, which the runtime's
operations accept beside signatures (user guide, "API keys").

Every text is sent with the source INPUT: the filter of prompt attacks looks at input alone. Prompt attacks in a tool's
result are what the guard is for, and arguments lose nothing by it, as all other policies look at input too.

A clean verdict counts only if it covers the whole text (`guardrailCoverage`) and at least one policy was used (`usage`):
a guardrail without policies answers NONE to everything. The answer returns no id that the guard could choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal
from urllib.parse import quote

from guard.engines.breaker import Breaker
from guard.engines.chunks import readable, split
from guard.engines.http_engine import (
    MAX_PIECES,
    HttpEngine,
    JsonService,
    Piece,
    no_verdict,
    request_id,
)
from guard.engines.places import MAX_PLACES, placed
from guard.engines.reading import Undocumented, failed, label, look_alike, mapping, rows
from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem
from wire.json import dump

#: Characters. The user guide counts in text units of 1,000, and the smallest quota is 25 of them a second.
PIECE = 20_000
OVERLAP = 1_000

_ANSWER = frozenset(("action", "actionReason", "assessments", "outputs", "usage", "guardrailCoverage"))
#: Where an assessment lists what was detected: policy, list, and the member that names a finding.
_LISTS = (
    ("topicPolicy", "topics", "name"),
    ("contentPolicy", "filters", "type"),
    ("wordPolicy", "customWords", None),
    ("wordPolicy", "managedWordLists", "type"),
    ("sensitiveInformationPolicy", "piiEntities", "type"),
    ("sensitiveInformationPolicy", "regexes", "name"),
    ("contextualGroundingPolicy", "filters", "type"),
)
_ACTIONS = frozenset(("BLOCKED", "ANONYMIZED", "NONE"))
_CREDENTIALS = frozenset(("AWS_ACCESS_KEY", "AWS_SECRET_KEY", "PASSWORD", "PIN"))


class BedrockVerdictEngine(HttpEngine):
    """Judges by one version of a guardrail.

    With `block_on: detection`, whatever a policy detects blocks, even where the guardrail only reports it; with `action`,
    the guardrail decides, and what it only reports is an advisory finding.
    """

    name = "bedrock"

    def __init__(
        self,
        base_url: str,
        guardrail: str,
        version: str,
        api_key: str,
        block_on: Literal["action", "detection"] = "detection",
        *,
        thorough: frozenset[Leg] = frozenset(),
        breaker: Breaker | None = None,
    ) -> None:
        url = f"{base_url.rstrip('/')}/guardrail/{quote(guardrail, safe='')}/version/{version}/apply"
        super().__init__(JsonService(url, {"authorization": f"Bearer {api_key}"}), thorough, breaker)
        self._by_detection = block_on == "detection"

    def _bodies(self, item: ScanItem) -> Sequence[tuple[bytes, str]]:
        # FULL lists what is detected and not acted on, too.
        return [
            (
                dump({"source": "INPUT", "content": [{"text": {"text": text}}], "outputScope": "FULL"}),
                request_id(item, str(number)),
            )
            for number, text in enumerate(split(readable(item), PIECE, OVERLAP)[: MAX_PIECES + 1])
        ]

    def _piece(self, item: ScanItem, answer: dict[str, Any], request: str) -> Piece:
        action = answer.get("action")
        if action not in ("NONE", "GUARDRAIL_INTERVENED"):
            return no_verdict("action is neither NONE nor GUARDRAIL_INTERVENED")
        try:
            places = _findings(item, answer, by_detection=self._by_detection)
            findings = tuple(dict.fromkeys(islice(places, MAX_PLACES + 1)))
            covered, used = _covered(answer), _used(answer)
        except Undocumented as error:
            return no_verdict(f"{error} is not as documented")
        if len(findings) > MAX_PLACES:
            return no_verdict(f"what it detected stands at over {MAX_PLACES} places")
        decisive = any(not finding.advisory for finding in findings)
        if action == "GUARDRAIL_INTERVENED" and not decisive:
            return Piece(Outcome.BLOCK, (EngineFinding(Category.POLICY, "flagged"), *findings))
        if decisive:
            return Piece(Outcome.BLOCK, findings)
        if failed(answer):
            return no_verdict("it says that something failed", findings=findings)
        if not used:
            return no_verdict("no policy of the guardrail was used", findings=findings)
        if not covered:
            return no_verdict("the guardrail did not judge all of the text", findings=findings)
        if look_alike(answer, _ANSWER):
            return no_verdict("a member reads like a known one", findings=findings)
        return Piece(Outcome.ALLOW, findings)


def _findings(item: ScanItem, answer: dict[str, Any], *, by_detection: bool) -> Iterator[EngineFinding]:
    """What the policies detected, each at the places of the words that it quotes."""
    if not isinstance(answer.get("assessments"), list):
        raise Undocumented("assessments")
    for assessment in rows(answer, "assessments"):
        for policy, part, title in _LISTS:
            for row in rows(mapping(assessment, policy), part):
                action, detected = row.get("action"), row.get("detected", True)
                if action not in _ACTIONS or not isinstance(detected, bool):
                    raise Undocumented(f"an entry of {policy}")
                if not detected and action == "NONE":
                    continue
                advisory = action == "NONE" and not by_detection
                yield from _finding(item, policy, row.get(title) if title else "custom word", row, advisory=advisory)


def _finding(
    item: ScanItem, policy: str, title: Any, row: dict[str, Any], *, advisory: bool
) -> Iterator[EngineFinding]:
    if not isinstance(title, str):
        raise Undocumented(f"an entry of {policy}")
    finding = EngineFinding(_category(item.leg, policy, title), label(title), advisory=advisory)
    words = row.get("match")
    located = placed(finding, item.texts, words) if isinstance(words, str) and words else iter(())
    first = next(located, None)
    yield first or finding
    yield from located


def _category(leg: Leg, policy: str, title: str) -> Category:
    match policy, title:
        case "contentPolicy", "PROMPT_ATTACK":
            return Category.TOOL_POISONING if leg is Leg.DEFINITIONS else Category.INJECTION
        case ("contentPolicy", _) | ("wordPolicy", "PROFANITY"):
            return Category.TOXIC
        case "sensitiveInformationPolicy", _:
            return Category.SECRET if title in _CREDENTIALS else Category.PERSONAL_DATA
    return Category.POLICY


def _covered(answer: dict[str, Any]) -> bool:
    """Whether the guardrail says that it judged every character."""
    coverage = mapping(mapping(answer, "guardrailCoverage"), "textCharacters")
    guarded, total = coverage.get("guarded"), coverage.get("total")
    if type(guarded) is not int or type(total) is not int:
        return False
    complete: bool = guarded == total > 0
    return complete


def _used(answer: dict[str, Any]) -> bool:
    """Whether a policy counted anything: without one, NONE says nothing."""
    units = [value for name, value in mapping(answer, "usage").items() if name.endswith("Units")]
    if not all(type(value) is int and value >= 0 for value in units):
        raise Undocumented("usage")
    return any(units)
