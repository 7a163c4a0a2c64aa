"""`ringwall guard keygen`, `bundle` and `verify`: the signed configuration, made where stacks are deployed from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox, _complete_stack
from cli.project import current_project
from cli.target import target_of
from components.guard.settings import OUTPUT
from engine.state import outputs
from guard.bundle.bundle import OpenedBundle
from guard.bundle.keys import create_key_pair, load_private_key, load_public_keys
from operations.guard_bundle.contents import configuration_of, denied_by
from operations.guard_bundle.files import BundleFile, bundle_path, read, reopened

Server = Annotated[
    str,
    typer.Argument(
        metavar="ENV.SERVER", help="A server, such as dev.github.", autocompletion=_complete_stack, show_default=False
    ),
]


def keygen(
    out: Annotated[Path, typer.Option("--out", help="Folder for the two files.", metavar="DIR", show_default=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Replace a pair that is there; its private key is gone then.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make the key pair that guard configurations are signed with.

    The private key stays where stacks are deployed from and never comes to an origin host; guards get the public one.
    """
    private, public, key = create_key_pair(out, force=force)
    if as_json:
        console.print_json({"version": 1, "key_id": key, "private_key": str(private), "public_key": str(public)})
    console.say(f"key {key}")
    console.say(f"{private}: private, for `ringwall guard bundle` on the deploy side only; never on an origin host")
    console.say(f"{public}: public, for each host as /etc/ringwall/ENV.SERVER/guard-signing.pub")


def bundle(
    stack: Server,
    key: Annotated[Path, typer.Option("--key", help="The private key file.", metavar="FILE", show_default=False)],
    deny: Annotated[
        list[str] | None,
        typer.Option(
            "--deny",
            metavar="PRINCIPAL",
            help="Refuse person:SUB or agent:NAME at once, open streams too. May be repeated.",
            show_default=False,
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="PRINCIPAL",
            help="Take one off the previous bundle's deny list, which is kept otherwise. May be repeated.",
            show_default=False,
        ),
    ] = None,
    sequence: Annotated[
        int | None,
        typer.Option("--sequence", min=1, help="Its number (default: Unix seconds, above the previous bundle's)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where it goes (default: ENV.SERVER.guard.bundle.json here). What is there is the previous bundle.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Sign this rendered configuration instead of what the stack exports.",
            show_default=False,
        ),
    ] = None,
    previous_key: Annotated[
        list[Path] | None,
        typer.Option(
            "--previous-public-key",
            metavar="FILE",
            help="Public key of the previous bundle, if another key signed it.",
            show_default=False,
        ),
    ] = None,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Sign the guard configuration of a deployed server, with its deny list, as the bundle its guard takes.

    The guard takes a bundle with a higher number only. Whoever the previous bundle denies stays denied, unless --allow
    lifts it.
    """
    private = load_private_key(key)
    document = configuration_of(stack, config, lambda: _exported(stack, sandbox))
    target = BundleFile.open(out or bundle_path(Path(), stack), stack, private, previous_key or ())
    file, before = target.path, target.denied
    denied, lifted = denied_by(document, deny or (), allow or (), before)
    opened = target.write(document, denied, sequence)
    added = sorted(denied - before)
    if as_json:
        console.print_json({**_describe(opened), "file": str(file), "newly_denied": added, "lifted": sorted(lifted)})
    console.say(f"wrote {file}")
    _show(opened)
    for principal in sorted(lifted):
        console.say(f"no longer denied: {principal}")
    console.say(f"Put it on the host as /etc/ringwall/{stack}/guard.bundle.json, or where its guard polls.")


def verify_bundle(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's file.", show_default=False)],
    public_key: Annotated[
        list[Path],
        typer.Option(
            "--public-key",
            metavar="FILE",
            help="A key to trust. May be repeated.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check a bundle's signature and format, and show its number, server, digest and deny list.

    The digest is what the guard's /readyz says once the bundle is in force.
    """
    opened = reopened(read(file), load_public_keys(public_key))
    if as_json:
        console.print_json({**_describe(opened), "file": str(file)})
    console.say(f"{file}: the signature holds")
    _show(opened)


def _exported(stack: str, sandbox: bool) -> object:
    project = current_project()
    with target_of(project, sandbox=sandbox, plugins=False) as target:
        return outputs(project, stack, target=target).get(OUTPUT)


def _describe(opened: OpenedBundle) -> dict[str, Any]:
    signed = opened.bundle
    return {
        "version": 1,
        "server": ".".join(opened.server),
        "sequence": signed.sequence,
        "sha256": opened.sha256,
        "key_id": signed.signature.key_id,
        "tool_lock_sha256": signed.config.tool_lock_sha256,
        "denied": list(signed.denied),
    }


def _show(opened: OpenedBundle) -> None:
    facts = _describe(opened)
    for name in ("server", "sequence", "sha256", "key_id", "tool_lock_sha256"):
        console.say(f"{name.replace('_', ' ')}: {facts[name]}")
    console.say(f"denied: {', '.join(facts['denied']) or 'nobody'}")
