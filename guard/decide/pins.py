"""The tool lock enforced: what the server shows now against what was approved, on every list and every call.

What once differed from the lock stays refused, over restarts and even if the server shows the approved definition
again, until another lock is in force: a definition that comes and goes is the rug pull itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard.bundle.keys import write_atomically
from model.canonical import digest
from model.difference import pointers
from model.errors import InputError, RingwallError, Unreachable
from model.json import parse_json
from model.text import visible
from model.tool_lock import Entry, ToolLock

if TYPE_CHECKING:
    from wire.mcp import ServerOffer, Target

#: Kind of a definition -> the member of it that names it. The kinds are those of `ToolLock.entries`.
KEYS: Mapping[str, str] = {"tools": "name", "prompts": "name", "resources": "uri", "resource_templates": "uriTemplate"}

#: Members a server leaves out when it answers an older protocol version; leaving one out adds nothing to a definition.
_OPTIONAL = frozenset(("title", "icons", "outputSchema", "annotations", "execution", "_meta", "size", "mimeType"))
#: 2025-11-25 only; the guard carries no tasks, so it says nothing, as long as it is one of the three words.
_EXECUTION: tuple[dict[str, str], ...] = (
    {},
    {"taskSupport": "forbidden"},
    {"taskSupport": "optional"},
    {"taskSupport": "required"},
)

#: After this many seconds without a look at the server's own list, a call waits for one.
STALE_AFTER = 60.0
#: After this many seconds the next call has one made beside it.
LOOK_AGAIN_AFTER = 20.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """A definition that is not the approved one. `difference` is readable text without hidden characters."""

    kind: str
    key: str
    sha256: str
    difference: str


def same_definition(observed: Mapping[str, Any], locked: Mapping[str, Any]) -> bool:
    """True if `observed` is the approved definition, as any protocol version may show it."""
    shown = dict(observed)
    if "execution" not in locked and shown.get("execution", {}) in _EXECUTION:
        shown.pop("execution", None)
    expected = {key: value for key, value in locked.items() if key in shown or key not in _OPTIONAL}
    try:
        return digest(shown) == digest(expected)
    except ValueError:
        return False  # what has no digest (too deep, half a surrogate pair) was never approved


class Pins:
    """One lock, and what of it the server was seen to have changed.

    `file` keeps the changed ones over restarts; it counts only for the lock it was written under. `previous`, of the
    configuration before, tells those that could not be kept there. `report` hears every new refusal once.

    Raises:
        InputError: `file` is there and cannot be read as what this class writes: nobody knows then what was refused.
    """

    def __init__(
        self, lock: ToolLock, file: Path | None, report: Callable[[Refusal], None], previous: Pins | None = None
    ) -> None:
        self.lock = lock
        self.digest = digest(lock.dump())
        self._entries: dict[str, dict[str, Entry]] = {
            kind: {entry.key: entry for entry in entries} for kind, entries in lock.entries().items()
        }
        #: The approved text of each, so that the usual case is one comparison of strings.
        self._exact = {
            (kind, key): _text(entry.definition)
            for kind, entries in self._entries.items()
            for key, entry in entries.items()
        }
        self._file = file
        self._report = report
        self._changed: dict[str, str] = _read(file, self.digest) if file else {}
        self._reported: set[tuple[str, str, str]] = set()
        self.problem: str | None = None
        if previous is not None and previous.digest == self.digest:
            self._changed = {**previous._changed, **self._changed}
            self.problem = previous.problem

    def report_to(self, report: Callable[[Refusal], None]) -> None:
        """Let another hear the refusals from now on."""
        self._report = report

    @property
    def refused(self) -> tuple[str, ...]:
        """What is refused although the lock has it: ``tools/name``."""
        return tuple(sorted(self._changed))

    def entry(self, kind: str, key: str) -> Entry | None:
        """The pinned entry, unless the server changed it."""
        return None if f"{kind}/{key}" in self._changed else self._entries[kind].get(key)

    def admits(self, kind: str, definition: Any) -> bool:
        """Whether a definition that the server shows may be shown on: it is pinned, unchanged, and was never refused."""
        if not isinstance(definition, dict) or not isinstance(key := definition.get(KEYS[kind]), str):
            return False
        locked = self._entries[kind].get(key)
        if locked is None:
            self._say(Refusal(kind, key, _digest(definition), "not in the tool lock"))
            return False
        if _text(definition) != self._exact[kind, key] and not same_definition(definition, locked.definition):
            self._refuse(kind, key, definition, locked)
            return False
        return f"{kind}/{key}" not in self._changed

    def admits_instructions(self, text: Any) -> bool:
        """Whether the server's instructions are those that were approved."""
        if text == self.lock.server.instructions and "instructions/" not in self._changed:
            return True
        if text is None:
            return True
        if text != self.lock.server.instructions:
            change = "changed" if self.lock.server.instructions else "new, and none were approved"
            self._keep("instructions/", _digest(text))
            self._say(Refusal("instructions", "", _digest(text), change))
        return False

    def compare(self, offer: ServerOffer) -> None:
        """Take note of everything a fresh look at the server shows."""
        for kind, definitions in (
            ("tools", offer.tools),
            ("prompts", offer.prompts),
            ("resources", offer.resources),
            ("resource_templates", offer.resource_templates),
        ):
            for definition in definitions:
                self.admits(kind, definition)
        self.admits_instructions(offer.instructions)
        if self.problem is not None:
            self._write()

    def _refuse(self, kind: str, key: str, definition: Mapping[str, Any], locked: Entry) -> None:
        sha256 = _digest(definition)
        self._keep(f"{kind}/{key}", sha256)
        if (kind, key, sha256) not in self._reported:
            self._say(Refusal(kind, key, sha256, difference(locked.definition, definition)))

    def _say(self, refusal: Refusal) -> None:
        seen = (refusal.kind, refusal.key, refusal.sha256)
        if seen not in self._reported and len(self._reported) < 10_000:
            self._reported.add(seen)
            self._report(refusal)

    def _keep(self, name: str, sha256: str) -> None:
        if name not in self._changed:
            self._changed[name] = sha256
            self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        refused = dict(sorted(self._changed.items()))
        text = json.dumps({"version": 1, "tool_lock_sha256": self.digest, "refused": refused}, indent=2)
        try:
            write_atomically(self._file, text.encode() + b"\n", 0o600)
        except OSError as error:
            self.problem = f"what the lock refuses cannot be kept in {self._file}: {error.strerror}"
        else:
            self.problem = None


