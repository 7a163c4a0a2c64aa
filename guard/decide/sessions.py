"""Which session, which event id and which requestState belongs to whom.

A session is never a login (MCP, "Security best practices": session hijacking): knowing its id gives nothing to another
principal. Ids and states are kept as SHA-256, so that the guard's memory holds none of them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from guard.identity.principal import Principal

IDLE_FOR = 24 * 3600.0
PER_PRINCIPAL = 64
MAX_SESSIONS = 65_536
CONTEXTS = 256
STATE_FOR = 3600.0
STATES_PER_PRINCIPAL = 256
MAX_STATES = 65_536

RequestId = str | int


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(slots=True)
class _Session:
    owner: str
    used: float
    contexts: OrderedDict[RequestId, Any] = field(default_factory=OrderedDict)
    abilities: frozenset[str] = frozenset()


class Sessions:
    """Legacy sessions (`Mcp-Session-Id`) and the requests pending in them. `clock` is monotonic, in seconds.

    A principal's 65th session ends its least recently used one; a session nobody used for 24 hours ends. When the table is
    full of others' live sessions nothing is bound: ending someone else's would let one principal close another's.
    """

    def __init__(
        self, clock: Callable[[], float], *, per_principal: int = PER_PRINCIPAL, most: int = MAX_SESSIONS
    ) -> None:
        self._clock = clock
        self._per_principal = per_principal
        self._most = most
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._owned: dict[str, OrderedDict[bytes, None]] = {}

    def bind(self, session_id: str, principal: Principal) -> bool:
        """Make the session the principal's. False, and nothing changed, when it is another's already or there is no room:
        the session must then not be handed out."""
        key = _hash(session_id)
        found = self._live(key)
        if found is not None:
            if found.owner != principal.id:
                return False
            self._touch(key, found)
            return True
        self._expire()
        owned = self._owned.get(principal.id, OrderedDict())
        if len(owned) >= self._per_principal:
            self._remove(next(iter(owned)))
        elif len(self._sessions) >= self._most:
            return False
        self._sessions[key] = _Session(principal.id, self._clock())
        self._owned.setdefault(principal.id, OrderedDict())[key] = None
        return True

    def holds(self, session_id: str, principal: Principal) -> bool:
        """Whether the session is the principal's; unknown, ended or another's are all the same: answer 404."""
        key = _hash(session_id)
        found = self._live(key)
        if found is None or found.owner != principal.id:
            return False
        self._touch(key, found)
        return True

    def lives(self, session_id: str, principal: Principal) -> bool:
        """As `holds`, without counting as a use: an open stream alone does not keep a session."""
        found = self._live(_hash(session_id))
        return found is not None and found.owner == principal.id

    def has_room(self, principal: Principal) -> bool:
        """Whether one more session of the principal's could be held."""
        if self._owned.get(principal.id) and len(self._owned[principal.id]) >= self._per_principal:
            return True  # it takes the place of its least recently used one
        self._expire()
        return len(self._sessions) < self._most

    def end(self, session_id: str) -> None:
        """Forget the session and its pending requests (DELETE, or the server answered 404)."""
        self._remove(_hash(session_id))

    def allow(self, session_id: str, ability: str) -> None:
        """The client said at the session's beginning that it can do something."""
        found = self._live(_hash(session_id))
        if found is not None:
            found.abilities |= {ability}

    def can(self, session_id: str, ability: str) -> bool:
        """Whether it said so: known as long as the session lives, however many requests pass."""
        found = self._live(_hash(session_id))
        return found is not None and ability in found.abilities

    def remember(self, session_id: str, request_id: RequestId, context: Any) -> bool:
        """Keep what is known of a pending request, so that its answer can be judged on whichever stream it comes.

        The newest 256 of a session are kept. False when there is no such session.
        """
        found = self._live(_hash(session_id))
        if found is None:
            return False
        found.contexts[request_id] = context
        found.contexts.move_to_end(request_id)
        if len(found.contexts) > CONTEXTS:
            found.contexts.popitem(last=False)
        return True

    def context(self, session_id: str, request_id: RequestId) -> Any | None:
        """What was remembered; None means an answer to nothing we let pass, which must not be let pass either."""
        found = self._live(_hash(session_id))
        return None if found is None else found.contexts.get(request_id)

    def forget(self, session_id: str, request_id: RequestId) -> None:
        """The request is answered or cancelled."""
        found = self._live(_hash(session_id))
        if found is not None:
            found.contexts.pop(request_id, None)

    def __len__(self) -> int:
        return len(self._sessions)

    def _live(self, key: bytes) -> _Session | None:
        found = self._sessions.get(key)
        if found is not None and self._clock() - found.used >= IDLE_FOR:
            self._remove(key)
            return None
        return found

    def _touch(self, key: bytes, session: _Session) -> None:
        session.used = self._clock()
        self._sessions.move_to_end(key)
        self._owned[session.owner].move_to_end(key)

    def _expire(self) -> None:
        now = self._clock()
        while self._sessions:
            key, oldest = next(iter(self._sessions.items()))
            if now - oldest.used < IDLE_FOR:
                return
            self._remove(key)

    def _remove(self, key: bytes) -> None:
        found = self._sessions.pop(key, None)
        if found is not None:
            owned = self._owned[found.owner]
            owned.pop(key, None)
            if not owned:
                del self._owned[found.owner]


