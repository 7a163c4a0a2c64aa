"""What `ringwall adopt` shows: what exists, what `up` would change of it, and what cannot be adopted."""

from __future__ import annotations

from collections.abc import Sequence

from cli import console
from engine.workspace import Target
from model.errors import InputError, InputErrors
from model.stacks import EnvironmentStack
from operations.adopt.differences import Adoption
from operations.adopt.existing import Existing, hostnames, read_existing
from operations.adopt.sources import opened_source
from operations.adopt.taking_over import ORDER


def refuse_misfits(existing: Existing) -> None:
    """Refuse to adopt anything, each misfit a line of its own."""
    raise InputErrors(
        [
            InputError(f"{misfit.kind.value} {misfit.name} {misfit.problem}", remedy=misfit.remedy)
            for misfit in existing.misfits
        ]
    )


def show(objects: Sequence[Adoption], existing: Existing) -> None:
    """Print what becomes of each object, and what `up` makes beside them."""
    for item in objects:
        console.say(f"{item.kind.value} {item.name}")
        for difference in item.differences:
            console.say(f"  `up` changes {difference}")
        if not item.differences:
            console.say("  stays as it is")
    missing = [kind.value for kind in ORDER if kind not in existing.objects]
    if missing:
        console.say(f"`up` makes: {', '.join(missing)}")
    console.say("`up` makes the server's plugins, upstream and target at Kong in any case")


def show_all(target: Target, environment: EnvironmentStack, *, as_json: bool) -> None:
    """Show every host name of the zone that something stands for and no stack file names."""
    known_names = {name for stack in environment.perimeters for name in stack.manifest.hostnames}
    with opened_source(target, environment.settings) as source:
        names = [name for name in hostnames(source, environment.settings.cloudflare.zone) if name not in known_names]
        existing = [read_existing(source, name, has_file=False) for name in names]
    if as_json:
        listed = [
            {
                "hostname": item.hostname,
                "objects": sorted(kind.value for kind in item.objects),
                "misfits": [misfit.as_json() for misfit in item.misfits],
            }
            for item in existing
        ]
        console.print_json({"version": 1, "hostnames": listed})
        return
    for item in existing:
        kinds = ", ".join(kind.value for kind in ORDER if kind in item.objects)
        console.say(
            f"{item.hostname}: {'can be adopted' if not item.misfits else 'cannot be adopted as it is'} ({kinds})"
        )
        for misfit in item.misfits:
            console.say(f"  {misfit}")
    if not existing:
        console.say(f"nothing in zone {environment.settings.cloudflare.zone} is left to adopt")
