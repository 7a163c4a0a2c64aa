"""Logpush jobs of an environment: Cloudflare's own logs of who reaches its servers, pushed to a store of one's own.

They need an Enterprise plan. They come last, as nothing is protected by them, and a job that Cloudflare refuses must stop
nothing that protects.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_cloudflare as cloudflare  # noqa: TID253

from model.cross_checks import logpush_command
from model.logpush import destination_key, job_name, pushed_fields
from model.stacks import EnvironmentStack

#: Cloudflare takes a scheme for each kind of destination. Over plain http everybody on the way reads the log.
_DESTINATION = re.compile(r"(?!http:)[a-z][a-z0-9+.-]*://\S+")


@dataclass(frozen=True)
class LogpushArgs:
    environment: EnvironmentStack
    #: By dataset: where it is pushed to, and for a bucket the token that says whose it is; secrets.
    destinations: Mapping[str, pulumi.Input[str]]
    challenges: Mapping[str, pulumi.Input[str]]
    after: Sequence[pulumi.Resource]


class LogpushRing(pulumi.ComponentResource):
    """One job for each dataset of the environment's `logpush`."""

    def __init__(self, name: str, args: LogpushArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        environment, settings = args.environment, args.environment.settings
        super().__init__(
            "ringwall:index:Logpush",
            name,
            {"environment": environment.name, "datasets": sorted(settings.logpush)},
            opts,
        )
        # What went wrong with a destination is said with the destination.
        child = pulumi.ResourceOptions(
            parent=self, depends_on=list(args.after), additional_secret_outputs=["errorMessage", "lastError"]
        )
        for dataset, pushed in sorted(settings.logpush.items()):
            cloudflare.LogpushJob(
                f"{name}-{dataset.replace('_', '-')}",
                account_id=settings.cloudflare.account_id,
                name=job_name(environment.name, dataset),
                dataset=dataset,
                destination_conf=destination(args.destinations[dataset], dataset, environment.stack),
                ownership_challenge=args.challenges.get(dataset),
                output_options={
                    "field_names": list(pushed_fields(dataset, pushed)),
                    "output_type": "ndjson",
                    "timestamp_format": "rfc3339",
                    # `${` of a caller's text is a command to some readers of logs.
                    "cve202144228": True,
                },
                # Off unless said.
                enabled=True,
                opts=child,
            )
        self.register_outputs({})


def destination(value: pulumi.Input[str], dataset: str, stack: str) -> pulumi.Output[str]:
    """The secret, refused at deployment where it names no destination of Cloudflare's. Its text is never shown."""
    return pulumi.Output.secret(value).apply(lambda text: _checked(text, dataset, stack))


def _checked(text: str, dataset: str, stack: str) -> str:
    # An offline plan never opens encrypted configuration and has ${ringwall:logpush…} here.
    if not text.startswith("${") and not _DESTINATION.fullmatch(text):
        raise pulumi.RunError(
            f"{destination_key(dataset)} is no destination such as s3://… or https://…; "
            f"run `{logpush_command(dataset, stack)}`"
        )
    return text
