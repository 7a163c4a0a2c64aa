"""The table of MCP methods that the guard carries, and how the messages of each are judged. Other methods are refused.

The rows are those of the official schema types (a test compares them). Tasks (2025-11-25, experimental) are left out:
they would let a result be fetched apart from the call that was granted. The code that judges by a row is in
`guard.decide.from_client` and `guard.decide.from_server`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from guard.decide.member_shapes import COMPLETED, HANDLE, LEVEL, META, NUMBER, OBJECT, TEXT, MemberShape
from guard.inspect.verdict import Leg


class Era(StrEnum):
    """The protocol versions that have a method: those with sessions (up to 2025-11-25), stateless ones (2026-07-28), all."""

    LEGACY = "legacy"
    MODERN = "modern"
    ALL = "all"

    def has(self, *, modern: bool) -> bool:
        return self is Era.ALL or (self is Era.MODERN) is modern


class MessageKind(StrEnum):
    """The kind of a message; a notification has no answer."""

    REQUEST = "request"
    NOTIFICATION = "notification"


class Section(StrEnum):
    """The section of the grants and of the tool lock (`ToolLock.entries`) that judges what a message names."""

    TOOLS = "tools"
    PROMPTS = "prompts"
    RESOURCES = "resources"
    RESOURCE_TEMPLATES = "resource_templates"

    @property
    def member(self) -> str:
        """The member of a list result that holds definitions of this section."""
        return "resourceTemplates" if self is Section.RESOURCE_TEMPLATES else self.value


class Names(StrEnum):
    """Where a message's params name the tool, prompt or resource that must be granted and locked."""

    NOTHING = "nothing"
    NAME = "name"
    URI = "uri"
    #: `ref`: a prompt by its name, or a resource or template by its URI.
    REFERENCE = "ref"
    #: `notifications.resourceSubscriptions`: each a URI.
    SUBSCRIPTIONS = "subscriptions"


class ResultKind(StrEnum):
    """How an answer's result is judged."""

    #: Definitions: filtered by lock and grants, then inspected one by one.
    LIST = "list"
    #: Instructions and capabilities, without the capabilities that the guard does not carry.
    INTRODUCTION = "introduction"
    #: Anything else: inspected as a whole.
    CONTENT = "content"


class Addressee(StrEnum):
    """The reader of a message from a stdio server, which writes the messages for all readers to one output."""

    #: The call that gave the progress token.
    CALL = "call"
    #: The subscription that the message is marked with, else the session's own stream.
    STREAM = "stream"
    #: The latest call that is still running: a server asks a client something on behalf of a call.
    LATEST_CALL = "latest call"


#: The places (JSON pointers) where MCP has values that are opaque by definition and never shown to a model; `requestState`
#: must not be altered. Anywhere else the same names may mean anything: a tool's argument `cursor` is inspected like others.
_OPAQUE = frozenset(("/requestState", "/_meta/progressToken"))
_PAGED = _OPAQUE | {"/cursor", "/nextCursor"}
_PROGRESS = frozenset(("/progressToken",))
#: The members by which a call of 2026-07-28 is repeated with the answers to the server's questions.
_CONTINUED = frozenset(("inputResponses", "requestState"))
#: Methods whose result is `EmptyResult` in the official schema.
_ANSWER_NOTHING = frozenset(("ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"))


@dataclass(frozen=True, slots=True)
class Method:
    """One method as one side sends it.

    `leg` is the policy that judges its answer. A `structural` method's messages carry no prose: short words in them need no
    verdict, and its requests hold no place among the calls in flight. `opaque` are the places (JSON pointers) that are not
    inspected.
    """

    name: str
    kind: MessageKind
    era: Era = Era.ALL
    names: Names = Names.NOTHING
    section: Section | None = None
    result: ResultKind = ResultKind.CONTENT
    leg: Leg = Leg.RESULTS
    structural: bool = False
    opaque: frozenset[str] = _OPAQUE
    #: What a client's params may have besides `_meta`, which is open to everybody's own members; each with its shape, or
    #: None where grants, lock or another rule judges it whole.
    members: Mapping[str, MemberShape | None] = field(default_factory=dict)
    #: In 2026-07-28 the request may be repeated with the answers to the server's questions.
    continued: bool = False
    addressee: Addressee = Addressee.STREAM
    #: The server opens a session in its answer.
    opens_session: bool = False
    #: The answer comes only when the client ends the request, so a silent server has not failed.
    endless: bool = False
    #: The notification says that a list of the server has changed.
    changes_lists: bool = False
    #: The request says whether the client is told of changes of one resource.
    subscribes: bool = False
    #: The method runs a tool. Its refusals are answered as tool errors, which the model reads.
    is_call: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_call", self.names is Names.NAME and self.section is Section.TOOLS)

    def unknown_members(self, params: Mapping[str, Any], *, modern: bool) -> list[str]:
        """The members of a client's params that MCP does not know for this method, in order.

        Some servers hand all params to code of their own, and a model or a log may be shown what no schema describes.
        """
        unknown = params.keys() - self.members.keys() - {"_meta"}
        return sorted(unknown - _CONTINUED if self.continued and modern else unknown) if unknown else []

    def misshapen(self, params: Mapping[str, Any]) -> str | None:
        """The first of a client's params that has not the shape that MCP gives it, with that shape."""
        for name, value in params.items():
            shape = META if name == "_meta" else self.members.get(name)
            if shape is not None and not shape.fits(value):
                return f"params.{name} is {shape.words}"
        return None

    @property
    def answers_nothing(self) -> bool:
        """Whether the result has no members: the method does something, and its answer says that it is done."""
        return self.name in _ANSWER_NOTHING


