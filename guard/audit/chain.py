"""The hash chain of the audit log and the signed heads in it. Pure: no file is opened here (`reader`, `files`, `log`).

A line is the canonical JSON (`model.canonical.canonical_json`) of a record with `hash` put last: the SHA-256 of the
canonical JSON without it. Each record names the hash of the one before (`previous`) and its number (`sequence`), so no
record alone can be changed, removed, moved or repeated. Whoever can write the file could rebuild a bare chain from any
point on, so the chain holds heads: RFC 8032 signatures over the number and hash of a record. Whoever also has the
signing key (root on this host) can still rewrite everything; only heads kept elsewhere show that (`ChainVerifier`,
`anchors`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from guard.audit.record import VERSION
from model.errors import RingwallError

#: `previous` of the very first record of a log.
ZERO = "0" * 64
#: The writer signs a head after this many records at the latest; a longer unsigned run was not written by it.
HEAD_RECORDS = 1000
#: The margin: start, rotate, recovered and close may stand between two heads, several times around crashes.
MAX_UNSIGNED = HEAD_RECORDS + 100
#: Longest line in bytes, with its line end.
MAX_LINE = 8 * 1024 * 1024

_MARK = b',"hash":"'
_TAIL = len(_MARK) + 64 + len(b'"}\n')
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class AuditBroken(RingwallError):
    """A line of the log is not what the guard wrote. The error's text quotes nothing of the line."""

    exit_code = 3


def canonical(value: Mapping[str, Any]) -> bytes:
    """Canonical JSON of members as this package makes them: ASCII names, no floats that are whole numbers.

    The bytes are those of `model.canonical.canonical_json` for every record without half a surrogate pair. That function
    refuses such a half; here it is written as its JSON escape, because a client may send one in a name, and a log that
    cannot be written closes the guard. Lines that hold one stand in logs already and must still verify. This function
    costs 0.5 µs a record (orjson), that one 60 µs.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return _encode(value).encode("utf-8", "backslashreplace")


def seal(members: Mapping[str, Any]) -> tuple[bytes, str]:
    """The line of a record, given its members without the hash; and the hash."""
    body = canonical(members)
    digest = hashlib.sha256(body).hexdigest()
    return b'%b%b%b"}\n' % (body[:-1], _MARK, digest.encode()), digest


def unseal(line: bytes) -> tuple[dict[str, Any], str]:
    """The record (without `hash`) and the hash of a complete line.

    The hash is compared over the bytes themselves, so two readers cannot read one line differently. Raises AuditBroken.
    """
    if not line.endswith(b'"}\n') or line[-_TAIL : -_TAIL + len(_MARK)] != _MARK:
        raise AuditBroken("not a complete audit record")
    body = line[:-_TAIL] + b"}"
    digest = hashlib.sha256(body).hexdigest()
    if line[-_TAIL + len(_MARK) : -3] != digest.encode():
        raise AuditBroken("its hash does not match its content")
    try:
        record = json.loads(body)
        canonical_form = isinstance(record, dict) and canonical(record) == body
    except (ValueError, RecursionError):
        raise AuditBroken("not canonical JSON") from None
    if not canonical_form:
        raise AuditBroken("not canonical JSON")
    if record.get("version") != VERSION or isinstance(record["version"], bool):
        raise AuditBroken(f"not a record of format version {VERSION}")
    if type(record.get("sequence")) is not int or not isinstance(record.get("previous"), str):
        raise AuditBroken("has no sequence and previous hash")
    return record, digest


def key_id(key: Ed25519PublicKey) -> str:
    """16 hexadecimal digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A signed statement: record `sequence` of `server`'s log has this `hash`, which covers every record before it."""

    server: str
    sequence: int
    hash: str
    time: str
    key_id: str
    signature: str

    @classmethod
    def sign(cls, key: Ed25519PrivateKey, *, server: str, sequence: int, hash: str, time: str) -> SignedHead:
        signer = key_id(key.public_key())
        body = _unsigned(server, sequence, hash, time, signer)
        value = base64.urlsafe_b64encode(key.sign(canonical(body))).rstrip(b"=").decode()
        return cls(server, sequence, hash, time, signer, value)

    def as_json(self) -> dict[str, Any]:
        return {
            **_unsigned(self.server, self.sequence, self.hash, self.time, self.key_id),
            "signature": self.signature,
        }

    def body(self) -> bytes:
        """The bytes that a collector receives, and that `ringwall audit verify --anchors` reads, one head a line."""
        return canonical(self.as_json())

    @classmethod
    def from_json(cls, value: Any) -> SignedHead:
        """Raises AuditBroken unless `value` has exactly the members that `as_json` writes."""
        if isinstance(value, dict) and value.keys() == _HEAD_MEMBERS and value["version"] == VERSION:
            texts = [value[name] for name in ("server", "hash", "time", "key_id", "signature")]
            if type(value["sequence"]) is int and all(isinstance(text, str) for text in texts):
                return cls(sequence=value["sequence"], **{n: value[n] for n in _HEAD_MEMBERS - {"version", "sequence"}})
        raise AuditBroken("not a signed head")

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        body = canonical(_unsigned(self.server, self.sequence, self.hash, self.time, self.key_id))
        try:
            raw = base64.b64decode(self.signature + "==", altchars=b"-_", validate=True)
            key.verify(raw, body)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return self.key_id == key_id(key)


