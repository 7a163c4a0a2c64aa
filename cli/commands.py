"""The list of commands, in the order `--help` shows them."""

from __future__ import annotations

import typer


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
    app.command()(cancel.cancel)
    app.command("import")(import_existing.import_existing)
    app.command()(schema.schema)
    app.command()(migrate.migrate)
    app.add_typer(lock.app, name="lock")
    app.command()(local.local)
    app.add_typer(guard.app, name="guard")
    app.add_typer(audit.app, name="audit")
    app.add_typer(keys.app, name="keys")
    app.add_typer(agents.app, name="agents")
    app.add_typer(engine.app, name="engine")
    app.command()(demo.demo)
