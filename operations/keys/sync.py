"""The issuers' signing keys at Kong, brought in line with what the issuers publish, and who else is trusted there.

What each key is compared with and decided by is in `operations.keys.decide`; nothing here is shown to anybody.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from typing import Any

from components.gateway.names import ACCESS, consumer_username, issuer_group, tags
from model.environment import Environment
from model.errors import InputError, RingwallError, Unreachable
from model.text import visible
from operations.keys.decide import KeyChanges, decide, read_jwks
from wire.jwks import fetch_jwks
from wire.kong import Conflict
from wire.kong_reader import KongReader


@dataclass(frozen=True)
class Stranger:
    """A consumer that nothing of ours put into the issuer's group: Kong takes whatever one of its keys signed."""

    consumer: str
    id: str
    kids: tuple[str, ...]
    removed: bool = False


@dataclass(frozen=True)
class IssuerReport:
    """One issuer's keys after (or with `dry_run` before) a sync. Ages in days; keys are named by `kid` alone.

    `foreign` are credentials on the issuer's own consumer, `strangers` consumers in its group; `thrown_out` were foreign.
    """

    issuer: str
    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: dict[str, int] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    error: str | None = None
    strangers: tuple[Stranger, ...] = ()
    thrown_out: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.added or self.replaced or self.removed)

    @property
    def not_ours(self) -> bool:
        """Whether somebody else's key is accepted for this issuer's."""
        return bool(self.foreign) or any(not stranger.removed for stranger in self.strangers)


@dataclass(frozen=True)
class SyncReport:
    """What one sync did, issuer by issuer."""

    environment: str
    dry_run: bool
    issuers: tuple[IssuerReport, ...]

    @property
    def changed(self) -> bool:
        return any(issuer.changed for issuer in self.issuers)

    @property
    def not_ours(self) -> bool:
        return any(issuer.not_ours for issuer in self.issuers)

    def check(self) -> None:
        """Raise `model.errors.Unreachable` when an issuer could not be synced: one line each."""
        from model.errors import Unreachable

        problems = [f"issuer {issuer.issuer}: {issuer.error}" for issuer in self.issuers if issuer.error]
        if problems:
            raise Unreachable("\n".join(problems))

    def as_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "environment": self.environment,
            "dry_run": self.dry_run,
            "issuers": [
                {
                    "issuer": issuer.issuer,
                    "added": list(issuer.added),
                    "replaced": list(issuer.replaced),
                    "removed": list(issuer.removed),
                    "kept": [{"kid": kid, "age_days": age} for kid, age in sorted(issuer.kept.items())],
                    "foreign": list(issuer.foreign),
                    "strangers": [
                        {"consumer": one.consumer, "id": one.id, "kids": list(one.kids), "removed": one.removed}
                        for one in issuer.strangers
                    ],
                    "thrown_out": list(issuer.thrown_out),
                    "ignored": list(issuer.ignored),
                    "error": issuer.error,
                }
                for issuer in self.issuers
            ],
        }


def sync_keys(
    settings: Environment,
    environment_name: str,
    *,
    issuers: Sequence[str] | None = None,
    dry_run: bool = False,
    replace: bool = False,
    remove_strangers: bool = False,
    environments: Sequence[str] = (),
) -> SyncReport:
    """Bring the issuers' keys at Kong in line with what the issuers publish. New keys go in before old ones go out.

    An issuer that fails is reported and leaves its keys as they are; the others are synced (see `SyncReport.check`).

    Args:
        issuers: names out of `access` and the environment's issuers; all of them when None.
        replace: accept another key under a known `kid`.
        remove_strangers: delete credentials that Ringwall did not put on the issuer's consumer, and take consumers that
            are not Ringwall's out of the issuer's group. Their consumers and credentials stay.
        environments: names of the project's environments; their consumers are in the same groups of one gateway.

    Raises:
        InputError: there is no such issuer.
        Unreachable: Kong does not answer, refuses the token, or is another version.
    """

    addresses = {ACCESS: settings.cloudflare.jwks_uri}
    addresses.update({name: issuer.jwks_uri for name, issuer in sorted(settings.issuers.items())})
    chosen = list(addresses) if issuers is None else list(issuers)
    for name in chosen:
        if name not in addresses:
            raise InputError(f"there is no issuer {name}", remedy=f"use one of {', '.join(addresses)}")
    reports = []
    with KongReader(settings.gateway) as kong:
        kong.check_version()
        for name in chosen:
            ours = {consumer_username(one, name) for one in (environment_name, *environments)}
            report = _attempt(kong, environment_name, name, addresses[name], dry_run, replace)
            reports.append(_judge_strangers(kong, report, ours, environment_name, remove_strangers and not dry_run))
    return SyncReport(environment_name, dry_run, tuple(reports))