_HEAD_MEMBERS = frozenset(("version", "server", "sequence", "hash", "time", "key_id", "signature"))


def _unsigned(server: str, sequence: int, digest: str, time: str, signer: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "server": server,
        "sequence": sequence,
        "hash": digest,
        "time": time,
        "key_id": signer,
    }


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the log is not what the guard wrote. `line` counts from 1; 0 means the whole file."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}" if self.line else f"{self.file}: {self.problem}"


@dataclass(slots=True)
class AuditReport:
    """The result of a verification. The log is sound when `broken` is None.

    `unsigned` counts the records after the last head: whoever can write the file could have changed or cut them.
    `heads` counts the heads in the chain, `signed_by` holds their key ids, and `signatures_checked` says whether a public
    key was given. Of the `anchors` that were given, `anchors_found` are in the chain and `anchors_older` are older than
    the oldest record that is kept.
    """

    files: list[str] = field(default_factory=list)
    server: str | None = None
    records: int = 0
    first_sequence: int | None = None
    last_sequence: int | None = None
    last_hash: str | None = None
    last_time: str | None = None
    heads: int = 0
    signed_by: list[str] = field(default_factory=list)
    unsigned: int = 0
    recovered: int = 0
    signatures_checked: bool = False
    anchors: int = 0
    anchors_found: int = 0
    anchors_older: int = 0
    #: The workers that the guard had when it was last started, each with a log of its own.
    workers: int = 1
    broken: Break | None = None

    @property
    def ok(self) -> bool:
        return self.broken is None


