"""Takes a request apart for the engines: what was said, what tools returned, what tools are, each on its leg.

Everything in a request that could hold text is in a part. What the provider would have to fetch or open by itself cannot be
inspected, so it is refused by name. An image or a sound that stands in the request is judged by its bytes, as in a tool's
result (`guard.inspect.media_types`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guard.inspect.content import is_handle
from guard.inspect.verdict import EVERYTHING, ModelLeg
from guard.models.requests import FORMATS, ROLES, ModelRequest, unsupported_member, wrong_member
from guard.models.tool_kinds import ToolKinds
from model.parameter_kinds import KindTree
from model.tool_lock import ParameterKind
from wire.json import Malformed, dump, parse

Path = tuple[str | int, ...]

#: An id that a provider or a client gave: no address, no quotes, no markup. What is none is inspected as text.
_ID = re.compile(r"(?:[A-Za-z0-9_.:=+|~@$*-]|/(?!/)){0,256}")
#: A part of an id that is a word. `functions.get_weather:0` has three; nobody says much in eight.
_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2,}(?![A-Za-z0-9])")
_MOST_WORDS = 8
#: Why an answer ended, as every provider says it: `stop`, `tool_calls`, `MAX_TOKENS`.
_FINISH_REASON = re.compile(r"[a-z][a-z_]{0,31}|[A-Z][A-Z_]{0,31}")
#: What OpenAI lets a client choose of a stream; each is true or false.
_STREAM_OPTIONS = frozenset(("include_usage", "include_obfuscation"))
#: Characters of a word beside an image or a sound.
_MAX_WORD = 64
_FETCHED = "the provider would fetch or open it by itself, and nobody could inspect it"
_IMAGE = f"{_FETCHED}; send the image as a data: URL"
_TEXT_PARTS = frozenset(("text", "refusal", "input_text", "output_text", "summary_text", "reasoning_text"))
_LEGS = {"assistant": ModelLeg.ANSWERS, "tool": ModelLeg.TOOL_RESULTS, "function": ModelLeg.TOOL_RESULTS}


@dataclass(frozen=True, slots=True)
class MessagePart:
    """One part: the leg it is judged on, where it stands, and its value in a form that engines read. `media` counts the
    images and sounds in it; `kinds` says what the arguments of a call are, by their pointers in the value."""

    leg: ModelLeg
    path: Path
    value: Any
    media: int = 0
    kinds: Mapping[str, ParameterKind] = field(default_factory=dict)


def request_parts(request: ModelRequest) -> list[MessagePart]:
    """All parts of a request; raises ModelRefusal for what nobody can inspect, or is not of the format."""
    row, body = FORMATS[request.kind], request.body
    further = {
        name: value
        for name, value in body.items()
        if name not in row.structure and name not in row.definitions and _may_hold_text(value)
    }
    options = body.get("stream_options") or {}
    if options.keys() - _STREAM_OPTIONS:
        further["stream_options"] = options
    parts = [MessagePart(ModelLeg.PROMPTS, (), further)] if further else []
    for name in sorted(row.definitions & body.keys()):
        value = body[name]
        if name in ("tools", "functions"):
            parts += [MessagePart(ModelLeg.DEFINITIONS, (name, index), tool) for index, tool in enumerate(value or ())]
        elif value is not None:
            parts.append(MessagePart(ModelLeg.DEFINITIONS, (name,), value))
    content = body.get(row.conversation)
    if request.kind == "embeddings":
        return [*parts, *_embedded(content)]
    if request.kind == "responses" and isinstance(content, str):
        return [*parts, MessagePart(ModelLeg.PROMPTS, ("input",), content)]
    if not isinstance(content, list) or not content:
        raise wrong_member(row.conversation, "must be a list with a message in it")
    for index, item in enumerate(content):
        path: Path = (row.conversation, index)
        if not isinstance(item, dict):
            raise wrong_member(shown(path), "must be an object")
        read = _message if request.kind == "chat" else request_item
        parts += read(path, item, request.tools)
    return parts


def _may_hold_text(value: Any) -> bool:
    return isinstance(value, str | list | dict) and value not in ("", [], {})


def _embedded(content: Any) -> Iterator[MessagePart]:
    texts = content if isinstance(content, list) else [content]
    for index, text in enumerate(texts):
        if isinstance(text, int | list):
            raise unsupported_member(
                "input",
                "numbers of tokens cannot be inspected; send texts (LangChain: check_embedding_ctx_length=False)",
            )
        if not isinstance(text, str):
            raise wrong_member("input", "must be a text, or a list of texts")
        yield MessagePart(ModelLeg.PROMPTS, ("input", index) if isinstance(content, list) else ("input",), text)


# -- messages of chat completions, and of responses -----------------------------------------------------------------------


def _message(path: Path, message: Mapping[str, Any], tools: ToolKinds) -> Iterator[MessagePart]:
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise wrong_member(f"{shown(path)}.role", f"must be one of {', '.join(sorted(ROLES))}")
    if message.get("audio") is not None:
        raise unsupported_member(f"{shown(path)}.audio", "it names a sound that the provider keeps")
    leg = _LEGS.get(role, ModelLeg.PROMPTS)
    value: dict[str, Any] = {}
    media = 0
    for name, member in message.items():
        if name == "content":
            value[name], media = _content((*path, name), member)
        elif name == "role" or (name in ("id", "tool_call_id") and is_id(member)):
            continue
        elif name not in ("tool_calls", "function_call") and _may_hold_text(member):
            value[name] = member
    if value:
        yield MessagePart(leg, path, value, media)
    yield from called(path, message, tools)


def called(path: Path, message: Mapping[str, Any], tools: ToolKinds) -> Iterator[MessagePart]:
    """The tool calls of an assistant's message; raises ModelRefusal."""
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise wrong_member(f"{shown(path)}.tool_calls", "must be a list")
    for index, call in enumerate(calls or ()):
        place = (*path, "tool_calls", index)
        if not isinstance(call, dict):
            raise wrong_member(shown(place), "must be an object")
        value = {
            name: readable_call(member) if name in ("function", "custom") else member
            for name, member in call.items()
            if name not in ("id", "index") or not (is_id(member) or isinstance(member, int))
        }
        kinds = tools.of(call.get("function"), "/function/arguments")
        yield MessagePart(ModelLeg.TOOL_CALLS, place, value, kinds=kinds)
    call = message.get("function_call")
    if call is not None:
        kinds = tools.of(call, "/arguments")
        yield MessagePart(ModelLeg.TOOL_CALLS, (*path, "function_call"), readable_call(call), kinds=kinds)