_REQUEST, _NOTIFICATION = MessageKind.REQUEST, MessageKind.NOTIFICATION


_URI: Mapping[str, MemberShape | None] = {"uri": None}


def _list(name: str, section: Section) -> Method:
    return Method(
        name,
        MessageKind.REQUEST,
        section=section,
        result=ResultKind.LIST,
        structural=True,
        opaque=_PAGED,
        members={"cursor": HANDLE},
    )


def _table(rows: Iterable[Method]) -> Mapping[str, Method]:
    return MappingProxyType({row.name: row for row in rows})


#: The methods that a client may send.
CLIENT = _table(
    (
        Method(
            "initialize",
            _REQUEST,
            Era.LEGACY,
            result=ResultKind.INTRODUCTION,
            structural=True,
            opens_session=True,
            members={"protocolVersion": TEXT, "capabilities": OBJECT, "clientInfo": OBJECT},
        ),
        Method("server/discover", _REQUEST, Era.MODERN, result=ResultKind.INTRODUCTION, structural=True),
        Method("ping", _REQUEST, Era.LEGACY, structural=True),
        _list("tools/list", Section.TOOLS),
        Method(
            "tools/call",
            _REQUEST,
            names=Names.NAME,
            section=Section.TOOLS,
            # Known in either era, as a call that asks for a task is refused for that.
            members={"name": None, "arguments": None, "task": None},
            continued=True,
        ),
        _list("prompts/list", Section.PROMPTS),
        Method(
            "prompts/get",
            _REQUEST,
            names=Names.NAME,
            section=Section.PROMPTS,
            leg=Leg.PROMPTS,
            members={"name": None, "arguments": OBJECT},
            continued=True,
        ),
        _list("resources/list", Section.RESOURCES),
        _list("resources/templates/list", Section.RESOURCE_TEMPLATES),
        Method(
            "resources/read",
            _REQUEST,
            names=Names.URI,
            section=Section.RESOURCES,
            leg=Leg.RESOURCES,
            members=_URI,
            continued=True,
        ),
        *(
            Method(
                f"resources/{verb}",
                _REQUEST,
                Era.LEGACY,
                names=Names.URI,
                section=Section.RESOURCES,
                members=_URI,
                subscribes=True,
            )
            for verb in ("subscribe", "unsubscribe")
        ),
        Method(
            "subscriptions/listen",
            _REQUEST,
            Era.MODERN,
            names=Names.SUBSCRIPTIONS,
            structural=True,
            endless=True,
            members={"notifications": OBJECT},
        ),
        Method(
            "completion/complete",
            _REQUEST,
            names=Names.REFERENCE,
            members={"ref": None, "argument": COMPLETED, "context": OBJECT},
        ),
        Method("logging/setLevel", _REQUEST, Era.LEGACY, structural=True, members={"level": LEVEL}),
        Method("notifications/initialized", _NOTIFICATION, Era.LEGACY, structural=True),
        Method(
            "notifications/cancelled", _NOTIFICATION, structural=True, members={"requestId": HANDLE, "reason": TEXT}
        ),
        Method(
            "notifications/progress",
            _NOTIFICATION,
            Era.LEGACY,
            structural=True,
            opaque=_PROGRESS,
            members={"progressToken": HANDLE, "progress": NUMBER, "total": NUMBER, "message": TEXT},
        ),
        Method("notifications/roots/list_changed", _NOTIFICATION, Era.LEGACY, structural=True),
    )
)

#: The methods that a server may send. Its notifications are carried in either era, as they can do the same in both.
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

#: The row by which an answer to a request of the opposite side is judged, and the row under which a message of an unknown
#: method is refused.
ANSWER = Method("answer", _NOTIFICATION, Era.LEGACY)
UNKNOWN = Method("", _NOTIFICATION)


def from_client(name: str, kind: MessageKind, *, modern: bool) -> Method | None:
    """The row of a client's message; None if the message is refused."""
    method = CLIENT.get(name)
    return method if method is not None and method.kind is kind and method.era.has(modern=modern) else None


def request_from_server(name: str, *, modern: bool) -> Method | None:
    """The row of a server's request; None if the request is refused."""
    method = SERVER.get(name)
    if method is None or method.kind is not MessageKind.REQUEST or not method.era.has(modern=modern):
        return None
    return method


def notification_from_server(name: str) -> Method | None:
    """The row of a server's notification; None if the notification is dropped."""
    method = SERVER.get(name)
    return method if method is not None and method.kind is MessageKind.NOTIFICATION else None


def opaque_places(name: str) -> frozenset[str]:
    """The opaque places in a message of this method and in its answer, whichever side sends it."""
    method = CLIENT.get(name) or SERVER.get(name)
    return _OPAQUE if method is None else method.opaque
