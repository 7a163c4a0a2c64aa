"""The table of editions: nothing wanted is dropped in silence."""

from __future__ import annotations

import pytest

from components.editions import TABLE, ByGuard, ByPlugin, Lacking, Protection, enforcer, plugin_name
from model.errors import InputError
from model.kong_versions import Edition
from tests.support import kong_schema

VERSIONS: dict[Edition, str] = {"oss": "3.9.3", "enterprise": "3.15.0.4", "ai": "3.15.0.4"}


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("edition", VERSIONS)
def test_every_protection_is_enforced_or_an_error(edition: Edition, protection: Protection) -> None:
    entry = TABLE[edition][protection]
    if isinstance(entry, Lacking):
        with pytest.raises(InputError, match="cannot") as caught:
            enforcer(protection, edition, VERSIONS[edition])
        assert caught.value.remedy == entry.remedy
    else:
        assert enforcer(protection, edition, VERSIONS[edition]) == entry


def test_every_plugin_named_is_in_the_oss_bundle() -> None:
    for entry in TABLE["oss"].values():
        if isinstance(entry, ByPlugin):
            assert kong_schema.config_schema(entry.name)["fields"]


def test_what_the_guard_takes_over_is_never_asked_of_kong() -> None:
    for edition, column in TABLE.items():
        for protection, entry in column.items():
            if isinstance(entry, ByGuard):
                with pytest.raises(InputError, match="guard's work"):
                    plugin_name(protection, edition, VERSIONS[edition])


def test_a_version_before_the_plugin_is_refused_with_the_one_that_has_it() -> None:
    with pytest.raises(InputError, match=r"Kong ai 3\.11 cannot verify an access token .*; it needs version 3\.12"):
        plugin_name(Protection.EXTERNAL_SIGNATURE, "ai", "3.11")
