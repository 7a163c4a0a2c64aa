"""Lakera Guard v2 (Check Point AI Guardrails): `POST {base}/v2/guard`, one message a request.

The role in which a leg is sent decides which detectors run. The vendor's page on tools was not accessible, so the roles
are chosen for the most screening, and have yet to be tried with a key:

- results as `tool`, the role of the vendor's documentation for tool responses;
- everything else as `user`, since input detectors with `prompt_attack` run on it: `assistant` meets output detectors only,
  and `system` and `developer` are the roles of text that is trusted. Definitions, prompts, resources and the server's own
  requests are untrusted input to the model, whoever wrote them.

Guard is reported to judge the last interaction, so each request holds one message. `payload` is not asked for: its offsets
are uncertain (inclusive or not) and it repeats the text, so no finding has a span.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guard.engines.breaker import Breaker
from guard.engines.chunks import readable, split
from guard.engines.http_engine import (
    MAX_ID,
    MAX_PIECES,
    HttpEngine,
    JsonService,
    Piece,
    no_verdict,
    request_id,
)
from guard.engines.reading import failed, label, look_alike, reference
from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem
from wire.json import dump

#: Characters. By the vendor's sizing guide 20,000 are answered in 150 ms (p95), and pieces are sent at the same time.
PIECE = 20_000
OVERLAP = 1_000


#: The members of an answer and of a row that decide.
_DECIDING = frozenset(("flagged", "breakdown", "payload", "metadata", "error", "errors", "timeout", "timed_out"))
_ROW = frozenset(("detected", "detector_type", "project_id", "message_id", "error", "errors", "timeout", "timed_out"))


class LakeraVerdictEngine(HttpEngine):
    """Judges by the policy of one Lakera project.

    `flagged: false` with a detector that is `detected` blocks: the vendor documents `flagged` as any detector of the
    policy, so the two contradict each other and the stricter one holds. An empty `breakdown` is no verdict: no detector
    ran, as happens when a project screens only the other direction. Nothing that stands beside a clean verdict is passed
    over: a failure, a member that reads like a known one, or a detector that judged another message or request.
    """

    name = "lakera"

    def __init__(
        self,
        base_url: str,
        project_id: str,
        api_key: str,
        *,
        thorough: frozenset[Leg] = frozenset(),
        breaker: Breaker | None = None,
    ) -> None:
        url, headers = f"{base_url.rstrip('/')}/v2/guard", {"authorization": f"Bearer {api_key}"}
        super().__init__(JsonService(url, headers), thorough, breaker)
        self._project = project_id

    def _bodies(self, item: ScanItem) -> Sequence[tuple[bytes, str]]:
        role = "tool" if item.leg is Leg.RESULTS else "user"
        bodies = []
        for number, text in enumerate(split(readable(item), PIECE, OVERLAP)[: MAX_PIECES + 1]):
            request = request_id(item, str(number))
            body = {
                "messages": [{"role": role, "content": text}],
                "project_id": self._project,
                "payload": False,
                "breakdown": True,
                "dev_info": False,
                "metadata": {"user_id": item.principal[:MAX_ID], "request_id": request},
            }
            bodies.append((dump(body), request))
        return bodies

    def _piece(self, item: ScanItem, answer: dict[str, Any], request: str) -> Piece:
        metadata = answer.get("metadata")
        scan = reference(metadata.get("request_uuid")) if isinstance(metadata, dict) else None
        flagged = answer.get("flagged")
        if not isinstance(flagged, bool):
            return no_verdict("flagged is no boolean", scan)
        rows = answer.get("breakdown")
        extra = answer.get("payload")
        if not isinstance(rows, list) or not (extra is None or isinstance(extra, list)):
            rows, extra, understood = [], [], False
        else:
            understood = all(_is_row(row) for row in rows)
        findings = [_finding(item.leg, row) for row in rows if _is_row(row) and row["detected"]]
        # `payload` was not requested, but whatever it lists was found.
        findings += [_finding(item.leg, row) for row in extra or () if isinstance(row, dict)]
        if flagged or findings:
            reasons = tuple(dict.fromkeys(findings)) or (EngineFinding(Category.POLICY, "flagged"),)
            return Piece(Outcome.BLOCK, reasons, scan)
        if not understood:
            return no_verdict("breakdown is not as documented", scan)
        if not rows:
            return no_verdict("no detector ran: the project's policy screens nothing here", scan)
        if any(row.get("project_id", self._project) != self._project for row in rows):
            return no_verdict("the answer is by another project's policy", scan)
        if failed(answer) or any(failed(row) for row in rows):
            return no_verdict("a detector failed or ran out of time", scan)
        if look_alike(answer, _DECIDING) or any(look_alike(row, _ROW) for row in rows):
            return no_verdict("a member reads like a known one", scan)
        if not all(_is_first(row.get("message_id", 0)) for row in rows):
            return no_verdict("a detector judged another message", scan)
        if isinstance(metadata, dict) and metadata.get("request_id", request) != request:
            return no_verdict("the answer is to another request", scan)
        return Piece(Outcome.ALLOW, (), scan)


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("detected"), bool) and isinstance(row.get("detector_type"), str)


def _is_first(message_id: Any) -> bool:
    """Whether it is the only message of a request: 0, and not False, which equals it."""
    return type(message_id) is int and message_id == 0


def _finding(leg: Leg, row: dict[str, Any]) -> EngineFinding:
    kind = row.get("detector_type")
    if not isinstance(kind, str):
        return EngineFinding(Category.POLICY, "unnamed")
    return EngineFinding(_category(leg, kind), label(kind))


def _category(leg: Leg, kind: str) -> Category:
    match kind.partition("/")[0]:
        case "prompt_attack":
            return Category.TOOL_POISONING if leg is Leg.DEFINITIONS else Category.INJECTION
        case "moderated_content":
            return Category.TOXIC
        case "pii":
            return Category.PERSONAL_DATA
        case "unknown_links":
            return Category.MALICIOUS_URL
        case "custom":
            return Category.SECRET
    return Category.POLICY
