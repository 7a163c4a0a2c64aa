"""Azure AI Content Safety, Prompt Shields: `POST {base}/contentsafety/text:shieldPrompt`, one text a request.

Sources: Azure's REST specification of 2024-09-01 (azure-rest-api-specs, contentsafety.json) and the product's quickstart and
limits, read in November 2026; never tried with an account. Arguments are sent as the user's prompt, everything a server
wrote as a document, so that attacks hidden in content (document attacks) are looked for. The quickstart calls both members
required, so the unused one is sent empty.

Prompt Shields finds attacks and nothing else: no personal data, secret or address. The answer names no reason and returns
no id that the guard could choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
from guard.engines.reading import Undocumented, failed, look_alike, mapping, rows
from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem
from wire.json import dump

API_VERSION = "2024-09-01"
#: Characters of a prompt, and of all documents together, at most; counted as code points.
PIECE = 10_000
OVERLAP = 1_000
_ANSWER = frozenset(("userPromptAnalysis", "documentsAnalysis"))


class AzureContentSafetyVerdictEngine(HttpEngine):
    """Judges by Prompt Shields. Every part that was sent needs its own `attackDetected`."""

    name = "azure_content_safety"

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        thorough: frozenset[Leg] = frozenset(),
        breaker: Breaker | None = None,
    ) -> None:
        url = f"{base_url.rstrip('/')}/contentsafety/text:shieldPrompt?api-version={API_VERSION}"
        super().__init__(JsonService(url, {"ocp-apim-subscription-key": api_key}), thorough, breaker)

    def _bodies(self, item: ScanItem) -> Sequence[tuple[bytes, str]]:
        bodies = []
        for number, text in enumerate(split(readable(item), PIECE, OVERLAP)[: MAX_PIECES + 1]):
            prompt, documents = (text, []) if item.leg is Leg.ARGUMENTS else ("", [text])
            bodies.append((dump({"userPrompt": prompt, "documents": documents}), request_id(item, str(number))))
        return bodies

    def _piece(self, item: ScanItem, answer: dict[str, Any], request: str) -> Piece:
        try:
            findings = tuple(dict.fromkeys(_findings(item.leg, answer)))
        except Undocumented as error:
            return no_verdict(f"{error} is not as documented")
        if findings:
            return Piece(Outcome.BLOCK, findings)
        if failed(answer):
            return no_verdict("it says that something failed")
        if look_alike(answer, _ANSWER):
            return no_verdict("a member reads like a known one")
        return Piece(Outcome.ALLOW)


def _findings(leg: Leg, answer: dict[str, Any]) -> Iterator[EngineFinding]:
    prompt, documents = answer.get("userPromptAnalysis"), rows(answer, "documentsAnalysis")
    if len(documents) != (leg is not Leg.ARGUMENTS):
        raise Undocumented("documentsAnalysis")
    category = Category.TOOL_POISONING if leg is Leg.DEFINITIONS else Category.INJECTION
    if any(_attack(document) for document in documents):
        yield EngineFinding(category, "document_attack")
    # About an empty prompt it may say something or nothing.
    if (leg is Leg.ARGUMENTS or prompt is not None) and _attack(mapping(answer, "userPromptAnalysis")):
        yield EngineFinding(category, "user_prompt_attack")


def _attack(analysis: dict[str, Any]) -> bool:
    detected = analysis.get("attackDetected")
    if not isinstance(detected, bool) or look_alike(analysis, ("attackDetected",)):
        raise Undocumented("attackDetected")
    return detected
