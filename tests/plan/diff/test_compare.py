"""New, removed and unreadable stacks, resources key by key, and what no setting explains."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.project import load_environment, open_project
from plan.diff.compare import Side, compare
from plan.diff.html import render_html
from plan.diff.markdown import CAP, render_markdown
from plan.diff.model import Direction, document
from plan.diff.resources import compare_resources, resource_changes
from plan.graph import Graph, Resource
from plan.offline import plan_stack
from tests.plan.diff.conftest import Differ
from tests.support.projects import server_text, write_project, write_server

L, T, N = Direction.LOOSENS, Direction.TIGHTENS, Direction.NEUTRAL


def test_a_new_server_shows_every_door_and_grant_it_opens(differ: Differ) -> None:
    report = differ(then=lambda head: write_server(head, "dev.two", server_text("two", 1)))
    assert {s.stack: s.status for s in report.stacks} == {"dev.two": "new"}
    directions = {c.title: c.direction for c in report.changes}
    assert set(directions.values()) == {L}
    assert "new server, public at two.example.com" in directions
    assert "opens two.example.com to agent ci, everyone at example.com, group Engineering of okta" in directions
    assert "agent ci gains tool create_ticket [write], tool get_ticket [read], tool list_tickets [read]" in directions
    assert "everyone admitted gains tool get_ticket [read], tool list_tickets [read]" in directions


def test_a_removed_server_only_tightens(differ: Differ) -> None:
    def remove(head: Path) -> None:
        for name in ("Pulumi.dev.external.yaml", "dev.external.lock.yaml"):
            (head / "stacks" / name).unlink()

    report = differ(then=remove)
    assert {s.stack: s.status for s in report.stacks if s.kind == "server"} == {"dev.external": "removed"}
    assert {c.direction for c in report.changes} == {T}
    assert any(c.title == "closes external.example.com" for c in report.changes)


def test_a_head_that_does_not_load_is_an_error_and_never_called_harmless(differ: Differ) -> None:
    report = differ(("Pulumi.dev.one.yaml", "guard_port: 9010", "guard_port: 80"))
    (error,) = report.errors
    assert (error.side, error.stack) == ("head", "dev")
    assert error.message.startswith("stacks/Pulumi.dev.one.yaml:7: config.ringwall:server.guard_port:")
    assert [(c.id, c.direction, c.risk) for c in report.changes] == [("unreadable", L, 100)]
    (stack,) = [s for s in report.stacks if s.stack == "dev.one"]
    assert stack.matrix is not None
    assert sorted(stack.matrix.principals) == ["agent ci", "everyone admitted"]


def test_servers_without_their_environments_file_are_no_removal(differ: Differ) -> None:
    report = differ(then=lambda head: (head / "stacks" / "Pulumi.dev.yaml").unlink())
    assert [(e.side, e.stack) for e in report.errors] == [("head", "dev")]
    assert {c.direction for c in report.changes} == {L}


def test_a_base_that_does_not_load_counts_everything_as_new(tmp_path: Path, base: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(base, broken)
    (broken / "stacks" / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    report = compare(Side("base", broken), Side("head", base))
    assert {e.side for e in report.errors} == {"base"}
    assert "the base's files do not load, so everything in the head counts as new" in {c.title for c in report.changes}
    assert "opens one.example.com to agent ci, everyone at example.com, group Engineering of okta" in {
        c.title for c in report.changes
    }


def test_an_environment_that_is_the_same_byte_by_byte_is_not_even_loaded(tmp_path: Path, base: Path) -> None:
    (base / "stacks" / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    copy = tmp_path / "same"
    shutil.copytree(base, copy)
    report = compare(Side("base", base), Side("head", copy))
    assert (report.stacks, report.errors) == ((), ())


def test_what_stands_beside_the_manifest_is_named_without_its_value(differ: Differ) -> None:
    def seal(head: Path) -> None:
        file = head / "stacks" / "Pulumi.dev.one.yaml"
        text = file.read_text(encoding="utf-8")
        secret = "  ringwall:tunnelSecret: {secure: AAABAHidden}\n"
        file.write_text(
            text.replace("config:\n", f"secretsprovider: awskms://mine\nconfig:\n{secret}", 1), encoding="utf-8"
        )

    report = differ(then=seal)
    assert [(c.direction, c.title) for c in report.changes] == [
        (L, "secretsprovider: added"),
        (L, "config.ringwall:tunnelSecret: added"),
    ]
    assert "Hidden" not in json.dumps(document(report))


def test_another_project_name_is_the_heaviest_thing_in_the_project_file(differ: Differ) -> None:
    report = differ(("../Pulumi.yaml", "name: ringwall", "name: wallring"))
    (change,) = [c for c in report.changes if c.id == "project.name"]
    assert (change.direction, change.risk) == (L, 90)


def test_a_zone_block_that_goes_loosens(tmp_path: Path, base: Path) -> None:
    zone = (
        'config:\n  ringwall:zone:\n    version: 1\n    cloudflare: {zone: example.com, zone_id: "%s"}\n'
        "    rules:\n      - {hostnames: [one.example.com, two.example.com], countries: [NO]}\n" % ("0bf2" * 8)
    )
    (base / "stacks" / "Pulumi.zone.main.yaml").write_text(zone, encoding="utf-8")
    head = tmp_path / "head"
    shutil.copytree(base, head)
    shrunk_zone = zone.replace(", two.example.com", "").replace("[NO]", "[NO, RU]")
    (head / "stacks" / "Pulumi.zone.main.yaml").write_text(shrunk_zone, encoding="utf-8")
    report = compare(Side("base", base), Side("head", head))
    assert [(c.stack, c.direction, c.title) for c in report.changes] == [
        ("zone.main", L, "two.example.com is no longer blocked by country at the zone"),
        ("zone.main", L, "countries that may reach one.example.com at the zone: + RU"),
    ]


ZONE_STACK = """\
config:
  ringwall:zone:
    version: 1
    cloudflare: {zone: example.com, zone_id: "%s"}
    rules:
      - {hostnames: [one.example.com], countries: [NO]}
