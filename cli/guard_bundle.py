"""`ringwall guard keygen`, `bundle` and `verify`: the signed configuration, made where stacks are deployed from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli import console
from cli.project import current_project
from cli.target import target_of
from components.guard.settings import OUTPUT
from engine.state import outputs
from guard.bundle.bundle import OpenedBundle, utc
from guard.bundle.keys import create_key_pair, load_private_key, load_public_keys
from model.guard_config import GuardConfig
from model.tool_schema import unenforceable_lines
from operations.guard_bundle.contents import configuration_of, denied_by, validity
from operations.guard_bundle.files import BundleFile, bundle_path, read, reopened


def keygen(out: Path, *, force: bool, as_json: bool) -> None:
    """What `ringwall guard keygen` does; its flags and help are in `cli.flags.guard_bundle`."""
    private, public, key = create_key_pair(out, force=force)
    if as_json:
        console.print_json({"version": 1, "key_id": key, "private_key": str(private), "public_key": str(public)})
    console.say(f"key {key}")
    console.say(f"{private}: private, for `ringwall guard bundle` on the deploy side only; never on an origin host")
    console.say(f"{public}: public, for each host as /etc/ringwall/ENV.SERVER/guard-signing.pub")


def bundle(
    stack: str,
    key: Path,
    *,
    deny: list[str] | None,
    allow: list[str] | None,
    sequence: int | None,
    valid: str | None,
    out: Path | None,
    config: Path | None,
    previous_key: list[Path] | None,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall guard bundle` does; its flags and help are in `cli.flags.guard_bundle`."""
    private = load_private_key(key)
    document = configuration_of(stack, config, lambda: _exported(stack, sandbox))
    warnings = list(unenforceable_lines(document.tool_lock)) if isinstance(document, GuardConfig) else []
    for line in warnings:
        console.note(f"warning: {line}; have the server corrected, then run `ringwall lock approve {stack}`")
    target = BundleFile.open(out or bundle_path(Path(), stack), stack, private, previous_key or ())
    file, before = target.path, target.denied
    denied, lifted = denied_by(document, deny or (), allow or (), before)
    opened = target.write(document, denied, sequence, None if valid is None else validity(valid))
    added = sorted(denied - before)
    if as_json:
        console.print_json(
            {
                **_describe(opened),
                "file": str(file),
                "newly_denied": added,
                "lifted": sorted(lifted),
                "warnings": warnings,
            }
        )
    console.say(f"wrote {file}")
    _show(opened)
    for principal in sorted(lifted):
        console.say(f"no longer denied: {principal}")
    console.say(f"Put it on the host as /etc/ringwall/{stack}/guard.bundle.json, or where its guard polls.")


def verify_bundle(file: Path, public_key: list[Path], *, as_json: bool) -> None:
    """What `ringwall guard verify` does; its flags and help are in `cli.flags.guard_bundle`."""
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
    # A model route has no tools.
    lock = {"tool_lock_sha256": signed.config.tool_lock_sha256} if isinstance(signed.config, GuardConfig) else {}
    return {
        "version": 1,
        "server": ".".join(opened.server),
        "sequence": signed.sequence,
        "expires": None if signed.expires is None else utc(signed.expires),
        "sha256": opened.sha256,
        "key_id": signed.signature.key_id,
        **lock,
        "denied": list(signed.denied),
    }


def _show(opened: OpenedBundle) -> None:
    facts = _describe(opened)
    for name in ("server", "sequence", "expires", "sha256", "key_id", "tool_lock_sha256"):
        if name in facts:
            console.say(f"{name.replace('_', ' ')}: {facts[name]}")
    console.say(f"denied: {', '.join(facts['denied']) or 'nobody'}")
