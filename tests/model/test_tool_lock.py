"""The tool lock's rules: exact definitions, exact digests, nothing edited by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.canonical import digest
from model.errors import InputError
from model.tool_lock import (
    LeftOut,
    LockedServer,
    PromptEntry,
    ResourceEntry,
    ToolEntry,
    ToolLock,
    from_text,
    readable_description,
    to_yaml,
)
from tests.support.json_values import TEXTS, VALUES

FILE = Path("dev.notes.lock.yaml")


def tool(definition: dict[str, Any], **fields: Any) -> ToolEntry:
    return ToolEntry(
        name=definition["name"],
        description=readable_description(definition),
        sha256=digest(definition),
        definition=definition,
        **{"risk": "read", **fields},
    )


def lock(*tools: ToolEntry) -> ToolLock:
    return ToolLock(server=LockedServer(name="notes", version="1.0"), tools=tools)


LIST = {"name": "list_notes", "description": "List notes", "inputSchema": {"type": "object"}}


@settings(max_examples=100)
@given(st.dictionaries(TEXTS, VALUES, max_size=5), st.text(min_size=1), TEXTS)
def test_every_definition_survives_the_file_exactly(body: dict[str, Any], name: str, description: str) -> None:
    definition = {**body, "name": name, "description": description}
    before = ToolLock(
        server=LockedServer(name=name, instructions=description, instructions_sha256=digest(description)),
        tools=(tool(definition, reasons=(description,)),),
    )
    text = to_yaml(before)
    after = from_text(text, FILE)
    assert after == before
    assert json.dumps(after.tools[0].definition, sort_keys=True) == json.dumps(definition, sort_keys=True)
    assert digest(after.tools[0].definition) == before.tools[0].sha256
    assert to_yaml(after) == text
    assert from_text(json.dumps(before.dump()), FILE) == before


def test_hidden_characters_are_visible_in_the_file_and_in_the_description() -> None:
    definition = {"name": "t", "description": "a\u200bb\n  c\x1b[2J \U000e0041\u202e \ufe0f", "inputSchema": {}}
    text = to_yaml(lock(tool(definition)))
    assert 'description: "a<U+200B>b c<U+001B>[2J <U+E0041><U+202E> <U+FE0F>"' in text
    assert '"description": "a\\u200bb\\n  c\\u001b[2J \\udb40\\udc41\\u202e \\ufe0f"' in text
    assert all(char.isprintable() or char == "\n" for char in text)


def test_file_is_deterministic_sorted_and_readable() -> None:
    search, add = tool(LIST), tool({"name": "add", "inputSchema": {}}, risk="write", outbound=False)
    assert to_yaml(lock(search, add)) == to_yaml(lock(add, search))
    body = to_yaml(lock(search, add)).split("version: 1\n", 1)[1]
    assert (
        body
        == f"""\
server:
  name: "notes"
  version: "1.0"
  protocol_versions: []
  instructions: null
  instructions_sha256: null
tools:
  - name: "add"
    risk: "write"
    reasons: []
    outbound: false
    cacheable: false
    description: ""
    sha256: "{add.sha256}"
    definition: |-
      {{
        "inputSchema": {{}},
        "name": "add"
      }}
  - name: "list_notes"
    risk: "read"
    reasons: []
    outbound: true
    cacheable: false
    description: "List notes"
    sha256: "{search.sha256}"
    definition: |-
      {{
        "description": "List notes",
        "inputSchema": {{
          "type": "object"
        }},
        "name": "list_notes"
      }}
