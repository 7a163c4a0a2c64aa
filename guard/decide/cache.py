"""A cache of tool results: it answers the same call of the same principal for a minute, and only for read-only tools.

The key is exact. A cache by similarity of text would give one question's answer to another, and one person's to another.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model.canonical import canonical_json
from model.tool_lock import ToolLock

TTL = 60.0
MAX_BYTES = 64 << 20
MAX_ENTRY_BYTES = 1 << 20
MAX_ENTRIES = 10_000
#: Bytes that an entry takes besides its value, roughly.
_OVERHEAD = 512


@dataclass(frozen=True, slots=True)
class CacheKey:
    """The SHA-256 of a call, and the cache's generation (`era`) when the call began."""

    digest: bytes
    era: int


class ByteCache:
    """Values as immutable bytes, each for `ttl` seconds. `clock` is monotonic.

    Values of keys that were made before a clearing are not taken in.
    """

    def __init__(self, clock: Callable[[], float], *, ttl: float = TTL, most_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._ttl = ttl
        self._most_bytes = most_bytes
        self._entries: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._era = 0

    def clear(self) -> None:
        """Forget every value, and take in none whose key was made already."""
        self._entries.clear()
        self._bytes = 0
        self._era += 1

    def key_of(self, *parts: Any) -> CacheKey:
        """The key of these parts, which must be equal to the last character."""
        return CacheKey(hashlib.sha256(canonical_json(list(parts))).digest(), self._era)

    def get(self, key: CacheKey) -> bytes | None:
        """The value that was kept under the same key, unless it is too old."""
        entry = self._entries.get(key.digest)
        if entry is None or key.era != self._era:
            return None
        until, value = entry
        if self._clock() >= until:
            self._drop(key.digest)
            return None
        self._entries.move_to_end(key.digest)
        return value

    def put(self, key: CacheKey, value: bytes) -> None:
        """Keep an inspected value, unless it is too large or the cache was cleared since its key was made."""
        if type(value) is not bytes:
            raise TypeError("only bytes are cached, as nobody can change them afterwards")
        if key.era != self._era or len(value) > MAX_ENTRY_BYTES:
            return
        self._drop(key.digest)
        self._entries[key.digest] = (self._clock() + self._ttl, value)
        self._bytes += len(value) + _OVERHEAD
        while self._bytes > self._most_bytes or len(self._entries) > MAX_ENTRIES:
            self._drop(next(iter(self._entries)))

    def _drop(self, digest: bytes) -> None:
        entry = self._entries.pop(digest, None)
        if entry is not None:
            self._bytes -= len(entry[1]) + _OVERHEAD

    def __len__(self) -> int:
        return len(self._entries)


class ResultCache(ByteCache):
    """Results of tools. Put only results that were inspected and passed unchanged.

    `clear` it when a tool was called that does more than read, as earlier results may no longer hold. Results of calls that
    began before the clearing are not taken in.
    """

    def __init__(
        self, lock: ToolLock, bundle: str, clock: Callable[[], float], *, ttl: float = TTL, most_bytes: int = MAX_BYTES
    ) -> None:
        super().__init__(clock, ttl=ttl, most_bytes=most_bytes)
        self._load(lock, bundle)

    def _load(self, lock: ToolLock, bundle: str) -> None:
        self._definitions = {tool.name: tool.sha256 for tool in lock.tools if tool.cacheable and tool.risk == "read"}
        self._bundle = bundle

    def swap(self, lock: ToolLock, bundle: str) -> None:
        """Forget everything, as another bundle is in force (`bundle` is its hash)."""
        self.clear()
        self._load(lock, bundle)

    def key(self, principal_id: str, tool: str, arguments: Any, version: str) -> CacheKey | None:
        """The key of a call that is about to be made; None where the lock does not call the tool cacheable.

        The protocol version is part of the key, as the same result looks different in another version.
        """
        definition = self._definitions.get(tool)
        if definition is None:
            return None
        return self.key_of(principal_id, tool, arguments, version, definition, self._bundle)
