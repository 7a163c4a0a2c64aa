"""Logs that Cloudflare pushes: what an environment declares for them, what it refuses, and what review and check say."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest

from components.edge.logpush import _checked
from model.cross_checks import missing_secrets
from model.errors import InputErrors
from model.logpush import ACCESS_FIELDS
from model.project import load, load_environment, open_project
from plan.diff.model import Direction
from plan.diff.semantic.keys import compare_keys
from plan.exposure import check_exposure
from plan.findings import Severity
from plan.graph import Graph
from plan.offline import plan_stack
from plan.rings import protections
from plan.rules.evaluate import evaluate, subject_of
from plan.values import is_secret
from tests.support.command_line import ringwall
from tests.support.logpush import KEYS, add_logpush
from tests.support.projects import ACCOUNT, write_project
from tests.support.provider_schema import graph_problems

JOB = "cloudflare:index/logpushJob:LogpushJob"


def planned(root: Path) -> Graph:
    project = open_project(root)
    return plan_stack(project, load(project, "dev"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_project(tmp_path)
    add_logpush(root)
    return root


def test_each_dataset_is_one_job_of_the_account_made_after_what_protects(root: Path) -> None:
    graph = planned(root)
    assert graph_problems(graph) == []
    assert check_exposure(graph) == ()
    sign_ins, audit = sorted(graph.by_type(JOB), key=lambda job: job.name)
    assert {key: sign_ins.inputs[key] for key in ("accountId", "name", "dataset", "enabled", "outputOptions")} == {
        "accountId": ACCOUNT,
        "name": "ringwall-dev-access-requests",
        "dataset": "access_requests",
        "enabled": True,
        "outputOptions": {
            "cve202144228": True,
            "fieldNames": list(ACCESS_FIELDS),
            "outputType": "ndjson",
            "timestampFormat": "rfc3339",
        },
    }
    policies = {resource.urn for resource in graph.resources if "AccessPolicy" in resource.type}
    assert policies
    assert policies <= set(sign_ins.dependencies) & set(audit.dependencies)
    (row,) = protections([(audit.type, audit.inputs)])
    assert (row.ring, row.control) == ("edge", "pushed log audit_logs_v2")
    assert row.detail == "2 fields of each record, to a destination that is a secret"


def test_where_a_log_goes_is_a_secret_and_so_is_what_its_service_says_went_wrong(root: Path) -> None:
    sign_ins, audit = sorted(planned(root).by_type(JOB), key=lambda job: job.name)
    assert is_secret(sign_ins.inputs["destinationConf"])
    assert is_secret(audit.inputs["ownershipChallenge"])
    assert "ownershipChallenge" not in sign_ins.inputs
    assert sign_ins.options["additional_secret_outputs"] == [
        "destinationConf",
        "errorMessage",
        "lastError",
        "ownershipChallenge",
    ]


def test_an_environment_without_the_key_declares_nothing_of_it(tmp_path: Path) -> None:
    graph = planned(write_project(tmp_path))
    assert [resource for resource in graph.resources if "ogpush" in resource.type] == []


def test_a_dataset_without_its_destination_is_refused_before_anything_is_deployed(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    add_logpush(root, keys=KEYS[1:])
    (problem,) = missing_secrets([load_environment(open_project(root), "dev")])
    assert problem.key == "config.ringwall:logpushAccessRequests"
    assert problem.remedy == (
        "run `pulumi stack select --create dev && pulumi config set --secret ringwall:logpushAccessRequests --stack dev`"
    )
    for command in (("check", "dev"), ("up", "dev", "--sandbox", "--yes"), ("doctor", "dev", "--offline")):
        run = ringwall(*command, "--project", root)
        assert run.code != 0
        assert "ringwall:logpushAccessRequests" in run.out + run.err, run.out + run.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "    logpush: {http_requests: {}}\n",
            "logpush.http_requests: there is no such name; write access_requests (it can be access_requests, ",
        ),
        (
            "    logpush: {portal_logs: {}}\n",
            "logpush.portal_logs: there is no such name; write mcp_portal_logs (it can",
        ),
        ("    logpush: {zone: {}}\n", "logpush.zone: there is no such name; write access_requests, audit_logs_v2, "),
        ("    logpush: {audit_logs_v2: {}}\n", "logpush.audit_logs_v2.fields: names no field; add fields"),
        ("    logpush: {access_requests: {fields: [Email, Cookies]}}\n", "Cookies may hold a credential"),
        ("    logpush: {gateway_http: {fields: [RequestHeaders]}}\n", "RequestHeaders may hold a credential"),
        ("    logpush: {access_requests: {fields: [Email, Email]}}\n", "names Email twice; remove one"),
        ("    logpush: {access_requests: {destination: s3://x}}\n", "destination: unknown key"),
    ],
)
def test_what_cannot_be_pushed_is_refused_at_its_key(tmp_path: Path, text: str, words: str) -> None:
    root = write_project(tmp_path)
    add_logpush(root, text)
    with pytest.raises(InputErrors) as refused:
        load(open_project(root), "dev")
    assert words in str(refused.value)


@pytest.mark.parametrize("text", ["bucket/path", "http://logs.example.com", "s3://bucket path", ""])
def test_a_destination_that_is_none_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        _checked(text, "access_requests", "dev")
    assert "ringwall:logpushAccessRequests is no destination such as s3://" in str(refused.value)
    assert not text or text not in str(refused.value)
    assert _checked("s3://bucket/logs/{DATE}?region=eu-1", "access_requests", "dev").startswith("s3://")


def test_check_says_which_plan_it_needs_and_the_diff_what_is_pushed(root: Path) -> None:
    loaded = load(open_project(root), "dev")
    findings = evaluate(subject_of(loaded, planned(root)))
    notes = [finding for finding in findings if finding.rule_id == "edge-logpush"]
    assert [(note.severity, note.message, bool(note.line)) for note in notes] == [
        (Severity.INFO, "access_requests needs an Enterprise plan", True),
        (Severity.INFO, "audit_logs_v2 needs an Enterprise plan", True),
    ]
    fields = {"access_requests": {"fields": ["Email"]}}
    added = compare_keys("environment", "dev", {}, {"logpush": fields})
    assert [(item.direction, item.title) for item in added] == [
        (Direction.LOOSENS, "log access_requests that Cloudflare pushes to your store: added")
    ]
    changed = compare_keys("environment", "dev", {"logpush": fields}, {"logpush": {"access_requests": {"fields": []}}})
    assert [item.title for item in changed] == ["fields of the pushed log access_requests: - Email"]
