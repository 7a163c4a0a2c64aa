"""Every plugin of every planned stack is one that Kong OSS 3.9.3 would take."""

from __future__ import annotations

import json

from components.program import load
from model.project import Project
from plan.offline import plan_stack
from tests.support.kong_schema import plugin_problems

PLUGIN = "kong:index/plugin:Plugin"


def test_every_planned_plugin_fits_the_schema_of_kong_oss(project: Project) -> None:
    judged: dict[str, int] = {}
    for stack in project.stacks():
        for plugin in plan_stack(project, load(project, stack)).by_type(PLUGIN):
            config = json.loads(str(plugin.inputs["configJson"]))
            assert plugin_problems(str(plugin.inputs["name"]), config) == [], plugin.name
            judged[stack] = judged.get(stack, 0) + 1
    assert min(judged.values()) >= 3
    assert sorted(judged) == ["dev", "dev.external", "dev.hosted", "dev.one"]


def test_the_judge_can_refuse() -> None:
    assert plugin_problems("rate-limiting", {"minute": 60, "limit_by": "consumer-group"}) != []
    assert plugin_problems("acl", {}) != []
