"""Prisma AIRS API intercept: `POST {base}/v1/scan/sync/request`, one `tool_event` a request.

Source: PaloAltoNetworks/pan.dev, scan-service_latest.yaml (August 2026). Only the last element of `contents` is judged, so
each request holds one. Injection and context poisoning are looked for in `prompt` and `tool_event` and not in `response`
(prisma-airs-integrations PR 48), so every leg is a `tool_event` with its real MCP method:

- arguments are its `input`, the one thing that goes to the server;
- results, and likewise prompts and resources, are its `output`: they come from the server and reach the model;
- definitions are the `output` of `tools/list` and its kin, the method the specification itself gives as example;
- sampling and elicitation are `output` too, since the server wrote them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal

from guard.engines.breaker import Breaker
from guard.engines.chunks import hidden, readable, split
from guard.engines.http_engine import (
    MAX_ID,
    MAX_PIECES,
    HttpEngine,
    JsonService,
    Piece,
    no_verdict,
    request_id,
)
from guard.engines.reading import Undocumented, label, look_alike, mapping, reference, rows
from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem
from wire.json import dump, parse

#: Characters, as the vendor's own hooks cut.
PIECE = 20_000
OVERLAP = 256
#: URLs that one request may hold. What the vendor does with more is not documented, so more could go unjudged.
URLS = 100
_URL = re.compile(r"https?:|www\.", re.IGNORECASE)

_CATEGORIES = {
    "injection": Category.INJECTION,
    "agent": Category.INJECTION,
    "context poisoning": Category.TOOL_POISONING,
    "credential leakage": Category.SECRET,
    "dlp": Category.SECRET,
    "url_cats": Category.MALICIOUS_URL,
    "toxic_content": Category.TOXIC,
    "malicious_code": Category.MALICIOUS_CODE,
    "db_security": Category.MALICIOUS_CODE,
}


#: The members of an answer, and of its part about the tool event, that decide.
_DECIDING = frozenset(
    (
        "action",
        "category",
        "timeout",
        "error",
        "errors",
        "scan_id",
        "tr_id",
        "profile_name",
        "tool_detected",
        "prompt_detected",
        "response_detected",
    )
)
_TOOL = frozenset(("verdict", "summary", "input_detected", "output_detected", "metadata"))


class PrismaAirsVerdictEngine(HttpEngine):
    """Judges by one security profile of Prisma AIRS.

    With `block_on: category`, a malicious verdict or any detection blocks even where the profile only alerts; with
    `action`, the profile decides, and its alerts remain as findings of an ALLOW. A scan that timed out or failed at the
    vendor comes as HTTP 200 and is no verdict, whatever its action is: the profile may turn a timeout into allow. An allow
    needs the `tr_id` that was sent, which the specification has returned, and a verdict on the tool event: without
    `tool_detected` the vendor judged something else, or nothing.
    """

    name = "prisma_airs"

    def __init__(
        self,
        base_url: str,
        profile_name: str,
        api_key: str,
        block_on: Literal["action", "category"] = "category",
        *,
        thorough: frozenset[Leg] = frozenset(),
        breaker: Breaker | None = None,
    ) -> None:
        url = f"{base_url.rstrip('/')}/v1/scan/sync/request"
        super().__init__(JsonService(url, {"x-pan-token": api_key}), thorough, breaker)
        self._profile = profile_name
        self._by_category = block_on == "category"

    def _bodies(self, item: ScanItem) -> Sequence[tuple[bytes, str]]:
        metadata = {"ecosystem": "mcp", "method": item.method[:MAX_ID], "server_name": item.server[:MAX_ID]}
        if item.name:
            metadata["tool_invoked"] = item.name[:MAX_ID]
        direction = "input" if item.leg is Leg.ARGUMENTS else "output"
        bodies = []
        for text in islice(_contents(item), MAX_PIECES + 1):
            request = request_id(item, secrets.token_hex(8))
            body = {
                "tr_id": request,
                "ai_profile": {"profile_name": self._profile},
                "metadata": {"app_name": "ringwall", "app_user": item.principal[:MAX_ID]},
                "contents": [{"tool_event": {"metadata": metadata, direction: text}}],
            }
            bodies.append((dump(body), request))
        return bodies

    def _piece(self, item: ScanItem, answer: dict[str, Any], request: str) -> Piece:
        scan = reference(answer.get("scan_id"))
        if scan is None:
            return no_verdict("scan_id is missing")
        if answer.get("tr_id", request) != request:
            return no_verdict("the answer is to another request", scan)
        if answer.get("profile_name", self._profile) != self._profile:
            return no_verdict("the answer is by another profile", scan)
        action, category = answer.get("action"), answer.get("category")
        try:
            findings = tuple(dict.fromkeys(_findings(item.leg, answer)))
        except Undocumented as error:
            return no_verdict(f"{error} is not as documented", scan)
        if (reason := _incomplete(answer)) is not None:
            return no_verdict(reason, scan, findings)
        if action not in ("allow", "block") or category not in ("benign", "malicious"):
            return no_verdict("action or category is unknown, error or timeout", scan, findings)
        if action == "block" or (self._by_category and (category == "malicious" or findings)):
            return Piece(Outcome.BLOCK, findings or (EngineFinding(Category.POLICY, "malicious"),), scan)
        if category == "malicious" and not findings:
            findings = (EngineFinding(Category.POLICY, "malicious"),)
        if (reason := _unproven(answer)) is not None:
            return no_verdict(reason, scan, findings)
        return Piece(Outcome.ALLOW, findings, scan)


def _contents(item: ScanItem) -> Iterator[str]:
    """JSON texts to send: the document itself if it is short and hides nothing, else pieces of it as readable text."""
    document = item.document
    if len(document) <= PIECE and _few_urls(document) and not hidden(item, parse(document.encode())):
        yield document
        return
    for text in _cut(readable(item), PIECE):
        yield dump({"text": text}).decode()


def _few_urls(text: str) -> bool:
    return len(_URL.findall(text)) <= URLS


def _cut(text: str, size: int) -> Iterator[str]:
    """Pieces of at most `size` characters, smaller ones where URLs stand close together."""
    for piece in split(text, size, OVERLAP):
        if _few_urls(piece) or size < 2 * OVERLAP:
            yield piece
        else:
            yield from _cut(piece, size // 2)


def _incomplete(answer: dict[str, Any]) -> str | None:
    """Why the scan did not cover everything; None if it did. The specification requires both flags to be there."""
    for flag in ("timeout", "error"):
        if answer.get(flag) is not False:
            return f"{flag} is not false"
    return "a detection service failed" if answer.get("errors") not in (None, []) else None


def _unproven(answer: dict[str, Any]) -> str | None:
    """Why an allow is not certain to be about what was sent; None if it is."""
    if "tr_id" not in answer:
        return "tr_id is missing"
    tool = mapping(answer, "tool_detected")
    if not isinstance(tool.get("verdict"), str) or not tool["verdict"]:
        return "there is no verdict on the tool event"
    if look_alike(answer, _DECIDING) or look_alike(tool, _TOOL):
        return "a member reads like a known one"
    return None


def _findings(leg: Leg, answer: dict[str, Any]) -> Iterator[EngineFinding]:
    for name in ("prompt_detected", "response_detected"):
        yield from _flags(leg, mapping(answer, name))
    tool = mapping(answer, "tool_detected")
    places = [mapping(tool, "summary")]
    for name in ("input_detected", "output_detected"):
        places += rows(mapping(tool, name), "detection_entries")
    for place in places:
        yield from _flags(leg, mapping(place, "detections"))
        threats = place.get("threats")
        if not isinstance(threats, list | None) or not all(isinstance(threat, str) for threat in threats or ()):
            raise Undocumented("threats")
        yield from (_finding(leg, threat) for threat in threats or ())
    if tool.get("verdict") not in (None, "", "benign"):
        yield EngineFinding(Category.POLICY, "tool_detected")


def _flags(leg: Leg, flags: dict[str, Any]) -> Iterator[EngineFinding]:
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise Undocumented("a detection flag")
        if value:
            yield _finding(leg, name)


def _finding(leg: Leg, name: str) -> EngineFinding:
    category = _CATEGORIES.get(name.lower(), Category.POLICY)
    if category is Category.INJECTION and leg is Leg.DEFINITIONS:
        category = Category.TOOL_POISONING
    return EngineFinding(category, label(name))