def _attempt(kong: KongReader, environment: str, issuer: str, url: str, dry_run: bool, replace: bool) -> IssuerReport:

    try:
        return _sync(kong, environment, issuer, url, dry_run, replace)
    except RingwallError as error:
        return IssuerReport(issuer, error=str(error))


def _judge_strangers(
    kong: KongReader, report: IssuerReport, ours: set[str], environment: str, remove: bool
) -> IssuerReport:
    """Add who else is in the issuer's group, also where the issuer itself failed; with `remove` throw them out."""

    try:
        members = kong.members(issuer_group(report.issuer))
        strangers = [member for member in members if member.username not in ours]
        own = kong.consumer_id(consumer_username(environment, report.issuer))
        made = set(tags(environment))
        held = kong.jwt_credentials(own) if own is not None else []
        foreign = [credential for credential in held if not made <= set(credential.tags)]
        if remove:
            for member in strangers:
                kong.remove_member(member)
            for credential in foreign:
                kong.remove_jwt(str(own), credential)
    except RingwallError as error:
        text = f"{report.error}; {error}" if report.error else str(error)
        return replace_fields(report, error=text)
    found = tuple(
        Stranger(member.username, member.id, tuple(sorted(one.kid for one in member.credentials)), removed=remove)
        for member in strangers
    )
    kids = tuple(sorted(credential.kid for credential in foreign))
    return replace_fields(report, strangers=found, foreign=() if remove else kids, thrown_out=kids if remove else ())


def _sync(kong: KongReader, environment: str, issuer: str, url: str, dry_run: bool, replace: bool) -> IssuerReport:

    text = fetch_jwks(url)
    try:
        published = read_jwks(text)
    except ValueError as error:
        raise Unreachable(f"{url}: {error}; nothing was changed, ask the issuer") from None
    username = consumer_username(environment, issuer)
    consumer = kong.consumer_id(username)
    if consumer is None:
        raise Unreachable(f"Kong has no consumer {username}; run `ringwall up {environment}`")
    changes = decide(environment, published.keys, kong.jwt_credentials(consumer), replace=replace)
    if not dry_run:
        _apply(kong, environment, consumer, changes)
    return IssuerReport(
        issuer,
        added=tuple(key.kid for key in changes.add),
        replaced=tuple(key.kid for _, key in changes.replace),
        removed=tuple(sorted(credential.kid for credential in changes.remove)),
        kept={credential.kid: age_days(credential.created_at) for credential in changes.keep},
        ignored=published.ignored,
    )


def _apply(kong: KongReader, environment: str, consumer: str, changes: KeyChanges) -> None:

    for key in changes.add:
        try:
            kong.add_jwt(consumer, key, tags(environment))
        except Conflict:
            # Two syncs at once are fine; the same kid on another consumer would let that one's tokens in.
            if decide(environment, (key,), kong.jwt_credentials(consumer)).add:
                raise Unreachable(
                    f"kid {key.kid} belongs to another consumer at Kong, and two issuers must not share one; find out "
                    "whose it is"
                ) from None
    for credential, key in changes.replace:
        kong.replace_jwt(consumer, credential, key)
    for credential in changes.remove:
        kong.remove_jwt(consumer, credential)


def age_days(created_at: float) -> int:
    """Whole days since Kong has had the key."""
    return max(0, int(time.time() - created_at) // 86400)


def not_ours(issuer: IssuerReport) -> list[str]:
    """What is accepted for this issuer's and is not: credentials on its consumer, consumers in its group."""

    lines = [f"kid {visible(kid)} was not put there by Ringwall and is trusted all the same" for kid in issuer.foreign]
    for one in issuer.strangers:
        if not one.removed:
            kids = ", ".join(f"kid {visible(kid)}" for kid in one.kids) or "no JWT key yet"
            lines.append(
                f"consumer {visible(one.consumer)} is in group {issuer_group(issuer.issuer)} and not Ringwall's, so what "
                f"it signs is trusted ({kids})"
            )
    return lines


def remedy(environment: str) -> str:
    """The command that ends the trust in what is not ours."""
    return f"ringwall keys sync {environment} --remove-strangers"
