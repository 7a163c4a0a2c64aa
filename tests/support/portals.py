"""An MCP portal for the projects of `tests.support.projects`: one server called as the person, one as an agent."""

from __future__ import annotations

from pathlib import Path

#: In the environment's file.
PORTAL = """\
    portal:
      hostname: mcp.example.com
      servers: [one, hosted]
      shared: {hosted: nightly}
      people: {groups: [engineers]}
      agents: [ci]
"""


def add_portal(root: Path, text: str = PORTAL, *edits: tuple[str, str]) -> Path:
    """Give the project's environment a portal, after edits of its text; answers the environment's file."""
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = root / "stacks" / "Pulumi.dev.yaml"
    before = file.read_text(encoding="utf-8")
    assert before.count("    logs:\n") == 1
    file.write_text(before.replace("    logs:\n", f"{text}    logs:\n"), encoding="utf-8")
    return file
