"""Which `up` a person must approve: one that loosens something, or one of which that cannot be told.

After a successful `up` the files that it deployed are kept in the project's `.ringwall`, with the moment at which the
backend recorded the deployment. The next `up` compares its files with those. Whatever is not known for certain is a reason
to ask: no such record on this machine, a deployment that somebody else made since, another Ringwall, or something real that
is not as it was recorded.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.checkpoint import recorded as recorded_deployment
from engine.deploy import Scope
from engine.run import Run
from engine.workspace import Target
from model.files import write_atomically
from model.private_folder import make_private
from model.project import Project
from model.stacks import environment_of
from plan.diff.compare import Side, compare
from plan.diff.model import Direction, grouped

_RECORD = "deployed.json"
_UNKNOWN = "what is deployed was not brought up with this folder, so it cannot be compared"


@dataclass(frozen=True)
class DeployedFiles:
    """The files of one stack by their path in the project, as they are now."""

    stack: str
    files: Mapping[str, bytes]


def files_of(project: Project, stack: str) -> DeployedFiles:
    """The stack's own files, its environment's, and the project's."""
    paths = [project.root / "Pulumi.yaml", project.stack_file(environment_of(stack)), project.stack_file(stack)]
    paths.append(project.lock_file(stack))
    return DeployedFiles(
        stack,
        {path.relative_to(project.root).as_posix(): path.read_bytes() for path in paths if path.is_file()},
    )


def reasons_to_ask(target: Target, scope: Scope, previews: Sequence[Run], *, differs_at_gateway: bool) -> list[str]:
    """Why a person must approve, one line each: what loosens, and what cannot be compared. Empty: nothing of either."""
    reasons: list[str] = []
    drifted = [run.stack for run in previews if run.steps.drifted]
    reasons += [f"{stack}: what is real is not what was recorded, and this would change it" for stack in drifted]
    if differs_at_gateway:
        reasons.append(f"{scope.first}: the gateway is not as it was recorded, and this would change it")
    base: dict[str, bytes] = {}
    head: dict[str, bytes] = {}
    for stack in scope.stacks:
        head |= files_of(target.project, stack).files
        if (moment := _moment(target, stack)) is None:
            continue  # new: everything of it is a change
        try:
            # The environment comes first, and its own record says what it is.
            base = _recorded(target, stack, moment) | base
        except LookupError as unknown:
            reasons.append(f"{stack}: {unknown}")
    if not reasons:
        reasons += _loosening(target.project, base, head, environment_of(scope.first))
    return reasons


def record(
    target: Target, deployed: Sequence[DeployedFiles], runs: Sequence[Run], plans: Mapping[str, str] | None = None
) -> None:
    """Keep the files of the stacks whose runs succeeded; those of a failed one are forgotten. `plans` are the digests of the
    plans that were applied."""
    failed = {run.stack for run in runs if run.error is not None or run.state != "done"}
    succeeded = {run.stack for run in runs} - failed
    for item in deployed:
        if item.stack not in succeeded | failed:
            continue
        folder = _folder(target, item.stack)
        moment = _moment(target, item.stack) if item.stack in succeeded else None
        if moment is None:
            (folder / _RECORD).unlink(missing_ok=True)
            continue
        make_private(folder)
        files = {path: content.decode("utf-8") for path, content in item.files.items()}
        document = {
            "version": 1,
            "ringwall": version("ringwall"),
            "moment": moment,
            "files": files,
            "plan": (plans or {}).get(item.stack),
        }
        write_atomically(folder / _RECORD, json.dumps(document, sort_keys=True).encode())


def recorded_plan(target: Target, stack: str) -> str | None:
    """The digest of the plan that is deployed; None where it is not known for certain."""
    moment = _moment(target, stack)
    try:
        document = _document(target, stack)
    except LookupError:
        return None
    plan = document.get("plan")
    return plan if moment is not None and document.get("moment") == moment and isinstance(plan, str) else None


def _folder(target: Target, stack: str) -> Path:
    home = target.sandbox_folder or target.project.root / ".ringwall"
    return home / "deployed" / stack


def _moment(target: Target, stack: str) -> str | None:
    """When the backend recorded the stack's deployment; None where it is not deployed."""
    deployment = recorded_deployment(target, stack)
    manifest = deployment.get("manifest")
    moment = manifest.get("time") if isinstance(manifest, dict) else None
    return str(moment) if moment is not None and deployment.get("resources") else None


def _recorded(target: Target, stack: str, moment: str) -> dict[str, bytes]:
    """The files that were deployed at that moment; raises LookupError, saying why they are not known."""
    document = _document(target, stack)
    try:
        known = {str(path): str(text).encode() for path, text in document["files"].items()}
        recorded, maker = document["moment"], document["ringwall"]
    except (KeyError, AttributeError):
        raise LookupError(_UNKNOWN) from None
    if recorded != moment:
        raise LookupError("it was deployed from somewhere else since, so it cannot be compared")
    if maker != version("ringwall"):
        raise LookupError(f"Ringwall {maker} deployed it, so it cannot be compared")
    return known


def _document(target: Target, stack: str) -> dict[str, Any]:
    """The record of a stack; raises LookupError where there is none that can be read."""
    try:
        document = json.loads((_folder(target, stack) / _RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        raise LookupError(_UNKNOWN) from None
    if not isinstance(document, dict):
        raise LookupError(_UNKNOWN)
    return document


def _loosening(
    project: Project, base: Mapping[str, bytes], head: Mapping[str, bytes], environment: str
) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ringwall-approve-") as folder:
        sides = [
            _written(Path(folder).resolve() / name, {**_empty(head), **files})
            for name, files in (("deployed", base), ("files", head))
        ]
        report = compare(Side("what is deployed", sides[0]), Side("the files", sides[1]), environment=environment)
    yield from (f"{error.stack or environment}: {error.side}: {error.message}" for error in report.errors)
    for group in grouped(report.changes):
        if group.change.direction is Direction.LOOSENS:
            yield f"{', '.join(group.stacks)}: {group.change.title}"


def _empty(head: Mapping[str, bytes]) -> dict[str, bytes]:
    """A project without stacks, which is what was deployed where nothing was."""
    return {"Pulumi.yaml": head["Pulumi.yaml"]}


def _written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder
