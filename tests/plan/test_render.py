"""A plan reads the same everywhere and hides nothing but secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import InputError
from plan.graph import Graph, Resource, Source
from plan.render import from_json, to_json, to_text

ROOT = Path(__file__).parents[2]

GRAPH = Graph.build(
    "p",
    "dev",
    [
        Resource(
            "urn:2", "a:b:Leaf", "leaf", True, {"n": 1, "key": {"$secret": True}}, "urn:1", ("urn:3",), protect=True
        ),
        Resource("urn:1", "a:b:Box", "box", False, options={"hooks": {"after_create": ["probe"]}}),
        Resource(
            "urn:3",
            "kong:index/plugin:Plugin",
            "limit",
            True,
            {
                "configJson": '{"minute": 60, "redis": {"host": null}, "list": []}',
                "later": {"$unknown": True},
                "lua": "one\n\x1b[31mtwo",
                "tags": ["a", {"b": True, "c": 1}],
                "note": "[not json",
            },
            property_dependencies={"later": ("urn:2",)},
            provider="urn:p",
            source=Source("components/x.py", 7),
        ),
    ],
    {"url": "https://\u202ex"},
)


def test_text_shows_the_tree_its_inputs_and_says_what_it_is_not() -> None:
    assert to_text(GRAPH) == (
        "Offline plan of p/dev: 3 resources\n"
        "This is the desired state the program declares, not a diff against the cloud: no provider was asked.\n"
        "\n"
        "+ box  a:b:Box  [component]\n"
        "    options:\n"
        "      hooks:\n"
        "        after_create:\n"
        '          - "probe"\n'
        "  + leaf  a:b:Leaf  [protected]\n"
        "      key: [secret]\n"
        "      n: 1\n"
        "\n"
        "+ limit  kong:index/plugin:Plugin  (components/x.py:7)\n"
        "    configJson: (JSON)\n"
        "      list: []\n"
        "      minute: 60\n"
        "      redis:\n"
        "        host: null\n"
        "    later: [known after the deployment]\n"
        "    lua: |\n"
        "      one\n"
        "      \\x1b[31mtwo\n"
        '    note: "[not json"\n'
        "    tags:\n"
        '      - "a"\n'
        "      - b: true\n"
        "        c: 1\n"
        "\n"
        "outputs\n"
        '  url: "https://\\u202ex"\n'
    )


def test_json_goes_there_and_back() -> None:
    text = to_json(GRAPH)
    assert from_json(text) == GRAPH
    assert to_json(from_json(text)) == text
    assert text.endswith("}\n")
    assert '\n  "version": 1\n' in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is no plan"),
        ("[]", "version None"),
        ('{"version": 2}', "version 2, not 1"),
        ('{"version": 1, "resources": [{}]}', "incomplete"),
    ],
)
def test_other_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_json(text)


PROGRAM = """
import pulumi, pulumi_kong as kong
from plan.recorder import record
from plan.render import to_json, to_text
from pathlib import Path

def program():
    box = pulumi.ComponentResource("t:i:Box", "box", {"z": 1, "a": {"y": 1, "b": 2}})
    below = pulumi.ResourceOptions(parent=box)
    service = kong.Service("svc", protocol="http", host="h", tags=list({"one", "two"} and ["one"]), opts=below)
    plugins = [
        kong.Plugin(f"plugin-{name}", name=name, service_id=service.id, opts=below)
        for name in {"jwt", "acl", "cors", "file-log", "pre-function"}
    ]
    kong.Route("route", service_id=service.id, protocols=["https"],
               opts=pulumi.ResourceOptions(parent=box, depends_on=plugins))
    pulumi.export("ids", {p._name: p.id for p in plugins})

graph = record(program, project="p", stack="s", root_directory=Path.cwd())
print(to_json(graph) + to_text(graph))
"""


def test_two_runs_with_other_hash_seeds_give_the_same_bytes() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
            timeout=200,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert b'"name": "plugin-pre-function"' in runs[0]
    assert str(ROOT).encode() not in runs[0]
