"""The compatibility alarm: a changed URN replaces the real thing.

A tunnel, an Access application or a DNS record that gets another URN is deleted and made again. Whoever renames or moves a
child adds `aliases` to it, and only then writes the snapshot again with ``RINGWALL_WRITE_URNS=1``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from model.project import Project, load
from plan.offline import plan_stack
from tests.support.model_routes import ROUTE

SNAPSHOT = Path(__file__).with_name("urns.json")
ZONE = """\
config:
  ringwall:zone:
    version: 1
    cloudflare:
      zone: example.com
      zone_id: "0bf20bf20bf20bf20bf20bf20bf20bf2"
    rules:
      - hostnames: [one.example.com]
        countries: [SE]
"""


def urns(project: Project) -> dict[str, list[str]]:
    project.stack_file("zone.example").write_text(ZONE, encoding="utf-8")
    project.stack_file("dev.models").write_text(ROUTE, encoding="utf-8")
    return {
        stack: [resource.urn for resource in plan_stack(project, load(project, stack)).resources]
        for stack in project.stacks()
    }


def test_no_urn_changes_without_an_alias(project: Project) -> None:
    planned = urns(project)
    if os.environ.get("RINGWALL_WRITE_URNS"):
        SNAPSHOT.write_text(json.dumps(planned, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    expected = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert sorted(planned) == sorted(expected)
    for stack, known in expected.items():
        missing = sorted(set(known) - set(planned[stack]))
        assert missing == [], f"{stack}: these would be deleted and made again; keep the names, or add aliases"
        assert planned[stack] == known, f"{stack} has new resources; write the snapshot again (see above)"
