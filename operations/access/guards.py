"""The guard that a question is put to: a server's, or a model route's."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from model.stacks import ModelStack, PerimeterStack
from operations.access.model_rehearsal import ModelRehearsal, model_rehearsal_of
from operations.access.rehearsal import Rehearsal, rehearsal_of

AnyRehearsal: TypeAlias = Rehearsal | ModelRehearsal


def guard_of(stack: PerimeterStack) -> AbstractAsyncContextManager[AnyRehearsal]:
    """The guard of a stack as its files describe it; raises InputError, when it is entered, where it would not start."""
    return model_rehearsal_of(stack) if isinstance(stack, ModelStack) else rehearsal_of(stack)
