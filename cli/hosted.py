"""`ringwall hosted refresh`: the address ranges of hosted clients, as their vendors publish them now."""

from __future__ import annotations

import typer

from cli import console
from cli.project import current_project
from model.errors import Unreachable
from operations.hosted.refresh import PublishedRanges, compare, edits
from operations.project.write import apply

#: Exit code of --check where a stack file differs from a vendor's list.
DIFFERS = 3


def refresh(environments: list[str], *, check: bool, yes: bool, as_json: bool) -> None:
    """What `ringwall hosted refresh` does; its flags and help are in `cli.flags.hosted`."""
    project = current_project()
    with console.working("asking the vendors for their lists"):
        comparisons = compare(project, environments or project.environments())
    for comparison in comparisons:
        for line in _lines(comparison):
            console.say(line)
    if not comparisons:
        console.say("no environment has hosted clients")
    differing = [comparison for comparison in comparisons if comparison.differs]
    changes = edits(project, differing) if differing and not check else []
    if changes:
        names = " and ".join(change.path.name for change in changes)
        console.consent(f"Write {names}?", yes=yes)
        apply(changes)
        for change in changes:
            console.say(f"wrote {change.path}")
        for name in dict.fromkeys(comparison.environment for comparison in differing):
            console.say(f"  after a review in Git: ringwall up {name}")
    if as_json:
        files = [str(change.path) for change in changes]
        console.print_json({"version": 1, "clients": [item.as_json() for item in comparisons], "files": files})
    if any(comparison.problem for comparison in comparisons):
        raise typer.Exit(Unreachable.exit_code)
    if check and differing:
        raise typer.Exit(DIFFERS)


def _lines(comparison: PublishedRanges) -> list[str]:
    name = f"{comparison.environment}: {comparison.client}"
    if comparison.problem:
        console.note(f"error: {name}: {comparison.problem}; {comparison.remedy}")
        return []
    if not comparison.differs:
        return [f"{name}: as {comparison.url} publishes them"]
    lines = [f"{name}: differs from {comparison.url}"]
    lines += [f"  + {item}" for item in comparison.gained]
    return [*lines, *(f"  - {item}" for item in comparison.lost)]
