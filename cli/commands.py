"""The list of commands, in the order `--help` shows them."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """Shows the first sentence of each command whole, on two lines where it must be."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        shown = [(name, command) for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=1000)) for name, one in shown if not one.hidden])


def register(app: typer.Typer) -> None:
    from cli import (
        agents,
        audit,
        cancel,
        check,
        comment,
        demo,
        destroy,
        diff,
        doctor,
        drift,
        engine,
        guard,
        import_existing,
        init,
        keys,
        list_stacks,
        local,
        lock,
        lockdown,
        migrate,
        offboard,
        onboard,
        outputs,
        plan,
        preview,
        refresh,
        repair,
        revoke,
        scan,
        schema,
        status,
        up,
        verify,
    )

    app.command()(init.init)
    app.command()(onboard.onboard)
    app.command()(offboard.offboard)
    app.command()(scan.scan)
    app.command("list")(list_stacks.list_stacks)
    app.command()(plan.plan)
    app.command()(check.check)
    app.command()(doctor.doctor)
    app.command()(diff.diff)
    app.command()(comment.comment)
    app.command()(preview.preview)
    app.command()(up.up)
    app.command()(status.status)
    app.command()(outputs.outputs)
    app.command()(drift.drift)
    app.command()(verify.verify)
    app.command()(lockdown.lockdown)
    app.command()(revoke.revoke)
    app.command()(refresh.refresh)
    app.command()(destroy.destroy)
    app.command()(repair.repair)
    app.command()(cancel.cancel)
    app.command("import")(import_existing.import_existing)
    app.command()(schema.schema)
    app.command()(migrate.migrate)
    app.add_typer(lock.app, name="lock", cls=Commands)
    app.command()(local.local)
    app.add_typer(guard.app, name="guard", cls=Commands)
    app.add_typer(audit.app, name="audit", cls=Commands)
    app.add_typer(keys.app, name="keys", cls=Commands)
    app.add_typer(agents.app, name="agents", cls=Commands)
    app.add_typer(engine.app, name="engine", cls=Commands)
    app.command()(demo.demo)