""" % ("0bf2" * 8)
KEPT_RULES = '    existing_ruleset: "%s"\n' % ("0cf3" * 8)
KEPT_RULES += "    keep: [{ref: x, expression: 'true', action: skip, skip: {ruleset: current}}]\n"


@pytest.mark.parametrize(("kept_rules", "direction"), [("", T), (KEPT_RULES, L)])
def test_a_new_zone_stack_tightens_unless_it_brings_rules_that_may_let_pass(
    differ: Differ, kept_rules: str, direction: Direction
) -> None:
    def add(head: Path) -> None:
        (head / "stacks" / "Pulumi.zone.main.yaml").write_text(ZONE_STACK + kept_rules, encoding="utf-8")

    report = differ(then=add)
    assert not report.errors
    (new,) = [c for c in report.changes if c.id == "stack-new"]
    assert new.direction is direction


WAIVER = '    waivers:\n      - {rule: guard-fails-open, reason: we know better, expires: "2099-01-01"}\n'
FLAGS = "    guard: {legs: {results: flag}}\n"


def test_a_change_does_not_bring_along_the_waiver_it_is_judged_by(differ: Differ) -> None:
    report = differ(("Pulumi.dev.one.yaml", "    grants:", f"{WAIVER}{FLAGS}    grants:"))
    assert [(f.rule_id, f.waived) for _, f in report.findings] == [("guard-fails-open", None)]
    assert {"waives guard-fails-open at *", "a finding in a result leads to: block → flag"} <= {
        c.title for c in report.changes
    }


def test_a_waiver_of_both_sides_holds_and_every_rendering_says_so(differ: Differ, base: Path) -> None:
    file = base / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text(encoding="utf-8").replace("    grants:", f"{WAIVER}{FLAGS}    grants:")
    file.write_text(text, encoding="utf-8")
    report = differ(("Pulumi.dev.one.yaml", 'expires: "2099-01-01"', 'expires: "2199-01-01"'))
    assert not [f for _, f in report.findings if f.rule_id == "guard-fails-open" and f.waived is None]
    shown = [f for s in document(report)["stacks"] for f in s["findings"] if f["rule_id"] == "guard-fails-open"]
    assert [f["waived"] for f in shown] == [{"reason": "we know better", "until": "2099-01-01"}]
    for page in (render_markdown(report), render_html(report)):
        assert "waived until 2099-01-01" in page


def test_resources_are_compared_inside_plugin_configurations(differ: Differ) -> None:
    report = differ(("Pulumi.dev.hosted.yaml", "requests_per_minute: 30", "requests_per_minute: 31"))
    (stack,) = report.stacks
    (plugin,) = [r for r in stack.resources if r.type.endswith(":Plugin")]
    assert plugin.action == "update"
    assert [(k.path, k.before, k.after) for k in plugin.keys] == [("configJson.minute", "120", "124")]


def test_what_only_the_provider_can_do_by_replacing_says_so(differ: Differ) -> None:
    report = differ(("Pulumi.dev.hosted.yaml", "guard_port: 9051", "guard_port: 9061"))
    (stack,) = report.stacks
    assert ("replace", "hosted-gateway-target") in {(r.action, r.name) for r in stack.resources}


def test_a_changed_host_name_replaces_its_application(differ: Differ) -> None:
    report = differ(("Pulumi.dev.hosted.yaml", "hostname: hosted.example.com", "hostname: other.example.com"))
    (stack,) = report.stacks
    actions = {r.name: r.action for r in stack.resources}
    assert (actions["hosted-edge-application"], actions["hosted-public-name-record"]) == ("replace", "update")
    assert "hosted-edge-application-claude-ai" not in actions


def graph(*resources: Resource) -> Graph:
    return Graph.build("p", "dev.one", resources)


def plugin(config: dict[str, object], **extra: object) -> Resource:
    inputs = {"name": "http-log", "configJson": json.dumps(config), **extra}
    return Resource(
        "urn:pulumi:dev.one::p::kong:index/plugin:Plugin::log", "kong:index/plugin:Plugin", "log", True, inputs
    )


def test_a_secret_leaf_is_masked_and_its_neighbours_are_not() -> None:
    before = graph(plugin({"headers": {"authorization": "Bearer abc", "x-team": "red"}, "timeout": 1, "api_key": "k1"}))
    after = graph(plugin({"headers": {"authorization": "Bearer xyz", "x-team": "blue"}, "timeout": 2, "api_key": "k2"}))
    (resource_change,) = compare_resources(before, after)
    assert {(k.path, k.before, k.after) for k in resource_change.keys} == {
        ("configJson.api_key", "[secret]", "[secret] (changed)"),
        ("configJson.headers.authorization", "[secret]", "[secret] (changed)"),
        ("configJson.headers.x-team", "red", "blue"),
        ("configJson.timeout", "1", "2"),
    }
    appeared = compare_resources(graph(plugin({})), graph(plugin({"auth": {"password": "hunter2", "user": "kong"}})))
    assert "hunter2" not in str(appeared)
    assert '"user": "kong"' in str(appeared)


def test_a_marker_of_a_secret_stays_masked_when_it_appears() -> None:
    before, after = graph(plugin({"a": 1})), graph(plugin({"a": 1}, token={"$secret": True}))
    (resource_change,) = compare_resources(before, after)
    assert [(k.path, k.before, k.after) for k in resource_change.keys] == [("token", None, "[secret]")]


def test_the_order_of_what_is_a_set_is_no_difference() -> None:
    sorted_lists = graph(plugin({"methods": ["GET", "POST"], "tags": ["a", "b"]}))
    assert compare_resources(sorted_lists, graph(plugin({"tags": ["b", "a"], "methods": ["POST", "GET"]}))) == ()
    ordered = compare_resources(graph(plugin({"access": ["a", "b"]})), graph(plugin({"access": ["b", "a"]})))
    assert len(ordered) == 1


def test_a_resource_that_differs_though_no_setting_does_loosens() -> None:
    before, after = graph(plugin({"timeout": 1})), graph(plugin({"timeout": 2}))
    changes = resource_changes("dev.one", compare_resources(before, after), before, after, "no setting explains it")
    assert [(c.id, c.direction) for c in changes] == [("resource-unexplained", L)]
    assert resource_changes("dev.one", compare_resources(before, after), before, after) == []


def test_a_deletion_that_tightens_hides_no_update_beside_it() -> None:
    def record(**inputs: object) -> Resource:
        kind = "cloudflare:index/dnsRecord:DnsRecord"
        return Resource(f"urn:pulumi:dev.one::p::{kind}::name", kind, "name", True, inputs)

    before, after = graph(plugin({"timeout": 1}), record(name="x")), graph(plugin({"timeout": 2}))
    changed = compare_resources(before, after)
    changes = resource_changes("dev.one", changed, before, after, "the program that makes them changed too")
    assert {(c.id, c.direction) for c in changes} == {("resource-deleted", T), ("resource-unexplained", L)}


def test_a_policy_that_denies_and_goes_loosens() -> None:
    kind = "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy"
    before = graph(Resource(f"urn:pulumi:dev.one::p::{kind}::closed", kind, "closed", True, {"decision": "deny"}))
    changed = compare_resources(before, graph())
    changes = resource_changes("dev.one", changed, before, graph(), "no setting explains it")
    assert [(c.id, c.direction) for c in changes] == [("resource-deleted", L)]


def test_a_plugin_that_goes_loosens_even_among_other_changes() -> None:
    before, after = graph(plugin({"timeout": 1})), graph()
    changes = resource_changes("dev.one", compare_resources(before, after), before, after)
    assert [(c.id, c.direction) for c in changes] == [("resource-deleted", L)]


def test_a_public_name_that_waits_for_less_is_the_heaviest_change(base: Path) -> None:
    project = open_project(base)
    environment = load_environment(project, "dev")
    before = plan_stack(project, environment.servers["one"])

    def hurried(resource: Resource) -> Resource:
        if not resource.type.endswith(":DnsRecord"):
            return resource
        return replace(resource, dependencies=(), property_dependencies={}, parent=None)

    after = Graph.build(before.project, before.stack, map(hurried, before.resources))
    changes = resource_changes("dev.one", compare_resources(before, after), before, after)
    (change,) = [c for c in changes if c.id == "exposure-order"]
    assert (change.direction, change.risk) == (L, 100)
    assert "one-gateway-signature" in change.title


def test_a_waiver_loosens_and_its_earlier_end_tightens() -> None:
    from plan.diff.semantic.exceptions import compare_waivers

    waiver = {"rule": "guard-open", "resource": "*", "reason": "we know", "expires": "2027-03-01"}
    assert [c.direction for c in compare_waivers("dev", [], [waiver])] == [L]
    assert [c.direction for c in compare_waivers("dev", [waiver], [])] == [T]
    assert [c.direction for c in compare_waivers("dev", [waiver], [{**waiver, "expires": "2027-02-01"}])] == [T]
    assert [c.direction for c in compare_waivers("dev", [waiver], [{**waiver, "expires": "2027-03-02"}])] == [L]
    assert [c.direction for c in compare_waivers("dev", [waiver], [{**waiver, "reason": "we really know"}])] == [L]
    later = {**waiver, "expires": "2030-01-01"}
    assert [c.direction for c in compare_waivers("dev", [waiver], [later, waiver])] == [L]


@pytest.mark.timeout(120)
def test_two_hundred_changed_servers_are_compared_fast_and_fit_a_comment(tmp_path: Path) -> None:
    base = write_project(tmp_path / "base", servers=200)
    head = tmp_path / "head"
    shutil.copytree(base, head)
    for number, file in enumerate(sorted((head / "stacks").glob("Pulumi.dev.*.yaml"))):
        text = file.read_text(encoding="utf-8").replace(
            "posture: [encrypted]", f"limits: {{concurrency: {100 + number}}}"
        )
        file.write_text(text, encoding="utf-8")
    start = time.perf_counter()
    report = compare(Side("base", base), Side("head", head))
    took = time.perf_counter() - start
    assert (len(report.changes), {c.direction for c in report.changes}) == (400, {L})
    assert took < 60, "ten seconds is the target on an idle machine; this bound only catches a change of its order"
    assert len(render_markdown(report, "dev").encode()) <= CAP
    shown = document(report)
    assert (shown["version"], shown["summary"]) == (1, {"loosens": 400, "tightens": 0, "neutral": 0})
    assert len([s for s in report.stacks if s.resources_like]) == 199
    assert "199 servers" in report.notes[-1]


EXCEPTION = {
    "tool": "search",
    "leg": "results",
    "rule": "pii.card",
    "place": None,
    "action": "flag",
    "reason": "test cards",
    "expires": "2027-03-01",
}


def test_an_exception_from_a_finding_loosens_and_its_earlier_end_tightens() -> None:
    from plan.diff.semantic.finding_exceptions import compare_finding_exceptions

    def directions(base: list[dict[str, Any]], head: list[dict[str, Any]]) -> list[Direction]:
        return [c.direction for c in compare_finding_exceptions("dev.one", base, head)]

    assert directions([], [EXCEPTION]) == [L]
    assert directions([EXCEPTION], []) == [T]
    assert directions([EXCEPTION], [{**EXCEPTION, "expires": "2027-02-01"}]) == [T]
    assert directions([EXCEPTION], [{**EXCEPTION, "expires": "2027-03-02"}]) == [L]
    assert directions([EXCEPTION], [{**EXCEPTION, "reason": "real cards too"}]) == [L]
    # Whatever else gets narrower, something passes that did not.
    for changed in ({"action": "allow"}, {"place": "/content/0/text"}, {"tool": "delete"}, {"rule": "pii.iban"}):
        assert sorted(directions([EXCEPTION], [{**EXCEPTION, **changed, "expires": "2027-01-01"}])) == sorted([L, T])


def test_a_report_names_tool_leg_rule_reason_and_end_of_an_exception(differ: Differ) -> None:
    text = '{tool: get_ticket, leg: results, rule: pii.card, reason: Test cards. Ada, expires: "2999-03-01"}'
    guard = f"    guard:\n      exceptions:\n        - {text}\n"
    report = differ(("Pulumi.dev.one.yaml", "    grants:", f"{guard}    grants:"))
    (change,) = report.changes
    assert (change.direction, change.title) == (L, "pii.card in results of tool get_ticket passes and is flagged")
    assert change.details == ("reason: Test cards. Ada", "expires: 2999-03-01")
