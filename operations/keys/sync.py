"""Brings the issuers' signing keys at Kong in line with what the issuers publish, and reports who else is trusted there.

Which keys go in and out is decided in `operations.keys.decide`. Nothing is printed here: the caller shows the report.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_fields
from typing import Any

from components.editions import Protection, plugin_name
from components.gateway.names import ACCESS, consumer_username, issuer_group, tags
from model.environment import Environment
from model.errors import InputError, RingwallError, Unreachable
from model.suggestions import did_you_mean
from model.text import visible
from operations.keys.decide import KeyChanges, decide, read_jwks
from wire.jwks import fetch_jwks
from wire.kong import Conflict
from wire.kong_reader import KongReader


@dataclass(frozen=True)
class Stranger:
    """A consumer in the issuer's group that Ringwall did not put there: Kong accepts what any of its keys signed."""

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
    unchanged: dict[str, int] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    error: str | None = None
    strangers: tuple[Stranger, ...] = ()
    thrown_out: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.added or self.replaced or self.removed)

    @property
    def trusts_strangers(self) -> bool:
        """Whether Kong accepts a key for this issuer that Ringwall did not put there."""
        return bool(self.foreign) or any(not stranger.removed for stranger in self.strangers)


@dataclass(frozen=True)
class SyncReport:
    """What one sync did, or with `dry_run` would do, issuer by issuer."""

    environment: str
    dry_run: bool
    issuers: tuple[IssuerReport, ...]
    #: The plugin that reads each issuer's keys by itself, so that none are written at Kong; None where Kong holds them.
    reader: str | None = None

    @property
    def changed(self) -> bool:
        return any(issuer.changed for issuer in self.issuers)

    @property
    def trusts_strangers(self) -> bool:
        return any(issuer.trusts_strangers for issuer in self.issuers)

    def check(self) -> None:
        """Raise `model.errors.Unreachable` with one line for each issuer that could not be synced."""
        problems = [f"issuer {issuer.issuer}: {issuer.error}" for issuer in self.issuers if issuer.error]
        if problems:
            raise Unreachable("\n".join(problems))

    def as_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "environment": self.environment,
            "dry_run": self.dry_run,
            "reader": self.reader,
            "issuers": [
                {
                    "issuer": issuer.issuer,
                    "added": list(issuer.added),
                    "replaced": list(issuer.replaced),
                    "removed": list(issuer.removed),
                    "kept": [{"kid": kid, "age_days": age} for kid, age in sorted(issuer.unchanged.items())],
                    "foreign": list(issuer.foreign),
                    "strangers": [
                        {
                            "consumer": stranger.consumer,
                            "id": stranger.id,
                            "kids": list(stranger.kids),
                            "removed": stranger.removed,
                        }
                        for stranger in issuer.strangers
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

    Where a plugin of the edition reads the keys by itself, nothing at Kong is asked or written.

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
    addresses.update({name: issuer.jwks_uri for name, issuer in sorted(settings.issuers.items()) if issuer.jwks_uri})
    chosen = list(addresses) if issuers is None else list(issuers)
    for name in chosen:
        if name not in addresses:
            raise InputError(f"there is no issuer {name}", remedy=did_you_mean(name, addresses))
    reader = plugin_name(Protection.SIGNATURE, settings.gateway.edition, settings.gateway.version)
    if reader != "jwt":
        return SyncReport(environment_name, dry_run, (), reader)
    reports = []
    with KongReader(settings.gateway) as kong:
        kong.check_version()
        for name in chosen:
            managed = {consumer_username(environment, name) for environment in (environment_name, *environments)}
            report = _attempt(kong, environment_name, name, addresses[name], dry_run, replace)
            reports.append(_judge_strangers(kong, report, managed, environment_name, remove_strangers and not dry_run))
    return SyncReport(environment_name, dry_run, tuple(reports))


def _attempt(kong: KongReader, environment: str, issuer: str, url: str, dry_run: bool, replace: bool) -> IssuerReport:
    try:
        return _sync(kong, environment, issuer, url, dry_run, replace)
    except RingwallError as error:
        return IssuerReport(issuer, error=str(error))


def _judge_strangers(
    kong: KongReader, report: IssuerReport, managed: set[str], environment: str, remove: bool
) -> IssuerReport:
    """Add to the report who else is in the issuer's group, also where the issuer itself failed. With `remove` take them
    out."""
    try:
        members = kong.members(issuer_group(report.issuer))
        strangers = [member for member in members if member.username not in managed]
        consumer = kong.consumer_id(consumer_username(environment, report.issuer))
        own_tags = set(tags(environment))
        held = kong.jwt_credentials(consumer) if consumer is not None else []
        foreign = [credential for credential in held if not own_tags <= set(credential.tags)]
        if remove:
            for member in strangers:
                kong.remove_member(member)
            for credential in foreign:
                kong.remove_jwt(str(consumer), credential)
    except RingwallError as error:
        text = f"{report.error}; {error}" if report.error else str(error)
        return replace_fields(report, error=text)
    reported = tuple(
        Stranger(
            member.username,
            member.id,
            tuple(sorted(credential.kid for credential in member.credentials)),
            removed=remove,
        )
        for member in strangers
    )
    kids = tuple(sorted(credential.kid for credential in foreign))
    return replace_fields(report, strangers=reported, foreign=() if remove else kids, thrown_out=kids if remove else ())


def _sync(kong: KongReader, environment: str, issuer: str, url: str, dry_run: bool, replace: bool) -> IssuerReport:
    text = fetch_jwks(url)
    try:
        published = read_jwks(text)
    except ValueError as error:
        raise Unreachable(f"{url}: {error}", remedy="nothing was changed, ask the issuer") from None
    username = consumer_username(environment, issuer)
    consumer = kong.consumer_id(username)
    if consumer is None:
        raise Unreachable(f"Kong has no consumer {username}", remedy=f"run `ringwall up {environment}`")
    changes = decide(environment, published.keys, kong.jwt_credentials(consumer), replace=replace)
    if not dry_run:
        _apply(kong, environment, consumer, changes)
    return IssuerReport(
        issuer,
        added=tuple(key.kid for key in changes.add),
        replaced=tuple(key.kid for _, key in changes.replace),
        removed=tuple(sorted(credential.kid for credential in changes.remove)),
        unchanged={credential.kid: age_days(credential.created_at) for credential in changes.unchanged},
        ignored=published.ignored,
    )


def _apply(kong: KongReader, environment: str, consumer: str, changes: KeyChanges) -> None:
    for key in changes.add:
        try:
            kong.add_jwt(consumer, key, tags(environment))
        except Conflict:
            # Another sync may have added the key meanwhile. On another consumer it would let that issuer's tokens pass.
            if decide(environment, (key,), kong.jwt_credentials(consumer)).add:
                raise Unreachable(
                    f"kid {key.kid} belongs to another consumer at Kong, and two issuers must not share one",
                    remedy="find out whose it is",
                ) from None
    for credential, key in changes.replace:
        kong.replace_jwt(consumer, credential, key)
    for credential in changes.remove:
        kong.remove_jwt(consumer, credential)


def age_days(created_at: float) -> int:
    """Whole days since Kong has had the key."""
    return max(0, int(time.time() - created_at) // 86400)


def stranger_lines(issuer: IssuerReport) -> list[str]:
    """One line for each key or consumer that Kong trusts for this issuer and that is not Ringwall's."""
    lines = [f"kid {visible(kid)} was not put there by Ringwall and is trusted all the same" for kid in issuer.foreign]
    for stranger in issuer.strangers:
        if not stranger.removed:
            kids = ", ".join(f"kid {visible(kid)}" for kid in stranger.kids) or "no JWT key yet"
            group = issuer_group(issuer.issuer)
            lines.append(
                f"consumer {visible(stranger.consumer)} is in group {group} and not Ringwall's, so what it signs is trusted "
                f"({kids})"
            )
    return lines


def remedy(environment: str) -> str:
    """The command that takes such keys and consumers out of the issuers' groups."""
    return f"ringwall keys sync {environment} --remove-strangers"
