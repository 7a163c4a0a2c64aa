"""The official SDK's matcher of URI templates (RFC 6570), loaded without the package that holds it.

A server made with the SDK reads a URI by this very code, so what matches here is what it serves. `mcp.shared.uri_template`
needs the standard library alone, and importing it by its name runs `mcp/__init__.py`, which costs 0.4 s and 17 MB.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from mcp.shared.uri_template import UriTemplate

_NAME = "mcp.shared.uri_template"


def parse_template(text: str) -> UriTemplate | None:
    """The template ready to be matched; None if it is ambiguous, so that no URI matches it."""
    try:
        return _template_class().parse(text)
    except ValueError:  # the SDK's InvalidUriTemplate is one
        return None


@cache
def _template_class() -> type[UriTemplate]:
    if _NAME in sys.modules:
        return cast("type[UriTemplate]", sys.modules[_NAME].UriTemplate)
    package = find_spec("mcp")
    if package is None or package.origin is None:
        raise ImportError("the package mcp is not installed")
    spec = spec_from_file_location("ringwall_uri_template", Path(package.origin).parent / "shared/uri_template.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{package.origin} is no package with {_NAME}")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by its name
    spec.loader.exec_module(module)
    return cast("type[UriTemplate]", module.UriTemplate)
