"""Google Cloud Model Armor: `POST {base}/v1/{template}:sanitizeUserPrompt` or `:sanitizeModelResponse`, one text a request.

Source: googleapis, google/cloud/modelarmor/v1/service.proto, read in November 2026; never tried with an account. A model
reads results, prompts, resources, definitions and questions, so they are sent as a user's prompt; arguments are what a
model wrote, so they are sent as its response. The same filters of the template run on both.

An access token of Google ends after an hour, so the token's file is read for every request: whoever renews it writes the
file anew. The answer returns no id that the guard could choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from guard.engines.reading import Undocumented, failed, label, look_alike, mapping, rows
from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem
from wire.json import dump

#: Characters. Filters skip a text over their limit of tokens, 10,000 at most; a character is one token at the worst.
PIECE = 8_000
OVERLAP = 800
_STATES = ("MATCH_FOUND", "NO_MATCH_FOUND")
_RESULT = frozenset(("filterMatchState", "filterResults", "invocationResult", "sanitizationMetadata"))
_CATEGORIES = {
    "pi_and_jailbreak": Category.INJECTION,
    "malicious_uris": Category.MALICIOUS_URL,
    "rai": Category.TOXIC,
    "csam": Category.TOXIC,
    "virus_scan": Category.MALICIOUS_CODE,
}
#: Parts of the names of Sensitive Data Protection's infoTypes that mean something secret and nothing personal.
_CREDENTIALS = (
    "API_KEY",
    "AUTH_TOKEN",
    "CREDENTIALS",
    "ENCRYPTION_KEY",
    "JSON_WEB_TOKEN",
    "PASSWORD",
    "SECRET",
    "COOKIE",
)


class ModelArmorVerdictEngine(HttpEngine):
    """Judges by one template. `token` reads the access token; it raises InputError when there is none.

    A filter that matches blocks although the whole says that nothing matched: the stricter of the two holds. No filter, a
    filter that was skipped, and anything but SUCCESS of the invocation are no verdict, also where the template is set to
    pass over them.
    """

    name = "model_armor"

    def __init__(
        self,
        base_url: str,
        template: str,
        token: Callable[[], str],
        *,
        thorough: frozenset[Leg] = frozenset(),
        breaker: Breaker | None = None,
    ) -> None:
        url = f"{base_url.rstrip('/')}/v1/{template}"
        super().__init__(JsonService(f"{url}:sanitizeUserPrompt", {}, token=token), thorough, breaker)
        self._response_url = f"{url}:sanitizeModelResponse"

    def _bodies(self, item: ScanItem) -> Sequence[tuple[bytes, str]]:
        name = "modelResponseData" if item.leg is Leg.ARGUMENTS else "userPromptData"
        texts = split(readable(item), PIECE, OVERLAP)[: MAX_PIECES + 1]
        return [(dump({name: {"text": text}}), request_id(item, str(number))) for number, text in enumerate(texts)]

    def _url(self, item: ScanItem) -> str | None:
        return self._response_url if item.leg is Leg.ARGUMENTS else None

    def _piece(self, item: ScanItem, answer: dict[str, Any], request: str) -> Piece:
        try:
            result = mapping(answer, "sanitizationResult")
            state = result.get("filterMatchState")
            filters = mapping(result, "filterResults")
            findings, skipped = _read(item.leg, filters)
            metadata = mapping(result, "sanitizationMetadata")
        except Undocumented as error:
            return no_verdict(f"{error} is not as documented")
        if state not in _STATES:
            return no_verdict("filterMatchState is neither MATCH_FOUND nor NO_MATCH_FOUND", findings=findings)
        if result.get("invocationResult") != "SUCCESS":
            return no_verdict("invocationResult is not SUCCESS: filters were skipped or failed", findings=findings)
        if skipped:
            return no_verdict(f"the filter {skipped} was not executed", findings=findings)
        if state == "MATCH_FOUND" or findings:
            return Piece(Outcome.BLOCK, findings or (EngineFinding(Category.POLICY, "flagged"),))
        if not filters:
            return no_verdict("no filter ran: the template has none, or it was left out")
        if failed(answer) or failed(result) or metadata.get("errorCode") or metadata.get("errorMessage"):
            return no_verdict("it says that something failed")
        if look_alike(result, _RESULT) or look_alike(answer, ("sanitizationResult",)):
            return no_verdict("a member reads like a known one")
        return Piece(Outcome.ALLOW)


def _read(leg: Leg, filters: dict[str, Any]) -> tuple[tuple[EngineFinding, ...], str | None]:
    """What the filters match, and the name of one that was not executed."""
    findings: list[EngineFinding] = []
    skipped: str | None = None
    for name in filters:
        results = list(_results(mapping(filters, name)))
        if not results:
            raise Undocumented("a filter's result")
        for result in results:
            state = result.get("matchState")
            if result.get("executionState") != "EXECUTION_SUCCESS":
                skipped = label(name)
            elif state not in _STATES:
                raise Undocumented("a filter's matchState")
            if state == "MATCH_FOUND":
                findings += _findings(leg, name, result)
    return tuple(dict.fromkeys(findings)), skipped


def _results(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The results of a filter: objects with an execution state, which stand one or two levels down (`sdp`)."""
    if "executionState" in part:
        yield part
        return
    for child in part.values():
        if isinstance(child, dict):
            yield from _results(child)


def _findings(leg: Leg, name: str, result: dict[str, Any]) -> Iterator[EngineFinding]:
    if name == "rai":
        kinds = mapping(result, "raiFilterTypeResults")
        matched = [kind for kind in kinds if mapping(kinds, kind).get("matchState") == "MATCH_FOUND"]
        yield from (EngineFinding(Category.TOXIC, label(kind)) for kind in matched or ("rai",))
        return
    if name == "sdp":
        types = [row.get("infoType") for row in rows(result, "findings")] or result.get("infoTypes") or ["sdp"]
        if not isinstance(types, list) or not all(isinstance(kind, str) for kind in types):
            raise Undocumented("infoType")
        for kind in types:
            secret = any(word in kind for word in _CREDENTIALS)
            yield EngineFinding(Category.SECRET if secret else Category.PERSONAL_DATA, label(kind))
        return
    category = _CATEGORIES.get(name, Category.POLICY)
    if category is Category.INJECTION and leg is Leg.DEFINITIONS:
        category = Category.TOOL_POISONING
    yield EngineFinding(category, label(name))
