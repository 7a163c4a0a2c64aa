"""`ringwall keys sync`: the issuers' signing keys at Kong, kept as the issuers publish them.

Keys are runtime data, so they live outside Pulumi's state: Cloudflare publishes the current and the previous key, never
the next, and a stack that is not deployed for six weeks must not lock everyone out.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable

import typer

from cli import console
from cli.project import current_project
from model.base import seconds
from model.errors import InputError, RingwallError, Unreachable
from model.project import Project, load_environment
from model.stacks import EnvironmentStack
from model.text import counted
from operations.keys.sync import SyncReport, remedy, stranger_lines, sync_keys

#: Exit code where Kong holds a key or a consumer that Ringwall did not put there, which is accepted like the issuer's own.
FOREIGN_KEYS = 3


def sync(
    environment: str,
    *,
    watch_it: bool,
    interval: str,
    issuer: list[str] | None,
    dry_run: bool,
    replace: bool,
    remove_strangers: bool,
    as_json: bool,
) -> None:
    """What `ringwall keys sync` does; its flags and help are in `cli.flags.keys`."""
    try:
        pause = seconds(interval)
    except ValueError as error:
        raise InputError(str(error), key="--interval", remedy='write it such as "5m"') from None
    project = current_project()

    def once() -> SyncReport:
        # Read anew each time: an issuer that was added since must get its keys.
        settings = load_environment(project, environment).settings
        return sync_keys(
            settings,
            environment,
            issuers=issuer,
            dry_run=dry_run,
            replace=replace,
            remove_strangers=remove_strangers,
            environments=project.environments(),
        )

    if not watch_it:
        report = once()
        if as_json:
            console.print_json(report.as_json())
        if not show(report):
            raise typer.Exit(Unreachable.exit_code)
        if report.trusts_strangers:
            raise typer.Exit(FOREIGN_KEYS)
        return
    if replace or remove_strangers:
        name = "--replace" if replace else "--remove-strangers"
        raise InputError(f"{name} goes without --watch", remedy="run it once, by hand")
    load_environment(project, environment)
    watch(once, pause, as_json=as_json)


def watch(
    once: Callable[[], SyncReport], pause: float, *, as_json: bool = False, stop: threading.Event | None = None
) -> None:
    """Sync until SIGINT, SIGTERM or `stop`; a failure is printed, and the next turn tries again."""
    stopping = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
    while not stopping.is_set():
        try:
            report = once()
            if as_json:
                print(json.dumps(report.as_json(), sort_keys=True), flush=True)
            show(report, quiet=True)
        except RingwallError as error:
            _note_error(str(error))
        # Spread out, so that many gateways do not ask an issuer in the same second.
        stopping.wait(pause * random.uniform(0.9, 1.1))  # noqa: S311 - no secret depends on it
    console.note(f"{_timestamp()} stopped")


def _timestamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _note_error(text: str) -> None:
    for line in text.split("\n"):
        console.note(f"{_timestamp()} error: {line}")


def show(report: SyncReport, *, quiet: bool = False) -> bool:
    """Print a report; False when an issuer failed."""
    verb = "would be " if report.dry_run else ""
    if report.reader is not None and not quiet:
        console.say(f"nothing to do: {report.reader} reads each issuer's keys by itself, so none are written at Kong")
    for issuer in report.issuers:
        if issuer.error:
            _note_error(f"issuer {issuer.issuer}: {issuer.error}")
        for line in stranger_lines(issuer):
            console.note(f"warning: issuer {issuer.issuer}: {line}; `{remedy(report.environment)}` ends that")
        for problem in issuer.ignored:
            console.note(f"warning: issuer {issuer.issuer}: not used: {problem}")
        rows = [(kid, f"{verb}added") for kid in issuer.added]
        rows += [(kid, f"{verb}replaced") for kid in issuer.replaced]
        rows += [(kid, f"{verb}removed") for kid in issuer.removed]
        rows += [(kid, "deleted, as Ringwall did not put it there") for kid in issuer.thrown_out]
        rows += [
            (consumer.consumer, "taken out of the issuer's group") for consumer in issuer.strangers if consumer.removed
        ]
        if not quiet:
            rows += [(kid, f"kept, {counted(age, 'day')} old") for kid, age in sorted(issuer.unchanged.items())]
        for kid, event in rows:
            console.say(f"{issuer.issuer}: {kid}: {event}")
    return not any(issuer.error for issuer in report.issuers)


def sync_environment(project: Project, environment: EnvironmentStack) -> None:
    """A gateway without the issuer's keys refuses everyone, so they are brought up to date with every `up`."""
    with console.working(f"bringing the gateway's keys of {environment.name} up to date"):
        report = sync_keys(environment.settings, environment.name, environments=project.environments())
    show(report, quiet=True)
    report.check()
    if report.trusts_strangers:
        raise typer.Exit(FOREIGN_KEYS)
