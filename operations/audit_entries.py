"""Shows records of the guard's audit log to its operator: what decided, at which place, and how to let just that pass.

An entry fits 80 columns where the names in it do. Hidden characters are made visible, as clients choose names and could
rewrite the screen.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from guard.decide.reasons import Decision, Reason
from guard.inspect.verdict import Leg
from model.finding_exceptions import KINDS, NO_EXCEPTION, admits_exceptions, is_place, rule_of
from model.text import is_hidden, visible, wrapped
from operations.audit_words import limit_words, reason_words, usage_words

#: Days for which an exception is proposed.
DAYS = 30
#: Places of one rule up to which each gets an exception of its own; with more, one exception holds anywhere.
_PLACES = 3
_STOPPED = (Decision.BLOCK, Decision.REFUSE)

_WAYS = {
    Reason.NO_VERDICT: "Nothing passes without a verdict. Mend what the engine says, or give it longer: guard.deadline.",
    Reason.NOT_GRANTED: "Name it in a grant: `grants` of {file}; what writes needs read_only: false there.",
    Reason.NOT_IN_LOCK: "See what the server offers with `ringwall lock diff {server}`; take it over with"
    " `ringwall lock approve {server}`, and grant it.",
    Reason.LOCK_MISMATCH: "See what changed with `ringwall lock diff {server}`; take it over with"
    " `ringwall lock approve {server}`.",
    Reason.ARGUMENTS: "A constraint of a grant is in `grants`, arguments; the schema is the server's own, in the lock.",
    Reason.BUNDLE_EXPIRED: "Sign the configuration again with `ringwall guard bundle {server} --key FILE`, and deliver it.",
    Reason.TAINT: "Let the person be asked: guard.taint.outbound_call: ask, and a client that can (MCP elicitation)."
    " Where the untrusted text is harmless, an exception for it with `action: allow` no longer taints; see the incident it"
    " was sent in.",
}


def is_bookkeeping(record: dict[str, Any]) -> bool:
    """Whether a record is the log's own (opened, closed, signed) and tells of no message and no change."""
    return record.get("kind") in ("start", "open", "close", "head")


def entry(record: dict[str, Any]) -> list[str]:
    """A record in a few lines: when, what and who; its incident; then why, in words, with places and the deciding key."""
    kind = record.get("kind")
    moment = _local(record.get("time"))
    if kind != "decision":
        details = record.get("details")
        shown = json.dumps(details, sort_keys=True) if details and kind != "head" else ""
        return [visible(f"{moment} ({kind}), record {record.get('sequence')}"), *wrapped(shown)]
    reason = str(record.get("reason"))
    subject = str(record.get("name") or record.get("method") or "")
    sender = f"by {record['principal']}" if record.get("principal") else ""
    lines = [visible(f"{moment} {record.get('decision')} {subject} {sender}")]
    incident = [f"incident {record['incident']}"] if record.get("incident") else []
    method = f"{record.get('method')}{' (' + str(record['leg']) + ')' if record.get('leg') else ''}"
    lines += wrapped(", ".join([*incident, method, f"record {record.get('sequence')}"]))
    if reason != record.get("decision"):
        words = reason_words(reason)
        lines += wrapped(f"{reason}: {words}" if words else reason)
    for rule, place in _findings(record):
        lines += wrapped(f"{rule} at {place}" if place else rule)
    for engine in record.get("engines", ()):
        if engine.get("outcome") == "no_verdict":
            lines += wrapped(f"{engine['engine']} gave no verdict: {engine.get('error')}")
    if record.get("problem"):
        lines += wrapped(str(record["problem"]))
    if isinstance(record.get("usage"), dict):
        lines += wrapped(usage_words(record["usage"]))
    if isinstance(record.get("limit"), dict):
        lines += wrapped(limit_words(record["limit"]))
    elif record.get("key"):
        lines += wrapped(f"decided by {record['key']}")
    if isinstance(record.get("repeats"), int):
        lines += wrapped(f"{record['repeats']} more within a second, without records of their own")
    return lines


def _local(time: Any) -> str:
    """A record's time on the clock of whoever reads it, with its distance from UTC: so it is the same time where it is given
    to `--since`, and the two hours that one clock shows twice in autumn are told apart."""
    try:
        return datetime.fromisoformat(str(time)).astimezone().isoformat(sep=" ", timespec="seconds")
    except (ValueError, OverflowError):
        return str(time)


def line(record: dict[str, Any]) -> str:
    """A record on one line, for a log that goes on."""
    return "  ".join(part.strip() for part in entry(record))