prompts: []
resources: []
resource_templates: []
"""
    )


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"type": "object"', '"type": "array"', "list_notes: its sha256 is not the digest of its definition"),
        ('  - name: "list_notes"', '  - name: "read_notes"', "read_notes: its name is not the one in its definition"),
        (
            '    description: "List notes"',
            '    description: "Harmless"',
            "list_notes: its description is not the one in its definition",
        ),
        ('    risk: "read"', '    risk: "write"\n    cacheable: true', "appears twice"),
        ('"name": "list_notes"\n', '"name": "list_notes",\n        "name": "x"\n', "the key name appears twice"),
        ("prompts: []", "prompts: []\nsecrets: []", "secrets: unknown key"),
        ("version: 1", "version: 2", "version"),
        ('    risk: "read"', '    risk: "none"', "tools.0.risk"),
    ],
)
def test_lock_edited_by_hand_is_refused_by_name(old: str, new: str, problem: str) -> None:
    text = to_yaml(lock(tool(LIST)))
    assert old in text
    with pytest.raises(InputError) as caught:
        from_text(text.replace(old, new, 1), FILE)
    assert problem in str(caught.value)
    assert str(FILE) in str(caught.value)
    assert caught.value.exit_code == 2


def test_reviewer_may_set_risk_outbound_and_cacheable_by_hand() -> None:
    text = to_yaml(lock(tool(LIST))).replace("outbound: true", "outbound: false").replace("le: false", "le: true")
    read = from_text(text, FILE).tools[0]
    assert (read.outbound, read.cacheable) == (False, True)


def test_only_a_reading_tool_is_cacheable() -> None:
    with pytest.raises(ValueError, match="cacheable needs risk: read"):
        tool(LIST, risk="write", cacheable=True)


def test_altered_instructions_are_refused() -> None:
    with pytest.raises(ValueError, match="not the digest of the instructions"):
        LockedServer(name="notes", instructions="Be nice", instructions_sha256=digest("Be nicer"))
    with pytest.raises(ValueError, match="not the digest of the instructions"):
        LockedServer(name="notes", instructions="Be nice")


def test_two_entries_with_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="tools has list_notes twice"):
        lock(tool(LIST), tool({**LIST, "title": "x"}))


def test_resources_are_told_apart_by_uri_and_may_share_a_name() -> None:
    def resource(uri: str) -> ResourceEntry:
        definition = {"name": "n", "uri": uri}
        return ResourceEntry(name="n", uri=uri, sha256=digest(definition), definition=definition)

    written = ToolLock(server=LockedServer(), resources=(resource("a://1"), resource("a://2")))
    assert from_text(to_yaml(written), FILE) == written
    with pytest.raises(ValueError, match="resources has a://1 twice"):
        ToolLock(server=LockedServer(), resources=(resource("a://1"), resource("a://1")))
    definition = {"name": "n", "uri": "a://1"}
    with pytest.raises(ValueError, match="its uri is not the one in its definition"):
        ResourceEntry(name="n", uri="a://2", sha256=digest(definition), definition=definition)


def test_definition_written_as_yaml_is_read_too() -> None:
    entry = PromptEntry(name="p", sha256=digest({"name": "p"}), definition={"name": "p"})
    text = f'version: 1\nserver: {{}}\nprompts:\n  - name: p\n    sha256: "{entry.sha256}"\n    definition:\n      name: p\n'
    assert from_text(text, FILE) == ToolLock(server=LockedServer(), prompts=(entry,))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version":1,"version":1}', "version: 1\n\tx: 2"])
def test_text_that_is_no_lock_is_one_line_with_the_file(text: str) -> None:
    with pytest.raises(InputError) as caught:
        from_text(text, FILE)
    assert str(caught.value).startswith(str(FILE))


def test_json_schema_describes_the_lock_and_forbids_unknown_keys() -> None:
    import jsonschema  # type: ignore[import-untyped]

    schema = ToolLock.model_json_schema()
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(lock(tool(LIST)).dump())
    assert not validator.is_valid({**lock(tool(LIST)).dump(), "extra": 1})
    assert not validator.is_valid({"server": {}, "tools": [{"name": "x"}]})


def test_what_a_reviewer_says_of_a_tool_is_read_back_as_it_was() -> None:
    pinned = tool(
        LIST,
        accepted=("poisoning.loot",),
        parameters={"/filters/*/url": "url", "/\u200b": "text"},
        media_types=("application/pdf",),
    )
    left_out = LeftOut(kind="tools", key="get_screen", reason="its schema refers to what is not there")
    server = LockedServer(name="notes", accepted=("poisoning.loot",), client_capabilities=("roots",))
    written = ToolLock(server=server, tools=(pinned,), left_out=(left_out,))
    assert from_text(to_yaml(written), FILE) == written
    assert "\u200b" not in to_yaml(written)


def test_a_lock_without_such_decisions_has_the_digest_it_always_had() -> None:
    plain = lock(tool(LIST)).dump()
    added = {"accepted", "parameters", "media_types", "left_out", "client_capabilities"}
    assert not added & (plain.keys() | plain["server"].keys() | plain["tools"][0].keys())
