"""Runs rules over the plan of one stack, gives each finding its line in the stack file, and applies waivers.

What a rule is stands in `plan.rules.rule`, which there are in `plan.rules.catalog`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from model.definition_findings import DefinitionFinding
from model.loader import KeyPath
from model.stacks import ModelStack, ServerStack, Stack, ZoneStack
from model.waivers import Waiver, today_utc
from plan.findings import Finding, in_order
from plan.graph import Graph, Resource
from plan.rules.catalog import BUILT_IN, RULE_FAILED
from plan.rules.rule import Broken, Key, Rule
from plan.rules.subject import Subject, current_types
from plan.rules.waivers import apply_waivers


def subject_of(
    loaded: Stack, graph: Graph, *, engine: bool = False, findings: tuple[DefinitionFinding, ...] | None = None
) -> Subject:
    """What rules see of a loaded stack and its plan; `engine` and `findings` are those of `Subject`."""
    graph = current_types(graph)
    if isinstance(loaded, ZoneStack):
        return Subject(graph, zone=loaded, engine=engine)
    environment = loaded.environment
    return Subject(
        graph,
        environment.settings.production,
        environment=environment,
        server=loaded if isinstance(loaded, ServerStack) else None,
        model=loaded if isinstance(loaded, ModelStack) else None,
        engine=engine,
        findings=findings,
    )


def waivers_of(subject: Subject) -> tuple[Waiver, ...]:
    """The waivers in the stack's own file; an environment's do not reach into its servers."""
    if subject.perimeter is not None:
        return subject.perimeter.manifest.waivers
    if subject.zone is not None:
        return subject.zone.manifest.waivers
    return subject.environment.settings.waivers if subject.environment is not None else ()


def evaluate(
    subject: Subject,
    *,
    rules: Sequence[Rule] = BUILT_IN,
    waivers: Sequence[Waiver] | None = None,
    today: date | None = None,
    root: Path | None = None,
) -> tuple[Finding, ...]:
    """Every finding of one stack, errors first, waived ones among them.

    Args:
        rules: as `plan.rules.catalog.with_custom` gives them.
        waivers: instead of those in the stack's file (a base revision's).
        today: the day by which waivers and other exceptions are judged, else today in UTC.
        root: folder that file names are relative to.
    """
    today = today or today_utc()
    subject = replace(subject, today=today)
    findings = [place(subject, finding, key, root) for rule in rules for finding, key in _run(rule, subject)]
    from_file = waivers is None
    applied = apply_waivers(
        findings, waivers_of(subject) if waivers is None else waivers, rules, today, indexed=from_file
    )
    return in_order(finding if finding.file else place(subject, finding, key, root) for finding, key in applied)


def _run(rule: Rule, subject: Subject) -> Iterator[tuple[Finding, Key]]:
    severity = rule.severity_in(production=subject.production)
    findings: list[tuple[Finding, Key]] = []
    try:
        for item in rule.check(subject):
            if isinstance(item, Broken):
                findings.append((_finding(rule, item), item.key))
            elif isinstance(item, Finding) and item.rule_id == rule.id and not rule.custom:
                findings.append((item, ("hostname",)))
            else:
                raise TypeError(f"it yielded a {type(item).__name__}, not what broken(…) makes")
    # SystemExit too: a rule that ends the program would end it as if everything had passed.
    except (Exception, SystemExit) as error:
        text = f"the rule {rule.id} could not be run: {_error_text(error)}"
        yield Finding(RULE_FAILED.id, RULE_FAILED.severity, "", text, RULE_FAILED.remedy), ()
    for finding, key in findings:
        yield replace(finding, severity=severity, remedy=_with_name(finding.remedy, subject)), key


def _with_name(remedy: str, subject: Subject) -> str:
    """A rule's remedy with the stack's own name for the words ENV.SERVER, so that the command in it can be pasted."""
    stack = subject.perimeter
    return remedy if stack is None else remedy.replace("ENV.SERVER", stack.stack)


def _error_text(error: BaseException) -> str:
    text = _one_line(str(error))[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _finding(rule: Rule, item: Broken) -> Finding:
    """Raises TypeError where a project's rule gave something else than texts, a resource and a key."""
    texts = [item.text, item.remedy or rule.remedy]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise TypeError("broken(…) needs a text, and a remedy is a text")
    if item.resource is not None and not isinstance(item.resource, Resource):
        raise TypeError(f"broken(…) names a {type(item.resource).__name__}, not a resource of the graph")
    if not isinstance(item.key, tuple) or not all(isinstance(part, str | int) for part in item.key):
        raise TypeError('broken(…) takes a key as a tuple of names and numbers, such as ("grants", 0)')
    message = _one_line(item.text)
    if item.resource is not None:
        message = f"{item.resource.type.rsplit(':', 1)[-1]} {item.resource.name} {message}"
    urn = item.resource.urn if item.resource is not None else ""
    return Finding(rule.id, rule.severity, urn, message, _one_line(texts[1]))


def _one_line(text: str) -> str:
    """A text on one line. A plan may carry texts of a foreign server: what could steer a terminal or reverse the direction
    of writing becomes a replacement character."""
    return "".join(char if char.isprintable() else "\ufffd" for char in " ".join(text.split()))


def place(subject: Subject, finding: Finding, key: Key, root: Path | None) -> Finding:
    """The finding with its file and line: those of its key in the stack file or of the nearest key above it, or those in the
    environment's file where the server takes the setting from there."""
    document = subject.document
    if document is None:
        return finding
    path: KeyPath = ("config", subject.manifest_key, *key)
    if subject.server is not None and subject.environment is not None and key and path not in document.lines:
        inherited: KeyPath = ("config", "ringwall:environment", "defaults", *key)
        if inherited in subject.environment.document.lines:
            document, path = subject.environment.document, inherited
    file = document.file
    if root is not None and file.is_relative_to(root):
        file = file.relative_to(root)
    return replace(finding, file=file.as_posix(), line=document.line(path))
