"""`ringwall check`: judges stack files by every rule, and shows what breaks one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import typer

from cli import console, invocation
from cli.project import current_project
from model.errors import InputError
from model.project import find_project
from model.text import counted
from operations.check import Checked
from operations.check import check as check_stacks
from operations.check_document import document, finding_line, rule_document, write_sarif
from plan.rules.base_revision import BaseRevision
from plan.rules.catalog import BUILT_IN
from plan.rules.custom import rules_of
from plan.rules.rule import Rule


def check(
    *,
    stacks: list[str] | None,
    rules: Path | None,
    base: str | None,
    sarif: Path | None,
    list_rules: bool,
    as_json: bool,
) -> None:
    """What `ringwall check` does; its flags and help are in `cli.flags.check`."""
    to_stdout = sarif is not None and str(sarif) == "-"
    if to_stdout and as_json:
        raise InputError("--json and --sarif - both want standard output", remedy="give --sarif a file")
    if list_rules:
        if stacks or sarif:
            raise InputError("--list-rules checks nothing", remedy="leave stacks and --sarif out")
        _list(rules, base)
        return
    project = current_project()
    revision = BaseRevision.resolve(project.root, base) if base is not None else None
    names = list(dict.fromkeys(stacks or project.stacks()))
    if not names:
        raise InputError("the project has no stacks", file=project.stack_dir, remedy="run `ringwall init ENV`")
    with console.working(f"checking {counted(len(names), 'stack')}"):
        verdict = check_stacks(project, names, rules_file=rules, base=revision)
    if sarif is not None:
        write_sarif(project, verdict, None if to_stdout else sarif)
    if as_json:
        console.print_json(document(verdict))
    say = console.note if to_stdout else console.say_coloured
    for stack, finding in verdict.findings:
        say(finding_line(stack, finding))
    _say_base(verdict)
    open_findings = [finding for _, finding in verdict.findings if finding.waived is None]
    counts = Counter(str(finding.severity) for finding in open_findings)
    waived = len(verdict.findings) - len(open_findings)
    say(
        f"{counted(len(verdict.stacks), 'stack')} checked by {counted(len(verdict.rules), 'rule')}, "
        f"{counted(counts['error'], 'error')}, {counted(counts['warning'], 'warning')}, "
        f"{counted(counts['info'], 'note')}, {waived} waived"
    )
    if any(finding.refuses for _, finding in verdict.findings):
        raise typer.Exit(3)


def _say_base(verdict: Checked) -> None:
    if verdict.base is None:
        return
    console.note(f"own rules and waivers are those of {verdict.base.revision} ({verdict.base.commit[:12]})")
    for stack, count in sorted(verdict.ignored_waivers.items()):
        console.note(
            f"{stack}: not in force: {counted(count, 'waiver')} of the working tree that {verdict.base.revision} lacks"
        )


def _list(rules_file: Path | None, base: str | None) -> None:
    rules = sorted(_known(rules_file, base), key=lambda rule: rule.id)
    if invocation.current().json:
        console.print_json({"version": 1, "rules": [rule_document(rule) for rule in rules]})
        return
    for rule in rules:
        elsewhere = f" ({rule.outside_production} outside production)" if rule.outside_production else ""
        flags = "".join([", cannot be waived" if not rule.waivable else "", ", own" if rule.custom else ""])
        console.say(f"{rule.id}: {rule.severity}{elsewhere}{flags}")
        console.say(f"    {rule.reason}")
        console.say(f"    remedy: {rule.remedy}")
        if rule.source:
            console.say(f"    source: {rule.source}")


def _known(rules_file: Path | None, base: str | None) -> tuple[Rule, ...]:
    """The project's rules; outside a project Ringwall's own, unless others were asked for."""
    try:
        project = find_project(invocation.current().project or Path.cwd())
    except InputError:
        if invocation.current().project is not None or rules_file is not None or base is not None:
            raise
        return BUILT_IN
    return rules_of(project, file=rules_file, base=BaseRevision.resolve(project.root, base) if base else None)
