"""The user's own classifier or policy server, asked by the contract of docs/reference/engine-contract.md.

The contract's documents are the models of `model.engine_contract`; here they are written and read by hand, as pydantic is
too slow for the path of a request.

An answer is read strictly where a verdict could be mistaken, and openly beyond that: it may carry members of its own, but
none that reads like one of the contract (`Verdict`), and none that says that something failed. It must return the id of
its request, which holds 64 random bits, so that an answer to another request, or one out of a cache, is no verdict.
Whatever is not as the contract says is no verdict, and no verdict never lets pass.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import Any

from guard.engines.breaker import Breaker
from guard.engines.http_engine import (
    MAX_ID,
    MAX_PIECES,
    HttpEngine,
    JsonService,
    Piece,
    no_verdict,
    request_id,
)
from guard.engines.places import MAX_PLACES, placed
from guard.engines.reading import Undocumented, failed, is_label, look_alike, reference
from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem, Text
from model.engine_contract import VERSION
from wire.json import dump, parse

#: A cut piece begins with this share of a piece out of the one before, so that a cut cannot hide a phrase.
_OVERLAP = 20
MAX_FINDINGS = 100
_MEMBERS = frozenset(
    ("version", "id", "verdict", "findings", "complete", "reference", "error", "errors", "timeout", "timed_out")
)
_FINDING = frozenset(("category", "label", "pointer", "words", "confidence"))
_CATEGORIES = {category.value: category for category in Category}


class ContractVerdictEngine(HttpEngine):
    """Judges by the verdict of an HTTP service.

    `flag` makes advisory findings: they are recorded and stop nothing, and one of a category that steers a model taints.
    What `block` leads to is decided by the leg's policy, like a finding of any engine.
    """

    name = "http"

    def __init__(
        self,
        url: str,
        token: str,
        piece: int = 20_000,
        ca_file: str | None = None,
        *,
        thorough: frozenset[Leg] = frozenset(),
        breaker: Breaker | None = None,
    ) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        super().__init__(JsonService(url, headers, ca_file=ca_file), thorough, breaker)
        self._size = piece

    def _bodies(self, item: ScanItem) -> Sequence[tuple[bytes, str]]:
        pieces = list(islice(pack(item.texts, self._size, self._size // _OVERLAP), MAX_PIECES + 1))
        complete = len(pieces) == 1 and len(item.document) <= self._size
        bodies = []
        for number, texts in enumerate(pieces, start=1):
            request = request_id(item, secrets.token_hex(8))
            body: dict[str, Any] = {
                "version": VERSION,
                "id": request,
                "incident": item.correlation_id[:MAX_ID],
                "leg": item.leg.value,
                "direction": "to_server" if item.leg is Leg.ARGUMENTS else "to_client",
                "server": item.server,
                "method": item.method,
                "name": item.name,
                "principal": {"kind": item.principal_kind or None, "hash": item.principal[:MAX_ID] or None},
                "part": number,
                "parts": len(pieces),
                "texts": [{"pointer": text.pointer, "text": text.value} for text in texts],
            }
            if complete:
                body["value"] = parse(item.document.encode())
            bodies.append((dump(body), request))
        return bodies

    def _piece(self, item: ScanItem, answer: dict[str, Any], request: str) -> Piece:
        scan = reference(answer.get("reference"))
        if answer.get("id") != request:
            return no_verdict("the answer is to another request", scan)
        if type(answer.get("version")) is not int or answer["version"] != VERSION:
            return no_verdict("the answer is of another version of the contract", scan)
        if failed(answer):
            return no_verdict("it says that something failed", scan)
        if answer.get("complete", True) is not True:
            return no_verdict("it did not judge all of the text", scan)
        if look_alike(answer, _MEMBERS):
            return no_verdict("a member reads like a known one", scan)
        verdict, rows = answer.get("verdict"), answer.get("findings", [])
        if verdict not in ("allow", "flag", "block"):
            return no_verdict("verdict is none of allow, flag and block", scan)
        if not isinstance(rows, list) or len(rows) > MAX_FINDINGS:
            return no_verdict(f"findings is no list of at most {MAX_FINDINGS}", scan)
        try:
            places = (finding for row in rows for finding in _findings(item, row, advisory=verdict == "flag"))
            findings = tuple(islice(places, MAX_PLACES + 1))
        except Undocumented as error:
            return no_verdict(f"a finding's {error} is not as documented", scan)
        if len(findings) > MAX_PLACES:
            return no_verdict(f"the words of its findings stand at over {MAX_PLACES} places", scan)
        if verdict == "allow" and findings:
            return no_verdict("it allows what it has findings in", scan)
        if verdict == "flag" and not findings:
            return no_verdict("it flags without a finding", scan)
        if verdict == "block":
            return Piece(Outcome.BLOCK, findings or (EngineFinding(Category.POLICY, "flagged"),), scan)
        return Piece(Outcome.ALLOW, findings, scan)


def pack(texts: Sequence[Text], size: int, overlap: int) -> Iterator[list[Text]]:
    """The texts in pieces of at most `size` characters, each beginning with the last `overlap` characters of the one
    before, across the borders of texts too. Linear in the texts."""
    ends = list(accumulate(len(text.value) for text in texts))
    total = ends[-1] if ends else 0
    first = 0
    for start in range(0, max(total - overlap, 1), size - overlap):
        while first < len(texts) and ends[first] <= start:
            first += 1
        piece = []
        for index in range(first, len(texts)):
            text = texts[index]
            begin = ends[index] - len(text.value)
            if begin >= start + size:
                break
            piece.append(Text(text.pointer, text.value[max(start - begin, 0) : start + size - begin]))
        yield piece


def _findings(item: ScanItem, row: Any, *, advisory: bool) -> Iterator[EngineFinding]:
    """The finding at every place where its words stand; once, without a place, where it names no words."""
    if not isinstance(row, dict) or look_alike(row, _FINDING):
        raise Undocumented("form")
    category, label = row.get("category"), row.get("label")
    pointer, words, confidence = row.get("pointer"), row.get("words"), row.get("confidence")
    if not isinstance(category, str) or category not in _CATEGORIES:
        raise Undocumented("category")
    if not is_label(label):
        raise Undocumented("label")
    if pointer is not None and not any(text.pointer == pointer for text in item.texts):
        raise Undocumented("pointer")
    if confidence is not None and not (type(confidence) in (int, float) and 0 <= confidence <= 1):
        raise Undocumented("confidence")
    finding = EngineFinding(_CATEGORIES[category], label, pointer or "", None, confidence, advisory)
    if words is None:
        yield finding
        return
    if not isinstance(words, str) or not words:
        raise Undocumented("words")
    located = placed(finding, (text for text in item.texts if pointer in (None, text.pointer)), words)
    first = next(located, None)
    if first is None:
        raise Undocumented("words")
    yield first
    yield from located
