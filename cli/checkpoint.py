"""A stack's recorded state as the backend has it. A file backend is read as the files it is: starting the engine takes a
second a stack, and an environment has many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.holder import all_ended, on_file
from cli.workspace import Target, workspace
from model.errors import EngineFailed, NoSuchStack


def recorded(target: Target, stack: str) -> dict[str, Any]:
    """The deployment, secrets encrypted; empty where the backend knows no such stack. Raises `EngineFailed`."""
    file = _file(target, stack)
    if file is not None:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))["checkpoint"]["latest"]
        except FileNotFoundError:
            pass  # a backend of an older layout, or compressed: the engine knows
        except (ValueError, KeyError, TypeError):
            raise EngineFailed(f"{file}: not a checkpoint of the engine; restore it from {file.name}.bak") from None
        else:
            return found if isinstance(found, dict) else {}
    try:
        with workspace(target, stack) as selected:
            return dict(selected.export_stack().deployment or {})
    except NoSuchStack:
        return {}


def _file(target: Target, stack: str) -> Path | None:
    """Where Pulumi keeps it (pkg/backend/diy): `.pulumi/stacks/<project>/<stack>.json`."""
    backend = target.backend
    if backend is None or not backend.startswith("file:///"):
        return None
    root = Path(backend.removeprefix("file://").split("?", 1)[0])
    return root / ".pulumi" / "stacks" / target.project.name / f"{stack}.json"


def mend_attributes(target: Target, stack: str) -> list[Path]:
    """Remove what a killed engine wrote half of beside its files; returns what was removed.

    A file backend keeps content type and digest in a ``.attrs`` file, written in place before the checkpoint itself is
    exchanged in one step (gocloud.dev/blob/fileblob). Without one the engine takes defaults; an empty one it refuses.
    """
    file = _file(target, stack)
    held = on_file(target.backend, target.project.name, stack) or []
    if file is None or (held and not all_ended(held)):
        return []
    locks = file.parents[2] / "locks" / "organization" / target.project.name / stack
    removed = []
    for attributes in [*file.parent.glob(f"{stack}.json*.attrs"), *locks.glob("*.attrs")]:
        try:
            json.loads(attributes.read_text(encoding="utf-8"))
        except ValueError:
            attributes.unlink(missing_ok=True)
            removed.append(attributes)
        except FileNotFoundError:
            continue
    return removed
