"""What a question is put to: a server's guard, a model route's, or Kong where the route has none."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from model.stacks import ModelStack, PerimeterStack
from operations.access.direct_answers import DirectRehearsal, direct_rehearsal_of
from operations.access.model_rehearsal import ModelRehearsal, model_rehearsal_of
from operations.access.rehearsal import Rehearsal, rehearsal_of

AnyRehearsal: TypeAlias = Rehearsal | ModelRehearsal | DirectRehearsal


def guard_of(stack: PerimeterStack) -> AbstractAsyncContextManager[AnyRehearsal]:
    """The guard of a stack as its files describe it, or Kong's check where it has none; raises InputError, when it is
    entered, where it would not start."""
    if isinstance(stack, ModelStack) and stack.manifest.guard is None:
        return direct_rehearsal_of(stack)
    return model_rehearsal_of(stack) if isinstance(stack, ModelStack) else rehearsal_of(stack)
