"""The probes of pushed logs, against Cloudflare's list of jobs as its API reference has it (Logpush jobs, list)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.logpush import ACCESS_FIELDS
from model.project import load_environment, open_project
from operations.verify import logs
from operations.verify.client import Client
from operations.verify.context import VerifyContext
from operations.verify.report import ProbeResult
from operations.verify.run import planned
from operations.verify.setup import subject_of
from operations.verify.subject import VerifySubject
from tests.support.cloudflare_api import CloudflareStandIn, cloudflare_api
from tests.support.logpush import add_logpush
from tests.support.projects import ACCOUNT, ZONE, write_project

SIGN_INS: dict[str, Any] = {
    "id": 7,
    "name": "ringwall-dev-access-requests",
    "dataset": "access_requests",
    "enabled": True,
    "destination_conf": "s3://planted-bucket?secret-access-key=planted",
    "output_options": {"field_names": [*ACCESS_FIELDS]},
    "last_complete": "2026-11-20T10:00:00Z",
    "last_error": None,
    "error_message": None,
}
AUDIT = SIGN_INS | {
    "name": "ringwall-dev-audit-logs-v2",
    "dataset": "audit_logs_v2",
    "output_options": {"field_names": ["ActorEmail", "ActionType"]},
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudflareStandIn]:
    with cloudflare_api(CloudflareStandIn(ACCOUNT, ZONE)) as stand_in:
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", stand_in.token)
        yield stand_in


@pytest.fixture
def subject(tmp_path: Path) -> VerifySubject:
    root = write_project(tmp_path)
    add_logpush(root)
    environment = load_environment(open_project(root), "dev")
    return subject_of(environment, environment.servers["one"], None)


async def outcomes(subject: VerifySubject, api: CloudflareStandIn) -> dict[str, ProbeResult]:
    assert subject.logs is not None
    asked = replace(subject.logs, cloudflare=subject.logs.cloudflare.model_copy(update={"api": api.url}))
    async with Client({}, insecure_http=False, timeout=5) as client:
        context = VerifyContext(replace(subject, logs=asked), client)
        probes = [(probe, door) for probe, door in planned(context) if probe.id.startswith("logs.")]
        return {probe.id: await probe.run(context, door) for probe, door in probes}


async def test_jobs_that_deliver_the_fields_of_the_file_pass_by_one_request(
    subject: VerifySubject, api: CloudflareStandIn
) -> None:
    api.jobs = [AUDIT, SIGN_INS, SIGN_INS | {"name": "of somebody else", "enabled": False}]
    results = await outcomes(subject, api)
    assert {id_: (result.outcome, result.observed) for id_, result in results.items()} == {
        "logs.access_requests": ("pass", "11 fields of each record, pushed up to 2026-11-20T10:00:00Z"),
        "logs.audit_logs_v2": ("pass", "2 fields of each record, pushed up to 2026-11-20T10:00:00Z"),
    }
    assert api.log == [f"/accounts/{ACCOUNT}/logpush/jobs"]


@pytest.mark.parametrize(
    ("changed", "outcome", "observed"),
    [
        ({"name": "ringwall-prod-access-requests"}, "fail", "Cloudflare has no such job"),
        ({"enabled": False}, "fail", "the job is off"),
        ({"output_options": {"field_names": ["Email"]}}, "fail", "the job pushes other fields than the file names"),
        ({"output_options": None}, "fail", "the job pushes other fields than the file names"),
        ({"last_error": "2026-11-21T10:00:00Z"}, "fail", "the job has failed since 2026-11-21T10:00:00Z"),
        ({"last_complete": None}, "skipped", "the job is on and has pushed nothing yet"),
    ],
)
async def test_a_job_that_does_not_deliver_is_named_and_its_destination_is_not_shown(
    subject: VerifySubject, api: CloudflareStandIn, changed: dict[str, Any], outcome: str, observed: str
) -> None:
    error = {"error_message": f"cannot write to {SIGN_INS['destination_conf']}"}
    api.jobs = [AUDIT, SIGN_INS | error | changed]
    results = await outcomes(subject, api)
    result = results["logs.access_requests"]
    assert (result.outcome, result.observed, results["logs.audit_logs_v2"].outcome) == (outcome, observed, "pass")
    assert "planted" not in f"{results}"


async def test_without_a_token_or_with_a_refused_one_nothing_passes(
    subject: VerifySubject, api: CloudflareStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.jobs = [AUDIT, SIGN_INS]
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "wrong-token")
    refused = await outcomes(subject, api)
    assert {result.outcome for result in refused.values()} == {"fail"}
    assert {result.remedy for result in refused.values()} == {"give a token with the permission Logs Read"}
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    assert {result.outcome for result in (await outcomes(subject, api)).values()} == {"skipped"}


def test_an_environment_without_pushed_logs_has_no_such_probe(tmp_path: Path) -> None:
    environment = load_environment(open_project(write_project(tmp_path)), "dev")
    assert list(logs.planned(subject_of(environment, environment.servers["one"], None).logs)) == []
