"""Rules for tool locks: what the guard would enforce is what was approved in Git."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from model.definition_findings import UNSPELLED, DefinitionFinding, acceptance_command, can_be_spelled, subject_of_kind
from model.engines import VENDORS
from model.text import visible
from plan.findings import Severity
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, items, mapping

_FINDINGS: Final = "OWASP Top 10 for LLM applications, LLM01; Invariant Labs, tool poisoning"
_SOURCE: Final = "mcp-scan, rug pulls; MCP specification, tools/list_changed"


@rule(
    id="lock-missing",
    severity=Severity.ERROR,
    reason="Without a lock the guard has nothing to compare a server's tools with, and a changed tool is not seen.",
    remedy="run `ringwall onboard ENV.SERVER`, review the lock and commit it",
    source=_SOURCE,
    waivable=False,
)
def lock_missing(subject: Subject) -> Iterator[Broken]:
    if (
        subject.guard is not None
        and not subject.is_model
        and (not mapping(subject.guard.get("tool_lock")) or not subject.guard.get("tool_lock_sha256"))
    ):
        yield Broken("has no tool lock", subject.guard_resource)


@rule(
    id="lock-stale",
    severity=Severity.ERROR,
    reason="A lock that differs from the approved file, or whose digests differ from its definitions, approves what nobody"
    " reviewed.",
    remedy="run `ringwall lock approve ENV.SERVER`, review the difference and commit it",
    source=_SOURCE,
    waivable=False,
)
def lock_stale(subject: Subject) -> Iterator[Broken]:
    guard = subject.guard
    if guard is None or not mapping(guard.get("tool_lock")):
        return
    from model.canonical import digest

    lock, stated = guard["tool_lock"], guard.get("tool_lock_sha256")
    if stated and digest(lock) != stated:
        yield Broken("carries a tool lock unlike its digest", subject.guard_resource)
    elif stated and subject.server is not None and digest(subject.server.lock.dump()) != stated:
        yield Broken(f"carries a tool lock unlike {subject.server.lock_file.name}", subject.guard_resource)
    for part in ("tools", "prompts", "resources", "resource_templates"):
        for entry in items(lock.get(part)):
            name = _entry_name(entry)
            if mapping(entry).get("sha256") != digest(mapping(entry).get("definition")):
                yield Broken(f"pins {name} by a digest unlike its definition", subject.guard_resource)


@rule(
    id="lock-grant-unknown",
    severity=Severity.ERROR,
    reason="A grant of a tool that the lock does not have would hold for whatever a server later offers under that name.",
    remedy="take it out of the grant, or approve the tool with `ringwall lock approve ENV.SERVER`",
    source=_SOURCE,
    waivable=False,
)
def grant_unknown(subject: Subject) -> Iterator[Broken]:
    for index, grant in enumerate(items((subject.guard or {}).get("grants"))):
        for tool in items(mapping(grant).get("tools")):
            if tool not in subject.risks:
                text = f"grants {tool}, which the lock does not have"
                yield Broken(text, subject.guard_resource, key=("grants", index, "tools"))


@rule(
    id="lock-unenforceable",
    severity=Severity.WARNING,
    reason="The guard refuses a tool whose input schema it cannot enforce, and serves the others.",
    remedy="have the server corrected, then run `ringwall lock approve ENV.SERVER`; what stays so it leaves out of the lock",
    source="MCP specification, server/tools: servers must have valid schemas; RE2's syntax",
)
def unenforceable_tool(subject: Subject) -> Iterator[Broken]:
    from model.schemas import Unenforceable
    from model.tool_schema import check_of

    lock = _lock(subject)
    for tool in map(mapping, items(lock.get("tools"))):
        definition = tool.get("definition")
        if not isinstance(definition, dict):
            continue
        strict = tool.get("strict_arguments", lock.get("strict_arguments")) is True
        try:
            check_of(definition, items(tool.get("left_to_server")), strict_arguments=strict)
        except Unenforceable as error:
            text = f"pins {_entry_name(tool)}{_file(subject)}, whose input schema cannot be enforced: {error}"
            yield Broken(text, subject.guard_resource)


@rule(
    id="lock-left-out",
    severity=Severity.INFO,
    reason="Nobody can use what the server offers and the lock leaves out, as it cannot be pinned or enforced.",
    remedy="have the server corrected, then run `ringwall lock approve ENV.SERVER`",
    source=_SOURCE,
)
def left_out(subject: Subject) -> Iterator[Broken]:
    for entry in map(mapping, items(_lock(subject).get("left_out"))):
        kind = str(entry.get("kind")).replace("_", " ")
        subject_text = f"the {kind.removesuffix('s')} {entry['key']}" if entry.get("key") else f"the list of {kind}"
        yield Broken(
            visible(f"leaves out {subject_text}{_file(subject)}: {entry.get('reason')}"), subject.guard_resource
        )


@rule(
    id="lock-left-to-server",
    severity=Severity.INFO,
    reason="The guard matches patterns in linear time only. One that it cannot match is enforced by the server alone, so a"
    " value that breaks it reaches the server.",
    remedy="nothing, if the server judges its arguments itself; else add a constraint to the grant (`arguments`)",
    source="RE2's syntax; JSON Schema asks for ECMA-262 expressions",
)
def left_to_server(subject: Subject) -> Iterator[Broken]:
    for tool in map(mapping, items(_lock(subject).get("tools"))):
        if places := items(tool.get("left_to_server")):
            shown = visible(", ".join(map(str, places)))
            text = f"does not enforce the pattern of {_entry_name(tool)}{_file(subject)} at {shown}"
            yield Broken(text, subject.guard_resource)


def _lock(subject: Subject) -> Mapping[str, Any]:
    return mapping((subject.guard or {}).get("tool_lock"))


def _file(subject: Subject) -> str:
    return f" in {subject.server.lock_file.name}" if subject.server is not None else ""


@rule(
    id="lock-finding-unaccepted",
    severity=Severity.WARNING,
    reason="The guard withholds a definition in which its own rules find something: clients do not see it, and a call of it"
    " is refused as unknown.",
    remedy="read the words, then accept the finding with `ringwall lock approve ENV.SERVER`, or take the definition out of "
    "the grants",
    source=_FINDINGS,
)
def finding_unaccepted(subject: Subject) -> Iterator[Broken]:
    for findings in _by_definition(subject, lambda finding: finding.withholds):
        command = f"ringwall lock approve {subject.server.stack if subject.server else 'ENV.SERVER'}"
        first = findings[0]
        shown = ", ".join(f"{finding.rule} at {finding.place} ({finding.quote})" for finding in findings)
        remedy = None
        if not can_be_spelled(first.key):
            remedy = UNSPELLED
        elif all(finding.acceptable for finding in findings):
            remedy = f"accept it after reading: {acceptance_command(findings, command)}"
        yield Broken(f"withholds {first.subject}: {shown}", subject.guard_resource, remedy=remedy, key=("grants",))


@rule(
    id="lock-finding-accepted",
    severity=Severity.INFO,
    reason="A reviewer took the words of a definition for harmless that the guard's rules take for an attack on the model.",
    remedy="nothing, if the words were read; else take the rule out of `accepted` in the lock",
    source=_FINDINGS,
)
def finding_accepted(subject: Subject) -> Iterator[Broken]:
    for findings in _by_definition(subject, lambda finding: finding.accepted and not finding.advisory):
        for finding in findings:
            place = f"{finding.rule} at {finding.place} ({finding.quote})"
            text = f"shows {finding.subject} with an accepted finding: {place}"
            yield Broken(text, subject.guard_resource, key=("grants",))


@rule(
    id="lock-finding-noted",
    severity=Severity.INFO,
    reason="A definition quotes the words of an attack as an example. Clients see it, as its reviewer was shown the words.",
    remedy="nothing, if the words were read; else take the definition out of the grants",
    source=_FINDINGS,
)
def finding_noted(subject: Subject) -> Iterator[Broken]:
    for findings in _by_definition(subject, lambda finding: finding.advisory):
        for finding in findings:
            text = f"shows {finding.subject} with a note: {finding.rule} at {finding.place} ({finding.quote})"
            if finding.accepted:
                yield Broken(text, subject.guard_resource, key=("grants",))
                continue
            stack = subject.server.stack if subject.server else "ENV.SERVER"
            remedy = f"read the words, then have the lock note them: `ringwall lock approve {stack}`"
            text += "; the lock does not have it, so nobody was shown it"
            yield Broken(text, subject.guard_resource, remedy=remedy, key=("grants",))


@rule(
    id="lock-acceptance-stale",
    severity=Severity.WARNING,
    reason="An acceptance that no finding needs would let a later rule of that name pass unread.",
    remedy="take the rule out of `accepted` in the lock",
    source=_FINDINGS,
)
def acceptance_stale(subject: Subject) -> Iterator[Broken]:
    if subject.findings is None or subject.server is None:
        return
    lock, engines = subject.server.lock, subject.server.manifest.guard.engines.names
    matching = {(finding.kind, finding.key, finding.rule) for finding in subject.findings if not finding.advisory}
    accepted = [
        (kind, entry.key, rule)
        for kind, entries in lock.entries().items()
        for entry in entries
        for rule in entry.accepted
    ]
    accepted += [("instructions", "", rule) for rule in lock.server.accepted]
    for kind, key, rule_id in accepted:
        engine = rule_id.split(".", 1)[0]
        if engine in VENDORS and engine in engines:
            continue  # only a guard at work learns what a vendor finds
        if (kind, key, rule_id) not in matching:
            subject_words = subject_of_kind(kind, key)  # type: ignore[arg-type]
            text = f"accepts {rule_id} for {subject_words}, which no rule of its engines finds there"
            yield Broken(f"{text} ({subject.server.lock_file.name})", subject.guard_resource)


def _by_definition(
    subject: Subject, concerned: Callable[[DefinitionFinding], bool]
) -> Iterator[list[DefinitionFinding]]:
    """The findings of one sort in definitions that somebody may use, by definition."""
    grants = [mapping(grant) for grant in items((subject.guard or {}).get("grants"))]
    usable = {part: {str(name) for grant in grants for name in items(grant.get(part))} for part in ("tools", "prompts")}
    resources = any(items(grant.get("resources")) for grant in grants)
    findings = [finding for finding in subject.findings or () if concerned(finding)]
    for (kind, key), group in groupby(findings, key=lambda finding: (finding.kind, finding.key)):
        if kind == "instructions" or (key in usable[kind] if kind in usable else resources):
            yield list(group)


def _entry_name(entry: Any) -> str:
    fields = mapping(entry)
    return visible(str(fields.get("name") or fields.get("uri") or fields.get("uri_template") or "an entry"))


RULES: Final[tuple[Rule, ...]] = (
    lock_missing,
    lock_stale,
    grant_unknown,
    unenforceable_tool,
    left_out,
    left_to_server,
    finding_unaccepted,
    finding_accepted,
    finding_noted,
    acceptance_stale,
)
