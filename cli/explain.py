"""`ringwall explain`: shows what each ring would say to one call, and the narrow change that would allow it."""

from __future__ import annotations

import textwrap

import typer

from cli import console
from cli.project import current_project
from model.stacks import ModelStack
from operations.access.answers import RingAnswer
from operations.access.explain import Explanation
from operations.access.explain import explain as explain_call
from operations.access.question import model_question_of, question_of
from operations.access.servers import perimeter_named
from operations.access.visitor import visitor_of

_WIDTH = 80
#: Columns before an answer's text: the ring and the effect.
_MARGIN = 18
_EFFECTS = {"passes": "passes", "refuses": "REFUSES", "depends": "if", "note": "note"}


def explain(
    stack: str,
    *,
    principal: str,
    groups: list[str] | None,
    through: str | None,
    country: str | None,
    address: str | None,
    tool: str | None,
    prompt: str | None,
    resource: str | None,
    arguments: str | None,
    as_json: bool,
) -> None:
    """What `ringwall explain` does; its flags and help are in `cli.flags.explain`."""
    project = current_project()
    perimeter = perimeter_named(project, stack)
    if isinstance(perimeter, ModelStack):
        question = model_question_of(tool, arguments, {"--prompt": prompt, "--resource": resource})
    else:
        if tool is not None and arguments is None and (prompt is not None or resource is not None):
            tool, arguments = None, tool  # the option names what is asked for, so the only word left is its arguments
        question = question_of(tool, prompt, resource, arguments)
    named = [name for option in groups or [] for name in option.split(",") if name]
    visitor = visitor_of(principal, perimeter.settings, groups=named, through=through, country=country, address=address)
    explanation = explain_call(perimeter, visitor, question)
    if as_json:
        console.print_json(explanation.as_json(project.root))
    else:
        _show(explanation)
    if not explanation.allowed:
        raise typer.Exit(3)


def _show(explanation: Explanation) -> None:
    refused = [answer.ring for answer in explanation.answers if answer.effect == "refuses"]
    conditions = any(answer.effect == "depends" for answer in explanation.answers)
    verdict = f"refused by the {' and the '.join(dict.fromkeys(refused))}" if refused else "allowed"
    verdict += ", on the conditions below" if conditions and not refused else ""
    console.say(f"{explanation.stack}: {explanation.question} for {explanation.visitor}: {verdict}\n")
    ring = ""
    for answer in explanation.answers:
        _say(answer, first=answer.ring != ring)
        ring = answer.ring
    if len(refused) > 1:
        console.say(f"\n{len(refused)} obstacles: to take one away is not enough")


def _say(answer: RingAnswer, *, first: bool) -> None:
    margin = " " * _MARGIN
    start = f"{answer.ring if first else '':<9}{_EFFECTS[answer.effect]:<9}"
    for line in textwrap.wrap(
        answer.text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        console.say(line)
    if answer.place is not None:
        console.say(f"{margin}{answer.place}")
    for line in textwrap.wrap(
        f"→ {answer.remedy}" if answer.remedy else "",
        _WIDTH,
        initial_indent=margin,
        subsequent_indent=f"{margin}  ",
        break_long_words=False,
        break_on_hyphens=False,
    ):
        console.say(line)
    for line in answer.example:
        console.say(f"{margin}  {line}".rstrip())
