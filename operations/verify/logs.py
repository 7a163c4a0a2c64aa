"""Probes of the logs that Cloudflare pushes: each job is there, is on, has the fields of the files, and does deliver.

Cloudflare's API says so of each job (API reference, Logpush jobs: `enabled`, `last_complete`, and `last_error`, which is set
while a job fails). Whether a record has reached the store, only the store knows. The text of an error repeats the
destination, which is a secret, so it is not shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from model.environment import Cloudflare
from model.errors import Unreachable
from model.text import counted, visible
from operations.verify.context import Probe, VerifyContext
from operations.verify.report import ProbeResult, failed, passed, skipped
from operations.verify.subject import PublicHostname, PushedLogs
from wire.cloudflare import TOKEN_VARIABLE, token_from_environment
from wire.cloudflare_reader import CloudflareReader

_PERMISSION = "Logs Read"
_CACHED = "pushed logs"


def judge(job: Mapping[str, Any] | None, fields: tuple[str, ...], environment: str) -> ProbeResult:
    """Judge what Cloudflare says of the job of one dataset; None where it has none of that name."""
    deploy = f"run `ringwall up {environment}`"
    if job is None:
        return failed("Cloudflare has no such job", deploy)
    if job.get("enabled") is not True:
        return failed("the job is off", deploy)
    options = job.get("output_options")
    pushed = options.get("field_names") if isinstance(options, dict) else None
    if not isinstance(pushed, list) or sorted(map(str, pushed)) != sorted(fields):
        return failed("the job pushes other fields than the file names", deploy)
    if error := job.get("last_error"):
        return failed(f"the job has failed since {visible(str(error))[:40]}")
    if not (last := job.get("last_complete")):
        return skipped("the job is on and has pushed nothing yet", "try again in some minutes, after a sign-in")
    return passed(f"{counted(len(fields), 'field')} of each record, pushed up to {visible(str(last))[:40]}")


def planned(logs: PushedLogs | None) -> Iterator[tuple[Probe, PublicHostname]]:
    """One probe for each pushed log of the environment."""
    if logs is not None:
        api = PublicHostname(urlsplit(logs.cloudflare.api).hostname or "")
        for dataset, (name, fields) in sorted(logs.jobs.items()):
            yield _probe(logs, dataset, name, fields), api


def _probe(logs: PushedLogs, dataset: str, name: str, fields: tuple[str, ...]) -> Probe:
    async def run(context: VerifyContext, _: PublicHostname) -> ProbeResult:
        token = token_from_environment()
        if token is None:
            return skipped(f"{TOKEN_VARIABLE} is not set, so Cloudflare was not asked about pushed logs", "set it")
        try:
            if _CACHED not in context.cache:
                context.cache[_CACHED] = await asyncio.to_thread(_listed, logs.cloudflare, token)
        except Unreachable as silence:
            return failed(silence.summary, silence.remedy)
        jobs = [job for job in context.cache[_CACHED] if (job.get("name"), job.get("dataset")) == (name, dataset)]
        return judge(jobs[0] if jobs else None, fields, logs.environment)

    return Probe(
        f"logs.{dataset}",
        f"the state of Cloudflare's job {name}",
        "it is on, has the file's fields, and has pushed without an error",
        f"look at the job in the dashboard: the destination of logpush.{dataset} may be wrong or closed to Cloudflare",
        run,
    )


def _listed(cloudflare: Cloudflare, token: str) -> list[dict[str, Any]]:
    with CloudflareReader(cloudflare, token) as reader:
        return list(reader.read_all(f"/accounts/{cloudflare.account_id}/logpush/jobs", _PERMISSION))