class ChainVerifier:
    """Verifies a log line by line. Its memory grows with the number of anchors only.

    `keys` are the public keys that may have signed heads; without keys, signatures are not checked. `anchors` are heads
    that were kept off the host: every anchor of this log's server must be in the chain, and none may be newer than the
    chain's end.
    """

    def __init__(self, keys: Iterable[Ed25519PublicKey] = (), anchors: Iterable[SignedHead] | None = None) -> None:
        self._keys = {key_id(key): key for key in keys}
        self._collected = None if anchors is None else list(anchors)
        self._anchors: dict[int, str] | None = None
        self.report = AuditReport(signatures_checked=bool(self._keys))
        self._kind = ""
        self._first_previous = ZERO
        self._explained = False

    def _take(self, anchors: Iterable[SignedHead], server: str) -> None:
        """Keep the anchors of this log's own server: one collector holds the heads of many guards."""
        self._anchors = {}
        for number, head in enumerate(anchors, 1):
            if head.server != server:
                continue
            if self._keys:
                problem = self._signature(head)
                if problem and self.report.ok:
                    self._broken("anchors", number, f"anchored head {head.sequence}: {problem}")
            if self._anchors.setdefault(head.sequence, head.hash) != head.hash and self.report.ok:
                self._broken("anchors", number, f"two anchored heads differ for record {head.sequence}: the log forked")
        self.report.anchors = len(self._anchors)

    def _signature(self, head: SignedHead) -> str | None:
        key = self._keys.get(head.key_id)
        if key is None:
            return f"signed by key {head.key_id}, which was not given"
        return None if head.signed_by(key) else "its signature is wrong"

    def _broken(self, file: str | Path, line: int, problem: str) -> bool:
        self.report.broken = Break(str(file), line, problem)
        return False

    def feed(self, file: str | Path, number: int, line: bytes) -> bool:
        """Verify the next line; `number` is its line number in `file`, from 1. False once the log is broken."""
        report = self.report
        if not report.ok:
            return False
        try:
            record, digest = unseal(line)
            self._link(record, first_of_file=number == 1)
            self._content(record, digest)
        except AuditBroken as error:
            return self._broken(file, number, str(error))
        if number == 1:
            report.files.append(str(file))
        report.records += 1
        report.last_sequence, report.last_hash, report.last_time = record["sequence"], digest, str(record.get("time"))
        self._kind = record["kind"]
        return report.ok

    def _link(self, record: dict[str, Any], *, first_of_file: bool) -> None:
        report = self.report
        sequence, previous, kind = record["sequence"], record["previous"], record.get("kind")
        if not isinstance(kind, str):
            raise AuditBroken("has no kind")
        if report.last_sequence is None:
            if kind != "start":
                raise AuditBroken("the log does not begin with a start record: its beginning is missing")
            if (sequence == 1) != (previous == ZERO) or sequence < 1:
                raise AuditBroken(
                    "record 1, and no other, has no record before it; the number and the previous hash disagree"
                )
            report.first_sequence, self._first_previous = sequence, previous
            self._explained = sequence == 1
            report.server = record.get("server")
            if self._collected is not None:
                self._take(self._collected, str(report.server))
            return
        expected = report.last_sequence + 1
        if sequence != expected:
            raise AuditBroken(f"record {sequence} stands where record {expected} is expected")
        if previous != report.last_hash:
            raise AuditBroken(f"record {sequence} does not continue the record before it")
        if record.get("server") != report.server:
            raise AuditBroken(f"record {sequence} is of another server")
        if first_of_file != (kind == "start") or first_of_file != (self._kind == "rotate"):
            raise AuditBroken("a file begins with a start record, and only after a rotate record")

    def _content(self, record: dict[str, Any], digest: str) -> None:
        report, kind, sequence = self.report, record["kind"], record["sequence"]
        report.unsigned += 1
        if kind == "head":
            self._head(record)
        elif kind == "rotate":
            removes = _details(record).get("removes")
            if isinstance(removes, dict):
                self._explain(removes)
        elif kind == "recovered":
            report.recovered += 1
        elif kind == "open":
            workers = _details(record).get("workers", 1)
            report.workers = workers if type(workers) is int else 1
        if self._keys and report.unsigned > MAX_UNSIGNED:
            raise AuditBroken(f"more than {MAX_UNSIGNED} records without a signed head")
        if self._anchors is not None:
            anchored = self._anchors.get(sequence)
            if anchored is not None:
                if anchored != digest:
                    raise AuditBroken(f"record {sequence} is not the one that was anchored: the chain was rewritten")
                report.anchors_found += 1

    def _head(self, record: dict[str, Any]) -> None:
        head = SignedHead.from_json(_details(record))
        if (head.sequence, head.hash, head.server) != (record["sequence"] - 1, record["previous"], record["server"]):
            raise AuditBroken("the head does not match the record before it")
        if self._keys:
            problem = self._signature(head)
            if problem:
                raise AuditBroken(f"the head is {problem}" if problem.startswith("signed") else f"head: {problem}")
        self.report.heads += 1
        if head.key_id not in self.report.signed_by:
            self.report.signed_by.append(head.key_id)
        self.report.unsigned = 0

    def _explain(self, removes: Mapping[str, Any]) -> None:
        """A rotate record names the last record whose file it removes, which explains why older records are missing."""
        last, first = removes.get("last_sequence"), self.report.first_sequence
        if type(last) is int and first is not None:
            if last >= first:
                self._explained = True
            elif last == first - 1:
                self._explained = self._explained or removes.get("last_hash") == self._first_previous

    def fail(self, file: str | Path, line: int, problem: str) -> None:
        """Report a break that the reader found, such as a missing file."""
        if self.report.ok:
            self._broken(file, line, problem)

    def finish(self) -> AuditReport:
        """Verify what needs the whole log, its beginning and the anchors, and return the report."""
        report = self.report
        if not report.ok:
            return report
        last = report.files[-1] if report.files else "the log"
        if report.last_sequence is None or report.first_sequence is None:
            self._broken(last, 0, "holds no record")
            return report
        if not self._explained:
            self._broken(
                report.files[0],
                1,
                f"{report.first_sequence - 1} records before it are missing, and no rotation removed them",
            )
        elif self._anchors is not None:
            self._judge_anchors(last, report.first_sequence, report.last_sequence)
        return report

    def _judge_anchors(self, file: str, first: int, last: int) -> None:
        report, anchors = self.report, self._anchors or {}
        newer = [sequence for sequence in anchors if sequence > last]
        report.anchors_older = sum(sequence < first for sequence in anchors)
        if newer:
            self._broken(
                file, 0, f"ends at record {last}, but record {max(newer)} was anchored: its end was cut or rewritten"
            )
        elif not report.anchors_found:
            self._broken(file, 0, f"none of the anchored heads is of a record of {report.server} in this log")


def _details(record: Mapping[str, Any]) -> dict[str, Any]:
    details = record.get("details")
    if not isinstance(details, dict):
        raise AuditBroken("has no details")
    return details