def readable_call(call: Any) -> Any:
    """A call with its arguments as JSON where they are, so that each argument is judged by itself."""
    if not isinstance(call, dict) or not isinstance(call.get("arguments"), str):
        return call
    try:
        return {**call, "arguments": parse(call["arguments"].encode("utf-8", "surrogatepass"))}
    except Malformed:
        return call


def _content(path: Path, content: Any) -> tuple[Any, int]:
    """A message's content in a form that engines read, and the number of images and sounds in it; raises ModelRefusal."""
    if content is None or isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise wrong_member(shown(path), "must be a text or a list of parts")
    readable: list[Any] = []
    media = 0
    for index, part in enumerate(content):
        place = (*path, index)
        if isinstance(part, str):
            readable.append(part)
            continue
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise wrong_member(shown(place), "must be an object with a type")
        block = part if part["type"] in _TEXT_PARTS else _block(place, part)
        media += block is not part
        readable.append(block)
    return readable, media


def _block(path: Path, part: Mapping[str, Any]) -> dict[str, Any]:
    """An image or a sound as MCP writes it, whose bytes `guard.inspect.content` judges; raises ModelRefusal."""
    kind = part["type"]
    holder = "input_audio" if kind == "input_audio" else "image_url"
    held = part.get(holder)
    if part.get("file_id") is not None:
        # The provider could take the file that it keeps in place of the image.
        raise unsupported_member(shown(path), f"a file that the provider keeps: {_FETCHED}")
    neighbours = [{**part, holder: None}, {**held, "url": None, "data": None} if isinstance(held, dict) else None]
    if not _says_nothing(neighbours):
        text = "text stands beside an image or a sound, where nobody would inspect it; send it as a part of its own"
        raise unsupported_member(shown(path), text)
    if kind in ("image_url", "input_image"):
        url = held.get("url") if isinstance(held, dict) else held
        head, comma, data = url.partition(",") if isinstance(url, str) else ("", "", "")
        scheme, _, media_type = head.partition(":")
        if not comma or scheme.lower() != "data" or not media_type.lower().endswith(";base64"):
            raise unsupported_member(shown(path), _IMAGE)
        return {"type": "image", "data": data, "mimeType": media_type[: -len(";base64")]}
    if kind == "input_audio" and isinstance(held, dict) and isinstance(held.get("data"), str):
        return {"type": "audio", "data": held["data"], "mimeType": f"audio/{held.get('format')}"}
    raise unsupported_member(shown(path), f"a part of type {kind[:64]!r}: {_FETCHED}")


def _says_nothing(value: Any) -> bool:
    """Whether a value holds nothing but names and short words, such as `"detail": "low"`."""
    if isinstance(value, dict):
        return all(_says_nothing(name) and _says_nothing(member) for name, member in value.items())
    if isinstance(value, list):
        return all(_says_nothing(item) for item in value)
    return not isinstance(value, str) or value == "" or (len(value) <= _MAX_WORD and is_id(value))


