"""A finding is a line that a terminal shows as it is, and the way to accept it can be pasted."""

from __future__ import annotations

from model.definition_findings import DefinitionFinding, withheld_line

LATER = "ringwall lock approve dev.one"


def finding(key: str, pointer: str = "/description") -> DefinitionFinding:
    return DefinitionFinding("tools", key, "hidden.escape", pointer, "words", accepted=False)


def test_a_servers_own_names_stay_on_the_line() -> None:
    shown = str(finding("get", "/inputSchema/properties/a\x1b[2J\nerror: none"))
    assert shown == "tool get /inputSchema/properties/a<U+001B>[2J error: none: hidden.escape: words"


def test_a_name_that_no_command_can_spell_is_said_to_be_one() -> None:
    assert withheld_line([finding("get it")], LATER).endswith(f"accepts: `{LATER} --accept 'get it:hidden.escape'`")
    for key in ("get\x1b[2J", "get\nerror: none", "get\u202e", "get\u200b"):
        line = withheld_line([finding(key)], LATER)
        assert line.endswith("no command can spell its name: have the server name it without hidden characters")
        assert "--accept" not in line
        assert line.isprintable()
