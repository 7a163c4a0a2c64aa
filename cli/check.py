from __future__ import annotations

from collections import Counter
from importlib.metadata import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import console, state
from cli.options import AsJson, Debug, ProjectDir, _complete_stack
from cli.project import current_project
from model.errors import InputError
from model.project import Project, find_project
from operations.check import Checked
from operations.check import check as check_stacks
from plan.findings import Finding
from plan.rules.base_revision import BaseRevision, top_level
from plan.rules.catalog import BUILT_IN
from plan.rules.custom import rules_of
from plan.rules.rule import Rule
from plan.rules.sarif import to_sarif


def check(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(
            help="Environments, servers or zones; else all.", show_default=False, autocompletion=_complete_stack
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", help="Own rules, instead of the project's ringwall-rules.py.", show_default=False),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="REV",
            help="Take own rules and waivers from this Git revision: a pull request does not choose its own.",
            show_default=False,
        ),
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option("--sarif", metavar="FILE", help="Write SARIF 2.1.0 there too; - prints it.", show_default=False),
    ] = None,
    list_rules: Annotated[
        bool, typer.Option("--list-rules", help="Show every rule with its reason, and check nothing.")
    ] = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check stack files, account quotas and every policy rule, offline. Exit code 3 when a plan breaks a rule.

    Rules look at the offline plan; `up` refuses what breaks one of severity error, here and under plain Pulumi. A waiver
    in the stack file excepts one rule until a date; the finding stays in sight, marked as waived.
    """
    to_stdout = sarif is not None and str(sarif) == "-"
    if to_stdout and as_json:
        raise InputError("--json and --sarif - both want standard output", remedy="give --sarif a file")
    if list_rules:
        if stacks or sarif:
            raise InputError("--list-rules checks nothing", remedy="leave stacks and --sarif out")
        _list(rules, base)
        return
    found = current_project()
    revision = BaseRevision.resolve(found.root, base) if base is not None else None
    names = list(dict.fromkeys(stacks or found.stacks()))
    if not names:
        raise InputError("the project has no stacks", file=found.stack_dir, remedy="run `ringwall init ENV`")
    with console.working(f"checking {len(names)} stacks"):
        done = check_stacks(found, names, rules_file=rules, base=revision)
    if sarif is not None:
        _write_sarif(found, done, None if to_stdout else sarif)
    if as_json:
        console.print_json(_document(done))
    say = console.note if to_stdout else console.say
    for stack, finding in done.findings:
        say(_line(stack, finding))
    _say_base(done)
    open_findings = [finding for _, finding in done.findings if finding.waived is None]
    counts = Counter(str(finding.severity) for finding in open_findings)
    waived = len(done.findings) - len(open_findings)
    say(
        f"{len(done.stacks)} stacks checked by {len(done.rules)} rules, {counts['error']} errors, "
        f"{counts['warning']} warnings, {counts['info']} notes, {waived} waived"
    )
    if any(finding.refuses for _, finding in done.findings):
        raise typer.Exit(3)


def _line(stack: str, finding: Finding) -> str:
    place = f" ({finding.file}:{finding.line})" if finding.file and finding.line else ""
    if finding.waived is None:
        return f"{finding.severity}: {stack}: {finding.rule_id}: {finding.message}; {finding.remedy}{place}"
    why = f"waived until {finding.waived_until}: {finding.waived}"
    return f"waived {finding.severity}: {stack}: {finding.rule_id}: {finding.message}; {why}{place}"


def _say_base(done: Checked) -> None:
    if done.base is None:
        return
    console.note(f"own rules and waivers are those of {done.base.revision} ({done.base.commit[:12]})")
    for stack, count in sorted(done.ignored_waivers.items()):
        console.note(f"{stack}: {count} waivers of the working tree are not there, so they are not in force")


def _document(done: Checked) -> dict[str, Any]:
    rows = [
        {
            "stack": stack,
            "rule": finding.rule_id,
            "severity": finding.severity,
            "urn": finding.urn,
            "message": finding.message,
            "remedy": finding.remedy,
            "file": finding.file,
            "line": finding.line,
            "waived": {"reason": finding.waived, "until": finding.waived_until} if finding.waived else None,
        }
        for stack, finding in done.findings
    ]
    base = {"revision": done.base.revision, "commit": done.base.commit} if done.base else None
    ignored = dict(sorted(done.ignored_waivers.items()))
    return {"version": 1, "stacks": done.stacks, "findings": rows, "base": base, "waivers_not_in_force": ignored}


def _write_sarif(project: Project, done: Checked, file: Path | None) -> None:
    about = metadata("ringwall")
    urls = dict(entry.split(", ", 1) for entry in about.get_all("Project-URL") or [])
    docs = urls.get("Documentation")
    top = top_level(project.root)
    inside = project.root.resolve().relative_to(top).as_posix() if top is not None else "."
    text = to_sarif(
        done.findings,
        done.rules,
        version=about["Version"],
        docs=docs.rstrip("/") if docs else None,
        prefix="" if inside == "." else f"{inside}/",
    )
    if file is None:
        print(text, end="")
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", file=file, remedy="name another file") from None


def _list(rules_file: Path | None, base: str | None) -> None:
    rules = sorted(_known(rules_file, base), key=lambda rule: rule.id)
    if state.json:
        console.print_json({"version": 1, "rules": [_rule(rule) for rule in rules]})
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
        project = find_project(state.project or Path.cwd())
    except InputError:
        if state.project is not None or rules_file is not None or base is not None:
            raise
        return BUILT_IN
    return rules_of(project, file=rules_file, base=BaseRevision.resolve(project.root, base) if base else None)


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "severity": rule.severity,
        "outside_production": rule.outside_production,
        "reason": rule.reason,
        "remedy": rule.remedy,
        "source": rule.source,
        "waivable": rule.waivable,
        "custom": rule.custom,
    }
