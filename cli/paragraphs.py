"""Lines of text for people: in the width of a terminal, and whole for a pipe, where one line is one thing."""

from __future__ import annotations

import os
import sys

from cli import console, invocation
from cli.suggestions import complete
from cli.tables import paragraph


def folded(text: str, indent: str = "") -> str:
    """`text` below `indent`, its suggested commands complete; on a terminal what follows the first line is deeper."""
    # Completed before it is folded: a command over two lines would be neither found nor pasted.
    text = complete(text, invocation.current())
    return "\n".join(paragraph(text, console.width(), indent)) if on_terminal() else indent + text


def on_terminal() -> bool:
    """Whether lines have a width: on a terminal, or where somebody names one."""
    return sys.stdout.isatty() or "COLUMNS" in os.environ
