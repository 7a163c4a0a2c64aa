"""The one table of MCP methods: what the guard carries and how each message is judged. What stands here not is refused.

Rows are those of the official schema types (a test compares them). Tasks (2025-11-25, experimental) are left out: they
would let a result be fetched apart from the call that was granted. How a row is carried out stands in
`guard.decide.from_client` and `guard.decide.from_server`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from guard.inspect.verdict import Leg


class Era(StrEnum):
    """Which protocol versions have the method: with sessions (up to 2025-11-25), stateless (2026-07-28), or both."""

    LEGACY = "legacy"
    MODERN = "modern"
    BOTH = "both"

    def has(self, *, modern: bool) -> bool:
        return self is Era.BOTH or (self is Era.MODERN) is modern


class Kind(StrEnum):
    """A notification has no answer."""

    REQUEST = "request"
    NOTIFICATION = "notification"


class Section(StrEnum):
    """The section of a grant and of the tool lock (`ToolLock.entries`) that judges what a message names."""

    TOOLS = "tools"
    PROMPTS = "prompts"
    RESOURCES = "resources"
    RESOURCE_TEMPLATES = "resource_templates"

    @property
    def member(self) -> str:
        """The member of a list result that holds definitions of this section."""
        return "resourceTemplates" if self is Section.RESOURCE_TEMPLATES else self.value


class Names(StrEnum):
    """Where a message's params name what is to be granted and locked."""

    NOTHING = "nothing"
    NAME = "name"
    URI = "uri"
    #: `ref`: a prompt by its name, or a resource or template by its URI.
    REFERENCE = "ref"
    #: `notifications.resourceSubscriptions`: each a URI.
    SUBSCRIPTIONS = "subscriptions"


class Result(StrEnum):
    """How an answer's result is judged."""

    #: Its definitions are filtered by lock and grants, then inspected one by one.
    LIST = "list"
    #: Instructions and capabilities: what the guard does not carry is not promised.
    INTRODUCTION = "introduction"
    CONTENT = "content"


class Addressee(StrEnum):
    """Which of a stdio server's readers a message of its is for: stdio has one line for all of them."""

    #: The call that gave the progress token.
    CALL = "call"
    #: The subscription that the message is marked with, else the session's own stream.
    STREAM = "stream"
    #: The call that runs: who asks a client something does it on behalf of one.
    LATEST_CALL = "latest call"


#: Where MCP has what is opaque by definition and never shown to a model; `requestState` must not be altered. Anywhere else
#: the same words name anything: a tool's argument `cursor` is read like every other.
_OPAQUE = frozenset(("/requestState", "/_meta/progressToken"))
_PAGED = _OPAQUE | {"/cursor", "/nextCursor"}
_PROGRESS = frozenset(("/progressToken",))


@dataclass(frozen=True, slots=True)
class Method:
    """One method as one side sends it.

    `leg` is the policy that judges its answer. `structural`: its messages carry no prose, so short words need no verdict,
    and a request holds no place among the calls in flight. `opaque` are the places (JSON pointers) that are not read.
    """

    name: str
    kind: Kind
    era: Era = Era.BOTH
    names: Names = Names.NOTHING
    section: Section | None = None
    result: Result = Result.CONTENT
    leg: Leg = Leg.RESULTS
    structural: bool = False
    opaque: frozenset[str] = _OPAQUE
    addressee: Addressee = Addressee.STREAM
    #: The server opens a session in its answer.
    opens_session: bool = False
    #: The answer comes when the client ends it: silence is no failure.
    endless: bool = False
    #: The server's own lists are not what they were.
    changes_lists: bool = False

    @property
    def is_call(self) -> bool:
        """Whether it runs a tool: what is refused then reads as a tool's error, which the model sees."""
        return self.names is Names.NAME and self.section is Section.TOOLS


_REQUEST, _NOTIFICATION = Kind.REQUEST, Kind.NOTIFICATION


def _list(name: str, section: Section) -> Method:
    return Method(name, Kind.REQUEST, Era.BOTH, section=section, result=Result.LIST, structural=True, opaque=_PAGED)


def _resource(name: str, era: Era, leg: Leg = Leg.RESULTS) -> Method:
    return Method(name, Kind.REQUEST, era, names=Names.URI, section=Section.RESOURCES, leg=leg)


def _table(rows: Iterable[Method]) -> Mapping[str, Method]:
    return MappingProxyType({row.name: row for row in rows})


