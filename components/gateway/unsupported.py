"""What an edition cannot do, as an error at the key that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

from components.editions import Protection, enforcer
from model.errors import InputError
from model.stacks import ModelStack, manifest_path


def lacking(stack: ModelStack, protection: Protection, *key: str | int) -> Iterator[InputError]:
    """The error where nobody enforces `protection` in the environment's edition; nothing where somebody does."""
    gateway = stack.settings.gateway
    try:
        enforcer(protection, gateway.edition, gateway.version)
    except InputError as error:
        yield stack.document.error(manifest_path(stack, *key), error.problem, error.remedy)
