"""Logs that Cloudflare pushes to a store of one's own (Logpush): which of them, and which fields of a record.

The destination has credentials in it, so it stands in the stack's encrypted configuration and nowhere else.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from model.base import Many, Model
from model.problems import PATTERN_WORDS, Wrong

#: Datasets of an account that say something about who reaches a server (Cloudflare docs, Logpush, Datasets).
Dataset = Literal[
    "access_requests",
    "audit_logs_v2",
    "device_posture_results",
    "gateway_dns",
    "gateway_http",
    "gateway_network",
    "mcp_portal_logs",
    "zero_trust_network_sessions",
]
DATASETS: Final[tuple[str, ...]] = get_args(Dataset)
#: Who signed in or was refused, where and from where: what an incident asks first (Cloudflare docs, Access requests).
ACCESS_FIELDS: Final = (
    "Action", "Allowed", "AppDomain", "AppUUID", "Connection", "Country", "CreatedAt", "Email", "IPAddress", "RayID",
    "UserUID",
)  # fmt: skip
_FIELD = r"^[A-Z][A-Za-z0-9]{0,99}$"
PATTERN_WORDS[_FIELD] = "a field's name as Cloudflare writes it, such as IPAddress"
#: Fields in which a credential may stand; a log is read by more people than a secret is.
_CREDENTIALS = re.compile("authorization|cookie|credential|header|password|secret|token", re.IGNORECASE)


def _readable(name: str) -> str:
    if _CREDENTIALS.search(name):
        raise Wrong(f"{name} may hold a credential, which a log must not", "remove it")
    return name


FieldName = Annotated[str, StringConstraints(pattern=_FIELD), AfterValidator(_readable)]


class PushedLog(Model):
    """One dataset that is pushed. Its destination is the stack's secret `ringwall:logpush…`."""

    fields: Many[FieldName] = Field(
        (),
        description="Fields of each record, as Cloudflare names them; `doctor` compares them. access_requests has a list of "
        "its own unless given.",
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        if twice := sorted({name for name in self.fields if self.fields.count(name) > 1}):
            raise Wrong(f"names {twice[0]} twice", "remove one of the two", ("fields",))
        return self


Logpush = dict[Dataset, PushedLog]


def check_fields(logpush: Logpush) -> None:
    """Raise Wrong where a dataset has no fields: Cloudflare then sends records of its own choice."""
    for dataset, pushed in logpush.items():
        if not pushed_fields(dataset, pushed):
            raise Wrong(
                "names no field",
                "add fields: the names of Cloudflare's page on this dataset",
                ("logpush", dataset, "fields"),
            )


def pushed_fields(dataset: str, pushed: PushedLog) -> tuple[str, ...]:
    """The fields of each record of a dataset."""
    return pushed.fields or (ACCESS_FIELDS if dataset == "access_requests" else ())


def job_name(environment: str, dataset: str) -> str:
    """The name of a dataset's job, which Cloudflare's list has."""
    return f"ringwall-{environment}-{dataset.replace('_', '-')}"


def destination_key(dataset: str) -> str:
    """The key of a stack's configuration that holds where a dataset is pushed to."""
    return f"ringwall:logpush{dataset.title().replace('_', '')}"


def challenge_key(dataset: str) -> str:
    """The key that holds the token by which Cloudflare knows whose a bucket is; most other destinations need none."""
    return f"{destination_key(dataset)}Challenge"


#: All these keys. Their values are secrets.
LOGPUSH_KEYS: Final = tuple(key(dataset) for dataset in DATASETS for key in (destination_key, challenge_key))
