"""The table of editions: nothing wanted is dropped in silence."""

from __future__ import annotations

import pytest

from components.editions import TABLE, ByGuard, ByPlugin, Protection, enforcer, plugin_name
from model.errors import InputError
from tests.support import kong_schema


@pytest.mark.parametrize("protection", Protection)
def test_every_protection_is_enforced_or_an_error(protection: Protection) -> None:
    if protection in TABLE["oss"]:
        assert isinstance(enforcer(protection, "oss", "3.9.3"), ByPlugin | ByGuard)
    else:
        with pytest.raises(InputError, match="it needs edition ai 3"):
            enforcer(protection, "oss", "3.9.3")


def test_every_plugin_named_is_in_the_oss_bundle() -> None:
    for entry in TABLE["oss"].values():
        if isinstance(entry, ByPlugin):
            assert kong_schema.config_schema(entry.name)["fields"]


def test_what_the_guard_takes_over_is_never_asked_of_kong() -> None:
    with pytest.raises(InputError, match="guard's work"):
        plugin_name(Protection.TOOL_ACCESS, "oss", "3.9.3")


@pytest.mark.parametrize("edition", ["enterprise", "ai"])
def test_an_edition_without_a_column_is_refused(edition: str) -> None:
    with pytest.raises(InputError, match=f"Kong {edition} 3.12 is not supported yet; use oss"):
        plugin_name(Protection.IDENTITY, edition, "3.12")  # type: ignore[arg-type]
