"""The entry of the Pulumi program: it refuses an unsafe stack before the first resource, then declares the resources.

`stacks/__main__.py` calls `main`; the CLI runs `run_or_refuse` as the engine's inline program.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

from components.contract import refuse_undeployed
from components.program import declare
from model.cross_checks import refuse_missing_secret
from model.errors import RingwallError
from model.project import Project, config_of, load, open_project
from model.stacks import ModelStack, ServerStack, Stack
from plan.preflight import refuse_unsafe


def main() -> None:
    """Entry of the plain `pulumi` CLI."""
    run_or_refuse(open_project(Path(pulumi.get_root_directory())), pulumi.get_stack())


def run_or_refuse(
    project: Project, stack: str, loaded: Stack | None = None, contract: Mapping[str, Any] | None = None
) -> None:
    """Run under the engine. Everything `up` must refuse is refused here, before the first resource, in one line without a
    trace; then the stack is declared.

    Args:
        loaded: the stack, where the caller has read its files; the engine's own reading of them is compared with it.
        contract: what its environment is planned to export, where the caller has planned that.
    """
    try:
        loaded = loaded or load(project, stack)
        refuse_other_reading(loaded)
        refuse_missing_secret(loaded)
        refuse_unsafe(project, loaded, contract=contract, organization=pulumi.get_organization())
    except RingwallError as error:
        raise pulumi.RunError(str(error)) from None
    if isinstance(loaded, ServerStack | ModelStack):
        refuse_undeployed(loaded.environment)
    declare(loaded)


def refuse_other_reading(loaded: Stack) -> None:
    """Refuse a manifest that the engine read differently from Ringwall's own loader, which all checks go by."""
    document, key = loaded.document, loaded.config_key
    configured = pulumi.Config("ringwall").get_object(key.split(":", 1)[1])
    if configured != config_of(document).get(key):
        raise document.error(
            ("config", key),
            "Pulumi's configuration differs from this file",
            "put every setting in the file: --config and --config-file cannot override a manifest",
        )
