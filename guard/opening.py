"""What a guard of either kind needs before it begins: its state directory, its counters, the token for its anchor."""

from __future__ import annotations

import time
from pathlib import Path

from guard.decide.counters import Counters, MemoryCounters
from guard.decide.taint import SharedMarks
from model.errors import InputError
from model.guard_bundle import AnyGuardConfig
from wire.secrets import read_secret


def make_state(state: Path) -> None:
    """Make the directory that only the guard may write; raises InputError."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the guard's state directory cannot be made ({error.strerror})", file=state, remedy="give --state"
        ) from None


def counters_of(config: AnyGuardConfig) -> Counters:
    """The counters that the configuration names: of this process, or of a Redis that replicas share."""
    redis = config.guard.redis
    if redis is None:
        return MemoryCounters(time.monotonic)
    from guard.decide.redis_counters import RedisCounters  # 0.1 s and 8 MB that most guards do without

    password = read_secret(redis.password) if redis.password else None
    return RedisCounters(redis.url, password, f"{config.server.environment}.{config.server.name}")


def marks_of(config: AnyGuardConfig) -> SharedMarks | None:
    """The marks of tainted principals in the Redis that the configuration names, or None."""
    redis = config.guard.redis
    if redis is None:
        return None
    from guard.decide.redis_marks import RedisMarks  # 0.1 s and 8 MB that most guards do without

    password = read_secret(redis.password) if redis.password else None
    return RedisMarks(
        redis.url, password, config.server.environment, f"{config.server.environment}.{config.server.name}"
    )


def anchor_token(config: AnyGuardConfig) -> str | None:
    """The bearer token of the audit log's anchor, where there is one."""
    anchor = config.audit.anchor
    return read_secret(anchor.token) if anchor and anchor.token else None