def difference(locked: Mapping[str, Any], observed: Mapping[str, Any]) -> str:
    """Where two definitions differ, one line a place, at most 20, hidden characters shown."""
    try:
        changes = list(pointers(dict(locked), dict(observed)))
    except ValueError as error:
        return f"what the server shows {error}"
    lines = [
        f"{visible(change.pointer)}: {change.before or 'absent'} -> {change.after or 'absent'}" for change in changes
    ]
    more = [f"and {len(lines) - 20} more"] if len(lines) > 20 else []
    return "\n".join(lines[:20] + more)


def _text(definition: Any) -> str:
    return json.dumps(definition, sort_keys=True, ensure_ascii=False)


def _digest(value: Any) -> str:
    try:
        return digest(value)
    except ValueError:
        return "sha256:unknown"


def _read(file: Path, lock_digest: str) -> dict[str, str]:
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", file=file, remedy="correct its permissions") from error
    try:
        value = parse_json(text)
        refused = value["refused"] if value["tool_lock_sha256"] == lock_digest else {}
        return {str(name): str(sha256) for name, sha256 in refused.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "is not the guard's list of refused definitions",
            file=file,
            remedy="restore it, or remove it after making sure that the server offers what the lock says",
        ) from error


class Watch:
    """Looks at the server's own lists, so that a call is judged by what the server offers now.

    Clients' lists pass through the guard too, but a client that lists once and calls for days would never show a
    change. The look is a whole conversation of the official SDK's client, beside the event loop.
    """

    def __init__(self, target: Target, pins: Callable[[], Pins], clock: Callable[[], float] = time.monotonic) -> None:
        self._target = target
        self._pins = pins
        self._clock = clock
        self._seen = float("-inf")
        self._forgotten = 0
        self._running: asyncio.Task[None] | None = None
        self.problem: str | None = "the server was not looked at yet"

    def follow(self, pins: Callable[[], Pins]) -> None:
        """Compare with these from now on."""
        self._pins = pins

    def aim(self, target: Target) -> None:
        """Look at another server from now on."""
        self._target = target
        self.forget()

    async def fresh(self) -> None:
        """Return once the server's lists are known as of at most `STALE_AFTER` seconds ago.

        Raises:
            Unreachable: they cannot be had, so no call can be judged.
        """
        age = self._clock() - self._seen
        if age < LOOK_AGAIN_AFTER:
            return
        look = self.again()
        if age < STALE_AFTER:
            return
        await asyncio.shield(look)
        if self._clock() - self._seen >= STALE_AFTER:
            # It began before something changed: one more, which cannot have.
            await asyncio.shield(self.again())
        if self._clock() - self._seen >= STALE_AFTER:
            raise Unreachable(self.problem or "the server's lists cannot be had")

    def again(self) -> asyncio.Task[None]:
        """Look now (the server said that a list changed, or was restarted); one look at a time."""
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._look())
        return self._running

    async def reached(self) -> bool:
        """Look now; whether the server answered as an MCP server."""
        await asyncio.shield(self.again())
        return self.problem is None

    def forget(self) -> None:
        """The next call waits for a look that begins after this: another lock or another server is in force."""
        self._seen = float("-inf")
        self._forgotten += 1

    async def _look(self) -> None:
        from wire.mcp import probe

        started, forgotten = self._clock(), self._forgotten
        try:
            offer = await asyncio.to_thread(probe, self._target)
        except RingwallError as error:
            self.problem = str(error)
            return
        self._pins().compare(offer)
        if forgotten == self._forgotten:
            self._seen = started
            self.problem = None

    async def close(self) -> None:
        if self._running is not None and not self._running.done():
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running


def matching(pins: Pins, kind: str, definitions: Sequence[Any]) -> list[Any]:
    """The definitions that the lock admits, in their order."""
    return [definition for definition in definitions if pins.admits(kind, definition)]
