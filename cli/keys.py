"""`ringwall keys sync`: the issuers' signing keys at Kong, kept as the issuers publish them.

Keys are runtime data, so they live outside Pulumi's state: Cloudflare publishes the current and the previous key, never
the next, and a stack that is not deployed for six weeks must not lock everyone out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import console
from cli.options import AsJson, Debug, Environment, ProjectDir

if TYPE_CHECKING:
    import threading

    from cli.kong_admin import KongAdmin
    from components.key_sync import Credential, KeyChanges
    from model.environment import Environment as Settings

app = typer.Typer(help="Keep the issuers' signing keys at the gateway.", no_args_is_help=True)


@dataclass(frozen=True)
class IssuerReport:
    """One issuer's keys after (or with `dry_run` before) a sync. Ages in days; keys are named by `kid` alone."""

    issuer: str
    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: dict[str, int] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    error: str | None = None

    @property
    def changed(self) -> bool:
        return bool(self.added or self.replaced or self.removed)


@dataclass(frozen=True)
class SyncReport:
    """What one sync did, issuer by issuer."""

    environment: str
    dry_run: bool
    issuers: tuple[IssuerReport, ...]

    @property
    def changed(self) -> bool:
        return any(issuer.changed for issuer in self.issuers)

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
                    "ignored": list(issuer.ignored),
                    "error": issuer.error,
                }
                for issuer in self.issuers
            ],
        }


def sync_keys(
    settings: Settings,
    environment_name: str,
    *,
    issuers: Sequence[str] | None = None,
    dry_run: bool = False,
    replace: bool = False,
) -> SyncReport:
    """Bring the issuers' keys at Kong in line with what the issuers publish. New keys go in before old ones go out.

    An issuer that fails is reported and leaves its keys as they are; the others are synced (see `SyncReport.check`).

    Args:
        issuers: names out of `access` and the environment's issuers; all of them when None.
        replace: accept another key under a known `kid`.

    Raises:
        InputError: there is no such issuer.
        Unreachable: Kong does not answer, refuses the token, or is another version.
    """
    from cli.kong_admin import KongAdmin
    from components.kong_names import ACCESS
    from model.errors import InputError, RingwallError

    addresses = {ACCESS: settings.cloudflare.jwks_uri}
    addresses.update({name: issuer.jwks_uri for name, issuer in sorted(settings.issuers.items())})
    chosen = list(addresses) if issuers is None else list(issuers)
    for name in chosen:
        if name not in addresses:
            raise InputError(f"there is no issuer {name}", remedy=f"use one of {', '.join(addresses)}")
    reports = []
    with KongAdmin(settings.gateway) as kong:
        kong.check_version()
        for name in chosen:
            try:
                reports.append(_sync(kong, environment_name, name, addresses[name], dry_run, replace))
            except RingwallError as error:
                reports.append(IssuerReport(name, error=str(error)))
    return SyncReport(environment_name, dry_run, tuple(reports))


def _sync(kong: KongAdmin, environment: str, issuer: str, url: str, dry_run: bool, replace: bool) -> IssuerReport:
    from cli.jwks import fetch_jwks
    from components.key_sync import decide, read_jwks
    from components.kong_names import consumer_username
    from model.errors import Unreachable

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
        kept={credential.kid: age_days(credential) for credential in changes.keep},
        foreign=tuple(sorted(credential.kid for credential in changes.foreign)),
        ignored=published.ignored,
    )


def _apply(kong: KongAdmin, environment: str, consumer: str, changes: KeyChanges) -> None:
    from cli.kong_admin import Conflict
    from components.key_sync import decide
    from components.kong_names import tags
    from model.errors import Unreachable

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


def age_days(credential: Credential) -> int:
    """Whole days since Kong has had the key."""
    return max(0, int(time.time() - credential.created_at) // 86400)


@app.command("sync")
def sync(
    environment: Environment,
    watch_it: Annotated[bool, typer.Option("--watch", help="Keep running and sync again and again.")] = False,
    interval: Annotated[str, typer.Option("--interval", help="With --watch: how often, such as 5m.")] = "5m",
    issuer: Annotated[
        list[str] | None,
        typer.Option("--issuer", help="Only this issuer; access is Cloudflare Access. May be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and change nothing.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Accept another key under a known kid, once you verified it.")
    ] = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Put every issuer's current signing keys at Kong, and take retired ones out."""
    from cli.project import current_project
    from model.base import seconds
    from model.errors import InputError, Unreachable
    from model.project import load_environment

    try:
        every = seconds(interval)
    except ValueError as error:
        raise InputError(str(error), key="--interval", remedy='write it such as "5m"') from None
    found = current_project()

    def once() -> SyncReport:
        # Read anew each time: an issuer that was added since must get its keys.
        settings = load_environment(found, environment).settings
        return sync_keys(settings, environment, issuers=issuer, dry_run=dry_run, replace=replace)

    if not watch_it:
        report = once()
        if as_json:
            console.print_json(report.as_json())
        if not show(report):
            raise typer.Exit(Unreachable.exit_code)
        return
    if replace:
        raise InputError("--replace goes without --watch", remedy="run it once, by hand")
    load_environment(found, environment)
    watch(once, every, as_json=as_json)


def watch(
    once: Callable[[], SyncReport], every: float, *, as_json: bool = False, stop: threading.Event | None = None
) -> None:
    """Sync until SIGINT, SIGTERM or `stop`; a failure is said and tried again at the next turn."""
    import json
    import random
    import signal
    import threading

    from model.errors import RingwallError

    done = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: done.set())
    while not done.is_set():
        try:
            report = once()
            if as_json:
                print(json.dumps(report.as_json(), sort_keys=True), flush=True)
            show(report, quiet=True)
        except RingwallError as error:
            _note_error(str(error))
        # Spread out, so that many gateways do not ask an issuer in the same second.
        done.wait(every * random.uniform(0.9, 1.1))  # noqa: S311 - no secret depends on it
    console.note(f"{_now()} stopped")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _note_error(text: str) -> None:
    for line in text.split("\n"):
        console.note(f"{_now()} error: {line}")


def show(report: SyncReport, *, quiet: bool = False) -> bool:
    """Print a report; False when an issuer failed."""
    verb = "would be " if report.dry_run else ""
    for issuer in report.issuers:
        if issuer.error:
            _note_error(f"issuer {issuer.issuer}: {issuer.error}")
        for kid in issuer.foreign:
            console.note(
                f"warning: issuer {issuer.issuer}: kid {kid} was not put there by Ringwall and is trusted all the same; "
                "delete that credential unless you know it"
            )
        for problem in issuer.ignored:
            console.note(f"warning: issuer {issuer.issuer}: not used: {problem}")
        rows = [(kid, f"{verb}added") for kid in issuer.added]
        rows += [(kid, f"{verb}replaced") for kid in issuer.replaced]
        rows += [(kid, f"{verb}removed") for kid in issuer.removed]
        if not quiet:
            rows += [(kid, f"kept, {age} days old") for kid, age in sorted(issuer.kept.items())]
        for kid, what in rows:
            console.say(f"{issuer.issuer}: {kid}: {what}")
    return not any(issuer.error for issuer in report.issuers)
