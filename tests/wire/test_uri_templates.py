"""URIs are matched with templates by the official SDK's own code, which does without the rest of the SDK."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate

from wire.uri_templates import parse_template

TEMPLATES = [
    "file:///{path}",
    "note://{id}/{+rest}",
    "db://t/{a}{b}",
    "x://{?q,limit}",
    "x://{",
    "x://{a}{a}",
    "x://plain",
]
URIS = ["file:///a", "file:///a/b", "note://1/a/b", "note://1", "db://t/ab", "x://?q=1", "x://plain", "x://"]


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_uri_matches_where_the_sdk_says_so(text: str) -> None:
    template = parse_template(text)
    try:
        theirs = UriTemplate.parse(text)
    except InvalidUriTemplate:
        assert template is None
        return
    assert template is not None
    assert [template.match(uri) for uri in URIS] == [theirs.match(uri) for uri in URIS]


def test_the_guard_imports_neither_the_sdk_nor_what_few_guards_need() -> None:
    """Each of them costs every guard a twentieth of a second or more, and megabytes."""
    code = """
import contextlib, sys
from cli.main import run
from wire.uri_templates import parse_template
with contextlib.suppress(SystemExit):
    run(["guard", "run", "--config", "nothing"])
import guard.host
assert parse_template("x://{a}").match("x://1") == {"a": "1"}
names = "mcp mcp_types redis opentelemetry pulumi rich model.zone".split()
print([name for name in names if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "[]\n"
