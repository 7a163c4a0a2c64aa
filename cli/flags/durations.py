"""Durations as options take them: ``30s``, ``5m``, ``1h30m``; a bare number is seconds."""

from __future__ import annotations

import re
from typing import Any

import typer

METAVAR = "DURATION"
_FORM = re.compile(r"(?=\d)((?P<hours>\d+)h)?((?P<minutes>\d+)m)?((?P<seconds>\d+(\.\d+)?)s?)?")


def duration(name: str, default: str, *, help: str, least: str, most: str) -> Any:
    """An option whose value is a duration between two others; the parameter gets it in seconds."""
    low, high = _number(least), _number(most)

    def parse(value: str | float) -> float:
        try:
            number = _number(str(value))
        except ValueError:
            raise typer.BadParameter(f"{value} is no duration; write it such as 30s, 5m or 24h") from None
        if not low <= number <= high:
            raise typer.BadParameter(f"{value} is not between {least} and {most}")
        return number

    return typer.Option(
        name, parser=parse, metavar=METAVAR, help=f"{help} Between {least} and {most}.", show_default=default
    )


def _number(text: str) -> float:
    """The seconds of a duration; raises ValueError where it is none."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(text)
    hours, minutes, seconds = (float(match[name] or 0) for name in ("hours", "minutes", "seconds"))
    return hours * 3600 + minutes * 60 + seconds
