"""The principal to whom each session, event id and `requestState` belongs.

A session is never a login (MCP, "Security best practices": session hijacking): its id gives nothing to another
principal. States and ids are looked up by their SHA-256. A session's id is kept too, as the server is told by it that
the session is over.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from guard.decide.reasons import Reason
from guard.identity.principal import Principal

IDLE_FOR = 24 * 3600.0
PER_PRINCIPAL = 64
MAX_SESSIONS = 65_536
CONTEXTS = 256
SUBSCRIPTIONS = 1024
STATE_FOR = 3600.0
STATES_PER_PRINCIPAL = 256
MAX_STATES = 65_536

RequestId = str | int


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(slots=True)
class _Session:
    id: str
    owner: str
    used: float
    contexts: OrderedDict[RequestId, Any] = field(default_factory=OrderedDict)
    abilities: frozenset[str] = frozenset()
    subscriptions: set[str] = field(default_factory=set)


class EndedSession(NamedTuple):
    """A session that the guard ended, and why: `session_replaced` or `session_expired`."""

    id: str
    reason: Reason


class Sessions:
    """Legacy sessions (`Mcp-Session-Id`) and the requests pending in them. `clock` is monotonic, in seconds.

    A principal's 65th session ends its least recently used one. A session that was not used for 24 hours ends. When the
    table is full of other principals' live sessions nothing is bound: one principal must not close another's session.
    """

    def __init__(
        self, clock: Callable[[], float], *, per_principal: int = PER_PRINCIPAL, most: int = MAX_SESSIONS
    ) -> None:
        self._clock = clock
        self._per_principal = per_principal
        self.most = most
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._owned: dict[str, OrderedDict[bytes, None]] = {}
        #: By principal: the sessions that ended here, and that the server has still.
        self.untold: OrderedDict[str, list[EndedSession]] = OrderedDict()

    def bind(self, session_id: str, principal: Principal) -> bool:
        """Make the session the principal's.

        False, with nothing changed, when it is another principal's already or there is no room. The session must then not
        be handed out.
        """
        key = _hash(session_id)
        session = self._live(key)
        if session is not None:
            if session.owner != principal.id:
                return False
            self._touch(key, session)
            return True
        self._expire()
        owned = self._owned.get(principal.id, OrderedDict())
        if len(owned) >= self._per_principal:
            self._end(next(iter(owned)), Reason.SESSION_REPLACED)
        elif len(self._sessions) >= self.most:
            return False
        self._sessions[key] = _Session(session_id, principal.id, self._clock())
        self._owned.setdefault(principal.id, OrderedDict())[key] = None
        return True

    def take_untold(self, principal: Principal) -> list[EndedSession]:
        """The principal's sessions that the server is to be told of, each once."""
        # A server that counts its sessions anew after a restart may have given the id to another one.
        return [ended for ended in self.untold.pop(principal.id, []) if _hash(ended.id) not in self._sessions]

    def holds(self, session_id: str, principal: Principal) -> bool:
        """Whether the session is the principal's. If it is unknown, ended or another's, the answer is the same: 404."""
        key = _hash(session_id)
        session = self._live(key)
        if session is None or session.owner != principal.id:
            return False
        self._touch(key, session)
        return True

    def lives(self, session_id: str, principal: Principal) -> bool:
        """As `holds`, without counting as a use, since an open stream alone does not keep a session alive."""
        session = self._live(_hash(session_id))
        return session is not None and session.owner == principal.id

    def has_room(self, principal: Principal) -> bool:
        """Whether one more session of the principal's could be held."""
        if self._owned.get(principal.id) and len(self._owned[principal.id]) >= self._per_principal:
            return True  # the new session takes the place of the principal's least recently used one
        self._expire()
        return len(self._sessions) < self.most

    def end(self, session_id: str) -> None:
        """Forget the session and its pending requests (DELETE, or the server answered 404)."""
        self._remove(_hash(session_id))

    def allow(self, session_id: str, ability: str) -> None:
        """Note an ability that the client announced when the session began."""
        session = self._live(_hash(session_id))
        if session is not None:
            session.abilities |= {ability}

    def can(self, session_id: str, ability: str) -> bool:
        """Whether the client announced the ability, which holds for as long as the session lives."""
        session = self._live(_hash(session_id))
        return session is not None and ability in session.abilities

    def subscribe(self, session_id: str, uri: str) -> bool:
        """Note that the client asked to be told of this resource. False where the session is over, or has 1,024 already."""
        session = self._live(_hash(session_id))
        if session is None or (len(session.subscriptions) >= SUBSCRIPTIONS and uri not in session.subscriptions):
            return False
        session.subscriptions.add(uri)
        return True

    def unsubscribe(self, session_id: str, uri: str) -> None:
        """Note that the client wants to hear of this resource no more."""
        session = self._live(_hash(session_id))
        if session is not None:
            session.subscriptions.discard(uri)

    def subscriptions(self, session_id: str) -> Collection[str]:
        """The resources that the client asked to be told of."""
        session = self._live(_hash(session_id))
        return () if session is None else session.subscriptions

    def remember(self, session_id: str, request_id: RequestId, context: Any) -> bool:
        """Keep the context of a pending request, so that its answer can be judged on whichever stream it arrives.

        The newest 256 of a session are kept. False when there is no such session.
        """
        session = self._live(_hash(session_id))
        if session is None:
            return False
        session.contexts[request_id] = context
        session.contexts.move_to_end(request_id)
        if len(session.contexts) > CONTEXTS:
            session.contexts.popitem(last=False)
        return True

    def context(self, session_id: str, request_id: RequestId) -> Any | None:
        """The context that was kept; None means that the guard let no such request pass, so no answer to it may pass."""
        session = self._live(_hash(session_id))
        return None if session is None else session.contexts.get(request_id)

    def forget(self, session_id: str, request_id: RequestId) -> None:
        """Drop the context of a request that was answered or cancelled."""
        session = self._live(_hash(session_id))
        if session is not None:
            session.contexts.pop(request_id, None)

    def __len__(self) -> int:
        return len(self._sessions)

    def _live(self, key: bytes) -> _Session | None:
        session = self._sessions.get(key)
        if session is not None and self._clock() - session.used >= IDLE_FOR:
            self._end(key, Reason.SESSION_EXPIRED)
            return None
        return session

    def _touch(self, key: bytes, session: _Session) -> None:
        session.used = self._clock()
        self._sessions.move_to_end(key)
        self._owned[session.owner].move_to_end(key)

    def _expire(self) -> None:
        time = self._clock()
        while self._sessions:
            key, oldest = next(iter(self._sessions.items()))
            if time - oldest.used < IDLE_FOR:
                return
            self._end(key, Reason.SESSION_EXPIRED)

    def _end(self, key: bytes, reason: Reason) -> None:
        """End a session that its client did not end. The server is told of it with its principal's next request."""
        session = self._sessions[key]
        self._remove(key)
        if session.id.startswith(" "):  # a principal's own channel, of which the server knows nothing
            return
        untold = self.untold.setdefault(session.owner, [])
        untold.append(EndedSession(session.id, reason))
        # Some principals never come back.
        del untold[: -self._per_principal]
        if len(self.untold) > self.most:
            self.untold.popitem(last=False)

    def _remove(self, key: bytes) -> None:
        session = self._sessions.pop(key, None)
        if session is not None:
            owned = self._owned[session.owner]
            owned.pop(key, None)
            if not owned:
                del self._owned[session.owner]


