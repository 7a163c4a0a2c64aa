"""What an argument is follows from its name, its description and its tool; what the schema does not name is everything."""

from __future__ import annotations

import time
from typing import Any

import pytest

from model.canonical import digest
from model.parameter_kinds import (
    JUDGED,
    MAX_NODES,
    SUBJECTS,
    KindTree,
    kinds_in_force,
    page_parameters,
    parameter_kinds,
)
from model.tool_lock import Risk, ToolEntry

TEXT = {"type": "string"}


def kinds(risk: Risk, said: str = "", /, tool: str = "x", **properties: Any) -> dict[str, str]:
    schema = {"type": "object", "properties": properties}
    return dict(parameter_kinds({"name": tool, "description": said, "inputSchema": schema}, risk))


@pytest.mark.parametrize(
    ("tool", "risk", "parameter", "schema", "kind"),
    [
        ("save_note", "write", "content", TEXT, "text"),
        ("send_mail", "write", "body", TEXT, "text"),
        ("open_ticket", "write", "description", TEXT, "text"),
        ("record", "write", "commitMessage", TEXT, "text"),
        ("edit", "write", "new_string", TEXT, "text"),
        ("echo", "read", "message", TEXT, "text"),
        ("write_cell", "write", "value", TEXT, "text"),
        ("create_snippet", "write", "code", TEXT, "text"),
        ("run_python", "execute", "code", TEXT, "command"),
        ("start_process", "execute", "cmd", TEXT, "command"),
        ("run_python", "execute", "input", TEXT, "command"),
        ("edit_command", "execute", "file_text", TEXT, "text"),
        ("http_call", "write", "method", TEXT, "query"),
        ("terminal_send", "execute", "anything", TEXT, "command"),
        ("add_job", "write", "shellScript", TEXT, "command"),
        ("open_page", "write", "url", TEXT, "url"),
        ("add_hook", "write", "callback_url", TEXT, "url"),
        ("add_hook", "write", "webhooks", TEXT, "url"),
        ("load", "read", "thing", {"type": "string", "format": "uri"}, "url"),
        ("load", "read", "thing", {"type": "string", "description": "The URL to read"}, "url"),
        ("fetch_page", "read", "what", TEXT, "url"),
        ("ingest", "read", "source", TEXT, "url"),
        ("compare", "read", "target", {"type": "string", "description": "The branch to compare with"}, "query"),
        ("list_rows", "read", "sql", TEXT, "query"),
        ("find", "read", "jql", TEXT, "query"),
        ("run_query", "write", "statement", TEXT, "query"),
        ("search_notes", "read", "text", TEXT, "query"),
        ("get_user", "read", "username", TEXT, "query"),
        ("get_weather", "read", "zip", TEXT, "query"),
        ("save", "write", "user_id", TEXT, "query"),
        ("read_file", "read", "path", TEXT, "path"),
        ("read_file", "read", "filePath", TEXT, "path"),
        ("save_file", "write", "output_dir", TEXT, "path"),
        ("look", "read", "place", {"type": "string", "description": "Path of the folder"}, "path"),
    ],
)
def test_kind_of_a_parameter(tool: str, risk: Risk, parameter: str, schema: dict[str, Any], kind: str) -> None:
    assert kinds(risk, tool=tool, **{parameter: schema}) == {f"/{parameter}": kind}


def test_a_tool_that_says_it_reads_file_urls_takes_the_places_of_files() -> None:
    said = "Turns a document at an https:, file: or data: URI into plain text."
    assert kinds("read", said, tool="to_text", uri=TEXT) == {"/uri": "path"}
    assert kinds("read", "Turns a page into plain text.", tool="to_text", uri=TEXT) == {"/uri": "url"}


def test_every_text_the_schema_names_has_its_place() -> None:
    definition = {
        "name": "push",
        "inputSchema": {
            "type": "object",
            "$defs": {"File": {"type": "object", "properties": {"path": TEXT, "content": TEXT}}},
            "properties": {
                "files": {"type": "array", "items": {"$ref": "#/$defs/File"}},
                "links": {"type": "array", "items": TEXT},
                "note": {"anyOf": [TEXT, {"type": "null"}]},
                "a/b~c": {"type": "object", "properties": {"title": TEXT}},
                "amount": {"type": "number"},
                "state": {"enum": ["open", "closed"]},
            },
        },
    }
    assert parameter_kinds(definition, "write") == {
        "/files/*/path": "path",
        "/files/*/content": "text",
        "/links/*": "url",
        "/note": "text",
        "/a~1b~0c/title": "text",
    }


def test_objects_of_unnamed_form_are_everything_but_content_that_is_written() -> None:
    free = {"type": "object"}
    assert kinds("write", options=free, env={"type": "object", "additionalProperties": True}) == {}
    assert kinds("write", blocks={"type": "array"}) == {"/blocks": "text"}
    assert kinds("read", blocks={"type": "array"}) == {}
    assert kinds("write", anything={}) == {}


def test_of_two_branches_the_kind_under_which_more_is_looked_for_counts() -> None:
    either = {"anyOf": [TEXT, {"type": "string", "format": "uri"}]}
    assert kinds("write", body=either) == {"/body": "url"}


def test_a_kind_holds_for_all_below_its_place_until_another_is_named() -> None:
    tree = KindTree({"/content": "text", "/content/*/image": "url", "/items/*/path": "path"})
    asked = ("/content", "/content/0/words", "/content/7/image", "/items/12/path", "/items/12/x", "/new", "/content#")
    assert [tree.kind(pointer) for pointer in asked] == ["text", "text", "url", "path", None, None, None]


def test_what_a_reviewer_wrote_counts_and_an_older_lock_has_what_the_schema_says() -> None:
    definition = {"name": "x", "inputSchema": {"type": "object", "properties": {"body": TEXT, "url": TEXT}}}
    common: dict[str, Any] = {"name": "x", "sha256": digest(definition), "definition": definition}
    older = ToolEntry(**common, risk="write")
    assert kinds_in_force(older) == {"/body": "text", "/url": "url"}
    reviewed = ToolEntry(**common, risk="write", parameters={"/body": "command"})
    assert kinds_in_force(reviewed) == {"/body": "command", "/url": "url"}


def test_nothing_is_looked_for_in_text_alone() -> None:
    assert [kind for kind, subjects in JUDGED.items() if not subjects] == ["text"]
    assert frozenset().union(*JUDGED.values()) == SUBJECTS


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}}},
        {"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}, {"$ref": "#"}]}}},
        {"properties": {f"p{number}": TEXT for number in range(50_000)}},
        {"properties": [], "items": 7, "anyOf": {}, "$ref": 3},
        None,
        "text",
    ],
    ids=["tree", "doubling", "wide", "wrong types", "none", "string"],
)
def test_a_hostile_schema_costs_little(schema: Any) -> None:
    started = time.process_time()
    assert len(parameter_kinds({"name": "x", "inputSchema": schema}, "read")) <= MAX_NODES
    assert time.process_time() - started < 3


def test_only_a_browsers_addresses_are_proposed_for_pages_of_the_own_machine() -> None:
    for name, places in (("browser_navigate", ["/url"]), ("new_page", ["/url"]), ("fetch", []), ("add_webhook", [])):
        definition = {"name": name, "inputSchema": {"properties": {"url": TEXT, "title": TEXT}}}
        inferred = parameter_kinds(definition, "write")
        assert inferred["/url"] == "url"
        assert page_parameters(definition, inferred) == places