class Cursors:
    """SSE event ids, each good only in the session it was given in (or, without one, for its principal).

    MCP servers take a Last-Event-ID from whoever sends it and often number events in a row, so an id guessed would bring
    another session's stream. What the client gets carries a MAC; a server sees its own ids only. The key lives as long as
    the process, as sessions do.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def seal(self, cursor: str, channel: str) -> str:
        """The id as the client sees it."""
        return f"{cursor}~{self._mac(cursor, channel)}"

    def open(self, sealed: str, channel: str) -> str | None:
        """The server's id; None for one that was not given in this session."""
        cursor, _, mac = sealed.rpartition("~")
        return cursor if cursor and hmac.compare_digest(mac, self._mac(cursor, channel)) else None

    def _mac(self, cursor: str, channel: str) -> str:
        return hmac.digest(self._key, f"{channel}\n{cursor}".encode(), "sha256").hex()[:32]


class RequestStates:
    """Modern `requestState` values, each good only for the principal it was given to, for one hour.

    Kept per principal, as a simple server may well give two people the same state. A principal's 257th state replaces its
    oldest one; in a full table nothing is bound, so that nobody can push out another's.
    """

    def __init__(self, clock: Callable[[], float], *, most: int = MAX_STATES) -> None:
        self._clock = clock
        self._most = most
        self._until: dict[str, OrderedDict[bytes, float]] = {}
        self._count = 0

    def bind(self, state: str, principal: Principal) -> bool:
        """The server gave this state to the principal. False when there is no room: it must then not be handed out."""
        now, key = self._clock(), _hash(state)
        own = self._until.get(principal.id, OrderedDict())
        if key not in own:
            if len(own) >= STATES_PER_PRINCIPAL:
                own.popitem(last=False)
                self._count -= 1
            elif self._count >= self._most:
                self._expire(now)
                if self._count >= self._most:
                    return False
                own = self._until.get(principal.id, OrderedDict())
            self._count += 1
        own[key] = now + STATE_FOR
        own.move_to_end(key)
        self._until[principal.id] = own
        return True

    def holds(self, state: str, principal: Principal) -> bool:
        """Whether this state was given to the principal within the hour."""
        until = self._until.get(principal.id, OrderedDict()).get(_hash(state))
        return until is not None and self._clock() < until

    def __len__(self) -> int:
        return self._count

    def _expire(self, now: float) -> None:
        for owner, own in list(self._until.items()):
            while own and next(iter(own.values())) <= now:
                own.popitem(last=False)
                self._count -= 1
            if not own:
                del self._until[owner]
