"""What the processes of a guard with workers need and one of them makes, before the first is forked."""

from __future__ import annotations

from pathlib import Path

from guard.audit.keys import load_or_create_key
from guard.identity.signing_keys import FILE, IdentityKeys
from guard.inspect.panel import build_panel
from guard.opening import make_state
from model.guard_config import GuardConfig


def make_keys(config: GuardConfig, state: Path) -> None:
    """Make the keys that are not there yet: two workers would each make their own. Raises InputError."""
    make_state(state)
    load_or_create_key(state / "audit.key")
    if config.origin.identity != "none":
        IdentityKeys(state / FILE)


def compile_rules(config: GuardConfig) -> None:
    """Compile the detection rules of this configuration, once for all.

    Neither a model nor a connection to an engine is made: what has threads or sockets is each process's own.
    """
    engines = config.guard.engines.model_copy(update={"services": (), "model": None})
    build_panel(config.model_copy(update={"guard": config.guard.model_copy(update={"engines": engines})}))
