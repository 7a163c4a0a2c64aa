"""A server that has everything the conformance suite asks for, on the official SDK: the suite's package carries none.

    python tests/conformance/server.py

Written from the "Server Implementation Requirements" of the suite's own scenarios. It prints its URL as the first line
of stdout and serves both protocol eras on loopback until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError

from sandbox.mcp_server import serve
from tests.conformance.parts import (
    CONTENT,
    IMAGE,
    ROOTS,
    SCHEMA_2020_12,
    USER_CONTEXT,
    USER_NAME,
    answers,
    ask,
    done,
    elicitation,
    form,
    resource,
    said,
    sampling,
    string,
    text,
)

NAME = "ringwall-conformance"
Ctx = ServerRequestContext[Any]
Call = Callable[[Ctx, types.CallToolRequestParams], Awaitable[Any]]
BUS = InMemorySubscriptionBus()


# --- tools of both eras ------------------------------------------------------------------------------------------------


async def fails(_: Ctx, __: types.CallToolRequestParams) -> Any:
    return done(text("This tool intentionally returns an error for testing"), is_error=True)


async def logs(ctx: Ctx, _: types.CallToolRequestParams) -> Any:
    for step, line in enumerate(("Tool execution started", "Tool processing data", "Tool execution completed")):
        if step:
            await asyncio.sleep(0.05)
        await ctx.session.send_log_message("info", line, related_request_id=ctx.request_id)
    return done(text("Tool with logging executed"))


async def progresses(ctx: Ctx, _: types.CallToolRequestParams) -> Any:
    for step, progress in enumerate((0, 50, 100)):
        if step:
            await asyncio.sleep(0.05)
        await ctx.session.report_progress(progress, 100, f"step {step + 1} of 3")
    return done(text("Tool with progress executed"))


async def samples(ctx: Ctx, params: types.CallToolRequestParams) -> Any:
    question = str((params.arguments or {})["prompt"])
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=question))
    answer = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
    return done(text(f"LLM response: {getattr(answer.content, 'text', '')}"))


async def elicit(ctx: Ctx, message: str, schema: dict[str, Any]) -> str:
    answer = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return f"action={answer.action}, content={json.dumps(answer.content)}"


async def elicits(ctx: Ctx, params: types.CallToolRequestParams) -> Any:
    schema = form(username=string("User's response"), email=string("User's email address"))
    answer = await elicit(ctx, str((params.arguments or {})["message"]), schema)
    return done(text(f"User response: {answer}"))


async def elicits_defaults(ctx: Ctx, _: types.CallToolRequestParams) -> Any:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": True},
        },
    }
    return done(text(f"Elicitation completed: {await elicit(ctx, 'Please review the defaults', schema)}"))


async def elicits_enums(ctx: Ctx, _: types.CallToolRequestParams) -> Any:
    titled = [{"const": f"value{n}", "title": f"Option {n}"} for n in (1, 2, 3)]
    plain = ["option1", "option2", "option3"]
    properties = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    schema = {"type": "object", "properties": properties}
    return done(text(f"Elicitation completed: {await elicit(ctx, 'Please choose', schema)}"))


async def reconnects(ctx: Ctx, _: types.CallToolRequestParams) -> Any:
    await asyncio.sleep(0.1)  # the SDK writes the stream's priming event beside this call; closing at once may drop it
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await asyncio.sleep(0.2)
    return done(text("Reconnection test completed"))


async def echoes(_: Ctx, params: types.CallToolRequestParams) -> Any:
    return done(text(json.dumps(params.arguments or {}, sort_keys=True)))


# --- tools of 2026-07-28 -----------------------------------------------------------------------------------------------


def capabilities(ctx: Ctx) -> dict[str, Any]:
    declared = ctx.session.client_capabilities
    return declared.model_dump(by_alias=True, exclude_none=True) if declared else {}


async def needs_sampling(ctx: Ctx, _: types.CallToolRequestParams) -> Any:
    if "sampling" not in capabilities(ctx):
        required: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "the client did not declare sampling", required)
    return done(text("sampling is declared"))


async def streams_elicitation(ctx: Ctx, params: types.CallToolRequestParams) -> Any:
    await ctx.session.report_progress(1, 2)
    return await asks_name(ctx, params)


async def changes_tools(_: Ctx, __: types.CallToolRequestParams) -> Any:
    await BUS.publish(ToolsListChanged())
    return done(text("said that the tools changed"))


async def changes_prompts(_: Ctx, __: types.CallToolRequestParams) -> Any:
    await BUS.publish(PromptsListChanged())
    return done(text("said that the prompts changed"))


async def asks_name(_: Ctx, params: types.CallToolRequestParams) -> Any:
    name = said(answers(params).get("user_name"), "name")
    return ask(USER_NAME) if name is None else done(text(f"Hello, {name}!"))


async def asks_model(_: Ctx, params: types.CallToolRequestParams) -> Any:
    answer = answers(params).get("capital_question")
    if answer is None:
        return ask({"capital_question": sampling("What is the capital of France?")})
    return done(text(str((answer.get("content") or {}).get("text", ""))))


async def asks_roots(_: Ctx, params: types.CallToolRequestParams) -> Any:
    answer = answers(params).get("client_roots")
    if answer is None:
        return ask({"client_roots": ROOTS})
    return done(text("roots: " + ", ".join(root["uri"] for root in answer.get("roots", []))))


async def asks_with_state(_: Ctx, params: types.CallToolRequestParams) -> Any:
    if "confirm" not in answers(params):
        return ask({"confirm": elicitation("Please confirm", ok={"type": "boolean"})}, "confirm")
    if params.request_state != "confirm":
        raise MCPError(types.INVALID_PARAMS, "the request state is missing")
    return done(text("state-ok"))


async def asks_three(_: Ctx, params: types.CallToolRequestParams) -> Any:
    wanted = {**USER_NAME, "greeting": sampling("Generate a greeting", 50), "client_roots": ROOTS}
    missing = {key: request for key, request in wanted.items() if key not in answers(params)}
    return ask(missing, "three") if missing else done(text("all three arrived"))


async def asks_twice(_: Ctx, params: types.CallToolRequestParams) -> Any:
    given = answers(params)
    if params.request_state == "two" and "step2" in given:
        return done(text("both steps arrived"))
    if params.request_state == "one" and "step1" in given:
        return ask({"step2": elicitation("Step 2: What is your favorite color?", color=string())}, "two")
    return ask({"step1": elicitation("Step 1: What is your name?", name=string())}, "one")


async def asks_what_client_can(ctx: Ctx, params: types.CallToolRequestParams) -> Any:
    if params.input_responses:
        return done(text("answered"))
    declared = capabilities(ctx)
    wanted = {
        "elicitation": {"form": elicitation("What is your name?", name=string())},
        "sampling": {"question": sampling("What is the capital of France?")},
        "roots": {"client_roots": ROOTS},
    }
    requests = {key: one for name, one in wanted.items() if name in declared for key, one in one.items()}
    return ask(requests) if requests else done(text("the client declared nothing to ask for"))


REGION = {**string("Region to look in."), "x-mcp-header": "Region"}
TOOLS: dict[str, tuple[str, Call | None, dict[str, Any]]] = {
    "test_simple_text": ("Answers with one text.", None, {}),
    "test_image_content": ("Answers with an image.", None, {}),
    "test_audio_content": ("Answers with a sound.", None, {}),
    "test_embedded_resource": ("Answers with an embedded resource.", None, {}),
    "test_multiple_content_types": ("Answers with text, image and resource.", None, {}),
    "test_error_handling": ("Always fails.", fails, {}),
    "test_tool_with_logging": ("Logs three lines while it works.", logs, {}),
    "test_logging_tool": ("Logs three lines while it works.", logs, {}),
    "test_tool_with_progress": ("Reports progress in three steps.", progresses, {}),
    "test_sampling": ("Asks the client's model.", samples, form(prompt=string("The question."))),
    "test_elicitation": ("Asks the user.", elicits, form(message=string("The question."))),
    "test_elicitation_sep1034_defaults": ("Asks the user, with defaults.", elicits_defaults, {}),
    "test_elicitation_sep1330_enums": ("Asks the user, with every kind of enum.", elicits_enums, {}),
    "test_reconnection": ("Closes its stream while it works.", reconnects, {}),
    "json_schema_2020_12_tool": ("Takes a contact.", echoes, SCHEMA_2020_12),
    "test_custom_headers": ("Looks in one region.", echoes, form(region=REGION)),
    "test_missing_capability": ("Needs the client's sampling.", needs_sampling, {}),
    "test_streaming_elicitation": ("Reports progress, then asks the user.", streams_elicitation, {}),
    "test_trigger_tool_change": ("Says that the tools changed.", changes_tools, {}),
    "test_trigger_prompt_change": ("Says that the prompts changed.", changes_prompts, {}),
    "test_input_required_result_elicitation": ("Asks for a name.", asks_name, {}),
    "test_input_required_result_sampling": ("Asks for a capital.", asks_model, {}),
    "test_input_required_result_list_roots": ("Asks for the roots.", asks_roots, {}),
    "test_input_required_result_request_state": ("Asks for a confirmation.", asks_with_state, {}),
    "test_input_required_result_multiple_inputs": ("Asks for three things at once.", asks_three, {}),
    "test_input_required_result_multi_round": ("Asks twice.", asks_twice, {}),
    "test_input_required_result_tampered_state": ("Asks for a confirmation.", asks_with_state, {}),
    "test_input_required_result_capabilities": ("Asks what the client can answer.", asks_what_client_can, {}),
}


async def list_tools(_: Ctx, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    empty = {"type": "object", "properties": {}}
    tools = [
        {"name": name, "description": about, "inputSchema": schema or empty}
        for name, (about, _, schema) in TOOLS.items()
    ]
    return types.ListToolsResult.model_validate({"tools": tools})


async def call_tool(ctx: Ctx, params: types.CallToolRequestParams) -> Any:
    if params.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
    call = TOOLS[params.name][1]
    return done(*CONTENT[params.name]) if call is None else await call(ctx, params)


# --- resources and prompts ---------------------------------------------------------------------------------------------

RESOURCES = {
    "test://static-text": ("A text.", "text/plain"),
    "test://static-binary": ("An image.", "image/png"),
    "test://watched-resource": ("A text one can subscribe to.", "text/plain"),
}
TEMPLATE = ("test://template/", "/data")


async def list_resources(_: Ctx, __: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    found = [
        {"uri": uri, "name": uri.removeprefix("test://"), "description": about, "mimeType": mime}
        for uri, (about, mime) in RESOURCES.items()
    ]
    return types.ListResourcesResult.model_validate({"resources": found})


async def list_templates(_: Ctx, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
    one = {
        "uriTemplate": "{id}".join(TEMPLATE),
        "name": "template",
        "description": "One record.",
        "mimeType": "application/json",
    }
    return types.ListResourceTemplatesResult.model_validate({"resourceTemplates": [one]})


async def read_resource(_: Ctx, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    start, end = TEMPLATE
    if uri == "test://static-binary":
        body = {"mimeType": "image/png", "blob": IMAGE["data"]}
    elif uri in RESOURCES:
        words = "static text" if uri == "test://static-text" else "watched"
        body = {"mimeType": "text/plain", "text": f"This is the content of the {words} resource."}
    elif uri.startswith(start) and uri.endswith(end):
        id = uri[len(start) : -len(end)]
        record = {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}
        body = {"mimeType": "application/json", "text": json.dumps(record)}
    else:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    return types.ReadResourceResult.model_validate({"contents": [{"uri": uri, **body}]})


def argument(name: str, about: str) -> dict[str, Any]:
    return {"name": name, "description": about, "required": True}


PROMPTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "test_simple_prompt": ("One message.", []),
    "test_prompt_with_arguments": ("Takes two arguments.", [argument("arg1", "First."), argument("arg2", "Second.")]),
    "test_prompt_with_embedded_resource": ("Embeds a resource.", [argument("resourceUri", "Which one.")]),
    "test_prompt_with_image": ("Holds an image.", []),
    "test_input_required_result_prompt": ("Asks for its context first.", []),
}


async def list_prompts(_: Ctx, __: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    found = [{"name": name, "description": about, "arguments": args} for name, (about, args) in PROMPTS.items()]
    return types.ListPromptsResult.model_validate({"prompts": found})


async def get_prompt(_: Ctx, params: types.GetPromptRequestParams) -> Any:
    given = params.arguments or {}
    contents: list[dict[str, Any]]
    match params.name:
        case "test_simple_prompt":
            contents = [text("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            contents = [text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")]
        case "test_prompt_with_embedded_resource":
            embedded = resource(given["resourceUri"], "text/plain", "Embedded resource content for testing.")
            contents = [embedded, text("Please process the embedded resource above.")]
        case "test_prompt_with_image":
            contents = [IMAGE, text("Please analyze the image above.")]
        case "test_input_required_result_prompt":
            context = said(answers(params).get("user_context"), "context")
            if context is None:
                return ask(USER_CONTEXT)
            contents = [text(f"Use this context: {context}")]
        case _:
            raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
    messages = [{"role": "user", "content": content} for content in contents]
    return types.GetPromptResult.model_validate({"messages": messages})


async def complete(_: Ctx, params: types.CompleteRequestParams) -> types.CompleteResult:
    known = ("paris", "park", "party")
    values = [word for word in known if word.startswith(params.argument.value)]
    completion = {"values": values, "total": len(values), "hasMore": False}
    return types.CompleteResult.model_validate({"completion": completion})


async def accept(_: Ctx, __: Any) -> types.EmptyResult:
    return types.EmptyResult()


class Events(EventStore):
    """Every event of every stream, so that a client can resume after its last one."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.events.append((stream_id, message))
        return str(len(self.events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        last = int(last_event_id) if last_event_id.isdigit() else 0
        if not 0 < last <= len(self.events):
            return None
        stream = self.events[last - 1][0]
        for number, (owner, message) in enumerate(self.events[last:], last + 1):
            if owner == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def make_server() -> Server[Any]:
    """The server with every handler the suite exercises."""
    hint = CacheHint(ttl_ms=60_000, scope="public")
    methods: tuple[CacheableMethod, ...] = (
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "server/discover",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # logging is deprecated in 2026-07-28 and asked for in 2025-11-25
        server: Server[Any] = Server(
            NAME,
            version="1.0.0",
            cache_hints=dict.fromkeys(methods, hint),
            on_list_tools=list_tools,
            on_call_tool=call_tool,
            on_list_resources=list_resources,
            on_list_resource_templates=list_templates,
            on_read_resource=read_resource,
            on_subscribe_resource=accept,
            on_unsubscribe_resource=accept,
            on_subscriptions_listen=ListenHandler(BUS),
            on_list_prompts=list_prompts,
            on_get_prompt=get_prompt,
            on_completion=complete,
            on_set_logging_level=accept,
        )
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    return server


class Resumable:
    """What `serve` needs of a server, with an event store so that streams can be resumed."""

    def __init__(self, server: Server[Any]) -> None:
        self.server = server

    def streamable_http_app(self, *, host: str) -> Any:
        return self.server.streamable_http_app(event_store=Events(), retry_interval=100, host=host)


def main() -> None:
    """Serve on a free loopback port."""
    warnings.simplefilter("ignore")
    serve(Resumable(make_server()), "127.0.0.1", 0)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
