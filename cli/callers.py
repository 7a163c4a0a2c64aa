"""`ringwall who`: shows who may use one tool, prompt or resource of a server, or one model."""

from __future__ import annotations

from cli import console
from cli.paragraphs import folded
from cli.project import current_project
from model.stacks import ModelStack, ServerStack
from operations.access.callers import CallerRow, callers_of
from operations.access.question import model_question_of, question_of
from operations.access.refusals import grantees_of
from operations.access.servers import perimeter_named

_SECTIONS = {
    "may": "may:",
    "not_granted": "may not, though the edge admits them:",
    "not_admitted": "granted, and not admitted at the edge:",
    "neither": "neither admitted nor granted:",
}


def callers(stack: str, *, tool: str | None, prompt: str | None, resource: str | None, as_json: bool) -> None:
    """What `ringwall who` does; its flags and help are in `cli.flags.callers`."""
    project = current_project()
    perimeter = perimeter_named(project, stack)
    if isinstance(perimeter, ModelStack):
        question = model_question_of(tool, None, {"--prompt": prompt, "--resource": resource})
    else:
        question = question_of(tool, prompt, resource, None)
    result = callers_of(perimeter, question)
    if as_json:
        console.print_json(result.as_json(project.root))
        return
    locked = (
        perimeter.lock.tool(question.name) if isinstance(perimeter, ServerStack) and question.kind == "tool" else None
    )
    console.say(f"{perimeter.stack}: {question}" + (f" (risk: {locked.risk})" if locked else ""))
    if perimeter.manifest.lockdown is not None:
        console.say(f"closed to everyone: {perimeter.manifest.lockdown.reason}")
    if result.portal is not None:
        console.say(folded(result.portal))
    for state, title in _SECTIONS.items():
        rows = result.having(state)
        if rows or state == "may":
            console.say(f"\n{title}")
        for row in rows:
            _show(row, [grantees_of(to) for to in perimeter.manifest.grantees])
        if not rows and state == "may":
            console.say("  nobody")


def _show(row: CallerRow, grantees: list[str]) -> None:
    console.say(f"  {row.name}")
    for number, place in row.grants:
        console.say(f"      grant {number + 1}, to {grantees[number]}: {place}")
    conditions = [answer for answer in row.edge if answer.effect == "depends"]
    for answer in conditions if row.state == "may" else ():
        console.say(f"      if: {answer.text} ({answer.place})")