#: What a client may send.
CLIENT = _table(
    (
        Method("initialize", _REQUEST, Era.LEGACY, result=Result.INTRODUCTION, structural=True, opens_session=True),
        Method("server/discover", _REQUEST, Era.MODERN, result=Result.INTRODUCTION, structural=True),
        Method("ping", _REQUEST, Era.LEGACY, structural=True),
        _list("tools/list", Section.TOOLS),
        Method("tools/call", _REQUEST, names=Names.NAME, section=Section.TOOLS),
        _list("prompts/list", Section.PROMPTS),
        Method("prompts/get", _REQUEST, names=Names.NAME, section=Section.PROMPTS, leg=Leg.PROMPTS),
        _list("resources/list", Section.RESOURCES),
        _list("resources/templates/list", Section.RESOURCE_TEMPLATES),
        _resource("resources/read", Era.BOTH, Leg.RESOURCES),
        _resource("resources/subscribe", Era.LEGACY),
        _resource("resources/unsubscribe", Era.LEGACY),
        Method("subscriptions/listen", _REQUEST, Era.MODERN, names=Names.SUBSCRIPTIONS, structural=True, endless=True),
        Method("completion/complete", _REQUEST, names=Names.REFERENCE),
        Method("logging/setLevel", _REQUEST, Era.LEGACY, structural=True),
        Method("notifications/initialized", _NOTIFICATION, Era.LEGACY, structural=True),
        Method("notifications/cancelled", _NOTIFICATION, structural=True),
        Method("notifications/progress", _NOTIFICATION, Era.LEGACY, structural=True, opaque=_PROGRESS),
        Method("notifications/roots/list_changed", _NOTIFICATION, Era.LEGACY, structural=True),
    )
)

#: What a server may send. Its notifications are carried in either era: all that they may do is the same.
SERVER = _table(
    (
        Method("ping", _REQUEST, Era.LEGACY, addressee=Addressee.LATEST_CALL, structural=True),
        Method("roots/list", _REQUEST, Era.LEGACY, addressee=Addressee.LATEST_CALL, structural=True, opaque=_PAGED),
        Method("sampling/createMessage", _REQUEST, Era.LEGACY, addressee=Addressee.LATEST_CALL),
        Method("elicitation/create", _REQUEST, Era.LEGACY, addressee=Addressee.LATEST_CALL),
        Method("notifications/cancelled", _NOTIFICATION, structural=True),
        Method("notifications/progress", _NOTIFICATION, structural=True, opaque=_PROGRESS, addressee=Addressee.CALL),
        Method("notifications/message", _NOTIFICATION),
        Method("notifications/tools/list_changed", _NOTIFICATION, structural=True, changes_lists=True),
        Method("notifications/prompts/list_changed", _NOTIFICATION, structural=True, changes_lists=True),
        Method("notifications/resources/list_changed", _NOTIFICATION, structural=True, changes_lists=True),
        Method(
            "notifications/resources/updated",
            _NOTIFICATION,
            names=Names.URI,
            section=Section.RESOURCES,
            structural=True,
        ),
        Method("notifications/subscriptions/acknowledged", _NOTIFICATION, Era.MODERN, structural=True),
        Method("notifications/elicitation/complete", _NOTIFICATION, Era.LEGACY),
    )
)

#: What is judged of an answer to the other side's request, and recorded of a message that is refused unread.
ANSWER = Method("answer", _NOTIFICATION, Era.LEGACY)
UNKNOWN = Method("", _NOTIFICATION)


def from_client(name: str, kind: Kind, *, modern: bool) -> Method | None:
    """The row of a client's message; None: it is refused."""
    method = CLIENT.get(name)
    return method if method is not None and method.kind is kind and method.era.has(modern=modern) else None


def request_from_server(name: str, *, modern: bool) -> Method | None:
    """The row of a server's request; None: it is refused."""
    method = SERVER.get(name)
    if method is None or method.kind is not Kind.REQUEST or not method.era.has(modern=modern):
        return None
    return method


def notification_from_server(name: str) -> Method | None:
    """The row of a server's notification; None: it is dropped."""
    method = SERVER.get(name)
    return method if method is not None and method.kind is Kind.NOTIFICATION else None


def opaque_places(name: str) -> frozenset[str]:
    """Where a message of this method, and its answer, hold what is opaque; who sends it makes no difference."""
    method = CLIENT.get(name) or SERVER.get(name)
    return _OPAQUE if method is None else method.opaque