def way_out(record: dict[str, Any], today: date) -> list[str]:
    """How to let pass exactly what this record stopped, or why that is not to be had; empty where nothing was stopped."""
    if record.get("kind") != "decision" or record.get("decision") not in _STOPPED:
        return []
    server = str(record.get("server"))
    reason = str(record.get("reason"))
    if reason == Reason.UNREADABLE and record.get("leg") in (Leg.RESULTS, Leg.RESOURCES):
        text = f"List its media type in the lock of {server}: media_types of {record.get('name')}."
    elif reason == Reason.TAINT and KINDS.get(str(record.get("method"))) == "model":
        text = (
            f"Let the model ask all the same: guard.taint.tool_calls: allow in {_file_of(server)}. Where the tool result is "
            "harmless, an exception for it with `action: allow` no longer taints."
        )
    elif reason in _WAYS:
        text = next(advice for known, advice in _WAYS.items() if known == reason).format(
            server=server, file=_file_of(server)
        )
    elif reason == Reason.RATE_LIMITED and record.get("key"):
        text = f"Raise {record['key']} in {_file_of(server)}."
    elif findings := _findings(record):
        return _exception(record, findings, server, today)
    elif key := record.get("key"):
        text = f"What decides is {key} in {_file_of(server)}."
    else:
        return []
    return wrapped(text)


#: The rule for addresses that no argument may hold. It does not tell one of them from another.
_ANY_ADDRESS = "url.forbidden"


def _file_of(server: str) -> str:
    return f"Pulumi.{server}.yaml"


def _exception(record: dict[str, Any], findings: Sequence[tuple[str, str]], server: str, today: date) -> list[str]:
    leg, method = str(record.get("leg")), str(record.get("method"))
    of_model = KINDS.get(method) == "model"
    if leg == Leg.DEFINITIONS and not of_model:
        return wrapped(f"A reviewer accepts a definition in the lock: `ringwall lock approve {server}`.")
    rules = [rule for rule, _ in findings]
    if not admits_exceptions(leg, method, rules):
        rule = next((rule for rule in rules if rule in NO_EXCEPTION), None)
        reason = f"{rule} {NO_EXCEPTION[rule]}" if rule else f"none holds for {leg} of {method}"
        return wrapped(f"No exception can be given: {reason}.")
    section = "ringwall:model" if of_model else "ringwall:server"
    lines = wrapped(f"To let just this pass, below {section} in {_file_of(server)}:")
    lines += ["", "    guard:", "      exceptions:"]
    expires = (today + timedelta(days=DAYS)).isoformat()
    incident = record.get("incident")
    reason = f"Incident {incident}: why it is harmless, who decided" if incident else "Why it is harmless, who decided"
    for rule, place in _with_places(findings):
        lines.append(f"        - {KINDS[method]}: {_quoted(str(record.get('name')))}")
        lines += [f"          leg: {leg}", f"          rule: {_quoted(rule)}"]
        lines += [f"          place: {_quoted(place)}"] if place else []
        lines += [f"          reason: {_quoted(reason)}", f'          expires: "{expires}"']
    wide = (
        wrapped("Any address passes there then, also one of the guard's own network.")
        if leg == Leg.ARGUMENTS and _ANY_ADDRESS in rules
        else []
    )
    return [
        *lines,
        "",
        *wide,
        *wrapped("It is flagged and still taints; `action: allow` makes it count as harmless. Then:"),
        f"    ringwall check {server}",
        *_own_page(record, findings, server),
    ]


def _own_page(record: dict[str, Any], findings: Sequence[tuple[str, str]], server: str) -> list[str]:
    """The narrower way for an address that an argument names, where it is one of the guard's own machine."""
    prefix = "/arguments/"
    places = [place for rule, place in findings if rule == _ANY_ADDRESS and place.startswith(prefix)]
    if not places or len(places) != len(findings) or len(places) > _PLACES:
        return []
    tool = str(record.get("name"))
    # The lock names all items of a list by one place.
    named = dict.fromkeys(re.sub(r"/[0-9]+(?=/|$)", "/*", f"/{place.removeprefix(prefix)}") for place in places)
    options = [f"--parameter {shlex.quote(f'{tool}:{place}=local_url')}" for place in named]
    return [
        "",
        *wrapped(
            "If a person opens pages of the guard's own machine with it (http://localhost:3000), and the tool's schema"
            " names the argument, have the lock say so:"
        ),
        *(f"    ringwall lock approve {server} {option}" for option in map(visible, options)),
    ]


def _with_places(findings: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Each rule with its places, or without any where there are many, or one that no exception can spell."""
    places: dict[str, list[str]] = {}
    for rule, place in findings:
        places.setdefault(rule, []).append(place)
    for rule, known in places.items():
        if len(known) > _PLACES or not all(map(is_place, known)):
            yield rule, ""
        else:
            yield from ((rule, place) for place in known)


def _findings(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Rule and place of everything that an engine blocked for, once each, without what an exception covers."""
    covered = set(record.get("exceptions", ())) if record.get("decision") in _STOPPED else set()
    pairs = [
        (rule_of(str(engine.get("engine")), str(finding.get("rule"))), str(finding.get("pointer")))
        for engine in record.get("engines", ())
        if engine.get("outcome") == "block"
        for finding in engine.get("findings", ())
    ]
    return [pair for pair in dict.fromkeys(pairs) if pair[0] not in covered]


def _quoted(text: str) -> str:
    """A YAML scalar that every reader takes for this very text."""
    body = json.dumps(text, ensure_ascii=False)
    return "".join(f"\\U{ord(char):08X}" if is_hidden(char) else char for char in body)