# -- items of responses ----------------------------------------------------------------------------------------------------


def request_item(path: Path, item: Mapping[str, Any], tools: ToolKinds) -> Iterator[MessagePart]:
    """The parts of one item of the responses' kind, which are the same in requests and answers; raises ModelRefusal."""
    kind = item.get("type")
    if "role" in item and kind in (None, "message"):
        yield from _message(
            path, {name: value for name, value in item.items() if name != "type" and not _is_status(name, value)}, tools
        )
    elif kind in ("function_call", "custom_tool_call"):
        kinds = tools.of(item, "/arguments")
        yield MessagePart(ModelLeg.TOOL_CALLS, path, _without_ids(readable_call(item)), kinds=kinds)
    elif kind in ("function_call_output", "custom_tool_call_output"):
        value = _without_ids(item)
        media = 0
        if isinstance(item.get("output"), list):
            value["output"], media = _content((*path, "output"), item["output"])
        yield MessagePart(ModelLeg.TOOL_RESULTS, path, value, media)
    elif kind == "reasoning":
        value = _without_ids(item)
        # Only the provider can read it, and it refuses what it did not encrypt itself.
        if _is_encrypted(value.get("encrypted_content")):
            del value["encrypted_content"]
        yield MessagePart(ModelLeg.ANSWERS, path, value)
    else:
        shown_kind = kind[:64] if isinstance(kind, str) else "none"
        raise unsupported_member(
            shown(path), f"an item of type {shown_kind!r} is of a tool that the provider runs, or of what it keeps"
        )


def _without_ids(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in item.items()
        if name != "type" and not (name in ("id", "call_id", "status") and is_id(value))
    }


def _is_status(name: str, value: Any) -> bool:
    return name == "status" and is_id(value)


def _is_encrypted(value: Any) -> bool:
    return isinstance(value, str) and is_handle(value)


def is_id(value: Any) -> bool:
    """Whether this is one word that names something, and no text in its place."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None and len(_WORD.findall(value)) <= _MOST_WORDS


def is_finish_reason(value: Any) -> bool:
    """Whether this is one of the words that say why an answer ended."""
    return isinstance(value, str) and _FINISH_REASON.fullmatch(value) is not None


def text_size(part: MessagePart) -> int:
    """Bytes of a part as JSON, without its images and sounds."""
    size = len(dump(part.value))
    return size - sum(len(data) for data in _media(part.value)) if part.media else size


def _media(value: Any) -> Iterator[str]:
    blocks = value.get("content", value.get("output")) if isinstance(value, dict) else None
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, dict) and block.get("type") in ("image", "audio"):
            yield block["data"]


def kinds_of(parts: Sequence[MessagePart]) -> KindTree:
    """The kinds of all parts, by pointers in the document that `sparse` makes of them."""
    kinds = {f"{_pointer(part.path)}{pointer}": kind for part in parts for pointer, kind in part.kinds.items()}
    return KindTree(kinds) if kinds else EVERYTHING


def _pointer(path: Path) -> str:
    return "".join(f"/{step}" for step in path)


# -- places ---------------------------------------------------------------------------------------------------------------


def shown(path: Path) -> str:
    """A place as OpenAI's API names it: messages[0].content."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def sparse(parts: list[MessagePart]) -> Any:
    """The parts at their places in an otherwise empty document, so that findings point where the text stands."""
    document: Any = None
    for part in parts:
        document = _put(document, part.path, part.value)
    return document


def _put(document: Any, path: Path, value: Any) -> Any:
    if not path:
        return {**(document or {}), **value} if isinstance(value, dict) else value
    step, below = path[0], path[1:]
    if isinstance(step, int):
        items: list[Any] = document if isinstance(document, list) else []
        items += [None] * (step + 1 - len(items))
        items[step] = _put(items[step], below, value)
        return items
    members: dict[str, Any] = document if isinstance(document, dict) else {}
    members[step] = _put(members.get(step), below, value)
    return members


def merged(document: Any, passed: Any) -> Any:
    """`whole` with the texts that passed inspection in their places: those that were redacted differ."""
    if isinstance(document, dict) and isinstance(passed, dict):
        if document.get("type") != passed.get("type", document.get("type")):
            return document  # an image or a sound, of which nothing can be redacted
        return {name: merged(value, passed.get(name)) for name, value in document.items()}
    if isinstance(document, list) and isinstance(passed, list):
        return [merged(value, passed[index] if index < len(passed) else None) for index, value in enumerate(document)]
    if passed is None:
        return document
    return dump(passed).decode() if isinstance(document, str) and not isinstance(passed, str) else passed
