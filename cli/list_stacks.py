"""`ringwall list`: shows what the files declare."""

from __future__ import annotations

from pathlib import Path

import typer

from cli import console
from cli.project import current_project
from model.text import counted
from operations.project.inventory import InventoryRow, inventory


def list_stacks(*, as_json: bool) -> None:
    """What `ringwall list` does; its flags and help are in `cli.flags.list_stacks`."""
    project = current_project()
    rows = inventory(project)
    if as_json:
        stacks = [
            {"stack": row.stack, "kind": row.kind, "valid": row.error is None, "error": row.error, **row.facts}
            for row in rows
        ]
        console.print_json({"version": 1, "project": project.name, "root": str(project.root), "stacks": stacks})
    else:
        _show(rows, project.stack_dir)
    if any(row.error for row in rows):
        raise typer.Exit(2)


def _show(rows: list[InventoryRow], folder: Path) -> None:
    if not rows:
        missing = "" if folder.is_dir() else f", as {folder} (stackConfigDir in Pulumi.yaml) is not there"
        console.say(f"no environments yet{missing}; run `ringwall init ENV`")
        return
    good = [row for row in rows if row.error is None]
    for row in (row for row in good if row.kind == "environment"):
        facts = row.facts
        kind = "production" if facts["production"] else "not production"
        hosts, agents = ", ".join(facts["hosts"]), ", ".join(facts["agents"]) or "none"
        console.say(f"{row.stack}: {facts['zone']}, {facts['topology']}, {kind}; hosts: {hosts}; agents: {agents}")
        servers = [r for r in good if r.kind == "server" and r.stack.startswith(f"{row.stack}.")]
        if servers:
            console.table(
                ["server", "hostname", "host", "oauth", "tools granted", "policies"],
                [
                    [
                        r.stack,
                        r.facts["hostname"],
                        r.facts["host"],
                        r.facts["oauth"],
                        f"{r.facts['tools_granted']} of {r.facts['tools_locked']}",
                        str(r.facts["access_policies"]),
                    ]
                    for r in servers
                ],
            )
        routes = [r for r in good if r.kind == "model route" and r.stack.startswith(f"{row.stack}.")]
        if routes:
            console.table(
                ["model route", "hostname", "host", "oauth", "models granted", "policies"],
                [
                    [
                        r.stack,
                        r.facts["hostname"],
                        r.facts["host"],
                        r.facts["oauth"],
                        f"{len(r.facts['models_granted'])} of {len(r.facts['models'])}",
                        str(r.facts["access_policies"]),
                    ]
                    for r in routes
                ],
            )
        if not facts["servers"] and not facts["models"]:
            console.say(f"  no servers yet; run `ringwall onboard SERVER --env {row.stack} --url URL`")
    for row in (row for row in good if row.kind == "zone"):
        console.say(f"{row.stack}: {row.facts['zone']}; {counted(len(row.facts['hostnames']), 'host name')}")
    for row in (row for row in rows if row.error is not None):
        console.say(f"{row.stack}: not valid: {row.error}")