class Cursors:
    """SSE event ids, each valid only in its own session (or, without a session, for its principal).

    MCP servers accept a Last-Event-ID from anyone and often number events in a row, so a guessed id would open another
    session's stream. The client gets the id with a MAC, and the server sees its own ids only. The key lives as long as the
    guard, as sessions do.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def seal(self, cursor: str, channel: str) -> str:
        """The id as the client sees it."""
        return f"{cursor}~{self._mac(cursor, channel)}"

    def open(self, sealed: str, channel: str) -> str | None:
        """The server's id; None if the sealed id is of another session."""
        cursor, _, mac = sealed.rpartition("~")
        return cursor if cursor and hmac.compare_digest(mac, self._mac(cursor, channel)) else None

    def _mac(self, cursor: str, channel: str) -> str:
        return hmac.digest(self._key, f"{channel}\n{cursor}".encode(), "sha256").hex()[:32]


class RequestStates:
    """`requestState` values of the modern era, each valid for one hour and for the principal that it was given to.

    They are kept per principal, as a simple server may give two people the same state. A principal's 257th state replaces
    its oldest one. In a full table nothing is bound, so that nobody can push out another principal's state.
    """

    def __init__(self, clock: Callable[[], float], *, most: int = MAX_STATES) -> None:
        self._clock = clock
        self._most = most
        self._until: dict[str, OrderedDict[bytes, float]] = {}
        self._count = 0

    def bind(self, state: str, principal: Principal) -> bool:
        """Note that the server gave this state to the principal. False if there is no room: it must not be handed out."""
        return self.put(_hash(state), principal.id, self._clock() + STATE_FOR)

    def put(self, key: bytes, owner: str, until: float) -> bool:
        """Keep a state by its SHA-256, which another process of this guard may have bound; False as `bind`."""
        states = self._until.get(owner, OrderedDict())
        if key not in states:
            if len(states) >= STATES_PER_PRINCIPAL:
                states.popitem(last=False)
                self._count -= 1
            elif self._count >= self._most:
                self._expire(self._clock())
                if self._count >= self._most:
                    return False
                states = self._until.get(owner, OrderedDict())
            self._count += 1
        states[key] = until
        states.move_to_end(key)
        self._until[owner] = states
        return True

    def entries(self) -> Iterator[tuple[bytes, str, float]]:
        """Every state by its SHA-256, with its owner and when it ends."""
        for owner, states in self._until.items():
            for key, until in states.items():
                yield key, owner, until

    def holds(self, state: str, principal: Principal) -> bool:
        """Whether this state was given to the principal within the hour."""
        until = self._until.get(principal.id, OrderedDict()).get(_hash(state))
        return until is not None and self._clock() < until

    def __len__(self) -> int:
        return self._count

    def _expire(self, time: float) -> None:
        for owner, states in list(self._until.items()):
            while states and next(iter(states.values())) <= time:
                states.popitem(last=False)
                self._count -= 1
            if not states:
                del self._until[owner]
