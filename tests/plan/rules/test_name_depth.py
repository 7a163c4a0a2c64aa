"""A name that the universal certificate does not cover is a warning, which a waiver excepts."""

from __future__ import annotations

from model.project import Project
from operations.check import check_all
from plan.findings import Severity


def depth_findings(project: Project) -> list[tuple[str, Severity, str, int | None, str | None]]:
    return [
        (stack, finding.severity, finding.message, finding.line, finding.waived)
        for stack, finding in check_all(project, ["dev"])
        if finding.rule_id == "edge-name-depth"
    ]


def test_a_name_two_levels_below_the_zone_is_a_warning(project: Project) -> None:
    assert depth_findings(project) == []
    for stack, name in (("dev.one", "one.example.com"), ("dev.hosted", "hosted-claude.example.com")):
        file = project.stack_file(stack)
        file.write_text(file.read_text().replace(name, f"mcp.{name}"))
    assert depth_findings(project) == [
        (
            "dev.hosted",
            Severity.WARNING,
            "mcp.hosted-claude.example.com is 2 levels below the zone example.com",
            15,
            None,
        ),
        ("dev.one", Severity.WARNING, "mcp.one.example.com is 2 levels below the zone example.com", 6, None),
    ]
    file = project.stack_file("dev.one")
    waiver = (
        "    waivers:\n      - rule: edge-name-depth\n        reason: An advanced certificate covers it, Ada.\n"
        '        expires: "2999-01-01"\n'
    )
    file.write_text(file.read_text() + waiver)
    assert depth_findings(project)[-1][-1] == "An advanced certificate covers it, Ada."
